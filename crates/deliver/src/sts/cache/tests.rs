//! Policies over invented records, an invented web and an invented shelf.

use std::sync::atomic::{AtomicUsize, Ordering};

use mailwright_net::clock::Manual;

use super::*;
use crate::fake::Zone;
use crate::sts::Mode;

/// A web of one page, which may be changed.
#[derive(Default)]
struct Page {
    text: Mutex<Option<Result<String, WebError>>>,
    asked: AtomicUsize,
}

impl Web for Page {
    fn policy<'a>(&'a self, _domain: &'a str) -> Later<'a, Result<String, WebError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let text = self.text.lock().unwrap().clone();
        Box::pin(async move {
            match text {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }
}

#[derive(Default)]
struct Drawer(Mutex<HashMap<String, Kept>>);

impl Shelf for Drawer {
    fn load<'a>(&'a self, domain: &'a str) -> Later<'a, Option<Kept>> {
        let found = self.0.lock().unwrap().get(domain).cloned();
        Box::pin(std::future::ready(found))
    }

    fn older(&self, before: Timestamp) -> Later<'_, Vec<Kept>> {
        let all =
            self.0.lock().unwrap().values().filter(|kept| kept.fetched < before).cloned().collect();
        Box::pin(std::future::ready(all))
    }

    fn keep(&self, kept: Kept) -> Later<'_, ()> {
        self.0.lock().unwrap().insert(kept.domain.clone(), kept);
        Box::pin(std::future::ready(()))
    }
}

struct World {
    page: Arc<Page>,
    drawer: Arc<Drawer>,
    clock: Arc<Manual>,
}

const DAY: Duration = Duration::from_hours(24);

fn text(mode: &str) -> String {
    format!("version: STSv1\nmode: {mode}\nmx: mx.x.example\nmax_age: 864000\n")
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(Manual::new(Timestamp::new(1_000_000)));
        Self { page: Arc::default(), drawer: Arc::default(), clock }
    }

    fn policies(&self, zone: Zone) -> Policies {
        Policies::new(
            (Arc::new(zone), Arc::<Page>::clone(&self.page)),
            Arc::<Drawer>::clone(&self.drawer),
            Arc::<Manual>::clone(&self.clock),
            (Duration::from_secs(5), Duration::from_secs(5)),
        )
    }

    fn says(&self, answer: Result<String, WebError>) {
        *self.page.text.lock().unwrap() = Some(answer);
    }

    fn asked(&self) -> usize {
        self.page.asked.load(Ordering::Relaxed)
    }
}

fn zone(id: &str) -> Zone {
    Zone::default().txt("_mta-sts.x.example", &format!("v=STSv1; id={id};"))
}

async fn mode(policies: &Policies) -> Option<Mode> {
    policies.known("x.example").await.policy.map(|policy| policy.mode)
}

