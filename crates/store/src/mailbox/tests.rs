//! The mailboxes over a real folder.

use mailwright_view::Flags;
use mailwright_words::{Id, Timestamp};

use super::*;
use crate::{
    Lane, Options, Store,
    body::BodyId,
    directory::{NewPrincipal, PrincipalKind, add_principal},
};

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);
const ANN: Id = Id::from_i64(10);

fn id(n: i64) -> Id {
    Id::from_i64(n)
}

fn message(n: i64, origin: i64, folder: Option<&str>) -> NewMessage {
    NewMessage {
        id: id(n),
        account: ANN,
        folder: folder.map(str::to_owned),
        body: BodyId::from_i64(500),
        head: b"Return-Path: <bob@example.com>\r\n".to_vec(),
        head_skip: 0,
        size: 100,
        headers: b"From: Bob\r\nTo: Ann\r\nSubject: Hello: you\r\n".to_vec(),
        received: NOW,
        origin: Some(id(origin)),
        flags: 0,
        extract: None,
    }
}

fn opened() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    store
        .write_blocking(Lane::Quick, |tx| {
            let name = "ann@example.com".to_owned();
            let kind = PrincipalKind::Person;
            let ann = NewPrincipal { id: ANN, kind, name, quota_bytes: Some(250) };
            add_principal(tx, &ann, NOW)?;
            create_folders(tx, ANN, &[11, 12, 13, 14, 15, 16].map(id), NOW)?;
            tx.execute(
                "INSERT INTO body (id, segment, offset, length, crc, refs)
                 VALUES (500, 1, 0, 100, 0, 1)",
                params! {},
            )?;
            Ok(())
        })
        .unwrap();
    (folder, store)
}

fn refs(tx: &mut Tx<'_>) -> i64 {
    tx.query_one("SELECT refs FROM body", params! {}, |row| row.get(0)).unwrap()
}

#[test]
fn a_message_of_the_spool_arrives_once_in_a_folder() {
    let (_folder, store) = opened();
    store
        .write_blocking(Lane::Quick, |tx| {
            let first = deliver(tx, &message(100, 7, None), NOW)?;
            assert_eq!(first, Delivered::New { mailbox: id(11), uid: 1, modseq: 2 });
            assert_eq!(deliver(tx, &message(101, 7, None), NOW)?, Delivered::Before);
            let other = deliver(tx, &message(102, 7, Some("junk")), NOW)?;
            assert_eq!(other, Delivered::New { mailbox: id(14), uid: 1, modseq: 3 });
            let third = deliver(tx, &message(103, 8, Some("nowhere")), NOW)?;
            assert_eq!(third, Delivered::OverQuota);
            assert_eq!(refs(tx), 3);
            let listed = list(tx, ANN, None, None, 10)?;
            assert_eq!(listed.len(), 2);
            assert_eq!(
                (listed[0].from.as_str(), listed[0].subject.as_str(), listed[0].uid),
                ("Bob", "Hello: you", 1)
            );
            assert_eq!(list(tx, ANN, None, Some(("INBOX", 1)), 10)?.len(), 1);
            assert_eq!(list(tx, ANN, Some("Inbox"), None, 10)?.len(), 1);
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_expunged_message_gives_back_quota_counts_and_bytes() {
    let (_folder, store) = opened();
    store
        .write_blocking(Lane::Quick, |tx| {
            deliver(tx, &message(100, 7, None), NOW)?;
            deliver(tx, &message(101, 8, None), NOW)?;
            set_flags(tx, id(100), Flags::SEEN | Flags::DELETED)?;
            let inbox = folder(tx, ANN, "inbox")?.unwrap();
            assert_eq!((inbox.total, inbox.unseen, inbox.bytes, inbox.uidnext), (2, 1, 200, 3));
            assert_eq!(list(tx, ANN, None, None, 1)?[0].flags, ["\\Deleted", "\\Seen"]);
            delete(tx, id(100), NOW)?;
            let inbox = folder(tx, ANN, "INBOX")?.unwrap();
            assert_eq!((inbox.total, inbox.unseen, inbox.bytes, inbox.uidnext), (1, 1, 100, 3));
            assert_eq!(refs(tx), 2);
            assert!(copy(tx, id(100))?.is_none());
            assert_eq!(copy(tx, id(101))?.unwrap().size, 100);
            let again = deliver(tx, &message(104, 9, None), NOW)?;
            assert!(matches!(again, Delivered::New { uid: 3, .. }));
            assert!(remove_folders(tx, ANN, NOW)?);
            assert_eq!(refs(tx), 1);
            Ok(())
        })
        .unwrap();
}
