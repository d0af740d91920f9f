//! The index: digests, signatures and briefs of messages, in a database of its own.
//!
//! It only ever spares work. What it has of a message was made from its content, which never
//! changes, so it is never wrong; what it lacks is found by looking. So it is written without a
//! sync, may be behind after a crash, and may be deleted: it is made anew.
//! Invariant: a message has a signature if and only if it has a digest; a caught one has a brief,
//! too.

mod feed;
mod imprint;
mod indexer;
mod scan;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mailwright_mime::{DIGEST_VERSION, SIGNATURE_VERSION, VERSION};
use mailwright_words::Id;
use rusqlite::Connection;

pub(crate) use self::{feed::Feed, imprint::Imprint};
pub use self::{
    indexer::{Indexer, Step},
    scan::Indexed,
};
use crate::{
    engine::{Readers, Tx},
    error::StoreError,
    params,
};

/// The file's name in the data folder.
const NAME: &str = "index.db";
/// The version of the tables; with those of what is in them it makes the number of the file.
const FORMAT: i64 = 2;

const TABLES: &str = "
    CREATE TABLE about (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE digest (
        account INTEGER NOT NULL, message INTEGER NOT NULL, digest BLOB NOT NULL,
        PRIMARY KEY (account, message)
    ) WITHOUT ROWID;
    CREATE TABLE brief (
        account INTEGER NOT NULL, message INTEGER NOT NULL, brief BLOB NOT NULL,
        PRIMARY KEY (account, message)
    ) WITHOUT ROWID;
    CREATE TABLE signature (
        account INTEGER NOT NULL, message INTEGER NOT NULL, signature BLOB NOT NULL,
        PRIMARY KEY (account, message)
    ) WITHOUT ROWID;";

/// A message with what the index keeps of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) account: Id,
    pub(crate) message: Id,
    pub(crate) imprint: Arc<Imprint>,
}

/// The open index.
pub(crate) struct Index {
    readers: Readers,
    writer: Mutex<Connection>,
    pub(crate) feed: Feed,
}

impl Index {
    /// Opens the index of a data folder in the life `epoch` of its node; one that is of another
    /// version, damaged, or of a life that is yet to come is made anew.
    ///
    /// Errors: when there can be none at all.
    pub(crate) fn open(folder: &Path, epoch: i64, readers_max: usize) -> Result<Self, StoreError> {
        let path = folder.join(NAME);
        let connection = match attach(&path, epoch) {
            Ok(Some(connection)) => connection,
            Ok(None) => anew(&path, epoch)?,
            Err(error) => {
                tracing::warn!(%error, "The index is made anew.");
                anew(&path, epoch)?
            }
        };
        Ok(Self {
            readers: Readers::new(&path, readers_max),
            writer: Mutex::new(connection),
            feed: Feed::default(),
        })
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one transaction.
    fn write<T>(
        &self,
        closure: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = self.writer();
        let mut tx = Tx::new(&connection);
        tx.execute("BEGIN IMMEDIATE", &[])?;
        let outcome = closure(&mut tx).and_then(|done| tx.execute("COMMIT", &[]).map(|_| done));
        if outcome.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        outcome
    }

    /// Keeps entries, and that all messages up to `mark` have one, or are gone.
    pub(crate) fn keep(&self, entries: &[Entry], mark: Option<Id>) -> Result<(), StoreError> {
        self.write(|tx| {
            for Entry { account, message, imprint } in entries {
                let Imprint { digest, signature, brief } = imprint.as_ref();
                tx.execute(
                    "INSERT OR REPLACE INTO digest (account, message, digest)
                     VALUES (:account, :message, :digest)",
                    params! { account: *account, message: *message, digest },
                )?;
                tx.execute(
                    "INSERT OR REPLACE INTO signature (account, message, signature)
                     VALUES (:account, :message, :signature)",
                    params! { account: *account, message: *message, signature },
                )?;
                let Some(brief) = brief else { continue };
                tx.execute(
                    "INSERT OR REPLACE INTO brief (account, message, brief)
                     VALUES (:account, :message, :brief)",
                    params! { account: *account, message: *message, brief: brief.as_bytes() },
                )?;
            }
            let Some(mark) = mark else { return Ok(()) };
            tx.execute(
                "UPDATE about SET value = max(value, :mark) WHERE name = 'mark'",
                params! { mark },
            )
            .map(drop)
        })
    }

    /// Up to where all messages have an entry.
    pub(crate) fn mark(&self) -> Result<Id, StoreError> {
        self.readers.run(|tx| {
            tx.query_one("SELECT value FROM about WHERE name = 'mark'", &[], |row| row.get(0))
        })
    }

    /// The messages that have an entry, behind the given one; at most `limit`.
    pub(crate) fn after(
        &self,
        (account, message): (Id, Id),
        limit: usize,
    ) -> Result<Vec<(Id, Id)>, StoreError> {
        self.readers.run(|tx| {
            tx.query(
                "SELECT account, message FROM digest
                 WHERE (account, message) > (:account, :message)
                 ORDER BY account, message LIMIT :limit",
                params! { account, message, limit },
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })
    }

    /// Forgets messages.
    pub(crate) fn forget(&self, gone: &[(Id, Id)]) -> Result<(), StoreError> {
        self.write(|tx| {
            for (account, message) in gone {
                for sql in [
                    "DELETE FROM digest WHERE account = :account AND message = :message",
                    "DELETE FROM signature WHERE account = :account AND message = :message",
                    "DELETE FROM brief WHERE account = :account AND message = :message",
                ] {
                    tx.execute(sql, params! { account: *account, message: *message })?;
                }
            }
            Ok(())
        })
    }
}

/// The number of the file.
const fn version() -> i64 {
    ((FORMAT * 100 + VERSION) * 100 + DIGEST_VERSION) * 100 + SIGNATURE_VERSION
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    // Large pages hold most signatures whole.
    connection.execute_batch(
        "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;
         PRAGMA journal_size_limit = 33554432; PRAGMA trusted_schema = OFF;",
    )?;
    Ok(connection)
}

/// The index that is there; nothing when it cannot be used.
fn attach(path: &Path, epoch: i64) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = connect(path)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found != version() {
        return Ok(None);
    }
    // A folder that was put back from a copy may give ids to other messages.
    let fits = Tx::new(&connection).execute(
        "UPDATE about SET value = :epoch WHERE name = 'epoch' AND value < :epoch",
        params! { epoch },
    )?;
    Ok((fits == 1).then_some(connection))
}

/// Removes the index of a data folder; it is made anew when the folder is opened.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match fs::remove_file(folder.join(format!("{NAME}{suffix}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Makes an empty index in place of what is there.
fn anew(path: &Path, epoch: i64) -> Result<Connection, StoreError> {
    if let Some(folder) = path.parent() {
        remove(folder)?;
    }
    let connection = connect(path)?;
    connection.execute_batch(TABLES)?;
    let mut tx = Tx::new(&connection);
    tx.execute("INSERT INTO about (name, value) VALUES ('mark', 0)", &[])?;
    tx.execute("INSERT INTO about (name, value) VALUES ('epoch', :epoch)", params! { epoch })?;
    // The number comes last: without it the file counts for nothing.
    connection.pragma_update(None, "user_version", version())?;
    Ok(connection)
}
