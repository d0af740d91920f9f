//! When who is told, and that each is told once whenever we are cut off.

use mailwright_net::{Clock, clock::Manual, dns::Fake};
use mailwright_store::authentication::{Authentication, DmarcFound, Published};

use super::*;

fn due(day: i64, domain: &str) -> Due {
    Due { kind: Kind::Tls, day, domain: domain.to_owned() }
}

#[test]
fn each_domain_has_its_moment_in_the_first_hours_of_the_next_day() {
    let next = transport::day_begins(20_001);
    let moments: Vec<Timestamp> =
        (0..50).map(|n| due(20_000, &format!("d{n}.example")).moment("mx.example")).collect();
    let end = next.plus(MARGIN).plus(SPREAD);
    assert!(moments.iter().all(|at| *at >= next.plus(MARGIN) && *at < end));
    assert!(moments.iter().any(|at| *at > next.plus(SPREAD / 2)));
    assert_eq!(moments[0], due(20_000, "d0.example").moment("mx.example"));
}

#[test]
fn a_report_has_the_same_name_as_long_as_it_says_the_same() {
    let id = due(20_000, "x.example").id("mx.example", "a");
    assert_eq!(id, due(20_000, "x.example").id("mx.example", "a"));
    assert!(id.starts_with("20000.") && id.ends_with("@mx.example"), "{id}");
    for (day, domain, contents) in
        [(20_001, "x.example", "a"), (20_000, "y.example", "a"), (20_000, "x.example", "b")]
    {
        assert_ne!(id, due(day, domain).id("mx.example", contents));
    }
}

/// A server that reports, with a day of each kind to tell of.
struct World {
    _folder: tempfile::TempDir,
    config: Config,
    dns: Arc<Fake>,
    clock: Arc<Manual>,
}

/// The day that there is something to tell of.
const DAY: i64 = 20_000;

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.hostname = "mx.home.example".to_owned();
        config.server.data = folder.path().join("data");
        config.reports.from = Some("reports@home.example".to_owned());
        (config.reports.tls, config.reports.dmarc) = (true, true);
        let dns = Fake::new();
        dns.add_txt(
            "_smtp._tls.x.example",
            "v=TLSRPTv1; rua=mailto:a@x.example,mailto:b@x.example",
        );
        dns.add_txt("_dmarc.x.example", "v=DMARC1; p=none; rua=mailto:dmarc@x.example");
        let clock = Arc::new(Manual::new(transport::day_begins(DAY + 1).plus(MARGIN + SPREAD)));
        Self { _folder: folder, config, dns: Arc::new(dns), clock }
    }

    async fn office(&self) -> Office {
        let clock: Arc<dyn Clock> = Arc::<Manual>::clone(&self.clock);
        let options = crate::office::options(&self.config);
        Office::open_with(options, self.config.clone(), clock).await.unwrap().unwrap()
    }

    /// Counts a session and a message of the day.
    async fn count(&self, office: &Office) {
        let row = transport::SessionRow {
            day: DAY,
            domain: "x.example".to_owned(),
            policy: r#"{"policy-type":"no-policy-found"}"#.to_owned(),
            host: "mx.x.example".to_owned(),
            address: "192.0.2.1".to_owned(),
            failure: String::new(),
            count: 3,
        };
        let dmarc = DmarcFound {
            domain: "x.example".to_owned(),
            record_at: Some("x.example".to_owned()),
            published: Some(Published::default()),
            ..DmarcFound::default()
        };
        let found = Authentication {
            ip: "192.0.2.1".to_owned(),
            dmarc: Some(dmarc),
            ..Authentication::default()
        };
        let count = move |tx: &mut Tx<'_>| {
            transport::count_sessions(tx, std::slice::from_ref(&row))?;
            seen::count(tx, &found, transport::day_begins(DAY))
        };
        office.store.write(Lane::Quick, count).await.unwrap();
    }

    fn desk<'a>(&self, office: &'a Office) -> Desk<'a> {
        let dns: Arc<dyn Resolver> = Arc::<Fake>::clone(&self.dns);
        Desk {
            office,
            config: office.config.now(),
            from: Address::parse("reports@home.example").unwrap(),
            web: handover::web(office, Arc::clone(&dns)).unwrap(),
            dns,
            now: office.now(),
        }
    }

    async fn round(&self, office: &Office) -> usize {
        let reporter = Reporter::new(office.clone());
        let desk = self.desk(office);
        reporter.with(Some(&desk), (transport::day(office.now()), false)).await.unwrap()
    }
}

