//! The spool over a real folder.

use std::time::Duration;

use mailwright_words::{Address, Envelope, Recipient, ReversePath};

use super::*;
use crate::{engine::Lane, params, store::Options};

const NOW: Timestamp = Timestamp::new(1_800_000_000_000);

fn envelope(to: &[&str]) -> Envelope {
    let to = to.iter().map(|to| Recipient::new(Address::parse(to).unwrap())).collect();
    Envelope::new(ReversePath::Sender(Address::parse("bob@client.example").unwrap()), to)
}

async fn accepted(store: &Store, to: &[&str], bytes: &[u8]) -> Accepted {
    let mut writer = store.body(NOW);
    writer.push(bytes).await.unwrap();
    Accepted {
        envelope: envelope(to),
        classes: to.iter().map(|_| Class::Relay { site: "remote.example".to_owned() }).collect(),
        head: b"Received: from client.example\r\n".to_vec(),
        head_skip: 0,
        content: Content::New(writer.finish().await.unwrap()),
        origin: Origin::default(),
        terms: Terms::new(NOW, NOW.plus(Duration::from_hours(120))),
    }
}

fn count(store: &Store, sql: &'static str) -> i64 {
    store.read_blocking(|tx| tx.query_one(sql, &[], |row| row.get(0))).unwrap()
}

#[tokio::test]
async fn a_committed_message_has_its_rows_and_bytes_and_wakes_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let message =
        accepted(&store, &["ann@remote.example", "eve@remote.example"], b"Hello\r\n").await;
    let Content::New(body) = &message.content else { panic!("the body is new") };
    let body = body.id();
    let durable = commit(&store, message).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), store.spooled().notified()).await.unwrap();
    assert_eq!(store.bodies().read(body).await.unwrap(), b"Hello\r\n");
    assert_eq!(store.bodies().range(body, 1..4).await.unwrap(), b"ell");
    assert_eq!(store.bodies().range(body, 5..99).await.unwrap(), b"\r\n");
    let id = durable.id();
    let recipients: Vec<String> = store
        .read(move |tx| {
            tx.query(
                "SELECT address FROM recipient WHERE spool = :id ORDER BY address",
                params! { id },
                |row| row.get(0),
            )
        })
        .await
        .unwrap();
    assert_eq!(recipients, ["ann@remote.example", "eve@remote.example"]);
}

#[tokio::test]
async fn a_recipient_named_twice_gets_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let to = ["ann@remote.example", "ann@REMOTE.example"];
    let _durable = commit(&store, accepted(&store, &to, b"x").await).await.unwrap();
    assert_eq!(count(&store, "SELECT count(*) FROM recipient"), 1);
}

#[tokio::test]
async fn an_envelope_needs_a_class_for_each_recipient() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let mut message = accepted(&store, &["ann@remote.example"], b"x").await;
    message.classes.clear();
    assert!(matches!(commit(&store, message).await, Err(SpoolError::Envelope { .. })));
}

#[tokio::test]
async fn a_shared_body_lives_until_its_last_message_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let message = accepted(&store, &["ann@remote.example"], b"shared").await;
    let (body, length) = message.content.body();
    let first = commit(&store, message).await.unwrap();
    let mut again = accepted(&store, &["eve@remote.example"], b"").await;
    again.content = Content::Stored { body, length };
    let second = commit(&store, again).await.unwrap();
    for (durable, left) in [(first, 1), (second, 0)] {
        let id = durable.id();
        let gone = store.write(Lane::Quick, move |tx| remove(tx, id, NOW)).await.unwrap();
        assert!(!gone, "a message with recipients stays");
        let gone = store
            .write(Lane::Quick, move |tx| {
                tx.execute("DELETE FROM recipient WHERE spool = :id", params! { id })?;
                remove(tx, id, NOW)
            })
            .await
            .unwrap();
        assert!(gone);
        assert_eq!(count(&store, "SELECT refs FROM body"), left);
    }
    assert_eq!(count(&store, "SELECT count(*) FROM body WHERE dead_since IS NOT NULL"), 1);
}

