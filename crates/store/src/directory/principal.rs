//! Principals: people, applications, inboxes and administrators.

use mailwright_words::{Id, Timestamp};

use crate::{
    directory::{DEFAULT_TENANT, server::note_account, words},
    engine::{Row, Tx},
    error::StoreError,
    params,
};

words! {
    /// What a principal is.
    PrincipalKind {
        /// Someone with a mailbox.
        Person = "person",
        /// A program that sends.
        Application = "application",
        /// A sandbox inbox.
        Inbox = "inbox",
        /// Someone who runs the server.
        Administrator = "administrator",
    }
}

/// Who can log in and own mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Its number.
    pub id: Id,
    /// Who owns it.
    pub tenant: i64,
    /// What it is.
    pub kind: PrincipalKind,
    /// The name it logs in with, for a person the key of the address.
    pub name: String,
    /// Whether it may neither log in nor send.
    pub disabled: bool,
    /// Most octets of its mail; `None` has no limit.
    pub quota_bytes: Option<u64>,
    /// Octets of its mail.
    pub used_bytes: u64,
    /// The salt of every SCRAM-SHA-1 key of it.
    pub scram_sha1_salt: Option<Vec<u8>>,
    /// The salt of every SCRAM-SHA-256 key of it.
    pub scram_sha256_salt: Option<Vec<u8>>,
    /// When it was added.
    pub created: Timestamp,
}

/// A principal to add.
#[derive(Debug, Clone)]
pub struct NewPrincipal {
    /// Its number.
    pub id: Id,
    /// What it is.
    pub kind: PrincipalKind,
    /// The name it logs in with.
    pub name: String,
    /// Most octets of its mail.
    pub quota_bytes: Option<u64>,
}

const COLUMNS: &str = "SELECT id, tenant, kind, name, disabled, quota_bytes, used_bytes,
    scram_sha1_salt, scram_sha256_salt, created FROM principal";

fn read(row: &Row<'_>) -> Result<Principal, StoreError> {
    Ok(Principal {
        id: row.get(0)?,
        tenant: row.get(1)?,
        kind: PrincipalKind::read(&row.get::<String>(2)?)?,
        name: row.get(3)?,
        disabled: row.get(4)?,
        quota_bytes: row.get(5)?,
        used_bytes: row.get(6)?,
        scram_sha1_salt: row.get(7)?,
        scram_sha256_salt: row.get(8)?,
        created: row.get(9)?,
    })
}

/// Adds a principal. One that has a mailbox gets its folders by `mailbox::create_folders`.
///
/// Errors: [`StoreError::Exists`].
pub fn add_principal(
    tx: &mut Tx<'_>,
    new: &NewPrincipal,
    now: Timestamp,
) -> Result<(), StoreError> {
    let added = tx.execute(
        "INSERT INTO principal (id, tenant, kind, name, quota_bytes, uidvalidity, created)
         VALUES (:id, :tenant, :kind, :name, :quota, :uidvalidity, :now)
         ON CONFLICT (name) DO NOTHING",
        params! { id: new.id, tenant: DEFAULT_TENANT, kind: new.kind.as_str(), name: &new.name,
        quota: new.quota_bytes, uidvalidity: (now.ms() / 1000).clamp(1, i64::from(u32::MAX)), now },
    )?;
    if added == 1 { note_account(tx) } else { Err(StoreError::Exists("account")) }
}

/// The principal with that number.
pub fn principal(tx: &mut Tx<'_>, id: Id) -> Result<Option<Principal>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE id = :id"), params! { id }, read)
}

/// The principal that logs in with `name`.
pub fn principal_named(tx: &mut Tx<'_>, name: &str) -> Result<Option<Principal>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE name = :name"), params! { name }, read)
}

/// Up to `limit` principals by name, those after `after`.
pub fn principals(
    tx: &mut Tx<'_>,
    after: &str,
    limit: usize,
) -> Result<Vec<Principal>, StoreError> {
    tx.query(
        &format!("{COLUMNS} WHERE name > :after ORDER BY name LIMIT :limit"),
        params! { after, limit },
        read,
    )
}

/// Lets a principal log in and send, or not.
pub fn set_disabled(tx: &mut Tx<'_>, id: Id, disabled: bool) -> Result<(), StoreError> {
    let sql = "UPDATE principal SET disabled = :disabled WHERE id = :id";
    one(tx.execute(sql, params! { disabled, id })?)
}

/// Limits the octets of a principal's mail.
pub fn set_quota(tx: &mut Tx<'_>, id: Id, bytes: Option<u64>) -> Result<(), StoreError> {
    let sql = "UPDATE principal SET quota_bytes = :bytes WHERE id = :id";
    one(tx.execute(sql, params! { bytes, id })?)
}

/// Keeps the salts of a principal's SCRAM keys; its credentials must all be made with them.
pub fn set_salts(tx: &mut Tx<'_>, id: Id, sha1: &[u8], sha256: &[u8]) -> Result<(), StoreError> {
    let sql = "UPDATE principal SET scram_sha1_salt = :sha1, scram_sha256_salt = :sha256
         WHERE id = :id";
    one(tx.execute(sql, params! { sha1, sha256, id })?)
}

/// Removes a principal with its credentials, addresses and grants.
///
/// Errors: [`StoreError::Exists`] while it has folders, see `mailbox::remove_folders`.
pub fn remove_principal(tx: &mut Tx<'_>, id: Id) -> Result<(), StoreError> {
    let folder =
        tx.query_opt("SELECT 1 FROM mailbox WHERE account = :id LIMIT 1", params! { id }, |row| {
            row.get::<i64>(0)
        })?;
    if folder.is_some() {
        return Err(StoreError::Exists("a folder of this account"));
    }
    crate::capture::hook::forget_hooks(tx, id)?;
    for sql in [
        "DELETE FROM credential WHERE principal = :id",
        "DELETE FROM send_as WHERE principal = :id",
        "DELETE FROM address_target WHERE address IN
             (SELECT id FROM address WHERE principal = :id)",
        "DELETE FROM address WHERE principal = :id",
        "DELETE FROM inbox WHERE principal = :id",
    ] {
        tx.execute(sql, params! { id })?;
    }
    one(tx.execute("DELETE FROM principal WHERE id = :id", params! { id })?)
}

fn one(touched: usize) -> Result<(), StoreError> {
    if touched == 1 { Ok(()) } else { Err(StoreError::Missing("account")) }
}
