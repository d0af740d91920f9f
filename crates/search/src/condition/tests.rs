//! What is known may leave open, and never says otherwise than the content.

use mailwright_imap::Key;
use mailwright_mime::{Digest, SearchText, Signature, Signer, digest_of_message};
use mailwright_view::{Flags, Identity, NumberSet};
use mailwright_words::Id;
use proptest::prelude::*;

use super::*;
use crate::Content;

const NOW: i64 = 1_795_000_000_000;

fn row(uid: u32, bytes: &[u8]) -> Row {
    Row {
        uid,
        flags: Flags { system: u8::try_from(uid % 32).unwrap(), keywords: u64::from(uid % 3) },
        message: Id::from_i64(i64::from(uid)),
        modseq: u64::from(uid) + 10,
        size: u64::try_from(bytes.len()).unwrap(),
        internal_date: Timestamp::new(NOW - i64::from(uid) * 86_400_000),
        save_date: Timestamp::new(NOW - i64::from(uid) * 3_600_000),
    }
}

fn snapshot() -> Snapshot {
    let identity =
        Identity { mailbox: Id::from_i64(1), uidvalidity: 1, uidnext: 100, highest_modseq: 100 };
    Snapshot::new(identity, vec!["$One".into(), "two".into()], Vec::new())
}

fn condition(keys: Vec<Key>) -> Condition {
    Condition::new(&Program { keys }, &snapshot(), Timestamp::new(NOW))
}

/// Asks as a search does, from what is cheap to what is dear; `indexed` says what is in the index.
fn indexed_answer(condition: &Condition, row: &Row, bytes: &[u8], indexed: bool) -> bool {
    let mut facts = Facts::of_row(row);
    if let Some(known) = condition.holds(&facts) {
        return known;
    }
    let (digest, signature);
    if indexed {
        digest = digest_of_message(bytes);
        facts.digest = Digest::from_bytes(&digest);
        if let Some(known) = condition.holds(&facts) {
            return known;
        }
        signature = Signer::default().sign(Content::new(bytes).text());
        facts.signature = Signature::from_bytes(&signature);
        if let Some(known) = condition.holds(&facts) {
            return known;
        }
    }
    let content = Content::new(bytes);
    condition.holds(&Facts { content: Some(&content), ..facts }).unwrap()
}

fn content_answer(condition: &Condition, row: &Row, bytes: &[u8]) -> bool {
    let content = Content::new(bytes);
    condition.holds(&Facts { content: Some(&content), ..Facts::of_row(row) }).unwrap()
}

fn key() -> impl Strategy<Value = Key> {
    let text = || {
        "(caf\u{e9}|[a-d ]{0,4}|=\\?|re: |\u{df}|STRASSE|x-a: )".prop_map(String::into_boxed_str)
    };
    let name = "(From|TO|Cc|bcc|SUBJECT|X-A|Date|Message-ID)".prop_map(String::into_boxed_str);
    let leaf = prop_oneof![
        (0_u8..32).prop_map(Key::Has),
        (1_u32..9).prop_map(|uid| Key::Uids(NumberSet::range(uid..=uid + 2))),
        Just(Key::Keyword("$ONE".into())),
        Just(Key::Keyword("none".into())),
        (0_u64..900).prop_map(Key::Larger),
        (0_i32..20_800).prop_map(|day| Key::SentSince(Day(day))),
        Just(Key::SentOn(Day(20_782))),
        (0_u32..900_000).prop_map(Key::Younger),
        (name, text()).prop_map(|(name, text)| Key::Header { name, text }),
        text().prop_map(Key::Body),
        text().prop_map(Key::Text),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Key::And),
            (inner.clone(), inner.clone()).prop_map(|pair| Key::Or(Box::new(pair))),
            inner.prop_map(|key| Key::Not(Box::new(key))),
        ]
    })
}