#[tokio::test]
async fn direct_delivery_answers_each_group_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let to = ["ann@here.example", "bob@here.example", "eve@here.example"];
    let message = accepted(&store, &to, b"direct").await;
    let each = |tx: &mut Tx<'_>, of: &Delivery<'_>| {
        let (id, now) = (of.spool, of.terms.arrived);
        tx.execute(
            "INSERT INTO event (tenant, at, kind, spool) VALUES (1, :now, 'test', :id)",
            params! { now, id },
        )?;
        if of.recipient.address.local() == "eve" {
            return Err(StoreError::Missing("mailbox"));
        }
        hold(tx, of.body)
    };
    let into =
        move |tx: &mut Tx<'_>, group: &[Delivery<'_>]| group.iter().try_for_each(|of| each(tx, of));
    let (durable, outcomes) = deliver(&store, (message, vec![1, 2]), into).await.unwrap();
    assert!(durable.id().get() > 0);
    assert!(outcomes[0].is_ok());
    assert!(matches!(outcomes[1], Err(StoreError::Missing(_))));
    assert_eq!(count(&store, "SELECT count(*) FROM event"), 1);
    assert_eq!(count(&store, "SELECT refs FROM body"), 1);
}

#[tokio::test]
async fn a_large_body_has_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let mut writer = store.body(NOW);
    for piece in bytes.chunks(65_536) {
        writer.push(piece).await.unwrap();
    }
    let body = writer.finish().await.unwrap();
    assert!(body.in_memory().is_none());
    let mut message = accepted(&store, &["ann@remote.example"], b"").await;
    let id = body.id();
    message.content = Content::New(body);
    let _durable = commit(&store, message).await.unwrap();
    assert_eq!(store.bodies().read(id).await.unwrap(), bytes);
    let mut reader = store.bodies().open(id).await.unwrap();
    let mut again = Vec::new();
    while let Some(piece) = reader.next_piece().unwrap() {
        again.extend(piece);
    }
    assert_eq!(again, bytes);
}

#[tokio::test]
async fn what_follows_from_a_message_is_stored_with_it_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let follows = |body: BodyId| Accepted {
        envelope: envelope(&["list@remote.example"]),
        classes: vec![Class::Relay { site: "remote.example".to_owned() }],
        head: Vec::new(),
        head_skip: 0,
        content: Content::Stored { body, length: 1 },
        origin: Origin::default(),
        terms: Terms::new(NOW, NOW.plus(Duration::from_hours(1))),
    };
    // The transaction breaks behind the first message: the last one's bytes are not there.
    let first = accepted(&store, &["ann@remote.example"], b"x").await;
    let Content::New(body) = &first.content else { panic!("the body is new") };
    let others = vec![follows(body.id()), follows(BodyId::from_i64(7))];
    assert!(commit_all(&store, first, others).await.is_err());
    assert_eq!(count(&store, "SELECT count(*) FROM spool"), 0);
    assert_eq!(count(&store, "SELECT count(*) FROM recipient"), 0);

    let mut first = accepted(&store, &["ann@remote.example"], b"x").await;
    first.terms.id = Some(Id::from_i64(4242));
    let Content::New(body) = &first.content else { panic!("the body is new") };
    let others = vec![follows(body.id()), follows(body.id())];
    let durable = commit_all(&store, first, others).await.unwrap();
    assert_eq!(durable.id(), Id::from_i64(4242));
    assert_eq!(count(&store, "SELECT count(*) FROM spool"), 3);
    assert_eq!(count(&store, "SELECT refs FROM body"), 3);
}

#[tokio::test]
async fn a_copy_that_fails_leaves_the_whole_message_to_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let to = ["ann@remote.example", "eve@remote.example"];
    let tries = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&tries);
    let into = move |tx: &mut Tx<'_>, of: &Delivery<'_>, _gives: bool| {
        seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let sql = "INSERT INTO meta (name, value) VALUES (:name, :value)";
        let name = of.recipient.address.to_string();
        tx.execute(sql, params! { name: &name, value: 1 })?;
        let copied = crate::mailbox::Delivered::Before;
        if name.starts_with("eve") { Err(StoreError::Missing("folder")) } else { Ok(copied) }
    };
    let message = accepted(&store, &to, b"x").await;
    let (durable, copies) =
        commit_straight(&store, (message, Vec::new()), vec![true; 2], into).await.unwrap();
    assert!(durable.id().get() > 0);
    assert_eq!(copies, [false, false]);
    assert_eq!(tries.load(std::sync::atomic::Ordering::Relaxed), 2);
    assert_eq!(count(&store, "SELECT count(*) FROM recipient"), 2);
    assert_eq!(count(&store, "SELECT count(*) FROM meta WHERE name LIKE '%remote%'"), 0);
    assert_eq!(count(&store, "SELECT refs FROM body"), 1);
}
