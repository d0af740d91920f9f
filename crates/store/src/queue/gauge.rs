//! How much waits in the queue, for those who watch it.

use mailwright_words::{Id, Timestamp};

use crate::{engine::Tx, error::StoreError, params};

/// How many recipients of a class are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    /// `local`, `relay` or `capture`.
    pub class: String,
    /// `queued`, `due`, `active` or `held`.
    pub state: String,
    /// How many.
    pub count: i64,
    /// The oldest of them.
    pub oldest: Id,
}

/// Counts the queue at `now`. It looks at every row: not for each message, but now and then.
pub fn gauges(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Gauge>, StoreError> {
    tx.query(
        "SELECT class, CASE WHEN owner_node IS NOT NULL THEN 'active'
             WHEN state = 'held' THEN 'held' WHEN due <= :now THEN 'due' ELSE 'queued' END AS stage,
             count(*), min(id)
         FROM recipient GROUP BY class, stage ORDER BY class, stage",
        params! { now },
        |row| {
            Ok(Gauge {
                class: row.get(0)?,
                state: row.get(1)?,
                count: row.get(2)?,
                oldest: row.get(3)?,
            })
        },
    )
}

/// Destinations that are left alone at `now`.
pub fn blocked(tx: &mut Tx<'_>, now: Timestamp) -> Result<i64, StoreError> {
    tx.query_one(
        "SELECT count(*) FROM destination WHERE blocked_until > :now",
        params! { now },
        |row| row.get(0),
    )
}
