//! What is known of a message leaves a search open, or says what its content says; any messages
//! make conversations and orders with each of them once.
//!
//! The first line is what a client looks for, the others are messages, parted by lines of a dot.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailwright_imap::{
    Algorithm, Criterion, Settings, SortKey,
    command::{Command, Nothing},
};
use mailwright_mime::{Digest, Signature, Signer, digest_of_message};
use mailwright_search::{Condition, Content, Conversations, Facts, Order};
use mailwright_view::{Flags, Identity, Row, Snapshot};
use mailwright_words::{Id, Timestamp};

const NOW: Timestamp = Timestamp::new(1_795_000_000_000);

fuzz_target!(|input: &[u8]| {
    let (line, rest) = parted(input, b"\r\n").unwrap_or((input, &[]));
    let mut messages = Vec::new();
    let mut rest = Some(rest);
    while let Some(text) = rest.filter(|_| messages.len() < 16) {
        let (message, more) = match parted(text, b"\r\n.\r\n") {
            Some((message, more)) => (message, Some(more)),
            None => (text, None),
        };
        messages.push(message);
        rest = more;
    }
    let rows: Vec<Row> = (1..).zip(&messages).map(|(uid, message)| row(uid, message)).collect();
    looked_for(line, &rows, &messages);
    ordered(&rows, &messages);
});

fn parted<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

fn row(uid: u32, message: &[u8]) -> Row {
    Row {
        uid,
        flags: Flags {
            system: u8::try_from(uid % 32).expect("small"),
            keywords: u64::from(uid % 3),
        },
        message: Id::from_i64(i64::from(uid)),
        modseq: u64::from(uid),
        size: u64::try_from(message.len()).expect("small"),
        internal_date: NOW,
        save_date: NOW,
    }
}

/// Each answer that is cheaper is open, or the one of the content.
fn looked_for(line: &[u8], rows: &[Row], messages: &[&[u8]]) {
    let command = [b"SEARCH ", line].concat();
    let settings = Settings::new("mx.mailwright.example");
    let Ok(Command::Search(search)) = Command::parse(&command, &settings, &Nothing) else { return };
    let identity =
        Identity { mailbox: Id::from_i64(1), uidvalidity: 1, uidnext: 100, highest_modseq: 100 };
    let snapshot = Snapshot::new(identity, vec!["$One".into(), "two".into()], Vec::new());
    let condition = Condition::new(&search.program, &snapshot, NOW);
    for (row, message) in rows.iter().zip(messages) {
        let content = Content::new(message);
        let facts = Facts::of_row(row);
        let whole = condition.holds(&Facts { content: Some(&content), ..facts });
        assert!(whole.is_some(), "a content leaves nothing open");
        let digest = digest_of_message(message);
        let digest = Digest::from_bytes(&digest);
        assert!(digest.is_some(), "what was written is read");
        let signature = Signer::default().sign(content.text());
        let signature = Signature::from_bytes(&signature);
        for facts in [facts, Facts { digest, ..facts }, Facts { digest, signature, ..facts }] {
            let told = condition.holds(&facts);
            assert!(told.is_none() || told == whole, "{told:?} and {whole:?}");
        }
    }
}

/// Each message stands once in each order and each conversation, below what is there.
fn ordered(rows: &[Row], messages: &[&[u8]]) {
    let all: Vec<u32> = rows.iter().map(|row| row.uid).collect();
    let digests: Vec<Vec<u8>> = messages.iter().map(|message| digest_of_message(message)).collect();
    for algorithm in [Algorithm::References, Algorithm::OrderedSubject] {
        let mut conversations = Conversations::default();
        for (row, digest) in rows.iter().zip(&digests) {
            conversations.add(row, Digest::from_bytes(digest).as_ref());
        }
        let nodes = conversations.finish(algorithm);
        let mut depth = 0;
        for node in &nodes {
            assert!(node.depth <= depth, "a node hangs in the air");
            depth = node.depth + 1;
        }
        let mut found: Vec<u32> = nodes.iter().filter_map(|node| node.uid).collect();
        found.sort_unstable();
        assert_eq!(found, all);
    }
    for by in [Criterion::Subject, Criterion::Date, Criterion::From, Criterion::DisplayTo] {
        let mut order = Order::new(&[SortKey { reverse: rows.len() % 2 == 1, by }]);
        for (row, digest) in rows.iter().zip(&digests) {
            order.add(row, Digest::from_bytes(digest).as_ref());
        }
        let mut found = order.finish();
        found.sort_unstable();
        assert_eq!(found, all);
    }
}
