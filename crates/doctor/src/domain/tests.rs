//! A domain that is sound, and the same one broken in one thing each.
//!
//! The texts are golden files; with `UPDATE=1` in the environment they are written anew.

use std::path::PathBuf;

use mailwright_net::dns::{Fake, Tlsa};

use super::*;
use crate::{
    Verdict,
    fake::{self, Host, Script, Seal},
    handshake::certificates,
    host::tests as hosts,
    pairs::{Base, Change},
};

/// Of RFC 8463 appendix A.2.
const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// What the TLSA record of the host says.
#[derive(Clone, Copy)]
enum Pin {
    /// Its certificate.
    Right,
    /// Another one.
    Other,
    /// A usage that is not for mail.
    Unusable,
}

/// A domain, and the world around it.
pub(crate) struct Case {
    question: Question,
    zone: Fake,
    texts: Vec<(&'static str, String)>,
    hosts: Vec<(&'static str, Host)>,
    pin: Pin,
    /// Whether there is a name below which keys are.
    has_keys: bool,
}

impl Case {
    fn new() -> Self {
        let zone = Fake::new();
        zone.add_mx("own.example", 10, "mx.own.example");
        for address in ["192.0.2.1", "2001:db8::1"] {
            let address = address.parse().unwrap();
            zone.add_address("mx.own.example", address);
            zone.add_ptr(address, "mx.own.example");
        }
        zone.set_secure("own.example");
        zone.set_secure("mx.own.example");
        zone.set_secure("_25._tcp.mx.own.example");
        let lists: Arc<dyn Fn(&str) -> bool + Send + Sync> =
            Arc::new(|host| host == "mx.own.example");
        let policy = Policy { mode: "enforce", max_age: Duration::from_hours(24 * 14), lists };
        let relay = Script::new("220 mx.own.example ESMTP", hosts::SMTP)
            .with("EHLO", "250-mx.own.example\r\n250 STARTTLS")
            .with("tls EHLO", "250 mx.own.example");
        Self {
            question: Question {
                domain: "own.example".to_owned(),
                selectors: vec!["s1".to_owned()],
                visits: true,
                thorough: false,
                lists: (Vec::new(), Vec::new()),
                policy: Announced::Policy(policy),
            },
            zone,
            texts: [
                ("own.example", "v=spf1 mx -all"),
                ("_dmarc.own.example", "v=DMARC1; p=reject; rua=mailto:d@own.example"),
                ("s1._domainkey.own.example", KEY),
                ("_mta-sts.own.example", "v=STSv1; id=1"),
                ("_smtp._tls.own.example", "v=TLSRPTv1; rua=mailto:t@own.example"),
                ("default._bimi.own.example", "v=BIMI1; l=https://own.example/logo.svg"),
            ]
            .map(|(name, text)| (name, text.to_owned()))
            .to_vec(),
            hosts: ["192.0.2.1:25", "[2001:db8::1]:25"]
                .map(|place| (place, Host::Plays(relay.clone())))
                .to_vec(),
            pin: Pin::Right,
            has_keys: true,
        }
    }

    /// Without a selector.
    fn unnamed() -> Self {
        let mut case = Self::new();
        case.question.selectors.clear();
        case
    }

    /// Another text in place of one.
    fn says(&mut self, name: &str, text: &str) {
        let found = self.texts.iter_mut().find(|(known, _)| *known == name);
        text.clone_into(&mut found.unwrap().1);
    }

    /// A policy that says otherwise.
    fn policy(&mut self, change: impl Fn(&mut Policy)) {
        if let Announced::Policy(policy) = &mut self.question.policy {
            change(policy);
        }
    }

    pub(crate) async fn look(self) -> Report {
        let seal = Seal::new(&["mx.own.example"]);
        let pem = std::fs::read_to_string(seal.folder.path().join("self-signed.crt")).unwrap();
        let data = certificates(&pem).swap_remove(0);
        let tlsa = match self.pin {
            Pin::Right => Tlsa { usage: 3, selector: 0, matching: 0, data },
            Pin::Other => Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] },
            Pin::Unusable => Tlsa { usage: 0, selector: 0, matching: 0, data },
        };
        if self.question.domain == "own.example" {
            self.zone.add_tlsa("_25._tcp.mx.own.example", tlsa);
        }
        if self.has_keys {
            // A name with something below it, and nothing of its own.
            self.zone.set_broken(&format!("_domainkey.{}", self.question.domain), false);
        }
        for (name, text) in &self.texts {
            self.zone.add_txt(name, text);
        }
        let sealed = |(at, host): (&'static str, Host)| match host {
            Host::Plays(script) => (at, Host::Plays(script.with_tls(&seal.acceptor))),
            other => (at, other),
        };
        let hosts = self.hosts.into_iter().map(sealed).collect();
        let world = fake::world(hosts, self.zone, Some(&seal));
        examine(&world, &self.question).await
    }
}

