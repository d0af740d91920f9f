//! Errors of the store, by the question that was asked.
//!
//! All of them are temporary for a client: a fault of our storage never bounces a message.

use std::{io, path::PathBuf, sync::Arc};

/// What a read or a write of rows can meet, or why a closure refuses.
///
/// It can be cloned, because one failed commit answers every closure of its group.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk or the quota is full; nothing of the closure remains.
    #[error("the disk is full")]
    Full,
    /// The file system lets nothing be written.
    #[error("the store is read-only")]
    ReadOnly,
    /// The store is shutting down, or its writer has ended.
    #[error("the store is closed")]
    Closed,
    /// An undo did not succeed, so nothing more is written until a restart.
    #[error("the store has stopped taking writes: {0}")]
    Stopped(Arc<str>),
    /// The closure panicked; what it had written was taken back.
    #[error("a closure panicked: {0}")]
    Panicked(Arc<str>),
    /// A row that a closure needs is not there.
    #[error("no such {0}")]
    Missing(&'static str),
    /// A row that a closure would make is already there.
    #[error("{0} exists already")]
    Exists(&'static str),
    /// The account would hold more than it may.
    #[error("the account is full")]
    OverQuota,
    /// There would be more of something than may be.
    #[error("too many or too long: {0}")]
    Limit(&'static str),
    /// A mailbox has others below it.
    #[error("the mailbox has others below it")]
    HasChildren,
    /// It is never done.
    #[error("{0}")]
    Cannot(&'static str),
    /// A stored value is not one that this version writes.
    #[error("stored {0} makes no sense")]
    Corrupt(&'static str),
    /// The database refused.
    #[error("database error: {0}")]
    Sql(#[source] Arc<rusqlite::Error>),
    /// The file system refused.
    #[error("storage error: {0}")]
    Io(#[source] Arc<io::Error>),
}

impl StoreError {
    /// Whether a unique or other constraint of the schema refused the row.
    pub fn is_constraint(&self) -> bool {
        matches!(self, Self::Sql(e)
            if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(rusqlite::ErrorCode::ReadOnly) => Self::ReadOnly,
            _ => Self::Sql(Arc::new(error)),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly,
            _ => Self::Io(Arc::new(error)),
        }
    }
}

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the folder.
    #[error("{} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// The folder was written by a newer version of this program.
    #[error("the data folder has schema {found}, this program knows up to {known}")]
    Newer {
        /// The schema of the folder.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// The linked `SQLite` has a known fault that damages data.
    #[error("SQLite {0} can damage a database when its log is reset; 3.51.3 or later is needed")]
    OldSqlite(&'static str),
    /// The rows could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
