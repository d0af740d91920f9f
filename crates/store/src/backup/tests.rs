//! A picture that is taken while mail comes and goes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use mailwright_view::NumberSet;

use super::*;
use crate::{
    Lane, Options,
    check::Report,
    directory::{NewPrincipal, PrincipalKind, add_principal},
    mailbox::{Append, create_folders, expunge, folder, list},
};

const NOW: Timestamp = Timestamp::new(1_800_000_000_000);
const LATER: Timestamp = Timestamp::new(1_800_000_100_000);
const ANN: Id = Id::from_i64(10);

fn id(n: i64) -> Id {
    Id::from_i64(n)
}

fn open(path: &Path) -> Store {
    let mut options = Options::new(path);
    options.segment_bytes_max = 16_384;
    Store::open(options, NOW).unwrap()
}

async fn opened(path: &Path) -> Store {
    let store = open(path);
    let add = |tx: &mut Tx<'_>| {
        let (name, kind) = ("ann@example.com".to_owned(), PrincipalKind::Person);
        add_principal(tx, &NewPrincipal { id: ANN, kind, name, quota_bytes: None }, NOW)?;
        create_folders(tx, ANN, &[11, 12, 13, 14, 15, 16].map(id), NOW)
    };
    store.write(Lane::Quick, add).await.unwrap();
    store
}

async fn append(store: &Store, mailbox: i64, bytes: &[u8]) {
    let mut writer = store.body(NOW);
    writer.push(bytes).await.unwrap();
    let body = writer.finish().await.unwrap();
    let message =
        Append { body, system: 0, keywords: Vec::new(), internal_date: NOW, rendered: None };
    store.append_messages(id(mailbox), vec![message], NOW).await.unwrap();
}

fn text(number: usize) -> Vec<u8> {
    format!("Subject: number {number}\r\n\r\n{}", "words ".repeat(200)).into_bytes()
}

/// Copies what a snapshot names, as a backup does.
fn copy(snapshot: &Snapshot, to: &Path) {
    for piece in snapshot.pieces() {
        let target = to.join(&piece.name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let length = usize::try_from(piece.length).unwrap();
        fs::write(&target, &fs::read(&piece.path).unwrap()[..length]).unwrap();
    }
}

fn contents(store: &Store, folder: &str) -> Vec<Vec<u8>> {
    let rows = store.read_blocking(|tx| list(tx, ANN, Some(folder), None, 100_000)).unwrap();
    rows.iter().map(|row| store.content(row.id).unwrap().unwrap().whole().unwrap()).collect()
}

async fn checked(store: &Store) -> Report {
    store.check(LATER, false).await.unwrap()
}

/// Appends to Sent, expunges in Trash and takes space back until it is told to stop.
async fn trouble(store: Store, stop: std::sync::Arc<AtomicBool>) -> usize {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..10 {
            append(&store, 12, &text(number)).await;
            append(&store, 15, &text(number)).await;
            number += 1;
        }
        let all = NumberSet::range(1..=u32::MAX);
        let empty = move |tx: &mut Tx<'_>| expunge(tx, id(15), (&all, false), 500, NOW).map(drop);
        store.write(Lane::Bulk, empty).await.unwrap();
        store.sweep_mailboxes(LATER, Duration::ZERO).await.unwrap();
        store.reclaim(LATER, Duration::ZERO).await.unwrap();
    }
    number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_under_load_has_all_that_was_acknowledged_before_and_is_sound() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = opened(source.path()).await;
    let mut before: Vec<Vec<u8>> = (0..60).map(text).collect();
    before.push([text(60), vec![b'x'; 3 << 20]].concat());
    for bytes in &before {
        append(&store, 11, bytes).await;
    }
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| tokio::spawn(trouble(store.clone(), std::sync::Arc::clone(&stop))))
        .collect();
    let mut told = Vec::new();
    for round in 0..3 {
        let folder = target.path().join(round.to_string());
        // What is in Sent by now was acknowledged; the picture has it at least.
        let sent = contents(&store, "Sent").len();
        let snapshot = store.snapshot().await.unwrap();
        copy(&snapshot, &folder);
        told.push((folder, sent));
    }
    stop.store(true, Ordering::Relaxed);
    for one in load {
        assert!(one.await.unwrap() > 0);
    }
    assert!(!source.path().join(PART).exists());
    for (path, sent) in told {
        adopt(&path, LATER).unwrap();
        let copy = open(&path);
        assert_eq!(checked(&copy).await.findings, []);
        assert_eq!(contents(&copy, "INBOX"), before);
        assert!(contents(&copy, "Sent").len() >= sent);
        append(&copy, 11, b"new").await;
        assert_eq!(contents(&copy, "INBOX").len(), before.len() + 1);
    }
    assert_eq!(checked(&store).await.findings, []);
}

#[tokio::test]
async fn a_restored_folder_has_a_uidvalidity_it_never_had() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = opened(source.path()).await;
    copy(&store.snapshot().await.unwrap(), target.path());
    let of = |store: &Store| {
        let read = |tx: &mut Tx<'_>| Ok(folder(tx, ANN, "INBOX")?.unwrap().uidvalidity);
        store.read_blocking(read).unwrap()
    };
    // An index that came with the rows is of no use.
    for name in ["index.db", "index.db-wal", "index.db-shm"] {
        fs::write(target.path().join(name), b"x").unwrap();
    }
    forget_index(target.path()).unwrap();
    assert!(!target.path().join("index.db-wal").exists());
    forget_index(target.path()).unwrap();
    // A clock that went back helps nobody to an old number.
    assert_eq!(adopt(target.path(), Timestamp::new(1)).unwrap(), 6);
    assert!(of(&open(target.path())) > of(&store));
    assert!(matches!(adopt(source.path(), LATER), Err(OpenError::Locked(_))));
}
