//! How much TLS hosts have to take: by DANE, by MTA-STS, by the message; over scripted hosts.

use std::sync::Mutex;

use mailwright_config::TlsNeed;
use mailwright_net::dns::Tlsa;
use mailwright_words::TlsWish;

use super::tests::{host, job, setup, words, zone};
use super::*;
use crate::fake::Zone;
use crate::ledger::{Failure, Session};
use crate::outcome::Later;
use crate::sts::{Mode, Policy};

/// The policy of every domain.
struct Always(Option<Mode>, &'static str);

impl Know for Always {
    fn policy<'a>(&'a self, _domain: &'a str) -> Later<'a, Known> {
        let policy = self.0.map(|mode| {
            let patterns = vec![self.1.to_owned()];
            Arc::new(Policy { mode, patterns, max_age: Duration::from_hours(1) })
        });
        Box::pin(std::future::ready(Known { policy, ..Known::default() }))
    }
}

#[derive(Debug, Default)]
struct Book(Mutex<Vec<Session>>);

impl Ledger for Book {
    fn note(&self, session: Session) {
        self.0.lock().unwrap().push(session);
    }
}

/// A host that offers STARTTLS and shows itself as `kind` says, then takes a message; its answer
/// to the second EHLO may have one more line.
fn tls(kind: &str, offers: &str) -> &'static [&'static str] {
    let script = format!(
        "S: 220 mx\nC: EHLO\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n@raw:{kind}\n\
         C: EHLO\nS: 250-mx\nS: 250 {offers}\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\n\
         S: 354 go\n@dot\nS: 250 ok"
    );
    Box::leak(Box::new([&*Box::leak(script.into_boxed_str())]))
}

const PLAIN: &[&str] = &["S: 220 mx\nC: EHLO\nS: 250 mx\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\n\
    C: DATA\nS: 354 go\n@dot\nS: 250 ok"];

fn record(usage: u8) -> Tlsa {
    Tlsa { usage, selector: 1, matching: 1, data: vec![7; 32] }
}

/// Everything about `x.example` and its server is signed.
fn signed() -> Zone {
    zone().secure(&["x.example", "mx.x.example"])
}

fn owner(port: u16) -> String {
    format!("_{port}._tcp.mx.x.example")
}

/// Tries once; the outcome, and what the row of the attempt says was asked.
async fn attempt(
    scripts: &'static [&'static str],
    zone: impl FnOnce(u16) -> Zone,
    change: impl FnOnce(&mut Setup),
    wish: TlsWish,
) -> (String, String) {
    let address = host(scripts).await;
    let mut setup = setup(zone(address.port()), address.port());
    change(&mut setup);
    let mut job = job(&["b@x.example"]);
    job.envelope.tls = wish;
    let outcomes = Deliverer::new(setup).attempt(job).await;
    let transport = outcomes[0].transport.clone().expect("a road was tried");
    (words(&outcomes).remove(0), transport.asked)
}

#[tokio::test]
async fn tlsa_records_bind() {
    let with = |usage: u8| move |port: u16| signed().tlsa(&owner(port), &[record(usage)], true);
    let unsigned = |port: u16| zone().tlsa(&owner(port), &[record(3)], false);
    for (scripts, wanted) in [
        (tls("P", "HELP"), "relayed tls"),
        (tls("T", "HELP"), "deferred 4.7.5"),
        (tls("X", "HELP"), "deferred 4.7.5"),
        (PLAIN, "deferred 4.7.5"),
    ] {
        let found = attempt(scripts, with(3), |_| {}, TlsWish::None).await;
        assert_eq!(found, (wanted.to_owned(), "dane".to_owned()));
    }
    for (scripts, wanted) in [(tls("T", "HELP"), "relayed tls"), (PLAIN, "deferred 4.7.5")] {
        let found = attempt(scripts, with(1), |_| {}, TlsWish::None).await;
        assert_eq!(found, (wanted.to_owned(), "dane-unusable".to_owned()));
    }
    let found = attempt(PLAIN, unsigned, |_| {}, TlsWish::None).await;
    assert_eq!(found, ("relayed".to_owned(), "opportunistic".to_owned()));
}

#[tokio::test]
async fn bogus_tlsa_records_make_mail_wait_and_another_host_may_have_it() {
    let bogus = |port: u16| signed().temporary(&owner(port));
    let found = attempt(tls("P", "HELP"), bogus, |_| {}, TlsWish::None).await;
    assert_eq!(found, ("deferred 4.7.5".to_owned(), "dnssec-invalid".to_owned()));
    let two = |port: u16| {
        signed()
            .temporary(&owner(port))
            .mx("x.example", &[(10, "mx.x.example"), (20, "other.x.example")])
            .address("other.x.example", "127.0.0.1")
    };
    let found = attempt(tls("T", "HELP"), two, |_| {}, TlsWish::None).await;
    assert_eq!(found, ("relayed tls".to_owned(), "opportunistic".to_owned()));
    let waived = attempt(PLAIN, bogus, |_| {}, TlsWish::Optional).await;
    assert_eq!(waived, ("relayed".to_owned(), "opportunistic".to_owned()));
}

