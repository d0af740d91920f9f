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

/// The name under which it is kept that there was an account.
const HAD_ACCOUNT: &str = "had_account";

/// Notes that there is an account, or was one.
pub(super) fn note_account(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    constant(tx, HAD_ACCOUNT, b"1").map(drop)
}

/// Whether there is an account, or ever was one.
pub fn had_account(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    tx.query_one(
        "SELECT EXISTS (SELECT 1 FROM meta WHERE name = :name)
             OR EXISTS (SELECT 1 FROM principal)",
        params! { name: HAD_ACCOUNT },
        |row| row.get(0),
    )
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
