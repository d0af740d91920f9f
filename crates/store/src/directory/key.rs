//! Keys that domains sign with.
//!
//! Invariant: of each kind a domain has one active key at most; the schema keeps it. What is old
//! has no private half any more: it signs nothing, and its record stays for what is on its way.

use mailwright_words::{Id, Timestamp};

use crate::{
    directory::words,
    engine::{Row, Tx},
    error::StoreError,
    params,
};

words! {
    /// What a key is used for now.
    KeyState {
        /// It is to sign once its record can be found.
        Pending = "pending",
        /// It signs.
        Active = "active",
        /// It signs nothing new; its record has to stay.
        Old = "old",
        /// Its record may go.
        Retired = "retired",
    }
}

/// A key of a domain.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its number.
    pub id: Id,
    /// The domain's name.
    pub domain: String,
    /// The name of its record below `_domainkey`.
    pub selector: String,
    /// `rsa` or `ed25519`.
    pub algorithm: String,
    /// What it is used for.
    pub state: KeyState,
    /// The private half, as PKCS#8; none once it is old.
    pub private: Option<Vec<u8>>,
    /// The public half, as records have it.
    pub public: Vec<u8>,
    /// When it was made.
    pub created: Timestamp,
    /// Since when it is in its state.
    pub changed: Timestamp,
}

impl std::fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("KeyRow");
        shown.field("domain", &self.domain).field("selector", &self.selector);
        shown.field("state", &self.state).finish_non_exhaustive()
    }
}

/// A key that is to be kept.
#[derive(Clone)]
pub struct NewKey {
    /// Its number.
    pub id: Id,
    /// The domain's name.
    pub domain: String,
    /// The name of its record.
    pub selector: String,
    /// `rsa` or `ed25519`.
    pub algorithm: &'static str,
    /// Whether it signs at once.
    pub is_active: bool,
    /// The private half, as PKCS#8.
    pub private: Vec<u8>,
    /// The public half, as records have it.
    pub public: Vec<u8>,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey").field("selector", &self.selector).finish_non_exhaustive()
    }
}

fn read(row: &Row<'_>) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: row.get(0)?,
        domain: row.get(1)?,
        selector: row.get(2)?,
        algorithm: row.get(3)?,
        state: KeyState::read(&row.get::<String>(4)?)?,
        private: row.get(5)?,
        public: row.get(6)?,
        created: row.get(7)?,
        changed: row.get(8)?,
    })
}

/// Keeps a key. An active one takes the place of the one that was active.
///
/// Errors: [`StoreError::Missing`] for the domain, [`StoreError::Exists`] for the selector.
pub fn add_key(tx: &mut Tx<'_>, key: &NewKey, now: Timestamp) -> Result<(), StoreError> {
    let domain = super::domain(tx, &key.domain)?.ok_or(StoreError::Missing("domain"))?;
    if key.is_active {
        tx.execute(
            "UPDATE dkim_key SET state = 'old', private = NULL, changed = :now
             WHERE domain = :domain AND algorithm = :algorithm AND state = 'active'",
            params! { now, domain: domain.id, algorithm: key.algorithm },
        )?;
    }
    let state = if key.is_active { KeyState::Active } else { KeyState::Pending };
    let added = tx.execute(
        "INSERT INTO dkim_key (id, tenant, domain, selector, algorithm, state, private, public,
             created, changed)
         VALUES (:id, :tenant, :domain, :selector, :algorithm, :state, :private, :public, :now,
             :now)
         ON CONFLICT (domain, selector) DO NOTHING",
        params! { id: key.id, tenant: domain.tenant, domain: domain.id, selector: &key.selector,
        algorithm: key.algorithm, state: state.as_str(), private: &key.private,
        public: &key.public, now },
    )?;
    if added == 1 { Ok(()) } else { Err(StoreError::Exists("a key with this selector")) }
}

/// Every key, by domain and age.
pub fn keys(tx: &mut Tx<'_>) -> Result<Vec<KeyRow>, StoreError> {
    tx.query(
        "SELECT dkim_key.id, domain.name, selector, algorithm, state, private, public,
             dkim_key.created, changed
         FROM dkim_key JOIN domain ON domain.id = dkim_key.domain
         ORDER BY domain.name, dkim_key.created, dkim_key.id",
        params! {},
        read,
    )
}

/// Lets the pending keys of a domain sign, in place of those that did; says how many.
pub fn activate_keys(tx: &mut Tx<'_>, domain: &str, now: Timestamp) -> Result<usize, StoreError> {
    let domain = super::domain(tx, domain)?.ok_or(StoreError::Missing("domain"))?.id;
    // Of several that wait the newest is meant; those before it have never signed.
    tx.execute(
        "DELETE FROM dkim_key WHERE domain = :domain AND state = 'pending' AND id NOT IN
             (SELECT max(id) FROM dkim_key WHERE domain = :domain AND state = 'pending'
              GROUP BY algorithm)",
        params! { domain },
    )?;
    tx.execute(
        "UPDATE dkim_key SET state = 'old', private = NULL, changed = :now
         WHERE domain = :domain AND state = 'active' AND algorithm IN
             (SELECT algorithm FROM dkim_key WHERE domain = :domain AND state = 'pending')",
        params! { now, domain },
    )?;
    tx.execute(
        "UPDATE dkim_key SET state = 'active', changed = :now
         WHERE domain = :domain AND state = 'pending'",
        params! { now, domain },
    )
}

/// Retires keys that are old since before `old`, and forgets those that are retired since before
/// `retired`; says how many changed.
pub fn retire_keys(
    tx: &mut Tx<'_>,
    (old, retired): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<usize, StoreError> {
    let gone = tx.execute(
        "DELETE FROM dkim_key WHERE state = 'retired' AND changed < :retired",
        params! { retired },
    )?;
    let late = tx.execute(
        "UPDATE dkim_key SET state = 'retired', changed = :now
         WHERE state = 'old' AND changed < :old",
        params! { now, old },
    )?;
    Ok(gone + late)
}

/// The names of local domains that have never had a key.
pub fn keyless(tx: &mut Tx<'_>) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT name FROM domain WHERE kind = 'local' AND NOT EXISTS
             (SELECT 1 FROM dkim_key WHERE dkim_key.domain = domain.id)
         ORDER BY name",
        params! {},
        |row| row.get(0),
    )
}
