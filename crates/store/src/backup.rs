//! A consistent picture of an open store, and a data folder that was made from one.
//!
//! The rows are copied first, in one snapshot. Segments only grow and a row commits after its
//! bytes, so what the copied rows name lies before the marks that were copied with them; it stays
//! there, because nothing is moved or removed while a snapshot lives. Writes go on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mailwright_words::{Id, Timestamp};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::OwnedMutexGuard;

use crate::{
    body::{BodyId, blocking},
    engine::{Tx, open_database},
    error::{OpenError, StoreError},
    index,
    mailbox::next_uidvalidity,
    store::{Store, lock_folder},
};

/// The name of the database in a data folder.
const DATABASE: &str = "mailwright.db";
/// Where the copied rows lie until they are fetched.
const PART: &str = "backup.part";

/// A file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its name below a data folder, with `/` between levels.
    pub name: String,
    /// Where its bytes are.
    pub path: PathBuf,
    /// How many of them belong to the snapshot.
    pub length: u64,
}

/// The files of a consistent picture. Bytes stay where they are while it lives.
#[derive(Debug)]
pub struct Snapshot {
    pieces: Vec<Piece>,
    part: PathBuf,
    /// Held, not read: it keeps bodies from being moved or removed.
    _still: OwnedMutexGuard<()>,
}

impl Snapshot {
    /// The files, the database first.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.part) {
            tracing::warn!(%error, "The rows of a backup were not removed.");
        }
    }
}

impl Store {
    /// Takes a picture of the store while it is in use.
    ///
    /// The copy of the rows needs as much room in the data folder as the database has.
    ///
    /// Errors: those of the database and of the disk.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let still = self.hold_still().await;
        let store = self.clone();
        blocking(move || Ok(store.picture(still))).await?
    }

    fn picture(&self, still: OwnedMutexGuard<()>) -> Result<Snapshot, StoreError> {
        let part = self.path().join(PART);
        if part.exists() {
            fs::remove_dir_all(&part)?;
        }
        fs::create_dir(&part)?;
        let mut snapshot = Snapshot { pieces: Vec::new(), part, _still: still };
        let copy = snapshot.part.join(DATABASE);
        copy_rows(&self.path().join(DATABASE), &copy)?;
        let length = fs::metadata(&copy)?.len();
        let (segments, files) = named(&copy)?;
        snapshot.pieces.push(Piece { name: DATABASE.to_owned(), path: copy, length });
        for (segment, mark) in segments {
            self.add(&mut snapshot, self.body_files().0.segment(segment), Some(mark));
        }
        for body in files {
            self.add(&mut snapshot, self.body_files().0.file(body), None);
        }
        Ok(snapshot)
    }

    /// Adds a file up to its mark. One that is not there is damage, which a check tells.
    fn add(&self, snapshot: &mut Snapshot, path: PathBuf, mark: Option<u64>) {
        let below = path.strip_prefix(self.path()).ok().and_then(Path::to_str);
        let length = fs::metadata(&path).map(|metadata| metadata.len());
        let (Some(name), Ok(length)) = (below, length) else {
            tracing::error!(path = %path.display(), "A file is missing in the backup.");
            return;
        };
        let length = mark.map_or(length, |mark| mark.min(length));
        snapshot.pieces.push(Piece { name: name.to_owned(), path, length });
    }
}

/// Copies all rows as they are at one moment.
fn copy_rows(from: &Path, to: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(from, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
    Ok(())
}

/// The segments with their marks, and the bodies in files of their own.
type Named = (Vec<(i64, u64)>, Vec<BodyId>);

fn named(database: &Path) -> Result<Named, StoreError> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut tx = Tx::new(&connection);
    let segments = tx.query("SELECT id, length FROM segment ORDER BY id", &[], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let files = tx.query(
        "SELECT id FROM body WHERE file = 1 AND quarantined IS NULL ORDER BY id",
        &[],
        |row| row.get(0),
    )?;
    Ok((segments, files))
}

/// Removes what a restored data folder may have of an index, which can be of another moment than
/// its rows; it is made anew.
///
/// Errors: those of the disk.
pub fn forget_index(path: &Path) -> Result<(), StoreError> {
    Ok(index::remove(path)?)
}

/// Makes a restored data folder one of its own: every folder gets a UIDVALIDITY that it never had,
/// so that no client trusts a UID that was given out after the backup. Says how many folders.
///
/// Errors: as [`Store::open`].
pub fn adopt(path: &Path, now: Timestamp) -> Result<u64, OpenError> {
    let _lock = lock_folder(path)?;
    let connection = open_database(&path.join(DATABASE), false)?;
    let mut tx = Tx::new(&connection);
    tx.execute("BEGIN IMMEDIATE", &[])?;
    let folders = tx.query("SELECT id, account FROM mailbox ORDER BY id", &[], |row| {
        Ok((row.get::<Id>(0)?, row.get::<Id>(1)?))
    })?;
    for (mailbox, account) in &folders {
        let uidvalidity = next_uidvalidity(&mut tx, *account, now)?;
        tx.execute(
            "UPDATE mailbox SET uidvalidity = :uidvalidity WHERE id = :mailbox",
            crate::params! { uidvalidity, mailbox: *mailbox },
        )?;
    }
    tx.execute("COMMIT", &[])?;
    Ok(u64::try_from(folders.len()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
