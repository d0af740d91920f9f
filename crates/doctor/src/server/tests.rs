//! A sound server, and the same one broken in one thing each.

use std::path::PathBuf;

use mailwright_net::dns::Fake;

use super::*;
use crate::{
    Check, Verdict,
    fake::{self, Host, Script},
};

pub(crate) const NOW: i64 = 1_795_500_937_042;

pub(crate) fn sound() -> Subject {
    let day = 86_400_000;
    let at = |days: i64| Timestamp::new(NOW + days * day);
    Subject {
        hostname: "mx.example".to_owned(),
        is_running: true,
        folder: Some(Folder {
            path: PathBuf::from("/data"),
            mode: 0o40700,
            owner: 7,
            user: Some(7),
            disk: Some(Disk {
                octets: 100 << 30,
                octets_free: 50 << 30,
                inodes: 1000,
                inodes_free: 900,
            }),
            free_min: 5 << 30,
        }),
        newest: Some(at(0)),
        certificates: vec![Certificate {
            name: "*".to_owned(),
            file: PathBuf::from("/cert.pem"),
            chain: Ok(vec![CertificateFacts {
                subject: "CN=mx.example".to_owned(),
                issuer: "CN=Authority".to_owned(),
                names: vec!["mx.example".to_owned()],
                begins: at(-10),
                ends: at(80),
                is_self_issued: false,
                key: "EC of 256 bits".to_owned(),
                weakness: None,
            }]),
        }],
        doors: vec![Door {
            name: "mta".to_owned(),
            address: "0.0.0.0:25".parse().unwrap(),
            service: Some(Service::Smtp),
            implicit_tls: false,
            behind_proxy: false,
        }],
        sources: Vec::new(),
        smarthost: None,
        checks_dnssec: true,
        domains: vec!["home.example".to_owned()],
        backlog: Some(Backlog { recipients: 1, blocked: 0, oldest: vec![waiting(60)] }),
        backup: Some(at(-1)),
        settings: mailwright_config::Doctor {
            outbound_domains: vec!["far.example".to_owned()],
            address_lists: vec!["list.example".to_owned()],
            domain_lists: vec!["names.example".to_owned()],
            time_servers: vec!["time.example".to_owned(), "192.0.2.124".to_owned()],
            bogus_name: "bogus.signed.example".to_owned(),
            ..mailwright_config::Doctor::default()
        },
    }
}

pub(crate) fn waiting(seconds: u64) -> Waiting {
    Waiting {
        destination: "far.example".to_owned(),
        age: Duration::from_secs(seconds),
        attempts: 3,
        reply: Some("450 4.2.0 Greylisted".to_owned()),
        is_held: false,
    }
}

/// A DNS in which all is well.
pub(crate) fn zone() -> Fake {
    let zone = Fake::new();
    let own: IpAddr = "203.0.113.7".parse().unwrap();
    zone.add_address("mx.example", own);
    zone.add_ptr(own, "mx.example");
    zone.add_mx("home.example", 10, "mx.example");
    zone.add_mx("far.example", 10, "mx.far.example");
    zone.add_address("mx.far.example", "198.51.100.1".parse().unwrap());
    zone.add_address("time.example", "192.0.2.123".parse().unwrap());
    zone.add_address("signed.example", "198.51.100.2".parse().unwrap());
    zone.set_broken("bogus.signed.example", true);
    let listed: IpAddr = "127.0.0.2".parse().unwrap();
    zone.add_address("2.0.0.127.list.example", listed);
    zone.add_address("test.names.example", listed);
    zone
}

pub(crate) fn greets() -> Host {
    Host::Plays(Script::new("220 mx ESMTP", &[]))
}

pub(crate) fn hosts() -> Vec<(&'static str, Host)> {
    vec![("127.0.0.1:25", greets()), ("198.51.100.1:25", greets())]
}

