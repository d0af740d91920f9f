//! Faults, power cuts and reclaiming, on a disk that is played.
//!
//! What is simulated: each step of segments and large files can be the last; what was not synced
//! is dropped, or torn in the middle. The database is a real one in a real folder; its power cut is
//! played by copying database and log while they are open, after the last answer. Not simulated:
//! bytes that the database wrote and had not synced are in that copy too. That it syncs before a
//! `COMMIT` returns is `SQLite`'s own promise, and is looked at from outside by the strace run.

use std::{fs, path::Path, sync::Arc, time::Duration};

use mailwright_words::Timestamp;

use super::{
    fake::{FakeDisk, Faults},
    *,
};
use crate::{
    engine::Lane,
    params,
    store::{Options, Store},
};

mod again;

const NOW: Timestamp = Timestamp::new(1_800_000_000_000);

fn open(folder: &Path, disk: &FakeDisk) -> Store {
    try_open(folder, disk).unwrap()
}

fn try_open(folder: &Path, disk: &FakeDisk) -> Result<Store, crate::OpenError> {
    let mut options = Options::new(folder);
    options.disk = Arc::new(disk.clone());
    options.segment_bytes_max = 16_384;
    Store::open(options, NOW)
}

async fn try_put(store: &Store, bytes: &[u8]) -> Result<BodyId, StoreError> {
    let mut writer = store.body(NOW);
    writer.push(bytes).await?;
    let body = writer.finish().await?;
    let id = body.id();
    store.write_body(body, |_| Ok(())).await?;
    Ok(id)
}

async fn put(store: &Store, bytes: &[u8]) -> BodyId {
    try_put(store, bytes).await.unwrap()
}

fn text(number: usize) -> Vec<u8> {
    format!("message {number} ").repeat(100).into_bytes()
}

fn count(store: &Store, sql: &'static str) -> i64 {
    store.read_blocking(|tx| tx.query_one(sql, &[], |row| row.get(0))).unwrap()
}

/// The database as the power cut leaves it, in a new folder.
fn copy_database(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in ["mailwright.db", "mailwright.db-wal"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.path().join(name)).unwrap();
        }
    }
    to
}

/// The paths of the played disk hold the folder's name, so it has to stay the same.
fn swap_database(folder: &Path, copy: &Path) {
    for name in ["mailwright.db", "mailwright.db-wal", "mailwright.db-shm"] {
        if folder.join(name).exists() {
            fs::remove_file(folder.join(name)).unwrap();
        }
        if copy.join(name).exists() {
            fs::copy(copy.join(name), folder.join(name)).unwrap();
        }
    }
}