/// Recipients of the spool, and days that are still to be told.
async fn state(office: &Office) -> (Vec<String>, usize) {
    let read = |tx: &mut Tx<'_>| {
        let to = "SELECT address FROM recipient ORDER BY address";
        let to = tx.query(to, &[], |row| row.get(0))?;
        let mut days = 0;
        for kind in Kind::ALL {
            days += kind.days(tx, i64::MAX, &(0, String::new()))?.len();
        }
        Ok((to, days))
    };
    office.store.read(read).await.unwrap()
}

const ALL: [&str; 3] = ["a@x.example", "b@x.example", "dmarc@x.example"];

#[tokio::test]
async fn a_report_goes_once_wherever_a_crash_comes() {
    for crash in 0..=3 {
        let world = World::new();
        let office = world.office().await;
        world.count(&office).await;
        // As far as it comes before the crash: some messages are in the spool, and nothing is
        // forgotten.
        let desk = world.desk(&office);
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let due = Due { kind, day: DAY, domain: "x.example".to_owned() };
            let report = desk.reports(&due).await.unwrap().remove(0);
            let places = desk.places(&due).await.unwrap();
            all.extend(places.into_iter().map(|place| (due.clone(), report.clone(), place)));
        }
        assert_eq!(all.len(), 3);
        for (due, report, place) in all.iter().take(crash) {
            let outcome = handover::hand_over(&desk, due, report, place).await;
            assert_eq!(outcome.unwrap(), Outcome::Sent);
        }
        assert_eq!((state(&office).await.0.len(), state(&office).await.1), (crash, 2));
        drop(desk);
        office.close().await;
        let office = world.office().await;
        assert_eq!(world.round(&office).await, 3 - crash, "what is left, after {crash}");
        let (to, days) = state(&office).await;
        assert_eq!((to, days), (ALL.map(str::to_owned).to_vec(), 0), "after {crash}");
        assert_eq!(world.round(&office).await, 0);
        office.close().await;
    }
}

#[tokio::test]
async fn what_two_see_at_once_goes_once() {
    let world = World::new();
    let office = world.office().await;
    world.count(&office).await;
    let desk = world.desk(&office);
    let due = Due { kind: Kind::Tls, day: DAY, domain: "x.example".to_owned() };
    let report = desk.reports(&due).await.unwrap().remove(0);
    let place = desk.places(&due).await.unwrap().remove(0);
    let hand = || handover::hand_over(&desk, &due, &report, &place);
    let (one, two) = tokio::join!(hand(), hand());
    let both = [one.unwrap(), two.unwrap()];
    assert!(both.contains(&Outcome::Sent) && both.contains(&Outcome::Before), "{both:?}");
    assert_eq!(state(&office).await.0.len(), 1);
}

#[tokio::test]
async fn who_cannot_be_found_is_told_later_and_given_up_after_days() {
    let world = World::new();
    let office = world.office().await;
    world.count(&office).await;
    world.dns.set_broken("_smtp._tls.x.example", true);
    let reporter = Reporter::new(office.clone());
    let round = async || {
        let desk = world.desk(&office);
        reporter.with(Some(&desk), (transport::day(office.now()), false)).await.unwrap()
    };
    assert_eq!((round().await, state(&office).await.1), (1, 1), "the other kind goes");
    world.clock.advance(RETRY / 2);
    assert_eq!((round().await, state(&office).await.1), (0, 1));
    world.clock.advance(Duration::from_hours(24 * 4));
    assert_eq!((round().await, state(&office).await.1), (0, 0), "it is given up");
}

#[tokio::test]
async fn a_server_of_the_web_inside_our_network_is_not_told() {
    let world = World::new();
    let office = world.office().await;
    world.count(&office).await;
    world.dns.add_address("inside.example", "127.0.0.1".parse().unwrap());
    let desk = world.desk(&office);
    let due = Due { kind: Kind::Tls, day: DAY, domain: "x.example".to_owned() };
    let report = desk.reports(&due).await.unwrap().remove(0);
    for (to, wanted) in [
        ("https://inside.example/v1", Outcome::Never),
        ("https://nowhere.example/v1", Outcome::Later),
    ] {
        let place = Place::Web(to.parse().unwrap());
        let outcome = handover::hand_over(&desk, &due, &report, &place).await.unwrap();
        assert_eq!(outcome, wanted, "{to}");
    }
}