pub(crate) async fn look(
    subject: &Subject,
    zone: Fake,
    mut hosts: Vec<(&'static str, Host)>,
) -> Report {
    if !hosts.iter().any(|(at, _)| at.ends_with(":123")) {
        hosts.push(("192.0.2.123:123", Host::Tells(3)));
        hosts.push(("192.0.2.124:123", Host::Tells(-40)));
    }
    examine(&fake::world(hosts, zone, None), subject).await
}

/// The checks that speak.
fn loud(report: &Report) -> Vec<(&'static str, Verdict)> {
    let loud = |check: &&Check| check.verdict != Verdict::Right;
    report.checks().filter(loud).map(|check| (check.id, check.verdict)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_sound_server_is_silent() {
    let report = look(&sound(), zone(), hosts()).await;
    assert_eq!(loud(&report), [], "{}", report.text(true));
    assert_eq!(report.exit_code(), 0);
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/server/golden/sound.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(&golden, report.text(true)).unwrap();
    }
    assert_eq!(report.text(true), std::fs::read_to_string(golden).unwrap_or_default());
}

type Change = fn(&mut Subject);
type Zoned = fn(&Fake);
type Loud = Vec<(&'static str, Verdict)>;

#[tokio::test(start_paused = true)]
async fn each_fault_of_the_machine_speaks_alone() {
    use Verdict::{CannotKnow, Warning, Wrong};
    let cases: Vec<(&str, Change, Loud)> = vec![
        ("rights", |s| s.folder.as_mut().unwrap().mode = 0o40755, vec![("data.rights", Wrong)]),
        ("owner", |s| s.folder.as_mut().unwrap().owner = 8, vec![("data.rights", Wrong)]),
        (
            "full",
            |s| s.folder.as_mut().unwrap().disk.as_mut().unwrap().octets_free = 1 << 30,
            vec![("data.space", Wrong)],
        ),
        (
            "nearly full",
            |s| s.folder.as_mut().unwrap().disk.as_mut().unwrap().octets_free = 8 << 30,
            vec![("data.space", Warning)],
        ),
        (
            "no inodes",
            |s| s.folder.as_mut().unwrap().disk.as_mut().unwrap().inodes_free = 10,
            vec![("data.inodes", Wrong)],
        ),
        (
            "expired",
            |s| s.certificates[0].chain.as_mut().unwrap()[0].ends = Timestamp::new(NOW - 1),
            vec![("certificate.dates", Wrong)],
        ),
        (
            "other name",
            |s| s.certificates[0].chain.as_mut().unwrap()[0].names = vec!["x.example".to_owned()],
            vec![("certificate.name", Wrong)],
        ),
        (
            "unreadable",
            |s| s.certificates[0].chain = Err("permission denied".to_owned()),
            vec![("certificate.file", Wrong)],
        ),
        ("own making", |s| s.certificates.clear(), vec![("certificate.own", Warning)]),
        ("stopped", |s| s.is_running = false, vec![("server.runs", Wrong)]),
        ("no backup", |s| s.backup = None, vec![("backup", CannotKnow)]),
        ("old backup", |s| s.backup = Some(Timestamp::new(0)), vec![("backup", Warning)]),
        (
            "stuck",
            |s| s.backlog.as_mut().unwrap().oldest = vec![waiting(100_000)],
            vec![("queue.age", Warning), ("queue.stuck", Warning)],
        ),
        (
            "held",
            |s| s.backlog.as_mut().unwrap().oldest[0].is_held = true,
            vec![("queue.held", Warning)],
        ),
        ("no queue", |s| s.backlog = None, vec![("queue.age", CannotKnow)]),
    ];
    for (name, change, expected) in cases {
        let mut subject = sound();
        change(&mut subject);
        let report = look(&subject, zone(), hosts()).await;
        assert_eq!(loud(&report), expected, "{name}\n{}", report.text(false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_folder_or_a_name_speaks() {
    use Verdict::{CannotKnow, Warning, Wrong};
    let cases: Vec<(&str, Change, Loud)> = vec![
        ("no folder", |s| s.folder = None, vec![("data.folder", Wrong)]),
        (
            "half a name",
            |s| {
                s.hostname = "mx".to_owned();
                s.certificates[0].chain.as_mut().unwrap()[0].names = vec!["mx".to_owned()];
            },
            vec![("server.hostname", Wrong), ("list.address", CannotKnow)],
        ),
        (
            "a name nobody knows",
            |s| {
                s.hostname = "gone.example".to_owned();
                s.sources = vec![ip("203.0.113.7")];
                s.domains.clear();
                s.certificates[0].chain.as_mut().unwrap()[0].names =
                    vec!["gone.example".to_owned()];
            },
            vec![("server.address", Wrong), ("server.ptr", Warning)],
        ),
    ];
    for (name, change, expected) in cases {
        let mut subject = sound();
        change(&mut subject);
        let report = look(&subject, zone(), hosts()).await;
        assert_eq!(loud(&report), expected, "{name}\n{}", report.text(false));
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_fault_of_the_resolver_and_the_names_speaks_alone() {
    use Verdict::{CannotKnow, Warning, Wrong};
    let cases: Vec<(&str, Zoned, Loud)> = vec![
        (
            "lies",
            |zone| zone.add_address("mailwright-doctor-asks.invalid", ip("198.51.100.9")),
            vec![("resolver.answers", Wrong)],
        ),
        (
            "no word of what cannot exist",
            |zone| zone.set_broken("mailwright-doctor-asks.invalid", true),
            vec![("resolver.answers", CannotKnow)],
        ),
        (
            "signatures",
            |zone| {
                zone.set_broken("bogus.signed.example", false);
                zone.add_address("bogus.signed.example", ip("198.51.100.9"));
            },
            vec![("resolver.dnssec", Wrong)],
        ),
        (
            "nothing resolves",
            |zone| zone.set_broken("signed.example", true),
            vec![("resolver.dnssec", CannotKnow)],
        ),
        (
            "a name elsewhere",
            |zone| {
                zone.add_ptr(ip("198.51.100.9"), "other.example");
                zone.add_address("mx.example", ip("198.51.100.9"));
            },
            vec![("server.ptr", Wrong)],
        ),
        (
            "another MX",
            |zone| zone.add_address("second.example", ip("198.51.100.9")),
            vec![("domain.mx", Warning)],
        ),
    ];
    for (name, change, expected) in cases {
        let mut subject = sound();
        if name == "another MX" {
            subject.domains.push("second.example".to_owned());
        }
        let zone = zone();
        change(&zone);
        let report = look(&subject, zone, hosts()).await;
        assert_eq!(loud(&report), expected, "{name}\n{}", report.text(false));
    }
}

#[tokio::test(start_paused = true)]
async fn lists_are_believed_only_where_they_know_their_own_entries() {
    use Verdict::{CannotKnow, Wrong};
    let cases: Vec<(&str, Zoned, Loud)> = vec![
        (
            "listed",
            |zone| {
                zone.add_address("7.113.0.203.list.example", ip("127.0.0.4"));
                zone.add_txt("7.113.0.203.list.example", "seen at traps");
            },
            vec![("list.entry", Wrong)],
        ),
        (
            "domain listed",
            |zone| zone.add_address("home.example.names.example", ip("127.0.1.2")),
            vec![("list.entry", Wrong)],
        ),
        (
            "an answer about the question is no listing",
            |zone| zone.add_address("7.113.0.203.list.example", ip("127.255.255.254")),
            vec![("list.entry", CannotKnow)],
        ),
        (
            "a list of everything",
            |zone| {
                zone.add_address("1.0.0.127.list.example", ip("127.0.0.2"));
                zone.add_address("7.113.0.203.list.example", ip("127.0.0.2"));
            },
            vec![("list.sound", CannotKnow)],
        ),
        (
            "a list that is gone",
            |zone| zone.set_broken("2.0.0.127.list.example", true),
            vec![("list.sound", CannotKnow)],
        ),
    ];
    for (name, change, expected) in cases {
        let zone = zone();
        change(&zone);
        let report = look(&sound(), zone, hosts()).await;
        assert_eq!(loud(&report), expected, "{name}\n{}", report.text(false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_blocked_way_out_and_a_deaf_port_speak() {
    use Verdict::Wrong;
    let blocked = vec![("127.0.0.1:25", greets()), ("198.51.100.1:25", Host::Silent)];
    let report = look(&sound(), zone(), blocked).await;
    assert_eq!(loud(&report), [("out.port25", Wrong)], "{}", report.text(false));
    let refused = Host::Plays(Script::new("554 5.7.1 blocked using zen.spamhaus.org", &[]));
    let report =
        look(&sound(), zone(), vec![("127.0.0.1:25", greets()), ("198.51.100.1:25", refused)])
            .await;
    assert_eq!(loud(&report), [("out.port25", Wrong)], "{}", report.text(false));
    let report = look(&sound(), zone(), vec![("198.51.100.1:25", greets())]).await;
    assert_eq!(loud(&report), [("server.port", Wrong)], "{}", report.text(false));
    let deaf = vec![("127.0.0.1:25", Host::Mute), ("198.51.100.1:25", greets())];
    assert_eq!(loud(&look(&sound(), zone(), deaf).await), [("server.port", Wrong)]);
    let mut subject = sound();
    subject.smarthost = Some("mx.far.example:587".parse().unwrap());
    let ready = vec![("127.0.0.1:25", greets()), ("198.51.100.1:587", greets())];
    assert_eq!(loud(&look(&subject, zone(), ready).await), []);
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_judged_by_whoever_knows_the_time() {
    use Verdict::{CannotKnow, Right, Warning, Wrong};
    for (one, other, expected) in [
        (Host::Tells(100), Host::Tells(-100), Right),
        (Host::Tells(100), Host::Silent, Right),
        (Host::Tells(20_000), Host::Tells(20_100), Warning),
        (Host::Tells(-20_000), Host::Silent, Warning),
        (Host::Tells(3_600_000), Host::Tells(3_600_000), Wrong),
        (Host::Tells(-86_400_000), Host::Silent, Wrong),
        (Host::Tells(3_600_000), Host::Tells(0), CannotKnow),
        (Host::Silent, Host::Silent, CannotKnow),
        (Host::Refuses, Host::Babbles, CannotKnow),
    ] {
        let mut hosts = hosts();
        hosts.extend([("192.0.2.123:123", one), ("192.0.2.124:123", other)]);
        let report = look(&sound(), zone(), hosts).await;
        let clock = report.checks().find(|check| check.id == "clock").unwrap();
        assert_eq!(clock.verdict, expected, "{clock:?}");
    }
    // Where no time server answers, web pages tell.
    let page = |date: &str| {
        Host::Plays(Script::new(
            "",
            &[("HEAD", &format!("HTTP/1.1 301 Moved\r\nDate: {date}\r\n"))],
        ))
    };
    for (time, host, expected) in [
        ("06:15:37", page("Tue, 24 Nov 2026 06:15:37 GMT"), Right),
        ("07:15:37", page("Tue, 24 Nov 2026 07:15:37 GMT"), Wrong),
        ("no date", page("whenever"), CannotKnow),
        ("mute", Host::Mute, CannotKnow),
    ] {
        let mut hosts = hosts();
        hosts.extend([("192.0.2.123:123", Host::Silent), ("192.0.2.124:123", Host::Refuses)]);
        hosts.push(("198.51.100.1:80", host));
        let zone = zone();
        zone.add_address("far.example", ip("198.51.100.1"));
        let report = look(&sound(), zone, hosts).await;
        let clock = report.checks().find(|check| check.id == "clock").unwrap();
        assert_eq!(clock.verdict, expected, "{time}: {clock:?}");
        assert!(clock.tried.contains("web pages"), "{clock:?}");
    }
    // Without a server, what is known otherwise has to do.
    let cases: [(Change, Verdict); 3] = [
        (|_| {}, CannotKnow),
        (|s| s.newest = Some(Timestamp::new(NOW + 3_600_000)), Wrong),
        (
            |s| {
                s.certificates[0].chain.as_mut().unwrap()[0].begins =
                    Timestamp::new(NOW + 3_600_000);
            },
            Wrong,
        ),
    ];
    for (change, expected) in cases {
        let mut subject = sound();
        subject.settings.time_servers.clear();
        change(&mut subject);
        let report = look(&subject, zone(), hosts()).await;
        let clock = report.checks().find(|check| check.id == "clock").unwrap();
        assert_eq!(clock.verdict, expected, "{clock:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_smarthost_is_tried_in_place_of_other_peoples_servers() {
    let mut subject = sound();
    subject.smarthost = "smart.example:587".parse().ok();
    // A name of its own address is nothing that others ask for.
    for (host, expected) in [
        (greets(), vec![]),
        (Host::Silent, vec![("out.smarthost", Verdict::Wrong)]),
        (Host::Refuses, vec![("out.smarthost", Verdict::Wrong)]),
    ] {
        let zone = zone();
        zone.add_address("smart.example", ip("198.51.100.7"));
        zone.add_address("mx.example", ip("203.0.113.8"));
        let hosts = vec![("127.0.0.1:25", greets()), ("198.51.100.7:587", host)];
        let report = look(&subject, zone, hosts).await;
        assert_eq!(loud(&report), expected, "{}", report.text(false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_knows_nothing_at_all_is_told_of() {
    let report = look(&sound(), Fake::new(), hosts()).await;
    let said = report.checks().find(|check| check.id == "resolver.answers").unwrap();
    assert!(said.verdict == Verdict::Wrong && said.found.contains("com"), "{said:?}");
    let address = report.checks().find(|check| check.id == "server.address").unwrap();
    assert_eq!(address.verdict, Verdict::CannotKnow, "{address:?}");
}