fn message() -> impl Strategy<Value = String> {
    let word = "(a|b|c|d|ab|Caf\u{e9}|=\\?utf-8\\?q\\?caf=C3=A9\\?=|Stra\u{df}e|Re:|x)";
    let words = prop::collection::vec(word, 0..8).prop_map(|words| words.join(" "));
    let name = "(From|To|CC|Bcc|Subject|X-A|Message-ID)";
    let header = prop::collection::vec((name, words.clone()), 0..6).prop_map(|fields| {
        let lines = fields.into_iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        lines.collect::<String>()
    });
    let date = "(Date: Wed, 25 Nov 2026 01:00:00 \\+0100\r\n|Date: nonsense\r\n|)";
    let body = prop_oneof![
        words.clone().prop_map(|text| format!("\r\n{text}\r\n")),
        words.clone().prop_map(|text| format!("Content-Type: text/html\r\n\r\n<p>{text}<b>a</b>b")),
        Just("Content-Transfer-Encoding: base64\r\n\r\nQ2Fmw6kgYSBiIGM=\r\n".to_owned()),
        words.prop_map(|text| format!(
            "Content-Type: multipart/mixed; boundary=z\r\n\r\n--z\r\n\r\n{text}\r\n--z\r\n\
             Content-Type: message/rfc822\r\n\r\nSubject: {text}\r\n\r\nab\r\n--z--\r\n"
        )),
    ];
    (date, header, body).prop_map(|(date, header, body)| format!("{date}{header}{body}"))
}

proptest! {
    #[test]
    fn an_index_changes_no_answer(
        messages in prop::collection::vec((message(), any::<bool>()), 1..6),
        keys in prop::collection::vec(key(), 0..3),
    ) {
        let condition = condition(keys);
        for (uid, (message, indexed)) in (1_u32..).zip(&messages) {
            let bytes = message.as_bytes();
            let row = row(uid, bytes);
            let by_content = content_answer(&condition, &row, bytes);
            prop_assert_eq!(indexed_answer(&condition, &row, bytes, *indexed), by_content);
            let needs = condition.needs();
            if !needs.content && !needs.digest {
                prop_assert_eq!(condition.holds(&Facts::of_row(&row)), Some(by_content));
            }
        }
    }

    // Any piece of the text is found, wherever it is cut: within words, across them, in encoded
    // words and in bodies of any encoding.
    #[test]
    fn pieces_of_the_text_are_found(
        message in message(),
        at in any::<prop::sample::Index>(),
        len in 0_usize..9,
    ) {
        let bytes = message.as_bytes();
        let row = row(1, bytes);
        let content = Content::new(bytes);
        let SearchText { header, parts, body } = content.text().clone();
        for (text, is_body) in [(header, false), (parts, false), (body, true)] {
            let chars: Vec<char> = text.chars().collect();
            let start = at.index(chars.len().max(1)).min(chars.len());
            let piece: String = chars[start..(start + len).min(chars.len())].iter().collect();
            let by_text = condition(vec![Key::Text(piece.as_str().into())]);
            prop_assert!(indexed_answer(&by_text, &row, bytes, true), "{:?}", piece);
            if is_body {
                let by_body = condition(vec![Key::Body(piece.as_str().into())]);
                prop_assert!(indexed_answer(&by_body, &row, bytes, true), "{:?}", piece);
            }
        }
    }
}

#[test]
fn what_is_known_decides_as_soon_as_it_can() {
    let bytes = b"Subject: Invoice\r\n\r\nDear customer\r\n";
    let row = row(3, bytes);
    let text = |text: &str| Key::Text(text.into());
    let subject = |text: &str| Key::Header { name: "Subject".into(), text: text.into() };
    let digest = digest_of_message(bytes);
    let signature = Signer::default().sign(Content::new(bytes).text());
    let by_row = Facts::of_row(&row);
    let by_digest = Facts { digest: Digest::from_bytes(&digest), ..by_row };
    let by_signature = Facts { signature: Signature::from_bytes(&signature), ..by_digest };
    let never = Key::Keyword("none".into());
    for (keys, expected) in [
        (vec![text("customer"), never.clone()], [Some(false); 3]),
        (vec![Key::Or(Box::new((text("x"), Key::Uids(NumberSet::range(3..=3)))))], [Some(true); 3]),
        (vec![subject("VOICES")], [None, Some(false), Some(false)]),
        (vec![subject("voic")], [None, Some(true), Some(true)]),
        (vec![text("zebra")], [None, None, Some(false)]),
        (vec![Key::Not(Box::new(text("zebra")))], [None, None, Some(true)]),
        (vec![text("customer")], [None; 3]),
        (vec![text("\u{ad}"), Key::Body("".into())], [Some(true); 3]),
        (vec![Key::Body("invoice".into())], [None, None, Some(false)]),
        (vec![Key::Header { name: "X-Odd".into(), text: "".into() }], [None, None, Some(false)]),
    ] {
        let condition = condition(keys.clone());
        let answers = [by_row, by_digest, by_signature].map(|facts| condition.holds(&facts));
        assert_eq!(answers, expected, "{keys:?}");
    }
}
