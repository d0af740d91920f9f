//! Credentials of principals: passwords, app passwords and tokens.

use mailwright_words::{Id, Timestamp};

use crate::{
    directory::words,
    engine::{Row, Tx},
    error::StoreError,
    params,
};

words! {
    /// What a credential is.
    CredentialKind {
        /// The password of a person.
        Password = "password",
        /// A named password of one program.
        AppPassword = "app_password",
        /// A bearer token.
        Token = "token",
    }
}

/// Something a principal proves itself with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its number.
    pub id: Id,
    /// Whose it is.
    pub principal: Id,
    /// What it is.
    pub kind: CredentialKind,
    /// Its name; a password has the empty one.
    pub label: String,
    /// The password's hash, as the crate `directory` writes it.
    pub hash: String,
    /// Keys for challenges.
    pub keys: Keys,
    /// When it was added.
    pub created: Timestamp,
    /// When somebody last used it.
    pub last_used: Option<Timestamp>,
}

/// Keys of a credential for mechanisms that never see the password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Of SCRAM-SHA-1, made with the principal's salt.
    pub scram_sha1: Option<Vec<u8>>,
    /// Of SCRAM-SHA-256, made with the principal's salt.
    pub scram_sha256: Option<Vec<u8>>,
    /// Of CRAM-MD5; equal to the password in what it opens.
    pub cram_md5: Option<Vec<u8>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("id", &self.id).finish_non_exhaustive()
    }
}

fn read(row: &Row<'_>) -> Result<Credential, StoreError> {
    Ok(Credential {
        id: row.get(0)?,
        principal: row.get(1)?,
        kind: CredentialKind::read(&row.get::<String>(2)?)?,
        label: row.get(3)?,
        hash: row.get(4)?,
        keys: Keys { scram_sha1: row.get(5)?, scram_sha256: row.get(6)?, cram_md5: row.get(7)? },
        created: row.get(8)?,
        last_used: row.get(9)?,
    })
}

/// Adds a credential, or replaces the one of that kind and label.
pub fn add_credential(tx: &mut Tx<'_>, new: &Credential) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO credential (id, tenant, principal, kind, label, hash, scram_sha1,
             scram_sha256, cram_md5, created)
         SELECT :id, tenant, id, :kind, :label, :hash, :sha1, :sha256, :cram, :created
         FROM principal WHERE id = :principal
         ON CONFLICT (principal, kind, label) DO UPDATE SET id = excluded.id,
             hash = excluded.hash, scram_sha1 = excluded.scram_sha1,
             scram_sha256 = excluded.scram_sha256, cram_md5 = excluded.cram_md5,
             created = excluded.created, last_used = NULL",
        params! { id: new.id, kind: new.kind.as_str(), label: &new.label, hash: &new.hash,
        sha1: new.keys.scram_sha1.as_deref(), sha256: new.keys.scram_sha256.as_deref(),
        cram: new.keys.cram_md5.as_deref(), created: new.created, principal: new.principal },
    )
    .and_then(|added| if added == 1 { Ok(()) } else { Err(StoreError::Missing("account")) })
}

/// The credentials of a principal, oldest first.
pub fn credentials(tx: &mut Tx<'_>, principal: Id) -> Result<Vec<Credential>, StoreError> {
    tx.query(
        "SELECT id, principal, kind, label, hash, scram_sha1, scram_sha256, cram_md5, created,
             last_used
         FROM credential WHERE principal = :principal ORDER BY created, id",
        params! { principal },
        read,
    )
}

/// The token of that number, where it opens an inbox that is not being removed.
///
/// Errors: those of the database.
pub fn inbox_token(tx: &mut Tx<'_>, id: Id) -> Result<Option<Credential>, StoreError> {
    tx.query_opt(
        "SELECT c.id, c.principal, c.kind, c.label, c.hash, c.scram_sha1, c.scram_sha256,
             c.cram_md5, c.created, c.last_used
         FROM credential c JOIN principal p ON p.id = c.principal
             JOIN inbox i ON i.principal = p.id
         WHERE c.id = :id AND c.kind = 'token' AND p.disabled = 0",
        params! { id },
        read,
    )
}

/// Puts a better hash, and the keys made with it, in the place of `old`.
///
/// Does nothing when the password has changed since `old` was read.
pub fn replace_hash(
    tx: &mut Tx<'_>,
    id: Id,
    old: &str,
    hash: &str,
    keys: &Keys,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE credential SET hash = :hash, scram_sha1 = :sha1, scram_sha256 = :sha256,
             cram_md5 = :cram WHERE id = :id AND hash = :old",
        params! { hash, sha1: keys.scram_sha1.as_deref(), sha256: keys.scram_sha256.as_deref(),
        cram: keys.cram_md5.as_deref(), id, old },
    )?;
    Ok(())
}

/// Notes when a credential was last used.
pub fn touch_credential(tx: &mut Tx<'_>, id: Id, now: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE credential SET last_used = :now WHERE id = :id", params! { now, id })?;
    Ok(())
}

/// Removes a credential.
///
/// Errors: [`StoreError::Missing`].
pub fn remove_credential(tx: &mut Tx<'_>, id: Id) -> Result<(), StoreError> {
    match tx.execute("DELETE FROM credential WHERE id = :id", params! { id })? {
        1 => Ok(()),
        _ => Err(StoreError::Missing("credential")),
    }
}
