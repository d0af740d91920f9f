//! The writer, the lock and the schema.

use std::time::Duration;

use super::*;

const NOW: Timestamp = Timestamp::new(1_800_000_000_000);

fn add(tx: &mut Tx<'_>, name: &str) -> Result<(), StoreError> {
    tx.execute("INSERT INTO meta (name, value) VALUES (:name, x'00')", params! { name }).map(drop)
}

fn names(store: &Store) -> Vec<String> {
    let all =
        |tx: &mut Tx<'_>| tx.query("SELECT name FROM meta ORDER BY name", &[], |row| row.get(0));
    store.read_blocking(all).unwrap()
}

#[test]
fn a_folder_has_one_process_and_each_start_is_a_new_life() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let again = Store::open(Options::new(folder.path()), NOW);
    assert!(matches!(again, Err(OpenError::Locked(_))));
    assert_eq!(store.owner(), Owner { node: 1, epoch: 1 });
    drop(store);
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    assert_eq!(store.owner(), Owner { node: 1, epoch: 2 });
}

#[test]
fn a_folder_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let made = folder.path().join("new");
    drop(Store::open(Options::new(&made), NOW).unwrap());
    assert_eq!(mode(&made), 0o700);
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    drop(Store::open(Options::new(&open), NOW).unwrap());
    assert_eq!(mode(&open), 0o700);
}

#[test]
fn a_folder_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(Options::new(folder.path()), NOW).unwrap());
    let connection = Connection::open(folder.path().join("mailwright.db")).unwrap();
    connection.pragma_update(None, "user_version", 9999).unwrap();
    drop(connection);
    let newer = Store::open(Options::new(folder.path()), NOW);
    assert!(matches!(newer, Err(OpenError::Newer { found: 9999, .. })));
}

#[tokio::test]
async fn an_error_or_a_panic_takes_back_its_own_rows_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let (good, bad, panics) = tokio::join!(
        store.write(Lane::Quick, |tx| add(tx, "good")),
        store.write(Lane::Quick, |tx| {
            add(tx, "bad")?;
            Err::<(), _>(StoreError::Missing("thing"))
        }),
        store.write(Lane::Quick, |tx| {
            add(tx, "panics")?;
            #[expect(unreachable_code, reason = "the closure needs a type")]
            {
                panic!("on purpose");
                Ok(())
            }
        }),
    );
    good.unwrap();
    assert!(matches!(bad, Err(StoreError::Missing(_))));
    assert!(matches!(panics, Err(StoreError::Panicked(_))));
    assert_eq!(names(&store), ["good"]);
    store.write(Lane::Bulk, |tx| add(tx, "later")).await.unwrap();
    assert_eq!(names(&store), ["good", "later"]);
}

#[tokio::test]
async fn a_part_of_a_closure_may_fail_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    store
        .write(Lane::Quick, |tx| {
            add(tx, "one")?;
            let twice = tx.nested(|tx| {
                add(tx, "two")?;
                add(tx, "one")
            })?;
            assert!(twice.is_err_and(|e| e.is_constraint()));
            add(tx, "three")
        })
        .await
        .unwrap();
    assert_eq!(names(&store), ["one", "three"]);
}

#[test]
fn a_read_cannot_write_and_a_missing_value_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    assert!(store.read_blocking(|tx| add(tx, "no")).is_err());
    let unbound = |tx: &mut Tx<'_>| tx.execute("DELETE FROM meta WHERE name = :name", &[]);
    assert!(store.write_blocking(Lane::Quick, unbound).is_err());
}

#[tokio::test]
async fn writes_that_wait_are_answered_when_the_store_closes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let slow = store.clone();
    let first = tokio::spawn(async move {
        slow.write(Lane::Quick, |tx| {
            add(tx, "first")?;
            std::thread::park_timeout(Duration::from_millis(20));
            Ok(())
        })
        .await
    });
    let second = store.write(Lane::Quick, |tx| add(tx, "second")).await;
    drop(store);
    first.await.unwrap().unwrap();
    second.unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    assert_eq!(names(&store), ["first", "second"]);
}

#[test]
fn a_log_with_zeros_behind_it_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    for number in 0..40 {
        let name = format!("row {number:02}");
        store.write_blocking(Lane::Quick, move |tx| add(tx, &name)).unwrap();
    }
    let log = folder.path().join("mailwright.db-wal");
    assert!(log.metadata().unwrap().len() >= 20 << 20);
    // What a crash leaves: the files as they are now.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["mailwright.db", "mailwright.db-wal"] {
        fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
    }
    let again = Store::open(Options::new(crashed.path()), NOW).unwrap();
    assert_eq!(names(&again).iter().filter(|name| name.starts_with("row")).count(), 40);
    again.write_blocking(Lane::Quick, |tx| add(tx, "row more")).unwrap();
    store.write_blocking(Lane::Quick, |tx| add(tx, "row more")).unwrap();
    assert_eq!(names(&again), names(&store));
}

#[tokio::test]
async fn a_read_keeps_its_place_until_it_ends_whoever_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { readers_max: 1, ..Options::new(folder.path()) };
    let store = Store::open(options, NOW).unwrap();
    let (began, begins) = oneshot::channel();
    let (go, goes) = std::sync::mpsc::channel::<()>();
    let slow = store.clone();
    let asked = tokio::spawn(async move {
        let work = move |_: &Store| {
            began.send(()).unwrap();
            goes.recv().unwrap();
            Ok(())
        };
        slow.off_thread(work).await
    });
    begins.await.unwrap();
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    let mut next = std::pin::pin!(store.off_thread(|_| Ok(())));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut next).await;
    assert!(early.is_err(), "there is one place, and it is taken");
    go.send(()).unwrap();
    next.await.unwrap();
}