#[tokio::test]
async fn a_policy_binds_where_dane_says_nothing() {
    let of = |mode, pattern| {
        move |setup: &mut Setup| setup.policies = Arc::new(Always(Some(mode), pattern))
    };
    let (right, wrong) = ("mx.x.example", "mx.y.example");
    for (scripts, mode, pattern, wanted, asked) in [
        (tls("V", "HELP"), Mode::Enforce, right, "relayed tls", "mta-sts"),
        (tls("T", "HELP"), Mode::Enforce, right, "deferred 4.7.5", "mta-sts"),
        (PLAIN, Mode::Enforce, right, "deferred 4.7.5", "mta-sts"),
        (tls("V", "HELP"), Mode::Enforce, wrong, "deferred 4.7.5", "validation-failure"),
        (tls("T", "HELP"), Mode::Testing, right, "relayed tls", "mta-sts-testing"),
        (PLAIN, Mode::Testing, wrong, "relayed", "mta-sts-testing"),
        (PLAIN, Mode::None, wrong, "relayed", "opportunistic"),
    ] {
        let found = attempt(scripts, |_| zone(), of(mode, pattern), TlsWish::None).await;
        assert_eq!(found, (wanted.to_owned(), asked.to_owned()), "{mode:?} {pattern}");
    }
    let dane = |port: u16| signed().tlsa(&owner(port), &[record(3)], true);
    let found = attempt(tls("P", "HELP"), dane, of(Mode::Enforce, wrong), TlsWish::None).await;
    assert_eq!(found, ("relayed tls".to_owned(), "dane".to_owned()), "DANE wins");
    let off = |setup: &mut Setup| {
        setup.policies = Arc::new(Always(Some(Mode::Enforce), wrong));
        setup.relay.mta_sts = false;
    };
    assert_eq!(attempt(PLAIN, |_| zone(), off, TlsWish::None).await.0, "relayed");
}

#[tokio::test]
async fn a_message_that_requires_tls_goes_where_that_is_sure_or_comes_back() {
    let wish = TlsWish::Required;
    for (scripts, wanted) in [
        (tls("V", "REQUIRETLS"), "relayed tls"),
        (tls("V", "HELP"), "failed 5.7.30"),
        (tls("T", "REQUIRETLS"), "deferred 4.7.5"),
        (PLAIN, "failed 5.7.30"),
    ] {
        let found = attempt(scripts, |_| signed(), |_| {}, wish).await;
        assert_eq!(found, (wanted.to_owned(), "requiretls".to_owned()));
    }
    let found = attempt(tls("V", "REQUIRETLS"), |_| zone(), |_| {}, wish).await;
    assert_eq!(found.0, "failed 5.7.30", "nothing vouches for the host");
    let sts = |setup: &mut Setup| {
        setup.policies = Arc::new(Always(Some(Mode::Enforce), "*.x.example"));
    };
    let found = attempt(tls("V", "REQUIRETLS"), |_| zone(), sts, wish).await;
    assert_eq!(found, ("relayed tls".to_owned(), "mta-sts".to_owned()));
    let two = tls("V", "HELP")[0];
    let both: &'static [&'static str] = Box::leak(Box::new([two, tls("V", "REQUIRETLS")[0]]));
    let zone = |_| {
        signed()
            .mx("x.example", &[(10, "mx.x.example"), (20, "other.x.example")])
            .address("other.x.example", "127.0.0.1")
    };
    assert_eq!(attempt(both, zone, |_| {}, wish).await.0, "relayed tls", "the next host has it");
}

#[tokio::test]
async fn a_connection_made_under_a_weaker_demand_is_another_one() {
    let plain = "S: 220 mx\nC: EHLO\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n@raw:T\n\
        C: EHLO\nS: 250 mx\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\n@dot\n\
        S: 250 ok\n@stall";
    let both: &'static [&'static str] = Box::leak(Box::new([plain, tls("V", "REQUIRETLS")[0]]));
    let address = host(both).await;
    let deliverer = Deliverer::new(setup(signed(), address.port()));
    let first = job(&["b@x.example"]);
    let mut second = first.clone();
    second.envelope.tls = TlsWish::Required;
    assert_eq!(words(&deliverer.attempt(first).await), ["relayed tls"]);
    assert_eq!(words(&deliverer.attempt(second).await), ["relayed tls"]);
}

#[tokio::test]
async fn every_session_is_told_on() {
    let book = Arc::new(Book::default());
    let dane = |port: u16| signed().tlsa(&owner(port), &[record(3)], true);
    for (scripts, failure) in [
        (tls("P", "HELP"), None),
        (tls("X", "HELP"), Some(Failure::Validation)),
        (PLAIN, Some(Failure::StarttlsNotSupported)),
    ] {
        let shared = Arc::<Book>::clone(&book);
        attempt(scripts, dane, move |setup| setup.ledger = shared, TlsWish::None).await;
        let mut noted = book.0.lock().unwrap();
        let session = noted.pop().unwrap();
        assert!(noted.is_empty());
        assert_eq!(session.policy.as_str(), "tlsa");
        assert_eq!((session.domain.as_str(), session.host.as_str()), ("x.example", "mx.x.example"));
        assert_eq!((session.address.as_str(), session.failure), ("127.0.0.1", failure));
    }
    let shared = Arc::<Book>::clone(&book);
    let change = move |setup: &mut Setup| {
        setup.ledger = shared;
        setup.policies = Arc::new(Always(Some(Mode::Testing), "mx.y.example"));
    };
    attempt(tls("T", "HELP"), |_| zone(), change, TlsWish::None).await;
    let session = book.0.lock().unwrap().pop().unwrap();
    assert_eq!((session.policy.as_str(), session.failure), ("sts", Some(Failure::Validation)));
}

