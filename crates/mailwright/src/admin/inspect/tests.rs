//! A domain whose records are right, wrong, missing, and out of reach, one at a time.

use std::sync::LazyLock;

use mailwright_config::{Service, ServiceKind, Subdomains};
use mailwright_directory::{Key, KeyState};
use mailwright_net::dns::{Fake, Srv, Tlsa};
use mailwright_words::Timestamp;

use super::demand::Met;
use super::*;
use crate::admin::records::all;

const OWNER: &str = "_25._tcp.mx.home.example";
const SERVICES: [Service; 1] = [Service { kind: ServiceKind::Imap, implicit_tls: true, port: 993 }];

static SUBDOMAINS: LazyLock<Subdomains> = LazyLock::new(|| Subdomains {
    return_path: Some("bounces".to_owned()),
    tracking: Some("links".to_owned()),
});

fn keys() -> Vec<Key> {
    let key = |selector: &str, record: &str| Key {
        domain: "home.example".to_owned(),
        selector: selector.to_owned(),
        algorithm: "rsa".to_owned(),
        state: KeyState::Active,
        record: record.to_owned(),
        created: Timestamp::new(0),
        changed: Timestamp::new(0),
    };
    vec![key("rsa-1", "v=DKIM1; k=rsa; p=AAAA"), key("ed-1", "v=DKIM1; k=ed25519; p=BBBB")]
}

fn tlsa() -> Vec<String> {
    vec![pin(1).to_string(), pin(2).to_string()]
}

fn pin(octet: u8) -> Tlsa {
    Tlsa { usage: 3, selector: 1, matching: 1, data: vec![octet; 32] }
}

fn facts<'a>(keys: &'a [Key], tlsa: &'a [String]) -> Facts<'a> {
    Facts {
        domain: "home.example",
        hostname: "mx.home.example",
        services: &SERVICES,
        keys,
        sources: &[],
        tlsa,
        policy_id: Some("20261125"),
        subdomains: &SUBDOMAINS,
        validates: true,
    }
}

/// A world in which all is right but for the names in `without`.
fn world(without: &[&str]) -> Fake {
    let dns = Fake::new();
    let address = "192.0.2.7".parse().unwrap();
    let has = |name: &str| !without.contains(&name);
    let text = |name: &str, text: &str| {
        if has(name) {
            dns.add_txt(name, text);
        }
    };
    for host in ["mx", "mta-sts", "links", "autoconfig", "autodiscover"] {
        let name = format!("{host}.home.example");
        if has(&name) {
            dns.add_address(&name, address);
        }
    }
    dns.add_ptr(address, "mx.home.example");
    if has("home.example MX") {
        dns.add_mx("home.example", 10, "mx.home.example");
    }
    if has("bounces.home.example MX") {
        dns.add_mx("bounces.home.example", 10, "mx.home.example");
    }
    text("bounces.home.example", "v=spf1 a:mx.home.example -all");
    text("home.example", "v=spf1 mx a:mx.home.example -all");
    text("mx.home.example", "v=spf1 a -all");
    text("rsa-1._domainkey.home.example", "v=DKIM1; k=rsa; p=AA AA");
    text("ed-1._domainkey.home.example", "v=DKIM1; k=ed25519; p=BBBB");
    text("_dmarc.home.example", "v=DMARC1; p=reject");
    text("_smtp._tls.home.example", "v=TLSRPTv1; rua=mailto:x@home.example");
    text("_mta-sts.home.example", "v=STSv1; id=20261125");
    let target = "mx.home.example".to_owned();
    if has(OWNER) {
        dns.add_tlsa(OWNER, pin(1));
        dns.add_tlsa(OWNER, pin(2));
        dns.set_secure(OWNER);
    }
    if has("_imaps._tcp.home.example") {
        let srv = Srv { priority: 5, weight: 7, port: 993, target };
        dns.add_srv("_imaps._tcp.home.example", srv);
    }
    dns
}

async fn inspect(dns: &Fake) -> (Vec<Finding>, Senders) {
    let (keys, tlsa) = (keys(), tlsa());
    let facts = facts(&keys, &tlsa);
    let senders = senders(dns, &facts).await;
    (findings(dns, &facts, (all(&facts), &senders)).await, senders)
}

fn bad(findings: &[Finding]) -> Vec<(&'static str, &str, State)> {
    let bad = findings.iter().filter(|finding| finding.state != State::Right);
    bad.map(|one| (one.record.purpose.as_str(), one.record.name.as_str(), one.state)).collect()
}

#[tokio::test]
async fn a_domain_that_is_set_up_as_we_say_is_right() {
    let (findings, senders) = inspect(&world(&[])).await;
    assert_eq!(bad(&findings), []);
    let demands = demands(&findings, &senders, (true, true));
    assert!(demands.iter().all(|demand| demand.met != Met::No), "{demands:#?}");
    assert_eq!(demands.iter().filter(|demand| demand.met == Met::Yes).count(), 7);
}

