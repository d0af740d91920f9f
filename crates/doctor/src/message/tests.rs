//! A sound message, signed with a key of ours, and the same one broken in one thing each.

use std::path::PathBuf;

use mailwright_mailauth::sign::{Algorithm, Digester, Selected, Signer, SigningKey, record};
use mailwright_net::dns::Fake;
use mailwright_words::Timestamp;

use super::*;
use crate::{Verdict, fake};

const TRACE: &str = "Return-Path: <ann@far.example>\r\n\
    Authentication-Results: mx.home.example;\r\n\
    \tspf=pass smtp.mailfrom=far.example;\r\n\
    \tdkim=pass header.d=far.example; dmarc=pass header.from=far.example\r\n\
    Received: from mx.far.example (mx.far.example [192.0.2.1])\r\n\
    \tby mx.home.example with ESMTPS id 2; Tue, 24 Nov 2026 06:15:03 +0000\r\n\
    Received: from laptop by mx.far.example with ESMTPSA id 1;\r\n\
    \tTue, 24 Nov 2026 06:15:01 +0000\r\n";
const MESSAGE: &str = "From: Ann <ann@far.example>\r\nTo: bob@home.example\r\nSubject: Hello\r\n\
    Date: Tue, 24 Nov 2026 06:15:00 +0000\r\nMessage-ID: <1@far.example>\r\n\
    List-Unsubscribe: <https://far.example/u>\r\n\
    List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nHello.\r\nBye.\r\n";

/// A message, and the DNS of who wrote it.
pub(crate) struct Case {
    signer: Signer,
}

impl Case {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let keys = vec![Selected { selector: "one".to_owned(), key }];
        Self { signer: Signer { domain: "far.example".to_owned(), keys } }
    }

    pub(crate) fn sound(&self) -> String {
        let mut digester = Digester::default();
        digester.push(MESSAGE.as_bytes());
        let at = Timestamp::new(1_795_500_900_000);
        let fields = digester.finish().unwrap().sign(&self.signer, at, None).unwrap();
        format!("{TRACE}{}{MESSAGE}", String::from_utf8(fields).unwrap())
    }

    pub(crate) fn zone(&self) -> Fake {
        let zone = Fake::new();
        let key = &self.signer.keys[0].key;
        let text = record(key.algorithm(), &key.public().unwrap());
        zone.add_txt("one._domainkey.far.example", &text);
        zone.add_txt("far.example", "v=spf1 ip4:192.0.2.1 -all");
        zone.add_txt("_dmarc.far.example", "v=DMARC1; p=reject");
        zone.add_mx("far.example", 10, "mx.far.example");
        zone.add_address("mx.far.example", "192.0.2.1".parse().unwrap());
        zone.add_ptr("192.0.2.1".parse().unwrap(), "mx.far.example");
        zone
    }

    pub(crate) async fn look(&self, message: &str) -> Report {
        look(message, self.zone()).await
    }
}

pub(crate) async fn look(message: &str, zone: Fake) -> Report {
    let world = fake::world(Vec::new(), zone, None);
    examine(&world, "a message", message.as_bytes(), &Carrier::default()).await
}

fn loud(report: &Report) -> Vec<(&'static str, Verdict)> {
    let loud = report.checks().filter(|check| check.verdict != Verdict::Right);
    loud.map(|check| (check.id, check.verdict)).collect()
}

/// Compares with a golden file, from which what differs from run to run is taken out.
fn golden(name: &str, report: &Report) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("src/message/golden").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, report.text(true)).unwrap();
    }
    assert_eq!(report.text(true), std::fs::read_to_string(path).unwrap_or_default(), "{name}");
}

#[tokio::test]
async fn a_sound_message_is_silent_and_each_fault_speaks_alone() {
    use Verdict::{CannotKnow, Warning, Wrong};
    let case = Case::new();
    let sound = case.sound();
    let report = case.look(&sound).await;
    assert_eq!(loud(&report), [], "{}", report.text(true));
    golden("sound", &report);
    let broken = ("message.signature", Wrong);
    let unsubscribe = ("message.unsubscribe", Warning);
    let demands = ("message.demands", Warning);
    for (what, with, expected) in [
        (
            "Received: from mx.far",
            "X-Received: from mx.far",
            vec![("message.spf", CannotKnow), ("message.demands", CannotKnow)],
        ),
        (
            "Return-Path",
            "X-Return-Path",
            vec![("message.spf", CannotKnow), ("message.demands", CannotKnow)],
        ),
        (
            "Date: Tue, 24 Nov",
            "X-Date: Tue, 24 Nov",
            vec![("message.date", Warning), broken, unsubscribe, demands],
        ),
        (
            "Message-ID: <1@far.example>\r\n",
            "",
            vec![("message.id", Warning), broken, unsubscribe, demands],
        ),
        ("06:15:03", "06:35:03", vec![("message.hop", Warning)]),
        ("06:15:03", "06:05:03", vec![("message.hop", CannotKnow)]),
        ("spf=pass", "spf=softfail", vec![("message.stamp", Warning)]),
        ("dkim=pass", "dkim=fail (body hash did not verify)", vec![("message.stamp", Wrong)]),
        ("dmarc=pass", "dmarc=temperror", vec![("message.stamp", CannotKnow)]),
        ("s=one", "s=two", vec![("message.key", Wrong), unsubscribe, demands]),
        (
            "c=relaxed/relaxed",
            "l=5; c=relaxed/relaxed",
            vec![("message.signature", Warning), unsubscribe, demands],
        ),
        ("ed25519-sha256", "rsa-sha1", vec![broken, unsubscribe, demands]),
        (
            "[192.0.2.1]",
            "[192.0.2.2]",
            vec![("message.spf", Wrong), ("message.iprev", Warning), demands],
        ),
        ("\r\n\r\nHello", "\r\nHello", vec![("message.header", Wrong)]),
    ] {
        let changed = sound.replacen(what, with, 1);
        assert_ne!(changed, sound, "{what}");
        let report = case.look(&changed).await;
        assert_eq!(loud(&report), expected, "{what} -> {with}\n{}", report.text(true));
    }
}

