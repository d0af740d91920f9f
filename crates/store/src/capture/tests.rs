//! An inbox with its messages: caught, listed, tagged, gone.

use std::{sync::Arc, time::Duration};

use mailwright_words::{Envelope, Recipient, ReversePath, Timestamp};

use super::*;
use crate::{
    Lane, Options, Store,
    index::{Indexed, Indexer, Step},
    mailbox::{self, Delivered, NewMessage},
    spool::{self, Accepted, Class, Content, Origin, Terms},
};

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);

async fn open() -> (tempfile::TempDir, Store, Inbox) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let inbox = store.write(Lane::Quick, |tx| add_inbox(tx, &new("default"), 2, NOW)).await;
    (folder, store, inbox.unwrap())
}

fn new(name: &str) -> NewInbox {
    let ids = mailwright_words::IdSource::new(3);
    let far = |name: &str| NOW.plus(Duration::from_millis(u64::try_from(name.len()).unwrap()));
    let (principal, mailbox) = (ids.next(far(name)), ids.next(far(name)));
    NewInbox { principal, mailbox, name: name.to_owned(), expires: None }
}

async fn catch(store: &Store, inbox: &Inbox) -> Id {
    catch_this(store, inbox, b"Subject: x\r\n\r\nhello\r\n", false).await
}

async fn catch_this(store: &Store, inbox: &Inbox, bytes: &'static [u8], extracts: bool) -> Id {
    let mut writer = store.body(NOW);
    writer.push(bytes).await.unwrap();
    let recipient = |text: &str| Recipient::new(text.parse().unwrap());
    let to = vec![recipient("ann@a.example"), recipient("bob@b.example")];
    let accepted = Accepted {
        envelope: Envelope::new(ReversePath::Null, to),
        classes: vec![Class::Capture { inbox: inbox.principal }; 2],
        head: b"Received: x\r\n".to_vec(),
        head_skip: 0,
        content: Content::New(writer.finish().await.unwrap()),
        origin: Origin::default(),
        terms: Terms { confined: true, ..Terms::new(NOW, NOW) },
    };
    let (ids, inbox, mailbox) = (store.clone(), inbox.principal, inbox.mailbox);
    let into = move |tx: &mut Tx<'_>, of: &spool::Delivery<'_>, gives: bool| {
        let id = ids.ids().next(NOW);
        let recipients = of.envelope.recipients.iter().map(|one| one.address.to_string());
        let caught = Caught { recipients: recipients.collect(), ..Caught::default() };
        let extract = extracts.then(|| Arc::new(Extract::of(bytes, &caught).unwrap()));
        let new = NewMessage {
            id,
            account: inbox,
            folder: None,
            body: of.body,
            head: Vec::new(),
            head_skip: 0,
            size: of.body_length,
            headers: Vec::new(),
            received: NOW,
            origin: Some(of.spool),
            flags: 0,
            extract: extract.clone(),
        };
        let into = if gives { mailbox::deliver_over } else { mailbox::deliver };
        let delivered = into(tx, &new, NOW)?;
        if matches!(delivered, Delivered::New { .. }) {
            keep(tx, (inbox, id), &caught, extract.as_deref())?;
        }
        Ok(delivered)
    };
    let (_durable, copies) =
        spool::commit_straight(store, (accepted, Vec::new()), vec![true; 2], into).await.unwrap();
    assert_eq!(copies, [true, true]);
    let newest = |tx: &mut Tx<'_>| list(tx, mailbox, (u32::MAX, 0, 1));
    store.read_blocking(newest).unwrap()[0].message
}

#[tokio::test]
async fn there_are_no_more_inboxes_than_there_may_be_and_none_twice() {
    let (_folder, store, first) = open().await;
    assert_eq!((first.number, first.name.as_str(), first.total), (1, "default", 0));
    let make =
        |name: &'static str| store.write(Lane::Quick, move |tx| add_inbox(tx, &new(name), 2, NOW));
    assert!(matches!(make("default").await, Err(StoreError::Exists(_))));
    assert_eq!(make("other").await.unwrap().number, 2);
    assert!(matches!(make("one more").await, Err(StoreError::Cannot(_))));
    let names = store.read_blocking(inboxes).unwrap();
    assert_eq!(
        names.iter().map(|inbox| inbox.name.as_str()).collect::<Vec<_>>(),
        ["default", "other"]
    );
}

#[tokio::test]
async fn a_message_for_two_recipients_is_caught_once_with_both() {
    let (_folder, store, inbox) = open().await;
    let mut news = store.news();
    let message = catch(&store, &inbox).await;
    let told = news.try_recv().unwrap();
    assert_eq!(told.mailbox, inbox.mailbox);
    assert!(matches!(told.what, mailbox::Happened::Came(row) if row.message == message));
    let (all, how, left) = store
        .read_blocking(|tx| {
            let left: i64 =
                tx.query_one("SELECT count(*) FROM spool", params! {}, |row| row.get(0))?;
            Ok((list(tx, inbox.mailbox, (u32::MAX, 0, 9))?, caught(tx, message)?, left))
        })
        .unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].recipients, ["ann@a.example", "bob@b.example"]);
    assert_eq!(how.unwrap().recipients, all[0].recipients);
    assert_eq!(left, 0, "nothing waits in the queue");
    let content = store.content(message).unwrap().unwrap().whole().unwrap();
    assert_eq!(content, b"Subject: x\r\n\r\nhello\r\n", "its bytes are those that came");
}