#[tokio::test]
async fn a_policy_is_fetched_once_for_each_id() {
    let world = World::new();
    world.says(Ok(text("enforce")));
    let policies = world.policies(zone("1"));
    assert_eq!(mode(&policies).await, Some(Mode::Enforce));
    assert_eq!(mode(&policies).await, Some(Mode::Enforce));
    assert_eq!(world.asked(), 1);
    world.says(Ok(text("testing")));
    let policies = world.policies(zone("2"));
    assert_eq!(mode(&policies).await, Some(Mode::Testing));
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn what_was_fetched_binds_whoever_is_in_the_way() {
    let world = World::new();
    world.says(Ok(text("enforce")));
    assert_eq!(mode(&world.policies(zone("1"))).await, Some(Mode::Enforce));
    for zone in [
        Zone::default(),
        Zone::default().temporary("_mta-sts.x.example"),
        zone("1").txt("_mta-sts.x.example", "v=STSv1; id=3"),
    ] {
        assert_eq!(mode(&world.policies(zone)).await, Some(Mode::Enforce));
    }
    for (answer, failure) in [
        (Err(WebError::Other("404".to_owned())), Failure::StsPolicyFetchError),
        (Err(WebError::Certificate("expired".to_owned())), Failure::StsWebpkiInvalid),
        (Ok("<html>".to_owned()), Failure::StsPolicyInvalid),
    ] {
        world.says(answer);
        let known = world.policies(zone("2")).known("x.example").await;
        assert_eq!(known.trouble, Some(failure));
        assert_eq!(known.policy.unwrap().mode, Mode::Enforce);
    }
    world.clock.advance(DAY * 11);
    assert_eq!(mode(&world.policies(Zone::default())).await, None, "out of date");
}

#[tokio::test]
async fn without_a_policy_a_failure_leaves_none_and_is_not_repeated_at_once() {
    let world = World::new();
    world.says(Err(WebError::Other("refused".to_owned())));
    let policies = world.policies(zone("1"));
    for _ in 0..3 {
        let known = policies.known("x.example").await;
        assert!(known.policy.is_none());
        assert_eq!(known.trouble, Some(Failure::StsPolicyFetchError));
    }
    assert_eq!(world.asked(), 1);
    world.clock.advance(RETRY * 2);
    world.says(Ok(text("enforce")));
    assert_eq!(mode(&policies).await, Some(Mode::Enforce));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_hangs_is_one_that_failed() {
    let world = World::new();
    let known = world.policies(zone("1")).known("x.example").await;
    assert_eq!(known.trouble, Some(Failure::StsPolicyFetchError));
    let hanging = Zone::default().hanging("_mta-sts.x.example");
    assert!(world.policies(hanging).known("x.example").await.policy.is_none());
}

#[tokio::test]
async fn a_policy_is_fetched_again_before_it_is_out_of_date() {
    let world = World::new();
    world.says(Ok(text("enforce")));
    let policies = world.policies(zone("1"));
    assert_eq!(mode(&policies).await, Some(Mode::Enforce));
    policies.refresh().await;
    assert_eq!(world.asked(), 1, "it is fresh");
    let before = world.drawer.load("x.example").await.unwrap().expires;
    world.clock.advance(DAY * 2);
    policies.refresh().await;
    let after = world.drawer.load("x.example").await.unwrap().expires;
    assert_eq!(after, before.plus(DAY * 2));
    world.says(Err(WebError::Other("down".to_owned())));
    world.clock.advance(DAY * 2);
    policies.refresh().await;
    assert_eq!(world.drawer.load("x.example").await.unwrap().expires, after, "nothing is lost");
}

#[tokio::test]
async fn what_cannot_be_had_now_may_be_had_another_time() {
    let world = World::new();
    let unsure = async |zone: Zone| {
        let known = world.policies(zone).known("x.example").await;
        (known.policy.is_some(), known.unsure)
    };
    assert_eq!(unsure(Zone::default()).await, (false, false), "there is none");
    assert_eq!(unsure(Zone::default().temporary("_mta-sts.x.example")).await, (false, true));
    world.says(Err(WebError::Other("500".to_owned())));
    assert_eq!(unsure(zone("1")).await, (false, true));
    world.says(Ok(text("testing")));
    assert_eq!(unsure(zone("1")).await, (true, false));
    assert_eq!(unsure(Zone::default().temporary("_mta-sts.x.example")).await, (true, false));
}

#[tokio::test(start_paused = true)]
async fn servers_that_hang_keep_no_other_policy_from_being_fetched() {
    let world = World::new();
    let fetched = world.clock.now();
    let domains: Vec<String> = (0..48).map(|number| format!("d{number}.example")).collect();
    let mut zone = Zone::default();
    for domain in &domains {
        let policy = Policy::parse(&text("enforce")).unwrap();
        let expires = fetched.plus(policy.max_age);
        let (domain, id) = (domain.clone(), "1".to_owned());
        zone = zone.txt(&format!("_mta-sts.{domain}"), "v=STSv1; id=1;");
        world.drawer.keep(Kept { domain, id, policy, fetched, expires }).await;
    }
    world.clock.advance(DAY);
    let began = tokio::time::Instant::now();
    world.policies(zone).refresh().await;
    assert_eq!(world.asked(), 48);
    assert!(began.elapsed() <= Duration::from_secs(5 * 3), "{:?}", began.elapsed());
}
