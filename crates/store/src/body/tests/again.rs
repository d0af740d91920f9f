//! The power goes while space is taken back, and while a crash is recovered from.

use super::*;

/// A data folder as a power cut or an orderly end left it, to be started from many times.
struct Base {
    folder: tempfile::TempDir,
    database: tempfile::TempDir,
    disk: FakeDisk,
}

impl Base {
    fn of(folder: tempfile::TempDir, disk: &FakeDisk) -> Self {
        let database = copy_database(folder.path());
        Self { folder, database, disk: disk.after_cut(false) }
    }

    /// Puts everything back as it was.
    fn again(&self) -> FakeDisk {
        swap_database(self.folder.path(), self.database.path());
        self.disk.after_cut(false)
    }

    /// What a power cut in `store`'s life leaves, as the next start finds it.
    fn cut(&self, store: Option<Store>, disk: &FakeDisk, torn: bool) -> FakeDisk {
        let database = copy_database(self.folder.path());
        drop(store);
        swap_database(self.folder.path(), database.path());
        disk.after_cut(torn)
    }
}

type Known = Vec<(BodyId, Vec<u8>)>;

async fn all_there(store: &Store, known: &Known, when: &str) {
    for (id, bytes) in known {
        assert_eq!(&store.bodies().read(*id).await.unwrap(), bytes, "{when}");
    }
    let quarantined = "SELECT count(*) FROM body WHERE quarantined IS NOT NULL";
    assert_eq!(count(store, quarantined), 0, "{when}");
    assert_eq!(damaged(store).await, 0, "{when}");
}

/// A folder with sparse segments, a dead large file, and what lives.
async fn sparse() -> (Base, Known) {
    let folder = tempfile::tempdir().unwrap();
    let disk = FakeDisk::default();
    let store = open(folder.path(), &disk);
    let mut living = Vec::new();
    let mut dead = vec![put(&store, &vec![b'x'; 2 << 20]).await];
    for number in 0..60 {
        let id = put(&store, &text(number)).await;
        if number % 5 == 0 {
            living.push((id, text(number)));
        } else {
            dead.push(id);
        }
    }
    let release_all =
        move |tx: &mut crate::Tx<'_>| dead.iter().try_for_each(|body| release(tx, *body, NOW));
    store.write(Lane::Quick, release_all).await.unwrap();
    drop(store);
    (Base::of(folder, &disk), living)
}

const GRACE: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_power_cut_at_any_step_of_reclaiming_loses_nothing() {
    let (base, living) = sparse().await;
    let disk = base.again();
    let store = open(base.folder.path(), &disk);
    let given = store.reclaim(NOW.plus(GRACE), GRACE).await.unwrap();
    assert!(given.segments >= 3 && given.bodies == 49, "{given:?}");
    drop(store);
    let steps = disk.steps();
    assert!(steps > 10, "{steps} steps");
    for (step, torn) in (1..=steps).flat_map(|step| [(step, false), (step, true)]) {
        let disk = base.again();
        disk.cut_at(step, torn);
        let store = try_open(base.folder.path(), &disk).ok();
        if let Some(store) = &store {
            // How far it came is what the next start sees.
            drop(store.reclaim(NOW.plus(GRACE), GRACE).await);
        }
        let disk = base.cut(store, &disk, torn);
        let store = open(base.folder.path(), &disk);
        let when = format!("step {step}, torn {torn}");
        all_there(&store, &living, &when).await;
        store.reclaim(NOW.plus(GRACE), GRACE).await.unwrap();
        all_there(&store, &living, &format!("{when}, reclaimed again")).await;
        let rows = usize::try_from(count(&store, "SELECT count(*) FROM body")).unwrap();
        assert_eq!(rows, living.len(), "{when}: the dead are gone");
    }
}

#[tokio::test]
async fn a_power_cut_at_any_step_of_a_recovery_loses_nothing() {
    for first in [9, 17, 30] {
        // The first cut tears what is behind the mark, so that there is something to recover.
        let folder = tempfile::tempdir().unwrap();
        let disk = FakeDisk::default();
        disk.cut_at(first, true);
        let (acknowledged, database) = until_cut(folder.path(), &disk).await;
        swap_database(folder.path(), database.path());
        let torn_disk = disk.after_cut(true);
        let base = Base::of(folder, &torn_disk);
        let base = Base { disk: torn_disk, ..base };
        let disk = base.disk.after_cut(true);
        drop(open(base.folder.path(), &disk));
        let steps = disk.steps();
        for (step, torn) in (1..=steps).flat_map(|step| [(step, false), (step, true)]) {
            let disk = base.again();
            disk.cut_at(step, torn);
            let store = try_open(base.folder.path(), &disk).ok();
            let disk = base.cut(store, &disk, torn);
            let store = open(base.folder.path(), &disk);
            let when = format!("first {first}, step {step}, torn {torn}");
            all_there(&store, &acknowledged, &when).await;
            let id = put(&store, b"after").await;
            assert_eq!(store.bodies().read(id).await.unwrap(), b"after", "{when}");
        }
    }
}
