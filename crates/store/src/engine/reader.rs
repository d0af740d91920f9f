//! Connections that only read: a few, shared, each closure in a snapshot of its own.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags};

use crate::{engine::Tx, error::StoreError};

/// Idle reading connections of one database.
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    kept_max: usize,
}

impl Readers {
    pub(crate) fn new(path: &Path, kept_max: usize) -> Self {
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()), kept_max }
    }

    /// Runs `closure` on one snapshot of the rows.
    pub(crate) fn run<T>(
        &self,
        closure: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = self.take()?;
        let mut tx = Tx::new(&connection);
        tx.execute("BEGIN", &[])?;
        let outcome = closure(&mut tx);
        tx.execute("ROLLBACK", &[])?;
        self.give(connection);
        outcome
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.open(), Ok)
    }

    fn give(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.kept_max {
            idle.push(connection);
        }
    }

    fn open(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.execute_batch(
            "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -16384; PRAGMA mmap_size = 268435456;",
        )?;
        connection.set_prepared_statement_cache_capacity(256);
        Ok(connection)
    }
}