#[tokio::test]
async fn a_route_may_ask_for_dane_alone() {
    let only = |setup: &mut Setup| setup.relay.tls = TlsNeed::DaneOnly;
    let dane = |port: u16| signed().tlsa(&owner(port), &[record(3)], true);
    assert_eq!(attempt(tls("P", "HELP"), dane, only, TlsWish::None).await.0, "relayed tls");
    let found = attempt(tls("V", "HELP"), |_| signed(), only, TlsWish::None).await;
    assert_eq!(found, ("deferred 4.7.5".to_owned(), "dane-required".to_owned()));
}

/// A host that offers STARTTLS and shows itself as `kind` says, and hears an envelope alone.
fn hears(kind: &str, rcpt: &str) -> &'static [&'static str] {
    let script = format!(
        "S: 220 mx\nC: EHLO\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n@raw:{kind}\n\
         C: EHLO\nS: 250 mx\nC: MAIL\nS: 250 ok\nC: RCPT\nS: {rcpt}\nC: QUIT\nS: 221 bye"
    );
    Box::leak(Box::new([&*Box::leak(script.into_boxed_str())]))
}

/// What is seen on the road to `x.example`: how many servers, then a word each.
async fn seen(
    scripts: &'static [&'static str],
    zone: impl FnOnce(u16) -> Zone,
    change: impl FnOnce(&mut Setup),
    wish: TlsWish,
) -> Vec<String> {
    let address = host(scripts).await;
    let mut setup = setup(zone(address.port()), address.port());
    change(&mut setup);
    let from = mailwright_words::ReversePath::parse("a@ours.example").unwrap();
    let to = mailwright_words::Address::parse("b@x.example").unwrap();
    let road = Deliverer::new(setup).rehearse(&from, &to, wish).await;
    road.into_iter()
        .map(|seen| match seen {
            Seen::Servers { names, set } => format!("{} {set}", names.join(",")),
            Seen::NoServer { is_temporary, .. } => format!("none {is_temporary}"),
            Seen::Policy { mode, .. } => format!("policy {}", mode.unwrap_or("-")),
            Seen::Refused { is_permanent, .. } => format!("refused {is_permanent}"),
            Seen::Asked { word, .. } => word.to_owned(),
            Seen::Opened { tls, .. } => format!("open {}", tls.is_some()),
            Seen::Fault { .. } => "fault".to_owned(),
            Seen::Said { mail, rcpt, .. } => {
                format!("{} {}", mail.code, rcpt.map_or(0, |rcpt| rcpt.code))
            }
        })
        .collect()
}

#[tokio::test]
async fn a_rehearsal_decides_as_an_attempt_and_sends_nothing() {
    let plain = |_: &mut Setup| {};
    let sts = |mode, listed| {
        move |setup: &mut Setup| setup.policies = Arc::new(Always(Some(mode), listed))
    };
    let road = seen(hears("T", "250 ok"), |_| zone(), plain, TlsWish::None).await;
    assert_eq!(road, ["mx.x.example false", "policy -", "opportunistic", "open true", "250 250"]);
    let road = seen(hears("T", "550 no"), |_| zone(), plain, TlsWish::None).await;
    assert_eq!(road.last().unwrap(), "250 550");
    let road = seen(PLAIN, |_| zone(), sts(Mode::Enforce, "other.example"), TlsWish::None).await;
    assert_eq!(road, ["mx.x.example false", "policy enforce", "refused false"]);
    let road = seen(PLAIN, |_| zone(), sts(Mode::Enforce, "mx.x.example"), TlsWish::None).await;
    assert_eq!(road, ["mx.x.example false", "policy enforce", "mta-sts", "fault"]);
    let road = seen(PLAIN, |_| zone(), plain, TlsWish::Required).await;
    assert_eq!(road, ["mx.x.example false", "policy -", "refused true"]);
    let meddled = |port| signed().temporary(&owner(port));
    let road = seen(PLAIN, meddled, plain, TlsWish::None).await;
    assert_eq!(road, ["mx.x.example false", "policy -", "refused false"]);
    let matched = |port| signed().tlsa(&owner(port), &[record(3)], true);
    let road = seen(PLAIN, matched, plain, TlsWish::None).await;
    assert_eq!(road, ["mx.x.example false", "policy -", "dane", "fault"]);
    let nobody = |_| zone().temporary("x.example");
    assert_eq!(seen(PLAIN, nobody, plain, TlsWish::None).await, ["none true"]);
}
