//! Reports: their parts, their limits, and text of others in them.

use proptest::prelude::*;

use super::*;

const ORIGINAL: &[u8] =
    b"From: ann@example.com\r\nMessage-ID: <1@example.com>\r\nSubject: hi\r\n\r\nhello\r\n";

fn outcome(address: &str, action: Action) -> Outcome {
    Outcome {
        address: Address::parse(address).unwrap(),
        orcpt: Some("rfc822;Bob@elsewhere.example".to_owned()),
        action,
        status: Status::new(5, 1, 1),
        remote: Some("mx.elsewhere.example".to_owned()),
        reply: Some("550 5.1.1 No such user".to_owned()),
        attempted: Some(Timestamp::new(0)),
    }
}

fn build(sender: &str, outcomes: &[Outcome], original: Original<'_>) -> Built {
    let host = Domain::parse("mx.example").unwrap();
    let sender = Address::parse(sender).unwrap();
    let report = Report {
        id: Id::from_i64(7),
        at: Timestamp::new(0),
        host: &host,
        sender: &sender,
        envid: Some("QQ1\r\nEvil: yes"),
        arrived: Timestamp::new(0),
        smtputf8: false,
        outcomes,
        original,
    };
    report.build()
}

fn text(built: &Built) -> String {
    String::from_utf8(built.bytes.clone()).unwrap()
}

#[test]
fn a_failure_brings_the_message_back() {
    let outcomes = [outcome("bob@elsewhere.example", Action::Failed)];
    let built = build("ann@example.com", &outcomes, Original::Message(ORIGINAL));
    let text = text(&built);
    assert!(!built.smtputf8);
    assert_eq!(built.body, BodyType::SevenBit);
    for expected in [
        "To: <ann@example.com>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "In-Reply-To: <1@example.com>\r\n",
        "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"=_",
        "Content-Type: message/delivery-status\r\n",
        "\r\n\r\nOriginal-Envelope-Id: QQ1  Evil: yes\r\nReporting-MTA: dns; mx.example\r\n",
        "\r\n\r\nOriginal-Recipient: rfc822;Bob@elsewhere.example\r\n\
         Final-Recipient: rfc822;bob@elsewhere.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Remote-MTA: dns; mx.elsewhere.example\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nFrom: ann@",
        "\r\nhello\r\n\r\n--=_0000000000007--\r\n",
    ] {
        assert!(text.contains(expected), "{expected}\n--- in\n{text}");
    }
}

#[test]
fn a_header_alone_comes_back_without_the_body() {
    let outcomes = [outcome("bob@elsewhere.example", Action::Delayed(Timestamp::new(1000)))];
    let text = text(&build("ann@example.com", &outcomes, Original::Header(ORIGINAL)));
    assert!(text.contains("Content-Type: text/rfc822-headers\r\n"));
    assert!(text.contains("Subject: hi\r\n") && !text.contains("hello"));
    assert!(text.contains("Action: delayed\r\n"));
    assert!(text.contains("Will-Retry-Until: Thu, 01 Jan 1970 00:00:01 +0000\r\n"));
}

#[test]
fn utf8_addresses_make_a_global_report() {
    let outcomes = [outcome("j\u{f6}rg@elsewhere.example", Action::Relayed)];
    let built = build("ann@example.com", &outcomes, Original::Message(ORIGINAL));
    let text = text(&built);
    assert!(built.smtputf8);
    assert_eq!(built.body, BodyType::EightBitMime);
    assert!(text.contains("report-type=global-delivery-status;"));
    assert!(text.contains("Content-Type: message/global-delivery-status\r\n"));
    assert!(text.contains("Final-Recipient: utf-8;j\u{f6}rg@elsewhere.example\r\n"));
    assert!(text.contains("Content-Type: message/global\r\n"));
}

#[test]
fn octets_that_no_line_may_hold_come_back_as_header() {
    let outcomes = [outcome("bob@elsewhere.example", Action::Failed)];
    let long = "x".repeat(999);
    for body in ["a\rb\r\n", "a\nb\r\n", "a\0\r\n", "a\r", &long] {
        let original = format!("Subject: hi\r\n\r\n{body}");
        let built = build("ann@example.com", &outcomes, Original::Message(original.as_bytes()));
        assert!(text(&built).contains("text/rfc822-headers"), "{body:?}");
        assert!(!is_binary(&built.bytes));
    }
    let eight = build("a@x.org", &outcomes, Original::Message(b"A: b\r\n\r\n\xe9\r\n"));
    assert_eq!(eight.body, BodyType::EightBitMime);
}

#[test]
fn an_original_cannot_end_its_part() {
    let outcomes = [outcome("bob@elsewhere.example", Action::Failed)];
    let original = b"A: b\r\n\r\n--=_0000000000007--\r\n";
    let text = text(&build("ann@example.com", &outcomes, Original::Message(original)));
    assert!(text.ends_with("\r\n--=_0000000000007_--\r\n"));
}

proptest! {
    #[test]
    fn no_text_of_others_breaks_a_report(
        reply in any::<String>(), orcpt in any::<String>(),
        original in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bad = outcome("bob@elsewhere.example", Action::Failed);
        bad.reply = Some(reply);
        bad.orcpt = Some(orcpt);
        let built = build("ann@example.com", &[bad], Original::Message(&original));
        prop_assert!(!is_binary(&built.bytes));
        prop_assert!(built.body == BodyType::EightBitMime || built.bytes.is_ascii());
    }
}
