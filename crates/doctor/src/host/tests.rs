//! Hosts that are broken in one thing beside one that is sound, and what people are told.
//!
//! The texts are golden files; with `UPDATE=1` in the environment they are written anew.

use std::path::PathBuf;

use mailwright_net::dns::Fake;
use mailwright_sasl::Secret;

use super::*;
use crate::{
    Scheme, Verdict,
    fake::{self, Host, Script, Seal},
};

pub(crate) const SMTP: &[(&str, &str)] = &[
    ("EHLO", "250-mx.example\r\n250-STARTTLS\r\n250 PIPELINING"),
    ("tls EHLO", "250-mx.example\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN"),
    ("STARTTLS", "220 2.0.0 Go"),
    ("AUTH PLAIN", "235 2.7.0 In"),
    ("MAIL", "250 2.1.0 Ok"),
    ("RCPT TO:<ann@", "250 2.1.5 Ok"),
    ("RCPT", "550 5.1.1 No such mailbox"),
    ("QUIT", "221 2.0.0 Bye"),
];

const IMAP: &[(&str, &str)] = &[
    ("CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n{tag} OK done"),
    ("tls CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n{tag} OK done"),
    ("STARTTLS", "{tag} OK go"),
    ("AUTHENTICATE PLAIN", "+ "),
    ("LOGOUT", "* BYE"),
];

const POP3: &[(&str, &str)] = &[
    ("CAPA", "+OK\r\nSTLS\r\n."),
    ("tls CAPA", "+OK\r\nSASL PLAIN\r\nUSER\r\n."),
    ("STLS", "+OK go"),
    ("QUIT", "+OK bye"),
];

pub(crate) fn smtp() -> Script {
    Script::new("220 mx.example ESMTP", SMTP)
}

pub(crate) fn question(service: Service, place: &str) -> Question {
    Question {
        place: place.parse().unwrap(),
        service,
        credentials: None,
        envelope: None,
        tls_name: None,
        thorough: false,
    }
}

struct Room {
    seal: Seal,
    hosts: Vec<(&'static str, Host)>,
}

impl Room {
    fn new() -> Self {
        Self { seal: Seal::new(&["mx.example"]), hosts: Vec::new() }
    }

    fn host(mut self, at: &'static str, script: Script) -> Self {
        self.hosts.push((at, Host::Plays(script.with_tls(&self.seal.acceptor))));
        self
    }

    fn other(mut self, at: &'static str, host: Host) -> Self {
        self.hosts.push((at, host));
        self
    }

    async fn look(self, question: &Question) -> Report {
        let zone = Fake::new();
        zone.add_address("mx.example", "192.0.2.1".parse().unwrap());
        zone.add_address("two.example", "2001:db8::1".parse().unwrap());
        zone.add_address("two.example", "192.0.2.1".parse().unwrap());
        zone.add_mx("mail.example", 10, "mx.example");
        zone.add_ptr("192.0.2.1".parse().unwrap(), "mx.example");
        zone.add_ptr("2001:db8::1".parse().unwrap(), "two.example");
        zone.set_broken("broken.example", true);
        let world = fake::world(self.hosts, zone, Some(&self.seal));
        examine(&world, question).await
    }
}

/// The checks that speak.
fn loud(report: &Report) -> Vec<(&'static str, Verdict)> {
    let loud = report.checks().filter(|check| check.verdict != Verdict::Right);
    loud.map(|check| (check.id, check.verdict)).collect()
}

/// Compares with `golden/NAME.txt`.
fn golden(name: &str, text: &str) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/host/golden/{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "see {}", path.display());
}

async fn at_587(script: Script) -> Report {
    Room::new().host("192.0.2.1:587", script).look(&question(Service::Smtp, "mx.example:587")).await
}

#[tokio::test(start_paused = true)]
async fn a_sound_submission_port_is_silent() {
    let report = at_587(smtp()).await;
    assert_eq!(loud(&report), []);
    assert_eq!(report.exit_code(), 0);
    golden("smtp-sound", &report.text(true));
}