/// How many of all bodies are damaged; they are quarantined.
async fn damaged(store: &Store) -> u64 {
    let (mut after, mut sum) = (None, 0);
    while let Some((last, damaged)) = store.verify_bodies(after, 3, NOW).await.unwrap() {
        (after, sum) = (Some(last), sum + damaged);
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_shares_its_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    let store = open(folder.path(), &disk);
    // While the writer of rows is busy and the appender with it, the rest gathers.
    let tasks: Vec<_> = (0..500)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { try_put(&store, &text(n)[..20]).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(count(&store, "SELECT count(*) FROM body"), 500);
    assert!(disk.syncs() < 250, "{} syncs for 500 bodies", disk.syncs());
}

/// Stores bodies, small and large, until the power goes. Gives which were acknowledged, and the
/// database at that moment.
async fn until_cut(folder: &Path, disk: &FakeDisk) -> (Vec<(BodyId, Vec<u8>)>, tempfile::TempDir) {
    let mut acknowledged = Vec::new();
    let Ok(store) = try_open(folder, disk) else {
        return (acknowledged, copy_database(folder));
    };
    for number in 0..20 {
        let bytes = if number == 7 { vec![b'l'; 1_200_000] } else { text(number) };
        if let Ok(id) = try_put(&store, &bytes).await {
            acknowledged.push((id, bytes));
        }
    }
    let database = copy_database(folder);
    drop(store);
    (acknowledged, database)
}

async fn survives(step: u64, torn: bool) {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    disk.cut_at(step, torn);
    let (acknowledged, database) = until_cut(folder.path(), &disk).await;
    swap_database(folder.path(), database.path());
    let disk = disk.after_cut(torn);
    let store = open(folder.path(), &disk);
    for (id, bytes) in &acknowledged {
        assert_eq!(&store.bodies().read(*id).await.unwrap(), bytes, "step {step}, torn {torn}");
    }
    let rows = usize::try_from(count(&store, "SELECT count(*) FROM body")).unwrap();
    assert_eq!(rows, acknowledged.len(), "step {step}: nothing is shown that was refused");
    assert_eq!(count(&store, "SELECT count(*) FROM body WHERE quarantined IS NOT NULL"), 0);
    // It goes on as if nothing had been.
    let id = put(&store, b"after").await;
    assert_eq!(store.bodies().read(id).await.unwrap(), b"after");
    assert_eq!(damaged(&store).await, 0);
}

#[tokio::test]
async fn a_power_cut_at_any_step_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    assert_eq!(until_cut(folder.path(), &disk).await.0.len(), 20);
    let steps = disk.steps();
    assert!(steps > 40, "{steps} steps");
    for step in 1..=steps {
        survives(step, false).await;
        survives(step, true).await;
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    let store = open(folder.path(), &disk);
    let before = put(&store, b"before").await;
    disk.fail(Faults { full: true, ..Faults::default() });
    assert!(matches!(try_put(&store, b"full").await, Err(StoreError::Full)));
    assert!(matches!(try_put(&store, &vec![b'x'; 2 << 20]).await, Err(StoreError::Full)));
    disk.fail(Faults { read_only: true, ..Faults::default() });
    assert!(matches!(try_put(&store, b"read-only").await, Err(StoreError::ReadOnly)));
    disk.fail(Faults::default());
    let after = put(&store, b"after").await;
    assert_eq!(store.bodies().read(before).await.unwrap(), b"before");
    assert_eq!(store.bodies().read(after).await.unwrap(), b"after");
    assert_eq!(count(&store, "SELECT count(*) FROM body"), 2);
}

#[tokio::test]
async fn a_group_that_fits_is_taken_though_the_zeros_behind_it_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    let store = open(folder.path(), &disk);
    disk.fail(Faults { room: Some(10_000), ..Faults::default() });
    let first = put(&store, &[b'a'; 4000]).await;
    let second = put(&store, &[b'b'; 4000]).await;
    assert!(matches!(try_put(&store, &[b'c'; 4000]).await, Err(StoreError::Full)));
    let small = put(&store, b"small").await;
    for (id, bytes) in [(first, vec![b'a'; 4000]), (second, vec![b'b'; 4000])] {
        assert_eq!(store.bodies().read(id).await.unwrap(), bytes);
    }
    assert_eq!(store.bodies().read(small).await.unwrap(), b"small");
}

#[tokio::test]
async fn a_segment_whose_sync_failed_is_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    let store = open(folder.path(), &disk);
    let before = put(&store, b"before").await;
    disk.fail(Faults { sync: true, ..Faults::default() });
    assert!(matches!(try_put(&store, b"lost").await, Err(StoreError::Io(_))));
    disk.fail(Faults::default());
    let after = put(&store, b"after").await;
    assert_eq!((segment_of(&store, before), segment_of(&store, after)), (1, 2));
}

fn segment_of(store: &Store, id: BodyId) -> i64 {
    store
        .read_blocking(|tx| {
            tx.query_one("SELECT segment FROM body WHERE id = :id", params! { id }, |row| {
                row.get(0)
            })
        })
        .unwrap()
}

#[tokio::test]
async fn damage_before_the_mark_is_quarantined_and_its_neighbours_live() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    let store = open(folder.path(), &disk);
    let first = put(&store, b"first").await;
    let second = put(&store, b"second").await;
    let segment = store.body_files().0.segment(1);
    drop(store);
    // Behind the segment's start and the first record's head.
    disk.damage(&segment, 16 + 16 + 2);
    let store = open(folder.path(), &disk);
    assert!(matches!(store.bodies().read(first).await, Err(StoreError::Corrupt(_))));
    assert_eq!(store.bodies().read(second).await.unwrap(), b"second");
    let kept = fs::read_dir(folder.path().join("bodies/quarantine")).unwrap().count();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn damage_is_found_by_a_read_and_by_the_whole_check() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    let store = open(folder.path(), &disk);
    let body = put(&store, b"a body").await;
    disk.damage(&store.body_files().0.segment(1), 16 + 16);
    assert!(matches!(store.bodies().read(body).await, Err(StoreError::Corrupt(_))));
    assert_eq!(damaged(&store).await, 1);
    assert_eq!(damaged(&store).await, 0);
}

