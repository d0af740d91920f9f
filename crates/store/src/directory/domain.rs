//! Domains that are ours.

use mailwright_words::{Id, Timestamp};

use crate::{
    directory::{DEFAULT_TENANT, words},
    engine::{Row, Tx},
    error::StoreError,
    params,
};

words! {
    /// What a domain of ours is for.
    DomainKind {
        /// Its mailboxes are here.
        Local = "local",
        /// We keep its mail for the server that is down.
        Backup = "backup",
        /// Nothing for it ever leaves; inboxes catch it.
        Sandbox = "sandbox",
    }
}

/// A domain of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRow {
    /// Its number.
    pub id: Id,
    /// Who owns it.
    pub tenant: i64,
    /// A-label form, lower case.
    pub name: String,
    /// What it is for.
    pub kind: DomainKind,
    /// Where mail for unknown addresses goes.
    pub catch_all: Option<String>,
    /// When it was added.
    pub created: Timestamp,
}

const COLUMNS: &str = "SELECT id, tenant, name, kind, catch_all, created FROM domain";

fn read(row: &Row<'_>) -> Result<DomainRow, StoreError> {
    Ok(DomainRow {
        id: row.get(0)?,
        tenant: row.get(1)?,
        name: row.get(2)?,
        kind: DomainKind::read(&row.get::<String>(3)?)?,
        catch_all: row.get(4)?,
        created: row.get(5)?,
    })
}

/// Adds a domain.
///
/// Errors: [`StoreError::Exists`].
pub fn add_domain(
    tx: &mut Tx<'_>,
    id: Id,
    name: &str,
    kind: DomainKind,
    now: Timestamp,
) -> Result<(), StoreError> {
    let added = tx.execute(
        "INSERT INTO domain (id, tenant, name, kind, created)
         VALUES (:id, :tenant, :name, :kind, :now) ON CONFLICT (name) DO NOTHING",
        params! { id, tenant: DEFAULT_TENANT, name, kind: kind.as_str(), now },
    )?;
    if added == 1 { Ok(()) } else { Err(StoreError::Exists("domain")) }
}

/// The domain of that name.
pub fn domain(tx: &mut Tx<'_>, name: &str) -> Result<Option<DomainRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE name = :name"), params! { name }, read)
}

/// Every domain by name.
pub fn domains(tx: &mut Tx<'_>) -> Result<Vec<DomainRow>, StoreError> {
    tx.query(&format!("{COLUMNS} ORDER BY name"), params! {}, read)
}

/// Says where mail for unknown addresses of a domain goes; `None` refuses it.
///
/// Errors: [`StoreError::Missing`].
pub fn set_catch_all(tx: &mut Tx<'_>, name: &str, target: Option<&str>) -> Result<(), StoreError> {
    let touched = tx.execute(
        "UPDATE domain SET catch_all = :target WHERE name = :name",
        params! { target, name },
    )?;
    if touched == 1 { Ok(()) } else { Err(StoreError::Missing("domain")) }
}

/// Removes a domain that has no addresses any more.
///
/// Errors: [`StoreError::Missing`]; [`StoreError::Exists`] while it has addresses.
pub fn remove_domain(tx: &mut Tx<'_>, name: &str) -> Result<(), StoreError> {
    let row = domain(tx, name)?.ok_or(StoreError::Missing("domain"))?;
    let used = tx.query_opt(
        "SELECT 1 FROM address WHERE domain = :id LIMIT 1",
        params! { id: row.id },
        |row| row.get::<i64>(0),
    )?;
    if used.is_some() {
        return Err(StoreError::Exists("an address in this domain"));
    }
    tx.execute("DELETE FROM dkim_key WHERE domain = :id", params! { id: row.id })?;
    tx.execute("DELETE FROM domain WHERE id = :id", params! { id: row.id })?;
    Ok(())
}
