//! Zeros behind the database's write-ahead log.
//!
//! A sync of bytes that overwrite others is several times cheaper than one that also grows the
//! file. After a checkpoint the log is written from its start again, so one fill lasts as long as
//! the database is open. Zeros are no frame, because no frame is of page 0: who reads the log
//! after a crash stops in front of them.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use rusqlite::Connection;

/// Octets to which a log is filled: what it holds when it is checkpointed, and some more.
const LENGTH: u64 = 20 << 20;

/// Octets written at once.
const PIECE: usize = 1 << 20;

/// Fills the log of `connection` with zeros behind its end.
///
/// To be called between two transactions by the one thread that writes: a frame that is written
/// meanwhile would be lost.
///
/// Errors: those of the file; the log is as good as before.
pub(super) fn fill(connection: &Connection) -> io::Result<()> {
    let Some(path) = connection.path() else { return Ok(()) };
    let file = File::options().write(true).open(format!("{path}-wal"))?;
    let zeros = vec![0; PIECE];
    let mut end = file.metadata()?.len();
    while end < LENGTH {
        file.write_all_at(&zeros, end)?;
        end = end.saturating_add(u64::try_from(PIECE).unwrap_or(LENGTH));
    }
    file.sync_all()
}
