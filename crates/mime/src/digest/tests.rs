//! What a digest keeps.

use proptest::prelude::*;

use super::*;
use crate::render;
use crate::search::{contains, folded_fields};

const MESSAGE: &str = "Date: Wed, 25 Nov 2026 01:00:00 +0100\r\n\
    From: =?utf-8?q?Zo=C3=AB?= <Zoe_Z@example.com>\r\nTo: Team: a@b.example;, c@d.example\r\n\
    TO: Second <second@example.com>\r\nSubject: Re: [list] Caf\u{e9}\r\n\
    Message-ID: <1@x>\r\nReferences: <0@x> <00@x>\r\n\r\nText\r\n";

#[test]
fn a_digest_tells_what_a_mailbox_is_searched_and_sorted_by() {
    let bytes = digest_of_message(MESSAGE.as_bytes());
    let digest = Digest::from_bytes(&bytes).unwrap();
    let rendered = render(MESSAGE.as_bytes());
    assert_eq!(digest.sent(), rendered.sent);
    assert!(digest.is_reply());
    assert_eq!(digest.id(), rendered.message_id_hash);
    assert_eq!(digest.references().collect::<Vec<_>>(), rendered.references);
    for (text, expected) in [
        (SortText::Subject, "CAFE\u{301}"),
        (SortText::From, "ZOE_Z"),
        (SortText::To, "TEAM"),
        (SortText::Cc, ""),
        (SortText::DisplayFrom, "ZOE\u{308}"),
        (SortText::DisplayTo, "TEAM"),
    ] {
        assert_eq!(String::from_utf8_lossy(digest.sort_text(text)), expected, "{text:?}");
    }
    let has = |field, needle: &str| {
        digest.field_holds(field, |value| contains(&String::from_utf8_lossy(value), needle))
    };
    assert_eq!(has(DigestField::To, "second@"), Some(true));
    assert_eq!(has(DigestField::To, "zoe"), Some(false));
    assert_eq!(has(DigestField::Cc, ""), Some(false));
    assert_eq!(has(DigestField::Subject, "re: [list] cafe"), Some(true));
}

#[test]
fn long_fields_are_not_kept_and_said_to_be_missing() {
    let long = format!("To: {}\r\nFrom: a@x\r\n\r\n", "someone@example.com, ".repeat(1000));
    let bytes = digest_of_message(long.as_bytes());
    assert_eq!(digest(&render(long.as_bytes())), None);
    assert!(bytes.len() < 500);
    let digest = Digest::from_bytes(&bytes).unwrap();
    assert_eq!(digest.field_holds(DigestField::From, |_| true), None);
    assert_eq!(digest.sort_text(SortText::To), b"SOMEONE");
}

#[test]
fn octets_that_are_no_digest_are_none() {
    let good = digest_of_message(MESSAGE.as_bytes());
    let texts = good.len() - Digest::from_bytes(&good).unwrap().fields.len();
    for len in 0..texts {
        assert!(Digest::from_bytes(&good[..len]).is_none(), "{len}");
    }
}

proptest! {
    #[test]
    fn what_was_rendered_gives_what_the_message_gives(
        lines in prop::collection::vec(
            "(From|to|CC|Bcc|SUBJECT|Date|X-Odd): ?[ -~\u{e9}]{0,30}(=\\?utf-8\\?q\\?=C3=89a\\?=)?",
            0..8,
        ),
    ) {
        let message = format!("{}\r\n\r\nBody", lines.join("\r\n"));
        let bytes = digest_of_message(message.as_bytes());
        prop_assert_eq!(digest(&render(message.as_bytes())), Some(bytes.clone()));
        let digest = Digest::from_bytes(&bytes).unwrap();
        for (name, value) in folded_fields(message.as_bytes()) {
            if let Some(field) = DigestField::named(name) {
                let found = digest.field_holds(field, |kept| kept == value.as_bytes());
                prop_assert_eq!(found, Some(true));
            }
        }
    }

    // The signature of a header can rule a field out, so its text has to hold what fields hold.
    #[test]
    fn fields_are_in_the_text_of_the_header(
        lines in prop::collection::vec(
            "[A-Za-z-]{1,12} ?: ?[ -~\u{e9}\u{2028}]{0,30}(=\\?(utf-8|x)\\?[qb]\\?=C3=89a\\?=)?",
            0..8,
        ),
        ends in "\r\n|\n",
    ) {
        let message = format!("{}{ends}{ends}Body", lines.join(&ends));
        let text = crate::searchable(&Structure::parse(message.as_bytes()));
        for (name, value) in folded_fields(message.as_bytes()) {
            let line = format!("{}: {value}\n", String::from_utf8_lossy(name).to_lowercase());
            prop_assert!(contains(&text.header, &line), "{:?} in {:?}", line, text.header);
        }
    }
}