/// Each check of a domain, with what breaks its world.
pub(crate) fn cases() -> Vec<(&'static str, Base<Case>, Change<Case>)> {
    const SPF: &str = "own.example";
    const DMARC: &str = "_dmarc.own.example";
    let new: Base<Case> = Case::new;
    vec![
        ("mx.records", new, |c| c.zone.add_mx("own.example", 0, ".")),
        ("mx.double", new, |c| c.zone.add_mx("own.example", 20, "mx.own.example")),
        ("mx.host", new, |c| c.zone.set_alias("mx.own.example", "web.own.example")),
        ("spf.record", new, |c| c.texts.push((SPF, "v=spf1 -all".to_owned()))),
        ("spf.lookups", new, |c| {
            c.says(SPF, &format!("v=spf1{} -all", " a:mx.own.example".repeat(11)));
        }),
        ("spf.void", new, |c| c.says(SPF, "v=spf1 mx a:gone.example -all")),
        ("spf.others", new, |c| c.says(SPF, "v=spf1 mx +all")),
        ("spf.terms", new, |c| c.says(SPF, "v=spf1 ptr -all")),
        ("dmarc.record", new, |c| c.texts.push((DMARC, "v=DMARC1; p=none".to_owned()))),
        ("dmarc.policy", new, |c| c.says(DMARC, "v=DMARC1; p=none; rua=mailto:d@own.example")),
        ("dmarc.reports", new, |c| {
            c.says(DMARC, "v=DMARC1; p=reject; rua=mailto:d@elsewhere.example");
        }),
        ("bimi.record", new, |c| c.says("default._bimi.own.example", "v=BIMI1; l=logo.svg")),
        ("dkim.names", Case::unnamed, |c| c.has_keys = false),
        ("dkim.key", new, |c| c.says("s1._domainkey.own.example", "v=DKIM1; k=ed25519; p=")),
        ("sts.record", new, |c| c.says("_mta-sts.own.example", "v=STSv1")),
        ("sts.policy", new, |c| c.policy(|policy| policy.lists = Arc::new(|_| false))),
        ("tlsrpt.record", new, |c| c.says("_smtp._tls.own.example", "v=TLSRPTv1")),
        ("dane.records", new, |c| c.pin = Pin::Unusable),
        ("dane.match", new, |c| c.pin = Pin::Other),
    ]
}

