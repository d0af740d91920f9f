//! A search finds the same with an index, with half of one and with none.

use mailwright_imap::Key;
use mailwright_store::{
    Lane, Options,
    directory::{NewPrincipal, PrincipalKind, add_principal},
    index::{Indexer, Step},
    mailbox::{Append, create_folders},
};
use mailwright_words::{Id, Timestamp};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);

fn id(n: i64) -> Id {
    Id::from_i64(n)
}

const PLACE: Place = Place { account: Id::from_i64(10), mailbox: Id::from_i64(11) };

/// A store of an account, and who drives it.
struct World {
    _folder: tempfile::TempDir,
    runtime: Runtime,
    store: Store,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), NOW).unwrap();
        store
            .write_blocking(Lane::Quick, |tx| {
                let name = "ann@example.com".to_owned();
                let kind = PrincipalKind::Person;
                let ann = NewPrincipal { id: id(10), kind, name, quota_bytes: None };
                add_principal(tx, &ann, NOW)?;
                create_folders(tx, id(10), &[11, 12, 13, 14, 15, 16].map(id), NOW)
            })
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { _folder: folder, runtime, store }
    }

    fn append(&self, messages: &[String]) {
        self.runtime.block_on(async {
            let mut appends = Vec::new();
            for message in messages {
                let mut body = self.store.body(NOW);
                body.push(message.as_bytes()).await.unwrap();
                appends.push(Append {
                    body: body.finish().await.unwrap(),
                    system: 0,
                    keywords: Vec::new(),
                    internal_date: NOW,
                    rendered: None,
                });
            }
            self.store.append_messages(id(11), appends, NOW).await.unwrap();
        });
    }

    fn rows(&self) -> Snapshot {
        self.runtime.block_on(self.store.view(id(11))).unwrap().latest().unwrap()
    }

    fn index(&self) {
        let mut indexer = Indexer::new(self.store.clone());
        while indexer.step(std::time::Duration::ZERO).unwrap() == Step::Done {}
    }

    fn found(&self, snapshot: &Snapshot, condition: &Condition) -> Vec<u32> {
        let open: Vec<Row> = snapshot.rows().copied().collect();
        let (mut found, open) = narrowed(&self.store, PLACE, condition, open).unwrap();
        found.extend(decoded(&self.store, condition, open).unwrap());
        found.sort_unstable_by_key(|row| row.uid);
        found.into_iter().map(|row| row.uid).collect()
    }
}

fn message() -> impl Strategy<Value = String> {
    let word = "(invoice|Caf\u{e9}|ab|=\\?utf-8\\?q\\?caf=C3=A9_x\\?=|Stra\u{df}e|Re:|customer)";
    let words = || prop::collection::vec(word, 1..6).prop_map(|words| words.join(" "));
    let kind = prop::sample::select(vec![
        "",
        "Content-Type: text/html\r\n",
        "Content-Type: message/rfc822\r\n",
        "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n",
    ]);
    (words(), words(), words(), kind).prop_map(|(from, subject, body, kind)| {
        format!("From: {from} <a@b>\r\nSubject: {subject}\r\n{kind}\r\n{body}<b>in</b>side\r\n")
    })
}

fn key() -> impl Strategy<Value = Key> {
    let text =
        "(voic|caf\u{e9}|af|STRASSE|e c|customers|inside|re: |)".prop_map(String::into_boxed_str);
    let name = "(From|Subject|X-None)".prop_map(String::into_boxed_str);
    prop_oneof![
        (name, text.clone()).prop_map(|(name, text)| Key::Header { name, text }),
        text.clone().prop_map(Key::Text),
        text.clone().prop_map(Key::Body),
        text.clone().prop_map(|text| Key::Not(Box::new(Key::Text(text)))),
        (text.clone(), text).prop_map(|(a, b)| Key::Or(Box::new((Key::Body(a), Key::Text(b))))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn an_index_that_is_behind_changes_no_answer(
        first in prop::collection::vec(message(), 1..6),
        second in prop::collection::vec(message(), 1..6),
        keys in prop::collection::vec(key(), 20),
    ) {
        let world = World::new();
        world.append(&first);
        world.index();
        world.append(&second);
        let snapshot = world.rows();
        let conditions: Vec<Condition> = keys
            .into_iter()
            .map(|key| Condition::new(&Program { keys: vec![key] }, &snapshot, NOW))
            .collect();
        let messages: Vec<&String> = first.iter().chain(&second).collect();
        let slow = |condition: &Condition| -> Vec<u32> {
            let matches = snapshot.rows().zip(&messages).filter(|(row, message)| {
                let content = Content::new(message.as_bytes());
                let facts = Facts { content: Some(&content), ..Facts::of_row(row) };
                condition.holds(&facts).unwrap()
            });
            matches.map(|(row, _)| row.uid).collect()
        };
        for condition in &conditions {
            prop_assert_eq!(world.found(&snapshot, condition), slow(condition), "{:?}", condition);
        }
        world.index();
        for condition in &conditions {
            prop_assert_eq!(world.found(&snapshot, condition), slow(condition), "{:?}", condition);
        }
    }
}

#[test]
fn what_is_ruled_out_is_not_decoded() {
    let world = World::new();
    let messages: Vec<String> =
        (0..50).map(|n| format!("Subject: number {n}\r\n\r\nBody of {n}\r\n")).collect();
    world.append(&messages);
    let snapshot = world.rows();
    let program = Program { keys: vec![Key::Text("number 17".into())] };
    let condition = Condition::new(&program, &snapshot, NOW);
    let rows: Vec<Row> = snapshot.rows().copied().collect();
    let open = |rows: &[Row]| narrowed(&world.store, PLACE, &condition, rows.to_vec()).unwrap().1;
    assert_eq!(open(&rows).len(), 50);
    world.index();
    assert_eq!(open(&rows).len(), 1);
    // A message that is not in the mailbox any more is in no answer, and no error either.
    let gone = Row { message: id(999), ..rows[0] };
    assert!(decoded(&world.store, &condition, vec![gone]).unwrap().is_empty());
}

#[test]
fn messages_without_an_entry_are_sorted_by_the_same() {
    let world = World::new();
    let long = "someone@example.com, ".repeat(900);
    world.append(&[
        "Subject: Re: b\r\nTo: c@x\r\n\r\n".to_owned(),
        format!("Subject: a\r\nTo: {long}\r\n\r\n"),
        "Date: 1 Jan 2020 00:00:00 +0000\r\n\r\n".to_owned(),
    ]);
    let rows: Vec<Row> = world.rows().rows().copied().collect();
    let all = || {
        let mut seen = Vec::new();
        digests(&world.store, PLACE, &rows, &mut |row, digest| {
            let digest = digest.unwrap();
            let text = |text| String::from_utf8_lossy(digest.sort_text(text)).into_owned();
            let texts =
                [mailwright_mime::SortText::Subject, mailwright_mime::SortText::To].map(text);
            seen.push((row.uid, texts, digest.sent()));
        })
        .unwrap();
        seen
    };
    let before = all();
    assert_eq!(before[0].1, ["B", "C"]);
    assert_eq!(before[1].1, ["A", "SOMEONE"]);
    assert!(before[2].2.is_some());
    world.index();
    assert_eq!(all(), before);
}
