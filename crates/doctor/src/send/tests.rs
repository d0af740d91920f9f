//! Orders against scripted hosts: each phase that fails is told apart.

use mailwright_net::dns::Fake;
use mailwright_sasl::{Mechanism, Secret};
use mailwright_words::{Address, Recipient, ReversePath};

use super::*;
use crate::{
    Scheme,
    fake::{Host, Script, Seal, world},
};

const ANSWERS: &[(&str, &str)] = &[
    ("EHLO", "250-mx.example\r\n250-STARTTLS\r\n250 PIPELINING"),
    ("tls EHLO", "250-mx.example\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN"),
    ("STARTTLS", "220 2.0.0 Go"),
    ("AUTH PLAIN", "235 2.7.0 In"),
    ("MAIL", "250 2.1.0 Ok"),
    ("RCPT", "250 2.1.5 Ok"),
    ("DATA", "354 Go"),
    (".", "250 2.0.0 Taken"),
    ("QUIT", "221 2.0.0 Bye"),
];

fn order(to: &[&str]) -> Order {
    let recipients = to.iter().map(|to| Recipient::new(Address::parse(to).unwrap())).collect();
    let from = ReversePath::parse("ann@client.example").unwrap();
    Order {
        target: Target::Server("mx.example".parse().unwrap()),
        port: 25,
        tls: Tls::Opportunistic,
        verify: false,
        tls_name: None,
        lmtp: false,
        habits: Habits::default(),
        proxy: None,
        xclient: Vec::new(),
        xclient_first: false,
        xclient_optional: false,
        credentials: None,
        login_optional: false,
        envelope: Envelope::new(from, recipients),
        message: b"Subject: x\r\n\r\n.x\r\n".to_vec(),
        stop: None,
        leave: Leave::Quit,
    }
}

fn credentials() -> Credentials {
    Credentials {
        user: "ann".to_owned(),
        password: Secret::new("sesame"),
        scheme: Scheme::Best,
        anywhere: false,
    }
}

fn zone() -> Fake {
    let zone = Fake::new();
    zone.add_address("mx.example", "192.0.2.1".parse().unwrap());
    zone.add_mx("example.com", 20, "mx.example");
    zone.add_mx("example.com", 10, "down.example");
    zone.add_address("down.example", "192.0.2.2".parse().unwrap());
    zone.add_mx("null.example", 0, ".");
    zone
}

async fn outcome(script: Script, order: &Order) -> Sent {
    let seal = Seal::new(&["mx.example"]);
    let script = script.with_tls(&seal.acceptor);
    let world = world(vec![("192.0.2.1:25", Host::Plays(script))], zone(), Some(&seal));
    send(&world, order, None).await
}

fn sound() -> Script {
    Script::new("220 mx.example ESMTP", ANSWERS)
}

#[tokio::test(start_paused = true)]
async fn a_message_arrives_and_every_line_is_seen() {
    let seal = Seal::new(&["mx.example"]);
    let script = sound().with_tls(&seal.acceptor);
    let world = world(vec![("192.0.2.1:25", Host::Plays(script))], zone(), Some(&seal));
    let mut lines = Vec::new();
    let watch: Watch<'_> = Box::new(|line| lines.push(line.to_owned()));
    let order = Order { credentials: Some(credentials()), verify: true, ..order(&["b@x.example"]) };
    let sent = send(&world, &order, Some(watch)).await;
    assert_eq!((sent.exit_code(), &sent.trouble), (0, &None));
    assert_eq!(sent.recipients.len(), 1);
    assert!(sent.recipients[0].taken);
    assert_eq!(sent.trust, Some(Ok(())));
    assert_eq!(sent.login, Some("PLAIN"));
    assert_eq!(lines.join("\n"), sent.conversation.trim_end());
    assert!(sent.conversation.contains("C: AUTH PLAIN ***\n"), "{}", sent.conversation);
    assert!(!sent.conversation.contains("c2VzYW1l"), "no password is shown");
    assert!(sent.conversation.ends_with("C: QUIT\nS: 221 2.0.0 Bye\n"), "{}", sent.conversation);
}

