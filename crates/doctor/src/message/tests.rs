//! A sound message, and the same one broken in one thing each.

use mailwright_net::dns::Fake;

use super::*;
use crate::{Verdict, fake};

const SOUND: &str = "Authentication-Results: mx.home.example;\r\n\
    \tspf=pass smtp.mailfrom=far.example;\r\n\
    \tdkim=pass header.d=far.example; dmarc=pass header.from=far.example\r\n\
    Received: from mx.far.example (mx.far.example [192.0.2.1])\r\n\
    \tby mx.home.example with ESMTPS id 2; Tue, 24 Nov 2026 06:15:03 +0000\r\n\
    Received: from laptop by mx.far.example with ESMTPSA id 1;\r\n\
    \tTue, 24 Nov 2026 06:15:01 +0000\r\n\
    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=far.example; s=one;\r\n\
    \th=from:to:subject:date; bh=x; b=y\r\n\
    From: Ann <ann@far.example>\r\nTo: bob@home.example\r\nSubject: Hello\r\n\
    Date: Tue, 24 Nov 2026 06:15:00 +0000\r\nMessage-ID: <1@far.example>\r\n\r\nHello.\r\n";

async fn look(message: &str) -> Report {
    let zone = Fake::new();
    zone.add_txt("one._domainkey.far.example", "v=DKIM1; p=abc");
    zone.add_txt("gone._domainkey.far.example", "v=DKIM1; p=");
    let world = fake::world(Vec::new(), zone, None);
    examine(&world, "a message", message.as_bytes()).await
}

fn loud(report: &Report) -> Vec<(&'static str, Verdict)> {
    let loud = report.checks().filter(|check| check.verdict != Verdict::Right);
    loud.map(|check| (check.id, check.verdict)).collect()
}

#[tokio::test]
async fn a_sound_message_is_silent_and_each_fault_speaks_alone() {
    use Verdict::{CannotKnow, Warning, Wrong};
    let report = look(SOUND).await;
    assert_eq!(loud(&report), [], "{}", report.text(true));
    assert_eq!(report.checks().filter(|check| check.id == "message.hop").count(), 2);
    for (what, with, expected) in [
        ("From: Ann <ann@far.example>\r\n", "", vec![("message.from", Wrong)]),
        ("To: bob", "From: eve@far.example\r\nTo: bob", vec![("message.from", Wrong)]),
        ("Date: Tue, 24 Nov", "X-Date: Tue, 24 Nov", vec![("message.date", Warning)]),
        ("Message-ID: <1@far.example>\r\n", "", vec![("message.id", Warning)]),
        ("06:15:03", "06:35:03", vec![("message.hop", Warning)]),
        ("06:15:03", "06:05:03", vec![("message.hop", CannotKnow)]),
        ("spf=pass", "spf=softfail", vec![("message.stamp", Warning)]),
        ("dkim=pass", "dkim=fail (body hash did not verify)", vec![("message.stamp", Wrong)]),
        ("dmarc=pass", "dmarc=temperror", vec![("message.stamp", CannotKnow)]),
        ("s=one", "s=two", vec![("message.key", Wrong)]),
        ("s=one", "s=gone", vec![("message.key", Wrong)]),
        ("rsa-sha256", "rsa-sha1", vec![("message.signature", Wrong)]),
        ("h=from:", "h=", vec![("message.signature", Wrong)]),
        ("bh=x", "l=5; bh=x", vec![("message.signature", Warning)]),
        ("ann@far.example", "ann@other.test", vec![("message.alignment", Warning)]),
        ("DKIM-Signature", "X-Signature", vec![("message.signature", Warning)]),
        ("\r\n\r\nHello", "\r\nHello", vec![("message.header", Wrong)]),
    ] {
        let changed = SOUND.replacen(what, with, 1);
        assert_ne!(changed, SOUND, "{what}");
        let report = look(&changed).await;
        assert_eq!(loud(&report), expected, "{what} -> {with}\n{}", report.text(true));
    }
}