#[tokio::test]
async fn what_broke_a_signature_is_told() {
    let case = Case::new();
    let sound = case.sound();
    for (name, what, with, words) in [
        ("tag", "Subject: Hello", "Subject: [list] Hello", "Subject got \"[list]\" put in front"),
        ("footer", "Bye.\r\n", "Bye.\r\n--\r\nlist\r\n", "lines 3 to 4 of 4 were added"),
        ("body", "Bye.", "Stay.", "the body was changed"),
    ] {
        let report = case.look(&sound.replacen(what, with, 1)).await;
        let text = report.text(false);
        assert!(text.contains(words), "{text}");
        golden(name, &report);
    }
}

#[tokio::test]
async fn the_alignment_that_missed_is_told() {
    let case = Case::new();
    let changed = case.sound().replace("From: Ann <ann@far.example>", "From: Ann <ann@other.test>");
    for (policy, verdict) in [
        ("v=DMARC1; p=reject", Verdict::Wrong),
        ("v=DMARC1; p=quarantine", Verdict::Wrong),
        ("v=DMARC1; p=none", Verdict::Warning),
        ("", Verdict::Warning),
    ] {
        let zone = case.zone();
        zone.add_mx("other.test", 10, "mx.far.example");
        if !policy.is_empty() {
            zone.add_txt("_dmarc.other.test", policy);
        }
        let report = look(&changed, zone).await;
        assert!(loud(&report).contains(&("message.dmarc", verdict)), "{}", report.text(true));
        if policy.contains("reject") {
            golden("alignment", &report);
        }
    }
    let zone = case.zone();
    zone.set_broken("_dmarc.far.example", true);
    let report = look(&case.sound(), zone).await;
    assert!(loud(&report).contains(&("message.dmarc", Verdict::CannotKnow)));
    // SPF might still prove it: nobody knows where it came from.
    let changed = case.sound().replacen("Return-Path", "X-Path", 1).replacen("Hello.", "Ho.", 1);
    let report = case.look(&changed).await;
    assert!(
        loud(&report).contains(&("message.dmarc", Verdict::CannotKnow)),
        "{}",
        report.text(true)
    );
}

#[tokio::test]
async fn a_message_of_long_ago_raises_no_alarm_by_the_dns_of_today() {
    let case = Case::new();
    let old = TRACE.replace("24 Nov 2026", "24 Nov 2020").replace("Tue", "Mon");
    let sound = case.sound().replace(TRACE, &old).replacen("s=one", "s=two", 1);
    let zone = Fake::new();
    zone.add_mx("far.example", 10, "mx.far.example");
    let report = look(&sound, zone).await;
    let wrong: Vec<_> = loud(&report).into_iter().filter(|one| one.1 == Verdict::Wrong).collect();
    assert_eq!(wrong, [], "{}", report.text(true));
    assert!(loud(&report).contains(&("message.key", Verdict::CannotKnow)));
}

#[tokio::test]
async fn what_receivers_mind_speaks() {
    use Verdict::{CannotKnow, Warning, Wrong};
    let case = Case::new();
    let sound = case.sound();
    let has = |report: &Report, one: (&'static str, Verdict)| loud(report).contains(&one);
    for (what, with, one) in [
        ("From: Ann <ann@far.example>\r\n", "", ("message.from", Wrong)),
        ("To: bob", "From: eve@far.example\r\nTo: bob", ("message.from", Wrong)),
        ("Subject: Hello", "Subject: Hello\r\nSubject: Ho", ("message.once", Wrong)),
        ("https://", "http://", ("message.unsubscribe", Warning)),
        ("List-Unsubscribe-Post", "X-Post", ("message.unsubscribe", Warning)),
        ("Hello.", "Hi.", ("message.demands", Warning)),
        ("Bye.", &"x".repeat(1200), ("message.lines", Warning)),
        ("DKIM-Signature", "X-Signature", ("message.signature", Warning)),
    ] {
        let changed = sound.replacen(what, with, 1);
        assert_ne!(changed, sound, "{what}");
        let report = case.look(&changed).await;
        assert!(has(&report, one), "{what}: {}", report.text(true));
        assert!(!has(&case.look(&sound).await, one));
    }
    let zone = case.zone();
    zone.set_broken("far.example", true);
    let report = look(&sound, zone).await;
    assert!(has(&report, ("message.domain", CannotKnow)), "{}", report.text(true));
    let gone = sound.replacen("ann@far.example>\r\nTo", "ann@gone.test>\r\nTo", 1);
    assert!(has(&case.look(&gone).await, ("message.domain", Wrong)));
    let arc = "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=list.test; s=x; b=YQ==\r\n\
        ARC-Message-Signature: i=1; a=rsa-sha256; d=list.test; s=x; h=from; bh=YQ==; b=YQ==\r\n\
        ARC-Authentication-Results: i=1; list.test; dmarc=pass\r\n";
    let report = case.look(&format!("{arc}{sound}")).await;
    assert!(has(&report, ("message.arc", Warning)), "{}", report.text(true));
}