#[tokio::test(start_paused = true)]
async fn each_phase_fails_with_a_code_of_its_own() {
    let plain = "250-mx.example\r\n250 AUTH PLAIN";
    for (line, answer, phase) in [
        ("EHLO", "421 4.3.2 Not now", Phase::Ehlo),
        ("STARTTLS", "454 4.7.0 Not now", Phase::Tls),
        ("AUTH PLAIN", "535 5.7.8 No", Phase::Auth),
        ("tls EHLO", "250 mx.example", Phase::Auth),
        ("EHLO", plain, Phase::Auth),
        ("MAIL", "550 5.1.8 No", Phase::Mail),
        ("RCPT", "550 5.1.1 No", Phase::Rcpt),
        (".", "550 5.7.1 No", Phase::Data),
        ("DATA", "@close", Phase::Data),
        ("MAIL", "@hang", Phase::Mail),
    ] {
        let order = Order { credentials: Some(credentials()), ..order(&["b@x.example"]) };
        let sent = outcome(sound().with(line, answer), &order).await;
        let trouble = sent.trouble.clone().unwrap();
        assert_eq!(trouble.phase, phase, "{line} {answer}: {trouble:?}\n{}", sent.conversation);
        assert_eq!(sent.exit_code(), phase.exit_code());
    }
    let sent =
        outcome(Script::new("HTTP/1.1 400 Bad Request", &[]), &order(&["b@x.example"])).await;
    let trouble = sent.trouble.unwrap();
    assert_eq!(trouble.phase, Phase::Connect);
    assert!(trouble.reason.contains("HTTP/1.1 400"), "{trouble:?}");
}

