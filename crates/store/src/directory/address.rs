//! Addresses of our domains, what they lead to, and who may send as whom.

use mailwright_words::{Id, Timestamp};

use crate::{
    directory::words,
    engine::{Row, Tx},
    error::StoreError,
    params,
};

words! {
    /// What an address leads to.
    AddressKind {
        /// The mailbox of a principal.
        Mailbox = "mailbox",
        /// Other addresses, under the same envelope.
        Alias = "alias",
        /// Members, under the list's own reverse-path.
        List = "list",
        /// Other servers, under a rewritten reverse-path.
        Forward = "forward",
        /// A sandbox inbox.
        Inbox = "inbox",
    }
}

/// An address of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRow {
    /// Its number.
    pub id: Id,
    /// Who owns it.
    pub tenant: i64,
    /// Its key: `local@domain` in lower case.
    pub address: String,
    /// What it leads to.
    pub kind: AddressKind,
    /// Whose mailbox or inbox.
    pub principal: Option<Id>,
    /// When it was added.
    pub created: Timestamp,
}

/// An address to add.
#[derive(Debug, Clone)]
pub struct NewAddress {
    /// Its number.
    pub id: Id,
    /// Its key.
    pub address: String,
    /// The domain's name; it has to be one of ours.
    pub domain: String,
    /// What it leads to.
    pub kind: AddressKind,
    /// Whose mailbox or inbox.
    pub principal: Option<Id>,
}

const COLUMNS: &str = "SELECT id, tenant, address, kind, principal, created FROM address";

fn read(row: &Row<'_>) -> Result<AddressRow, StoreError> {
    Ok(AddressRow {
        id: row.get(0)?,
        tenant: row.get(1)?,
        address: row.get(2)?,
        kind: AddressKind::read(&row.get::<String>(3)?)?,
        principal: row.get(4)?,
        created: row.get(5)?,
    })
}

/// Adds an address.
///
/// Errors: [`StoreError::Missing`] when its domain is not ours; [`StoreError::Exists`].
pub fn add_address(tx: &mut Tx<'_>, new: &NewAddress, now: Timestamp) -> Result<(), StoreError> {
    if address(tx, &new.address)?.is_some() {
        return Err(StoreError::Exists("address"));
    }
    let added = tx.execute(
        "INSERT INTO address (id, tenant, domain, address, kind, principal, created)
         SELECT :id, tenant, id, :address, :kind, :principal, :now
         FROM domain WHERE name = :domain",
        params! { id: new.id, address: &new.address, kind: new.kind.as_str(),
        principal: new.principal, now, domain: &new.domain },
    )?;
    if added == 1 { Ok(()) } else { Err(StoreError::Missing("domain")) }
}

/// The address with that key.
pub fn address(tx: &mut Tx<'_>, key: &str) -> Result<Option<AddressRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE address = :key"), params! { key }, read)
}

/// Up to `limit` addresses by key, those after `after`.
pub fn addresses(
    tx: &mut Tx<'_>,
    after: &str,
    limit: usize,
) -> Result<Vec<AddressRow>, StoreError> {
    tx.query(
        &format!("{COLUMNS} WHERE address > :after ORDER BY address LIMIT :limit"),
        params! { after, limit },
        read,
    )
}

/// Where an alias, a list or a forward leads.
pub fn targets(tx: &mut Tx<'_>, address: Id) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT target FROM address_target WHERE address = :address ORDER BY target",
        params! { address },
        |row| row.get(0),
    )
}

/// Says anew where an alias, a list or a forward leads.
pub fn set_targets(tx: &mut Tx<'_>, address: Id, targets: &[String]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM address_target WHERE address = :address", params! { address })?;
    for target in targets {
        tx.execute(
            "INSERT INTO address_target (address, target) VALUES (:address, :target)
             ON CONFLICT DO NOTHING",
            params! { address, target },
        )?;
    }
    Ok(())
}

/// Removes an address with its targets.
///
/// Errors: [`StoreError::Missing`].
pub fn remove_address(tx: &mut Tx<'_>, key: &str) -> Result<(), StoreError> {
    let row = address(tx, key)?.ok_or(StoreError::Missing("address"))?;
    tx.execute("DELETE FROM address_target WHERE address = :id", params! { id: row.id })?;
    tx.execute("DELETE FROM address WHERE id = :id", params! { id: row.id })?;
    Ok(())
}

/// Lets a principal send as `sender`: an address's key, or `@domain` for all of one.
pub fn grant_send_as(tx: &mut Tx<'_>, principal: Id, sender: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO send_as (principal, address, tenant)
         SELECT id, :sender, tenant FROM principal WHERE id = :principal
         ON CONFLICT DO NOTHING",
        params! { sender, principal },
    )?;
    Ok(())
}

/// Takes such a grant back.
pub fn revoke_send_as(tx: &mut Tx<'_>, principal: Id, sender: &str) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM send_as WHERE principal = :principal AND address = :sender",
        params! { principal, sender },
    )?;
    Ok(())
}

/// Whether a principal was granted `key`, or all of its domain.
pub fn has_send_as(tx: &mut Tx<'_>, principal: Id, key: &str) -> Result<bool, StoreError> {
    let domain = key.rsplit_once('@').map_or_else(String::new, |(_, domain)| format!("@{domain}"));
    tx.query_one(
        "SELECT count(*) FROM send_as
         WHERE principal = :principal AND address IN (:key, :domain)",
        params! { principal, key, domain: &domain },
        |row| Ok(row.get::<i64>(0)? > 0),
    )
}