#[tokio::test]
async fn whoever_reads_to_the_end_never_gets_the_whole_of_a_damaged_body() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    let store = open(folder.path(), &disk);
    let id = put(&store, &vec![b'x'; 700_000]).await;
    for skip in [0, 5, 300_000] {
        let mut reader = store.body_reader(id).unwrap();
        reader.seek(skip);
        let mut octets = skip;
        while let Some(piece) = reader.next_piece().unwrap() {
            octets += u64::try_from(piece.len()).unwrap();
        }
        assert_eq!(octets, 700_000);
    }
    store
        .write(Lane::Quick, |tx| tx.execute("UPDATE body SET crc = crc + 1", params! {}))
        .await
        .unwrap();
    for skip in [0, 5, 300_000] {
        let mut reader = store.body_reader(id).unwrap();
        reader.seek(skip);
        let end = std::iter::from_fn(|| match reader.next_piece() {
            Ok(Some(_)) => Some(Ok(())),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        })
        .find_map(Result::err);
        assert!(matches!(end, Some(StoreError::Corrupt(_))), "{skip}");
    }
}

#[tokio::test]
async fn dead_bodies_give_their_space_back_after_the_grace_time() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    let store = open(folder.path(), &disk);
    let mut bodies = Vec::new();
    for number in 0..60 {
        bodies.push((put(&store, &text(number)).await, text(number)));
    }
    let large = put(&store, &vec![b'x'; 2 << 20]).await;
    let (living, dead): (Vec<_>, Vec<_>) =
        bodies.into_iter().enumerate().partition(|(number, _)| number % 3 == 0);
    let dead: Vec<BodyId> = dead.into_iter().map(|(_, (id, _))| id).chain([large]).collect();
    let dead_count = u64::try_from(dead.len()).unwrap();
    let release_all =
        move |tx: &mut crate::Tx<'_>| dead.iter().try_for_each(|body| release(tx, *body, NOW));
    store.write(Lane::Quick, release_all).await.unwrap();
    let hour = Duration::from_hours(1);
    assert_eq!(store.reclaim(NOW, hour).await.unwrap().bodies, 0);
    let later = NOW.plus(hour);
    let given = store.reclaim(later, hour).await.unwrap();
    assert_eq!(given.bodies, dead_count);
    assert!(given.segments >= 3, "{given:?}");
    for (id, bytes) in living.iter().map(|(_, body)| body) {
        assert_eq!(&store.bodies().read(*id).await.unwrap(), bytes);
    }
    assert!(matches!(store.bodies().read(large).await, Err(StoreError::Missing(_))));
    assert_eq!(count(&store, "SELECT count(*) FROM body"), 20);
    drop(store);
    let store = open(folder.path(), &disk);
    for (id, bytes) in living.iter().map(|(_, body)| body) {
        assert_eq!(&store.bodies().read(*id).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    let store = open(folder.path(), &disk);
    let mut writer = store.body(NOW);
    writer.push(&vec![b'x'; 2 << 20]).await.unwrap();
    let files = store.body_files().0.files.clone();
    assert_eq!(disk.names(&files).unwrap().len(), 1);
    drop(writer);
    assert_eq!(disk.names(&files).unwrap().len(), 0);
    let mut writer = store.body(NOW);
    writer.push(&vec![b'x'; 2 << 20]).await.unwrap();
    let body = writer.finish().await.unwrap();
    let refused = store.write_body(body, |_| Err::<(), _>(StoreError::Missing("mailbox"))).await;
    assert!(refused.is_err());
    assert_eq!(disk.names(&files).unwrap().len(), 0);
    assert_eq!(count(&store, "SELECT count(*) FROM body"), 0);
}

#[tokio::test]
async fn past_the_memory_budget_bodies_go_to_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(folder.path());
    options.body_memory_max = 100;
    let store = Store::open(options, NOW).unwrap();
    let mut first = store.body(NOW);
    first.push(&[b'x'; 80]).await.unwrap();
    let mut second = store.body(NOW);
    second.push(&[b'y'; 80]).await.unwrap();
    let (first, second) = (first.finish().await.unwrap(), second.finish().await.unwrap());
    assert!(first.in_memory().is_some() && second.in_memory().is_none());
    let id = second.id();
    store.write_body(second, |_| Ok(())).await.unwrap();
    assert_eq!(store.bodies().read(id).await.unwrap(), [b'y'; 80]);
}