#[tokio::test(start_paused = true)]
async fn it_ends_where_it_is_told_to() {
    for (stop, last) in [
        (Phase::Connect, "S: 220 mx.example ESMTP"),
        (Phase::Ehlo, "C: EHLO doctor.example"),
        (Phase::Tls, "*  TLSv1.3"),
        (Phase::Auth, "C: AUTH PLAIN"),
        (Phase::Mail, "C: MAIL"),
        (Phase::Rcpt, "C: RCPT"),
        (Phase::Data, "S: 354"),
    ] {
        let order =
            Order { stop: Some(stop), credentials: Some(credentials()), ..order(&["b@x.example"]) };
        let sent = outcome(sound(), &order).await;
        assert_eq!(sent.trouble, None, "{stop:?}");
        let text = &sent.conversation;
        assert!(text.contains(last), "{stop:?}: {text}");
        let said = [
            (Phase::Ehlo, "EHLO"),
            (Phase::Tls, "STARTTLS"),
            (Phase::Auth, "AUTH"),
            (Phase::Mail, "MAIL"),
            (Phase::Rcpt, "RCPT"),
            (Phase::Data, "DATA"),
        ];
        for (phase, word) in said {
            let is_said = text.contains(&format!("C: {word}"));
            assert_eq!(is_said, phase <= stop, "{word} {stop:?}: {text}");
        }
        assert!(!text.contains("octets of message sent"), "{stop:?}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_is_found_by_its_domain() {
    let seal = Seal::new(&["mx.example"]);
    let script = sound().with_tls(&seal.acceptor);
    let world = world(vec![("192.0.2.1:25", Host::Plays(script))], zone(), Some(&seal));
    let to =
        |domain: &str| Order { target: Target::Mx(domain.to_owned()), ..order(&["b@x.example"]) };
    let sent = send(&world, &to("example.com"), None).await;
    assert_eq!((sent.exit_code(), sent.host.as_str()), (0, "mx.example"));
    for (domain, word) in [("null.example", "takes no mail"), ("none.example", "no domain")] {
        let trouble = send(&world, &to(domain), None).await.trouble.unwrap();
        assert_eq!(trouble.phase, Phase::Connect);
        assert!(trouble.reason.contains(word), "{trouble:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_a_good_certificate_gets_one_or_nothing() {
    let wanted = Order { verify: true, ..order(&["b@x.example"]) };
    let sent = outcome(sound(), &wanted).await;
    assert_eq!(sent.exit_code(), 0, "{:?}", sent.trouble);
    let other = Order { tls_name: Some("other.example".to_owned()), ..wanted.clone() };
    let sent = outcome(sound(), &other).await;
    assert_eq!(sent.exit_code(), Phase::Tls.exit_code(), "{:?}", sent.trouble);
    let sent = outcome(sound().with("EHLO", "250 mx.example"), &wanted).await;
    assert_eq!(sent.exit_code(), Phase::Tls.exit_code(), "{:?}", sent.trouble);
    assert!(!sent.conversation.contains("MAIL"), "{}", sent.conversation);
}

#[tokio::test(start_paused = true)]
async fn a_named_mechanism_is_tried_even_where_it_is_not_offered() {
    let only = Credentials { scheme: Scheme::Only(Mechanism::Login), ..credentials() };
    let order = Order { credentials: Some(only), ..order(&["b@x.example"]) };
    let script = sound().with("tls EHLO", "250 mx.example").with("AUTH LOGIN", "504 5.5.4 Unknown");
    let sent = outcome(script, &order).await;
    assert_eq!(sent.exit_code(), Phase::Auth.exit_code());
    assert!(sent.trouble.unwrap().reason.contains("504"));
}

#[tokio::test(start_paused = true)]
async fn another_client_is_told_of_behind_tls_and_in_front_of_the_login() {
    let wanted = Order {
        xclient: vec!["NAME=a.example ADDR=192.0.2.9".to_owned()],
        credentials: Some(credentials()),
        ..order(&["b@x.example"])
    };
    let sent = outcome(sound().with("XCLIENT", "220 mx.example ESMTP"), &wanted).await;
    assert_eq!((sent.exit_code(), &sent.trouble), (0, &None), "{}", sent.conversation);
    let said: Vec<&str> = sent
        .conversation
        .lines()
        .filter_map(|line| line.strip_prefix("C: ")?.split([' ', ':']).next())
        .collect();
    let all = ["EHLO", "STARTTLS", "EHLO", "XCLIENT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"];
    assert_eq!(said, [&all[..], &["QUIT"]].concat(), "{}", sent.conversation);
    let sent = outcome(sound().with("XCLIENT", "550 5.7.0 No"), &wanted).await;
    assert_eq!(sent.exit_code(), Phase::Xclient.exit_code(), "{:?}", sent.trouble);
    assert!(!sent.conversation.contains("C: AUTH"), "{}", sent.conversation);
}

#[tokio::test(start_paused = true)]
async fn who_needs_no_login_goes_on_without_one() {
    let plain = sound().with("tls EHLO", "250 mx.example");
    for (login_optional, phase) in [(true, 0), (false, Phase::Auth.exit_code())] {
        let credentials = Some(credentials());
        let wanted = Order { credentials, login_optional, ..order(&["b@x.example"]) };
        assert_eq!(outcome(plain.clone(), &wanted).await.exit_code(), phase);
    }
    let credentials = Some(credentials());
    let wanted = Order { login_optional: true, credentials, ..order(&["b@x.example"]) };
    let refused = outcome(sound().with("AUTH PLAIN", "535 5.7.8 No"), &wanted).await;
    assert_eq!(refused.exit_code(), Phase::Auth.exit_code(), "one that was offered has to work");
}

#[tokio::test(start_paused = true)]
async fn who_drops_says_no_quit_and_who_wants_no_extensions_gets_none() {
    let leave = Leave::Drop;
    let wanted = Order { stop: Some(Phase::Rcpt), leave, ..order(&["b@x.example"]) };
    let sent = outcome(sound(), &wanted).await;
    assert_eq!(sent.trouble, None);
    assert!(sent.conversation.ends_with("S: 250 2.1.5 Ok\n"), "{}", sent.conversation);
    let habits = Habits { extended: false, ..Habits::default() };
    let wanted = Order { habits, ..order(&["b@x.example"]) };
    let sent = outcome(sound().with("HELO", "250 mx"), &wanted).await;
    assert_eq!(sent.exit_code(), 0, "{}", sent.conversation);
    assert!(sent.conversation.contains("C: HELO doctor.example\n"), "{}", sent.conversation);
    assert!(!sent.conversation.contains("EHLO"), "{}", sent.conversation);
}

#[tokio::test]
async fn a_program_stands_in_for_a_host() {
    let world = world(Vec::new(), zone(), None);
    let says = "printf '220 mx.example\\r\\n'; read -r hello; printf '250 mx.example\\r\\n'; cat";
    let wanted = Order {
        target: Target::Program(says.to_owned()),
        stop: Some(Phase::Ehlo),
        leave: Leave::Drop,
        ..order(&[])
    };
    let sent = send(&world, &wanted, None).await;
    assert_eq!((sent.trouble, sent.peer), (None, None), "{}", sent.conversation);
    assert!(sent.conversation.contains("S: 250 mx.example"), "{}", sent.conversation);
    let missing = Target::Socket("/nowhere/socket".into());
    let sent = send(&world, &Order { target: missing, ..wanted }, None).await;
    assert_eq!(sent.exit_code(), Phase::Connect.exit_code());
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_speaks_before_anybody_else() {
    let source = "192.0.2.9:4711".parse().unwrap();
    let proxy = Proxy { version: ProxyVersion::One, source, destination: None };
    let wanted = Order { proxy: Some(proxy), stop: Some(Phase::Ehlo), ..order(&[]) };
    // The script answers the header as if it were a command, which shows what it was.
    let script = Script::new("", &[("PROXY TCP4 192.0.2.9 192.0.2.1 4711 25", "220 mx.example")]);
    let sent = outcome(script.with("EHLO", "250 mx.example"), &wanted).await;
    assert_eq!(sent.trouble, None, "{}", sent.conversation);
}

#[tokio::test(start_paused = true)]
async fn who_drops_unread_hangs_up_behind_the_command_and_waits_for_nothing() {
    for (stop, last) in [
        (Phase::Connect, None),
        (Phase::Ehlo, Some("C: EHLO doctor.example")),
        (Phase::Tls, Some("C: STARTTLS")),
        (Phase::Auth, Some("C: AUTH PLAIN ***")),
        (Phase::Mail, Some("C: MAIL FROM:<ann@client.example>")),
        (Phase::Rcpt, Some("C: RCPT TO:<b@x.example>")),
        (Phase::Data, Some("C: DATA")),
        (Phase::Message, Some("octets of message sent")),
    ] {
        let wanted = Order {
            stop: Some(stop),
            leave: Leave::DropUnread,
            credentials: Some(credentials()),
            ..order(&["b@x.example"])
        };
        // A host that never answers keeps nobody waiting.
        let silent = stop.verbs().first().copied().unwrap_or(".");
        let silent = if stop == Phase::Ehlo { "EHLO" } else { silent };
        let sent = outcome(sound().with(silent, "@hang"), &wanted).await;
        assert_eq!(sent.trouble, None, "{stop:?}: {}", sent.conversation);
        assert!(sent.recipients.is_empty(), "{stop:?}");
        let said: Vec<&str> = sent.conversation.lines().collect();
        let Some(last) = last else {
            assert!(!sent.conversation.contains("S: "), "{}", sent.conversation);
            continue;
        };
        let at = said.iter().rposition(|line| line.contains(last));
        let behind = at.map(|at| &said[at + 1..]);
        assert_eq!(behind, Some(&["*  hung up"][..]), "{stop:?}: {}", sent.conversation);
    }
}

#[tokio::test(start_paused = true)]
async fn another_client_is_told_of_in_front_of_tls_where_that_is_asked_for() {
    let wanted = Order {
        xclient: vec!["ADDR=192.0.2.9".to_owned()],
        xclient_first: true,
        ..order(&["b@x.example"])
    };
    let verbs = |sent: &Sent| -> Vec<String> {
        let lines = sent.conversation.lines().filter_map(|line| line.strip_prefix("C: "));
        lines.filter_map(|line| line.split([' ', ':']).next()).map(str::to_owned).collect()
    };
    let sent = outcome(sound().with("XCLIENT", "220 mx.example ESMTP"), &wanted).await;
    assert_eq!((sent.exit_code(), &sent.trouble), (0, &None), "{}", sent.conversation);
    assert_eq!(verbs(&sent)[..4], ["EHLO", "XCLIENT", "EHLO", "STARTTLS"]);
    let stops = Order { stop: Some(Phase::Xclient), ..wanted.clone() };
    let sent = outcome(sound().with("XCLIENT", "220 mx.example ESMTP"), &stops).await;
    assert_eq!(verbs(&sent), ["EHLO", "XCLIENT", "EHLO", "QUIT"], "{}", sent.conversation);
    // Where it is optional, a host that does not offer it, or says no, gets the message.
    let optional = Order { xclient_optional: true, ..wanted.clone() };
    let sent = outcome(sound(), &optional).await;
    assert_eq!((sent.exit_code(), verbs(&sent).contains(&"XCLIENT".to_owned())), (0, false));
    let offers = sound().with("EHLO", "250-mx.example\r\n250 XCLIENT NAME ADDR");
    let refuses = offers.with("XCLIENT", "550 5.7.0 Not you");
    let sent = outcome(refuses.clone(), &optional).await;
    assert_eq!((sent.exit_code(), verbs(&sent).contains(&"XCLIENT".to_owned())), (0, true));
    assert_eq!(outcome(refuses, &wanted).await.exit_code(), Phase::Xclient.exit_code());
}