/// Compares with `golden/NAME.txt`.
fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = path.join(format!("src/domain/golden/{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "see {}", path.display());
}

/// The checks that speak.
fn loud(report: &Report) -> Vec<(&'static str, Verdict)> {
    let loud = report.checks().filter(|check| check.verdict != Verdict::Right);
    loud.map(|check| (check.id, check.verdict)).collect()
}

/// What differs from run to run is taken out: dates, and the certificate in a TLSA record.
fn steady(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("Certificate's dates: ") {
        Some((front, _)) => format!("{front}Certificate's dates: ..."),
        None => match line.split_once(" 3082") {
            Some((front, rest)) => {
                let behind = rest.split_once("...").map_or("", |(_, behind)| behind);
                format!("{front} 3082...{behind}")
            }
            None => line.to_owned(),
        },
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[tokio::test(start_paused = true)]
async fn a_sound_domain_is_silent() {
    let report = Case::new().look().await;
    assert_eq!(loud(&report), [], "{}", report.text(true));
    assert_eq!(report.exit_code(), 0);
    golden("sound", &steady(&report.text(false)));
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_is_told_with_what_to_do() {
    let mut all = String::new();
    for (id, base, change) in cases() {
        let mut broken = base();
        change(&mut broken);
        let report = broken.look().await;
        let mut section = Section::new(format!("{id}:"));
        let loud = report.checks().filter(|check| check.verdict != Verdict::Right);
        section.checks.extend(loud.cloned());
        all.push_str(&Report::new(id, vec![section], true).text(false));
        all.push('\n');
    }
    golden("broken", &steady(&all));
}

type Weighed = (&'static str, Change<Case>, Vec<(&'static str, Verdict)>);

fn faults_of_spf() -> Vec<Weighed> {
    use Verdict::{CannotKnow, Warning, Wrong};
    vec![
        (
            "no SPF",
            |c| c.texts.retain(|(name, _)| *name != "own.example"),
            vec![("spf.record", Warning)],
        ),
        ("open SPF", |c| c.says("own.example", "v=spf1 mx"), vec![("spf.others", Warning)]),
        (
            "three names that lead nowhere",
            |c| c.says("own.example", "v=spf1 a:a.example a:b.example a:c.example -all"),
            vec![("spf.void", Wrong)],
        ),
        (
            "a circle",
            |c| c.says("own.example", "v=spf1 include:own.example -all"),
            vec![("spf.record", Wrong)],
        ),
        (
            "a name server that is down",
            |c| {
                c.zone.set_broken("late.example", true);
                c.says("own.example", "v=spf1 include:late.example -all");
            },
            vec![("spf.record", CannotKnow)],
        ),
        ("behind all", |c| c.says("own.example", "v=spf1 -all mx"), vec![("spf.terms", Warning)]),
        (
            "everybody",
            |c| c.says("own.example", "v=spf1 ip4:0.0.0.0/0 -all"),
            vec![("spf.terms", Warning)],
        ),
    ]
}

fn faults_of_others() -> Vec<Weighed> {
    use Verdict::{Warning, Wrong};
    vec![
        (
            "no DMARC",
            |c| c.texts.retain(|(name, _)| *name != "_dmarc.own.example"),
            vec![("dmarc.record", Warning)],
        ),
        (
            "DMARC on trial",
            |c| c.says("_dmarc.own.example", "v=DMARC1; p=reject; t=y"),
            vec![("dmarc.policy", Warning), ("bimi.record", Warning)],
        ),
        (
            "DMARC without sense",
            |c| c.says("_dmarc.own.example", "v=DMARC1; p=all"),
            vec![("dmarc.policy", Wrong), ("bimi.record", Warning)],
        ),
        ("no logo", |c| c.texts.retain(|(name, _)| !name.starts_with("default")), vec![]),
        (
            "a key on trial",
            |c| {
                c.says("s1._domainkey.own.example", &format!("{KEY}; t=y"));
            },
            vec![("dkim.key", Warning)],
        ),
        ("no key", |c| c.question.selectors = vec!["s2".to_owned()], vec![("dkim.key", Wrong)]),
        (
            "no MTA-STS",
            |c| {
                c.texts.retain(|(name, _)| !name.starts_with("_mta-sts"));
                c.question.policy = Announced::Nothing;
            },
            vec![],
        ),
        (
            "no policy behind it",
            |c| c.question.policy = Announced::Trouble("404".to_owned()),
            vec![("sts.policy", Wrong)],
        ),
        (
            "a policy on trial that lists nothing",
            |c| {
                c.policy(|policy| {
                    policy.mode = "testing";
                    policy.lists = Arc::new(|_| false);
                });
            },
            vec![("sts.policy", Warning)],
        ),
        (
            "a policy for an hour",
            |c| c.policy(|policy| policy.max_age = Duration::from_hours(1)),
            vec![("sts.policy", Warning)],
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn each_fault_has_its_weight() {
    for (name, change, expected) in faults_of_spf().into_iter().chain(faults_of_others()) {
        let mut case = Case::new();
        change(&mut case);
        assert_eq!(loud(&case.look().await), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_that_cannot_be_reached_are_told_from_a_network_that_lets_nobody_out() {
    use Verdict::{CannotKnow, Warning, Wrong};
    for (six, four, expected) in [
        (Host::Silent, Host::Silent, vec![("port.open", CannotKnow); 2]),
        (Host::Refuses, Host::Refuses, vec![("port.open", Wrong); 2]),
    ] {
        let mut case = Case::new();
        case.hosts = vec![("192.0.2.1:25", four), ("[2001:db8::1]:25", six)];
        assert_eq!(loud(&case.look().await), expected);
    }
    // A machine without IPv6 says nothing against a host that has it.
    let mut case = Case::new();
    case.hosts[1].1 = Host::NoRoute;
    assert_eq!(loud(&case.look().await), [("port.open", CannotKnow)]);
    // The second host is down, and the first takes the mail.
    let case = Case::new();
    case.zone.add_mx("own.example", 20, "down.own.example");
    case.zone.add_address("down.own.example", "192.0.2.9".parse().unwrap());
    case.zone.add_ptr("192.0.2.9".parse().unwrap(), "down.own.example");
    let found = loud(&case.look().await);
    assert_eq!(found, [("sts.policy", Wrong), ("port.open", Warning)]);
    let mut case = Case::new();
    case.question.visits = false;
    case.hosts.clear();
    assert_eq!(loud(&case.look().await), []);
}

#[tokio::test(start_paused = true)]
async fn a_domain_without_mail_or_without_a_name_is_told_of() {
    use Verdict::{CannotKnow, Warning, Wrong};
    let zone = |zone: &Fake| {
        zone.add_mx("null.example", 0, ".");
        zone.add_txt("null.example", "v=spf1 -all");
        zone.add_txt("_dmarc.null.example", "v=DMARC1; p=reject");
        zone.add_address("web.example", "192.0.2.1".parse().unwrap());
        zone.add_mx("private.example", 10, "mx.private.example");
        zone.add_address("mx.private.example", "10.0.0.1".parse().unwrap());
        zone.add_mx("number.example", 10, "192.0.2.1");
        zone.add_mx("gone.example", 10, "mx.gone.example");
        zone.set_broken("late.example", true);
    };
    // In a network that is walled in, no name is known, and nothing can be said of one.
    let mut case = Case::unnamed();
    (case.zone, case.has_keys) = (Fake::new(), false);
    case.texts.clear();
    case.question.domain = "own.test".to_owned();
    let report = case.look().await;
    assert_eq!((loud(&report), report.exit_code()), (vec![("mx.records", CannotKnow)], 2));
    for (domain, first, code) in [
        ("null.example", None, 0),
        ("none.example", Some(("mx.records", Wrong)), 1),
        ("web.example", Some(("mx.records", Warning)), 0),
        ("private.example", Some(("mx.host", CannotKnow)), 0),
        ("number.example", Some(("mx.records", Wrong)), 1),
        ("gone.example", Some(("mx.host", Wrong)), 1),
        ("late.example", Some(("mx.records", CannotKnow)), 2),
    ] {
        let mut case = Case::unnamed();
        zone(&case.zone);
        case.question.domain = domain.to_owned();
        case.question.policy = Announced::Nothing;
        case.question.visits = false;
        let report = case.look().await;
        assert_eq!(loud(&report).first().copied(), first, "{domain}: {}", report.text(false));
        assert_eq!(report.exit_code(), code, "{domain}");
    }
}
