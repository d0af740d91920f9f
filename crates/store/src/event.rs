//! Events: what happened to a message, one row each, never changed.

use mailwright_words::{Id, Timestamp};

use crate::{engine::Tx, error::StoreError, feedback, params};

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

/// How many events of a kind there were in an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hour {
    /// When the hour began.
    pub begun: Timestamp,
    /// What happened, in a word.
    pub kind: String,
    /// How often.
    pub count: i64,
}

/// How many events there were in each hour from `from` on, by kind, of all tenants: those that were
/// removed as well as those that are kept. It looks at every event.
pub fn hours(tx: &mut Tx<'_>, from: Timestamp) -> Result<Vec<Hour>, StoreError> {
    tx.query(
        "SELECT hour * 3600000, kind, sum(count) FROM (
             SELECT hour, kind, count FROM event_hour WHERE hour >= :from / 3600000
             UNION ALL
             SELECT at / 3600000, kind, count(*) FROM event
             WHERE at >= :from / 3600000 * 3600000 GROUP BY at / 3600000, kind
         ) AS each_hour GROUP BY hour, kind ORDER BY hour, kind",
        params! { from },
        |row| Ok(Hour { begun: row.get(0)?, kind: row.get(1)?, count: row.get(2)? }),
    )
}

/// Removes up to 1,500 events, attempts and names of envelopes from before `before`, and says how
/// many went.
///
/// Events leave their number behind, by hour and kind, in the same transaction.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, StoreError> {
    tx.execute(
        "INSERT INTO event_hour (tenant, hour, kind, count)
         SELECT tenant, at / 3600000, kind, count(*)
         FROM (SELECT tenant, at, kind FROM event ORDER BY id LIMIT 500) AS oldest
         WHERE at < :before GROUP BY tenant, at / 3600000, kind
         ON CONFLICT (tenant, hour, kind) DO UPDATE SET count = event_hour.count + excluded.count",
        params! { before },
    )?;
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
    let envelopes = feedback::forget_before(tx, before)?;
    Ok(events + attempts + envelopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, Options, Store};

    const HOUR: i64 = 3_600_000;

    fn event(at: i64, kind: &str) -> Event {
        Event {
            tenant: 1,
            at: Timestamp::new(at),
            kind: kind.to_owned(),
            spool: None,
            recipient: None,
            address: None,
            detail: None,
        }
    }

    #[test]
    fn old_events_go_in_chunks_and_leave_their_number_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), Timestamp::new(0)).unwrap();
        for n in 0..1200 {
            // Two hours and a bit, of which the last is kept.
            let kind = if n % 3 == 0 { "failed" } else { "delivered" };
            let event = event(5 * HOUR + n * 10_000, kind);
            store.write_blocking(Lane::Bulk, move |tx| append(tx, &event)).unwrap();
        }
        let from = Timestamp::new(0);
        let counts = |kind: &'static str| {
            let rows = store.read_blocking(|tx| hours(tx, from)).unwrap();
            let of_kind = rows.into_iter().filter(|row| row.kind == kind);
            of_kind.map(|row| (row.begun.ms() / HOUR, row.count)).collect::<Vec<_>>()
        };
        let before = (counts("failed"), counts("delivered"));
        assert_eq!(before.0, [(5, 120), (6, 120), (7, 120), (8, 40)]);
        let keep = Timestamp::new(7 * HOUR + 1);
        let prune = || store.write_blocking(Lane::Bulk, move |tx| prune(tx, keep)).unwrap();
        assert_eq!([prune(), prune(), prune()], [500, 221, 0]);
        assert_eq!((counts("failed"), counts("delivered")), before, "nothing is counted twice");
        let left = |tx: &mut Tx<'_>| {
            tx.query_one("SELECT count(*) FROM event", &[], |row| row.get::<i64>(0))
        };
        assert_eq!(store.read_blocking(left).unwrap(), 479);
    }
}