#[tokio::test]
async fn what_is_missing_is_said_to_be() {
    for (name, purpose) in [
        ("home.example MX", "MX"),
        ("home.example", "SPF"),
        ("mx.home.example", "SPF of the host"),
        ("rsa-1._domainkey.home.example", "DKIM"),
        ("_dmarc.home.example", "DMARC"),
        ("_smtp._tls.home.example", "TLS-RPT"),
        ("_mta-sts.home.example", "MTA-STS"),
        ("mta-sts.home.example", "MTA-STS host"),
        ("bounces.home.example MX", "return path"),
        ("bounces.home.example", "return path"),
        ("links.home.example", "tracking"),
        ("_imaps._tcp.home.example", "service"),
        ("autoconfig.home.example", "autoconfig"),
        ("autodiscover.home.example", "autodiscover"),
    ] {
        let dns = world(&[name]);
        if name == "mx.home.example" {
            // The host is there, without its record.
            dns.add_address(name, "192.0.2.7".parse().unwrap());
        }
        let (findings, _) = inspect(&dns).await;
        let found: Vec<_> =
            bad(&findings).into_iter().map(|(purpose, _, state)| (purpose, state)).collect();
        assert_eq!(found, [(purpose, State::Missing)], "{name}");
        let needed = ["MX", "SPF", "DKIM", "DMARC", "return path"].contains(&purpose);
        assert_eq!(findings.iter().any(Finding::is_trouble), needed, "{name}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_to_be_with_what_is_there() {
    for (name, text, purpose) in [
        ("home.example", "v=spf1 ip4:198.51.100.1 -all", "SPF"),
        ("rsa-1._domainkey.home.example", "v=DKIM1; k=rsa; p=CCCC", "DKIM"),
        ("rsa-1._domainkey.home.example", "v=DKIM1; p=", "DKIM"),
        ("ed-1._domainkey.home.example", "v=DKIM1; p=BBBB", "DKIM"),
        ("_dmarc.home.example", "v=DMARC1; p=later", "DMARC"),
        ("bounces.home.example", "v=spf1 -all", "return path"),
        ("_smtp._tls.home.example", "v=TLSRPTv1", "TLS-RPT"),
        ("_mta-sts.home.example", "hello", "MTA-STS"),
        ("_mta-sts.home.example", "v=STSv1; id=20261124", "MTA-STS"),
    ] {
        let dns = world(&[name]);
        dns.add_txt(name, text);
        let (findings, senders) = inspect(&dns).await;
        let wrong: Vec<_> =
            findings.iter().filter(|finding| finding.state != State::Right).collect();
        let [finding] = wrong.as_slice() else { panic!("{name}: {wrong:#?}") };
        assert_eq!((finding.state, finding.record.purpose.as_str()), (State::Wrong, purpose));
        assert!(finding.found.starts_with(text) && finding.is_trouble(), "{finding:?}");
        let demands = demands(&findings, &senders, (true, true));
        let unmet = demands.iter().any(|demand| demand.met == Met::No);
        assert_eq!(unmet, ["SPF", "DKIM", "DMARC"].contains(&purpose), "{name} {demands:#?}");
    }
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_neither_missing_nor_wrong() {
    for name in [
        "home.example",
        "rsa-1._domainkey.home.example",
        "_dmarc.home.example",
        "_smtp._tls.home.example",
        "_imaps._tcp.home.example",
        "autoconfig.home.example",
    ] {
        let dns = world(&[]);
        dns.set_broken(name, true);
        let (findings, _) = inspect(&dns).await;
        let bad = bad(&findings);
        assert!(!bad.is_empty(), "{name}");
        assert!(bad.iter().all(|(_, _, state)| *state == State::Unknown), "{name}: {bad:?}");
    }
}

#[tokio::test]
async fn a_policy_is_inherited_from_above() {
    let (keys, tlsa) = (keys(), tlsa());
    let facts = Facts { domain: "a.b.home.example", ..facts(&keys, &tlsa) };
    let dns = world(&[]);
    let senders = senders(&dns, &facts).await;
    let all = all(&facts).into_iter().filter(|record| record.purpose == Purpose::Dmarc).collect();
    let findings = findings(&dns, &facts, (all, &senders)).await;
    assert_eq!(findings[0].state, State::Right);
    assert_eq!(findings[0].found, "v=DMARC1; p=reject (of home.example)");
}

#[tokio::test]
async fn addresses_without_a_name_are_told() {
    let dns = world(&[]);
    dns.add_address("mx.home.example", "192.0.2.8".parse().unwrap());
    let (findings, senders) = inspect(&dns).await;
    assert_eq!(senders.nameless, ["192.0.2.8"]);
    let demands = demands(&findings, &senders, (false, false));
    let unmet: Vec<_> =
        demands.iter().filter(|one| one.met == Met::No).map(|one| one.what).collect();
    assert_eq!(unmet.len(), 3, "{unmet:?}");
}

#[tokio::test]
async fn a_tlsa_record_has_to_be_ours_and_signed() {
    let (keys, tlsa) = (keys(), tlsa());
    let state = async |dns: &Fake, validates: bool| {
        let facts = Facts { validates, ..facts(&keys, &tlsa) };
        let ours = |record: &Record| record.purpose == Purpose::Tlsa;
        let all = all(&facts).into_iter().filter(ours).collect();
        let findings = findings(dns, &facts, (all, &Senders::default())).await;
        findings.iter().map(|finding| finding.state).collect::<Vec<_>>()
    };
    assert_eq!(state(&world(&[]), true).await, [State::Right; 2]);
    let dns = world(&[OWNER]);
    assert_eq!(state(&dns, true).await, [State::Missing; 2]);
    dns.add_tlsa(OWNER, pin(1));
    assert_eq!(state(&dns, true).await, [State::Wrong; 2], "one is unsigned, the other not there");
    assert_eq!(state(&dns, false).await, [State::Unknown, State::Wrong]);
    dns.set_secure(OWNER);
    assert_eq!(state(&dns, true).await, [State::Right, State::Wrong]);
    dns.set_broken(OWNER, true);
    assert_eq!(state(&dns, true).await, [State::Unknown; 2]);
}
