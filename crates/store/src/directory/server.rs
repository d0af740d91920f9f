//! What belongs to the server as a whole.

use mailwright_words::Id;

use crate::{engine::Tx, error::StoreError, params};

/// A value kept for the whole server under `name`; `fresh` is kept when there is none yet.
pub fn constant(tx: &mut Tx<'_>, name: &str, fresh: &[u8]) -> Result<Vec<u8>, StoreError> {
    tx.execute(
        "INSERT INTO meta (name, value) VALUES (:name, :fresh) ON CONFLICT (name) DO NOTHING",
        params! { name, fresh },
    )?;
    tx.query_one("SELECT value FROM meta WHERE name = :name", params! { name }, |row| row.get(0))
}

/// Who answers for the server: an administrator, else the person who has been here longest.
pub fn administrator(tx: &mut Tx<'_>) -> Result<Option<Id>, StoreError> {
    tx.query_opt(
        "SELECT id FROM principal
         WHERE kind IN ('administrator', 'person') AND disabled = 0
         ORDER BY kind, created, id LIMIT 1",
        params! {},
        |row| row.get(0),
    )
}

/// Whether any credential has a key for CRAM-MD5.
pub fn has_cram_md5(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM credential WHERE cram_md5 IS NOT NULL)";
    tx.query_one(sql, params! {}, |row| row.get(0))
}