#[tokio::test(start_paused = true)]
async fn each_thing_that_is_broken_speaks_alone() {
    use Verdict::{Warning, Wrong};
    let bare = ("EHLO", "250-mx.example\r\n250 PIPELINING");
    for (name, script, expected) in [
        ("asterisks", Script::new("220 ****************", SMTP), vec![("smtp.greeting", Wrong)]),
        (
            "crossed-out",
            smtp().with("EHLO", "250-mx.example\r\n250-XXXXXXXA\r\n250 PIPELINING"),
            vec![("smtp.stripped", Wrong), ("smtp.starttls", Wrong)],
        ),
        ("stripped", smtp().with(bare.0, bare.1), vec![("smtp.starttls", Wrong)]),
        (
            "no-tls",
            smtp().with(bare.0, bare.1).with("STARTTLS", "502 5.5.1 No"),
            vec![("smtp.starttls", Wrong), ("smtp.auth", Warning)],
        ),
        (
            "broken-tls",
            smtp().with("STARTTLS", "454 4.7.0 TLS is not available"),
            vec![("smtp.starttls", Wrong), ("smtp.auth", Warning)],
        ),
        ("no-logins", smtp().with("tls EHLO", "250 mx.example"), vec![("smtp.auth", Warning)]),
        (
            "helo-only",
            smtp().with("EHLO", "502 5.5.1 No").with("HELO", "250 mx.example"),
            vec![("smtp.ehlo", Wrong)],
        ),
        (
            "two-names",
            smtp().with("EHLO", "250-filter.scanner.test\r\n250 STARTTLS"),
            vec![("smtp.names", Warning)],
        ),
        ("ssh", Script::new("SSH-2.0-OpenSSH_9.6", &[]), vec![("smtp.greeting", Wrong)]),
        (
            "blocked",
            Script::new("554 5.7.1 Your address is on our block list, see spamhaus zen", &[]),
            vec![("smtp.greeting", Wrong)],
        ),
    ] {
        let report = at_587(script).await;
        assert_eq!(loud(&report), expected, "{name}\n{}", report.text(true));
        golden(&format!("smtp-{name}"), &report.text(false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_that_says_nothing_is_told_from_one_that_wants_tls() {
    let asked = question(Service::Smtp, "mx.example:10465");
    let report = Room::new().other("192.0.2.1:10465", Host::Mute).look(&asked).await;
    assert_eq!(loud(&report), [("smtp.greeting", Verdict::Wrong)]);
    assert_eq!(report.exit_code(), 1);
    golden("smtp-mute", &report.text(false));
    let script = Script { implicit: true, ..smtp() };
    let report = Room::new().host("192.0.2.1:10465", script).look(&asked).await;
    assert_eq!(loud(&report), [], "{}", report.text(true));
}

#[tokio::test(start_paused = true)]
async fn addresses_that_fail_are_told_with_those_that_work() {
    let asked = question(Service::Smtp, "two.example:25");
    let name = Question { tls_name: Some("mx.example".to_owned()), ..asked.clone() };
    let sound = || smtp().with("tls EHLO", "250 mx.example");
    for (host, verdict) in [
        (Host::Silent, Verdict::Warning),
        (Host::Refuses, Verdict::Warning),
        (Host::NoRoute, Verdict::CannotKnow),
    ] {
        let room = Room::new().host("192.0.2.1:25", sound()).other("[2001:db8::1]:25", host);
        let report = room.look(&name).await;
        assert_eq!(loud(&report), [("port.open", verdict)], "{}", report.text(false));
    }
    let room =
        Room::new().other("192.0.2.1:25", Host::Silent).other("[2001:db8::1]:25", Host::Silent);
    let report = room.look(&asked).await;
    assert_eq!(loud(&report), [("port.open", Verdict::Wrong); 2]);
}

#[tokio::test(start_paused = true)]
async fn all_ports_together_tell_a_blocked_one() {
    let asked = question(Service::Smtp, "mx.example");
    let implicit = || Script { implicit: true, ..smtp() };
    let room = Room::new()
        .other("192.0.2.1:25", Host::Silent)
        .host("192.0.2.1:465", implicit())
        .host("192.0.2.1:587", smtp());
    let report = room.look(&asked).await;
    let worst: Vec<_> = loud(&report);
    assert_eq!(
        worst,
        [
            ("port.open", Verdict::CannotKnow),
            ("port.open", Verdict::CannotKnow),
            ("ports.relay", Verdict::Warning)
        ]
    );
    golden("smtp-blocked-25", &report.text(false));
    let room = Room::new()
        .host("192.0.2.1:25", smtp().with("tls EHLO", "250 mx.example"))
        .host("192.0.2.1:465", implicit())
        .host("192.0.2.1:587", smtp())
        .host("192.0.2.1:2525", smtp());
    assert_eq!(loud(&room.look(&asked).await), []);
    let plain_on_465 = Room::new().host("192.0.2.1:465", smtp());
    let report = plain_on_465.look(&question(Service::Smtp, "mx.example:465")).await;
    assert_eq!(loud(&report), [("tls.version", Verdict::Wrong)]);
    golden("smtp-plain-465", &report.text(false));
}

#[tokio::test(start_paused = true)]
async fn names_that_lead_nowhere_are_told_apart() {
    for (name, verdict, code) in [
        ("none.example", Verdict::Wrong, 1),
        ("mail.example", Verdict::Wrong, 1),
        ("broken.example", Verdict::CannotKnow, 2),
    ] {
        let report = Room::new().look(&question(Service::Smtp, name)).await;
        assert_eq!(loud(&report), [("host.addresses", verdict)], "{name}");
        assert_eq!(report.exit_code(), code, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_and_an_envelope_are_tried_and_nothing_is_sent() {
    let credentials = Credentials {
        user: "ann@mail.example".to_owned(),
        password: Secret::new("sesame"),
        scheme: Scheme::Best,
        anywhere: false,
    };
    let envelope = |to: &str| {
        Some((ReversePath::parse("me@client.example").unwrap(), vec![Address::parse(to).unwrap()]))
    };
    let asked = Question {
        credentials: Some(credentials),
        envelope: envelope("ann@mail.example"),
        ..question(Service::Smtp, "mx.example:587")
    };
    let report = Room::new().host("192.0.2.1:587", smtp()).look(&asked).await;
    assert_eq!(loud(&report), []);
    golden("smtp-login", &report.text(true));
    assert!(!report.text(true).contains("sesame") && !report.text(true).contains("c2VzYW1l"));
    let refused = smtp().with("AUTH PLAIN", "535 5.7.8 Wrong");
    let report = Room::new().host("192.0.2.1:587", refused).look(&asked).await;
    assert_eq!(loud(&report), [("login", Verdict::Wrong)]);
    let stranger = Question { envelope: envelope("eve@mail.example"), ..asked };
    let report = Room::new().host("192.0.2.1:587", smtp()).look(&stranger).await;
    assert_eq!(loud(&report), [("smtp.rcpt", Verdict::Wrong)]);
    golden("smtp-refused-recipient", &report.text(false));
    let blocked = smtp().with("MAIL", "550 5.7.1 Not from there");
    let report = Room::new().host("192.0.2.1:587", blocked).look(&stranger).await;
    assert_eq!(loud(&report), [("smtp.mail", Verdict::Wrong)]);
}

#[tokio::test(start_paused = true)]
async fn a_password_is_not_shown_to_a_host_that_is_not_believed() {
    let credentials = Credentials {
        user: "ann".to_owned(),
        password: Secret::new("sesame"),
        scheme: Scheme::Best,
        anywhere: false,
    };
    let asked = Question {
        credentials: Some(credentials),
        tls_name: Some("other.example".to_owned()),
        ..question(Service::Smtp, "mx.example:587")
    };
    let report = Room::new().host("192.0.2.1:587", smtp()).look(&asked).await;
    assert_eq!(loud(&report), [("tls.name", Verdict::Wrong), ("login", Verdict::CannotKnow)]);
    assert!(!report.text(true).contains("AUTH PLAIN ***"), "{}", report.text(true));
}

pub(crate) fn imap() -> Script {
    Script { tagged: true, ..Script::new("* OK ready", IMAP) }
}

#[tokio::test(start_paused = true)]
async fn ports_to_read_from_are_looked_at_in_the_same_way() {
    let asked = question(Service::Imap, "mx.example:143");
    let report = Room::new().host("192.0.2.1:143", imap()).look(&asked).await;
    assert_eq!(loud(&report), []);
    golden("imap-sound", &report.text(true));
    for (name, script, expected) in [
        (
            "stripped",
            imap().with("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n{tag} OK done"),
            vec![("reading.starttls", Verdict::Wrong)],
        ),
        (
            "no-tls",
            imap()
                .with("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n{tag} OK done")
                .with("STARTTLS", "{tag} BAD what"),
            vec![("reading.starttls", Verdict::Wrong), ("reading.auth", Verdict::Warning)],
        ),
        (
            "turned-away",
            Script { tagged: true, ..Script::new("* BYE too many connections", &[]) },
            vec![("reading.greeting", Verdict::Wrong)],
        ),
    ] {
        let report = Room::new().host("192.0.2.1:143", script).look(&asked).await;
        assert_eq!(loud(&report), expected, "{name}\n{}", report.text(true));
        golden(&format!("imap-{name}"), &report.text(false));
    }
    let asked = question(Service::Pop3, "mx.example:110");
    let pop3 = Script::new("+OK ready", POP3);
    let report = Room::new().host("192.0.2.1:110", pop3).look(&asked).await;
    assert_eq!(loud(&report), [], "{}", report.text(true));
    golden("pop3-sound", &report.text(true));
}

#[tokio::test(start_paused = true)]
async fn logins_to_read_are_tried() {
    let credentials = Credentials {
        user: "ann".to_owned(),
        password: Secret::new("sesame"),
        scheme: Scheme::Best,
        anywhere: false,
    };
    let asked = Question {
        credentials: Some(credentials.clone()),
        ..question(Service::Imap, "mx.example:143")
    };
    for (answer, expected) in
        [("{tag} OK in", vec![]), ("{tag} NO wrong", vec![("login", Verdict::Wrong)])]
    {
        // The answer to the initial response carries the tag of AUTHENTICATE.
        let answer = answer.replace("{tag}", "l");
        let script = Script { tagged: false, ..imap() }
            .with("d1 CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nd1 OK done")
            .with("d2 STARTTLS", "d2 OK go")
            .with("d3 CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nd3 OK done")
            .with("l AUTHENTICATE PLAIN", "+ ")
            .with("AGFubgBzZXNhbWU=", &answer);
        let report = Room::new().host("192.0.2.1:143", script).look(&asked).await;
        assert_eq!(loud(&report), expected, "{}", report.text(true));
        assert!(!report.text(true).contains("AGFub"), "no secret is shown");
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_without_sasl_are_logged_in_to_by_the_older_commands() {
    let credentials = |password: &str| Credentials {
        user: "ann".to_owned(),
        password: Secret::new(password),
        scheme: Scheme::Best,
        anywhere: false,
    };
    let asked = |service, place: &str, password: &str| Question {
        credentials: Some(credentials(password)),
        ..question(service, place)
    };
    for (password, expected) in [
        ("se\"same", vec![]),
        ("wrong", vec![("login", Verdict::Wrong)]),
        ("\u{e4}", vec![("login", Verdict::CannotKnow)]),
    ] {
        let script = Script { tagged: false, ..imap() }
            .with("d1 CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nd1 OK done")
            .with("d2 STARTTLS", "d2 OK go")
            .with("d3 CAPABILITY", "* CAPABILITY IMAP4rev1\r\nd3 OK done")
            .with("l LOGIN", "l NO wrong")
            .with("l LOGIN \"ann\" \"se\\\"same\"", "* CAPABILITY IMAP4rev1\r\nl OK in");
        let asked = asked(Service::Imap, "mx.example:143", password);
        let report = Room::new().host("192.0.2.1:143", script).look(&asked).await;
        assert_eq!(loud(&report), expected, "{}", report.text(true));
        assert!(!report.text(true).contains("same"), "no secret is shown");
    }
    for (password, expected) in [("sesame", vec![]), ("wrong", vec![("login", Verdict::Wrong)])] {
        let script = Script::new("+OK ready", POP3)
            .with("tls CAPA", "+OK\r\nUSER\r\n.")
            .with("USER ann", "+OK")
            .with("PASS", "-ERR wrong")
            .with("PASS sesame", "+OK in");
        let asked = asked(Service::Pop3, "mx.example:110", password);
        let report = Room::new().host("192.0.2.1:110", script).look(&asked).await;
        assert_eq!(loud(&report), expected, "{}", report.text(true));
        assert!(!report.text(true).contains("sesame"), "no secret is shown");
    }
    // Where others could read it, the password stays here.
    let script = Script { tagged: true, ..imap() }
        .with("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n{tag} OK done")
        .with("STARTTLS", "{tag} BAD what");
    let asked = asked(Service::Imap, "mx.example:143", "sesame");
    let report = Room::new().host("192.0.2.1:143", script).look(&asked).await;
    assert!(loud(&report).contains(&("login", Verdict::CannotKnow)), "{}", report.text(true));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_never_comes_to_an_end_is_left() {
    // Each answer comes in time, and none is the last.
    let endless = "* OK still here\r\n".repeat(400);
    let script = Script { tagged: true, ..imap() }.with("CAPABILITY", &endless);
    let asked = question(Service::Imap, "mx.example:143");
    let report = Room::new().host("192.0.2.1:143", script).look(&asked).await;
    assert!(report.checks().any(|check| check.id == "reading.greeting"), "{}", report.text(true));
}