#[tokio::test]
async fn tags_and_what_is_kept_go_with_the_message() {
    let (_folder, store, inbox) = open().await;
    let message = catch(&store, &inbox).await;
    let owner = inbox.principal;
    store
        .write(Lane::Quick, move |tx| {
            set_tags(tx, message, &["b".to_owned(), "a".to_owned(), "a".to_owned()])?;
            rename_tag(tx, owner, "b", "c")?;
            assert_eq!(tags_of(tx, message)?, ["a", "c"]);
            assert_eq!(tags(tx, owner)?, [("a".to_owned(), 1), ("c".to_owned(), 1)]);
            drop_tag(tx, owner, "a")?;
            assert_eq!(entry(tx, message)?.unwrap().tags, ["c"]);
            assert_eq!(late(tx, 9)?, [message]);
            sum_up(tx, message, "{}", "words")?;
            assert!(late(tx, 9)?.is_empty());
            mailbox::delete(tx, message, NOW)?;
            assert!(entry(tx, message)?.is_none() && caught(tx, message)?.is_none());
            assert!(tags(tx, owner)?.is_empty());
            Ok(())
        })
        .await
        .unwrap();
}

/// All that is kept of a message beside its bytes: what mail clients are shown, what lists show,
/// the words, and what the index has.
fn kept(store: &Store, inbox: &Inbox, message: Id) -> (String, Vec<Vec<u8>>) {
    let rows = store.read_blocking(|tx| {
        tx.query_one(
            "SELECT version, hex(envelope), hex(bodystructure), hex(body), hex(parts),
                 hex(headers), preview, base_subject, is_reply, message_id_hash, hex(refs), sent,
                 summary, words
             FROM message_meta JOIN capture USING (message) WHERE message = :message",
            params! { message },
            |row| {
                let text = |at| row.get::<Option<String>>(at).map(Option::unwrap_or_default);
                let texts: Vec<String> = [1, 2, 3, 4, 5, 6, 7, 10, 12, 13]
                    .map(text)
                    .into_iter()
                    .collect::<Result<_, _>>()?;
                let number = |at| row.get::<Option<i64>>(at);
                Ok(format!("{texts:?} {:?}", [number(0)?, number(8)?, number(9)?, number(11)?]))
            },
        )
    });
    let mut indexed = Vec::new();
    for what in [Indexed::Digest, Indexed::Signature, Indexed::Brief] {
        let mut keep = |_: usize, bytes: &[u8]| {
            indexed.push(bytes.to_vec());
            true
        };
        store.indexed(inbox.principal, &[message], what, &mut keep).unwrap();
    }
    (rows.unwrap(), indexed)
}

#[tokio::test]
async fn what_is_drawn_at_once_is_what_is_made_of_it_later() {
    const MESSAGE: &[u8] = b"From: Ann <ann@a.example>\r\nTo: bob@b.example\r\n\
        Subject: Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <2@a>\r\nReferences: <1@a>\r\n\
        Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\n\r\nHello there\r\n\
        --x\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nx\r\n--x--\r\n";
    let (_folder, store, inbox) = open().await;
    let at_once = catch_this(&store, &inbox, MESSAGE, true).await;
    assert!(store.read_blocking(|tx| late(tx, 9)).unwrap().is_empty(), "nothing is left to do");
    let later = catch_this(&store, &inbox, MESSAGE, false).await;
    assert_eq!(store.read_blocking(|tx| late(tx, 9)).unwrap(), [later]);

    let summed = summary::of_stored(&store, later).unwrap();
    let json = summed.summary.to_json();
    store.write(Lane::Quick, move |tx| sum_up(tx, later, &json, &summed.words)).await.unwrap();
    store.render_some(vec![later]).await.unwrap();
    let mut indexer = Indexer::new(store.clone());
    while indexer.step(Duration::ZERO).unwrap() == Step::Done {}

    let (rows, indexed) = kept(&store, &inbox, at_once);
    assert!(rows.contains("hello there") && rows.contains("a.pdf"), "{rows}");
    assert_eq!(indexed.len(), 3, "digest, signature and brief");
    assert_eq!(kept(&store, &inbox, later), (rows, indexed));
}

#[test]
fn a_long_message_is_not_taken_apart_at_once() {
    let bytes = vec![b'x'; EXTRACT_MAX + 1];
    assert!(Extract::of(&bytes, &Caught::default()).is_none());
    assert!(Extract::of(&bytes[1..], &Caught::default()).is_some());
}

#[tokio::test]
async fn the_oldest_go_past_what_an_inbox_keeps() {
    let (_folder, store, inbox) = open().await;
    for _ in 0..6 {
        catch(&store, &inbox).await;
    }
    let mailbox = inbox.mailbox;
    let size = store.read_blocking(|tx| list(tx, mailbox, (u32::MAX, 0, 1))).unwrap()[0].size;
    let all = Kept { messages: 9, octets: u64::MAX, since: Timestamp::new(0) };
    for (kept, left) in [
        (all, &[6, 5, 4, 3, 2, 1][..]),
        (Kept { octets: 6 * size, ..all }, &[6, 5, 4, 3, 2, 1]),
        (Kept { octets: 6 * size - 1, ..all }, &[6, 5, 4, 3, 2]),
        (Kept { octets: 3 * size, ..all }, &[6, 5, 4]),
        (Kept { messages: 2, ..all }, &[6, 5]),
        (Kept { octets: 0, ..all }, &[]),
    ] {
        let prune = move |tx: &mut Tx<'_>| prune(tx, mailbox, kept, NOW);
        while store.write(Lane::Bulk, prune).await.unwrap() > 0 {}
        let found = store.read_blocking(|tx| list(tx, mailbox, (u32::MAX, 0, 9))).unwrap();
        assert_eq!(found.iter().map(|one| one.uid).collect::<Vec<_>>(), left, "{kept:?}");
    }
}
