//! Opening the database: its settings, and the numbered migrations that only go forward.

use std::path::Path;

use rusqlite::Connection;

use crate::error::{OpenError, StoreError};

/// Every migration in its order; the number of a folder counts those it has had.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_first.sql"),
    include_str!("../../migrations/0002_urgent.sql"),
    include_str!("../../migrations/0003_mailboxes.sql"),
    include_str!("../../migrations/0004_keys.sql"),
    include_str!("../../migrations/0005_guard.sql"),
    include_str!("../../migrations/0006_imported.sql"),
    include_str!("../../migrations/0007_asked.sql"),
    include_str!("../../migrations/0008_capture.sql"),
    include_str!("../../migrations/0009_transport.sql"),
    include_str!("../../migrations/0010_projects.sql"),
    include_str!("../../migrations/0011_reports.sql"),
    include_str!("../../migrations/0012_seen.sql"),
    include_str!("../../migrations/0013_inbox_settings.sql"),
    include_str!("../../migrations/0014_release.sql"),
    include_str!("../../migrations/0015_webhooks.sql"),
    include_str!("../../migrations/0016_sent.sql"),
    include_str!("../../migrations/0017_about.sql"),
    include_str!("../../migrations/0018_templates.sql"),
];

/// Below this number a reset of the write-ahead log can damage a database.
const SQLITE_MIN: i32 = 3_051_003;

/// Opens the database for writing and brings its schema up to date. A volatile one is not synced.
///
/// Errors: [`OpenError::OldSqlite`], [`OpenError::Newer`], and what the database says.
pub(crate) fn open(path: &Path, is_volatile: bool) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::OldSqlite(rusqlite::version()));
    }
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;
         PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864;
         PRAGMA trusted_schema = OFF;",
    )?;
    if is_volatile {
        connection.execute_batch("PRAGMA synchronous = OFF")?;
    }
    connection.set_prepared_statement_cache_capacity(512);
    migrate(&mut connection)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(found).ok().ok_or(StoreError::Corrupt("schema number"))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    for (number, text) in (1_i64..).zip(MIGRATIONS).skip(done) {
        let tx = connection.transaction()?;
        tx.execute_batch(text)?;
        tx.pragma_update(None, "user_version", number)?;
        tx.commit()?;
    }
    // A new store has nothing to tell.
    if found > 0 && found < known {
        tracing::info!(from = found, to = known, "Schema brought up to date.");
    }
    Ok(())
}
