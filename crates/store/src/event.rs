//! Events: what happened to a message, one row each, never changed.

use mailwright_words::{Id, Timestamp};

use crate::{engine::Tx, error::StoreError, params};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whose message.
    pub tenant: i64,
    /// When.
    pub at: Timestamp,
    /// What, in one word: `delivered`, `deferred`, `failed`.
    pub kind: String,
    /// The message.
    pub spool: Option<Id>,
    /// Its recipient.
    pub recipient: Option<Id>,
    /// The recipient's address.
    pub address: Option<String>,
    /// The reply, or why.
    pub detail: Option<String>,
}

/// Writes an event down.
pub fn append(tx: &mut Tx<'_>, event: &Event) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO event (tenant, at, kind, spool, recipient, address, detail)
         VALUES (:tenant, :at, :kind, :spool, :recipient, :address, :detail)",
        params! { tenant: event.tenant, at: event.at, kind: &event.kind, spool: event.spool,
        recipient: event.recipient, address: event.address.as_deref(),
        detail: event.detail.as_deref() },
    )?;
    Ok(())
}

/// The first `limit` events of a message, in their order.
pub fn of_message(tx: &mut Tx<'_>, spool: Id, limit: usize) -> Result<Vec<Event>, StoreError> {
    tx.query(
        "SELECT tenant, at, kind, spool, recipient, address, detail FROM event
         WHERE spool = :spool ORDER BY id LIMIT :limit",
        params! { spool, limit },
        |row| {
            Ok(Event {
                tenant: row.get(0)?,
                at: row.get(1)?,
                kind: row.get(2)?,
                spool: row.get(3)?,
                recipient: row.get(4)?,
                address: row.get(5)?,
                detail: row.get(6)?,
            })
        },
    )
}

/// Removes up to 1,000 events and attempts from before `before`, and says how many went.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, StoreError> {
    let events = tx.execute(
        "DELETE FROM event WHERE id IN
             (SELECT id FROM (SELECT id, at FROM event ORDER BY id LIMIT 500) AS oldest
              WHERE at < :before)",
        params! { before },
    )?;
    let attempts = tx.execute(
        "DELETE FROM attempt WHERE id IN
             (SELECT id FROM (SELECT id, ended FROM attempt ORDER BY id LIMIT 500) AS oldest
              WHERE ended < :before)",
        params! { before },
    )?;
    Ok(events + attempts)
}
