//! Rows of what keeps attackers out: blocked networks, the audit log, greylisting, what accounts
//! sent. What they mean is decided elsewhere.

use mailwright_words::{Id, Timestamp};

use crate::{
    engine::{Row, Tx},
    error::StoreError,
    params,
};

/// Rows that one call removes.
const CHUNK: usize = 500;

/// A blocked network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its address and length, as `192.0.2.0/24`.
    pub network: String,
    /// Why.
    pub reason: String,
    /// Whether the server did it by itself.
    pub automatic: bool,
    /// Since when.
    pub created: Timestamp,
    /// Until when; none is for ever.
    pub until: Option<Timestamp>,
}

/// Blocks a network, or changes how long it is blocked.
pub fn block(tx: &mut Tx<'_>, block: &Block) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO block (network, reason, automatic, created, until)
         VALUES (:network, :reason, :automatic, :created, :until)
         ON CONFLICT (network) DO UPDATE SET reason = excluded.reason,
             automatic = excluded.automatic, created = excluded.created, until = excluded.until",
        params! { network: &block.network, reason: &block.reason, automatic: block.automatic,
        created: block.created, until: block.until },
    )?;
    Ok(())
}

/// Lets a network in again.
///
/// Errors: [`StoreError::Missing`].
pub fn unblock(tx: &mut Tx<'_>, network: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM block WHERE network = :network";
    let touched = tx.execute(sql, params! { network })?;
    if touched == 1 { Ok(()) } else { Err(StoreError::Missing("block")) }
}

/// Removes the blocks whose time is over, and says how many.
pub fn release_blocks(tx: &mut Tx<'_>, now: Timestamp) -> Result<usize, StoreError> {
    tx.execute("DELETE FROM block WHERE until <= :now", params! { now })
}

/// Every block, by network.
pub fn blocks(tx: &mut Tx<'_>) -> Result<Vec<Block>, StoreError> {
    tx.query(
        "SELECT network, reason, automatic, created, until FROM block ORDER BY network",
        params! {},
        |row| {
            Ok(Block {
                network: row.get(0)?,
                reason: row.get(1)?,
                automatic: row.get(2)?,
                created: row.get(3)?,
                until: row.get(4)?,
            })
        },
    )
}

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// What, in a word.
    pub kind: String,
    /// Who; empty where nobody is known.
    pub who: String,
    /// From where; empty for this machine.
    pub peer: String,
    /// What exactly.
    pub detail: String,
}

/// Writes down what somebody did.
pub fn audit(tx: &mut Tx<'_>, row: &Audit) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO audit (at, kind, who, peer, detail)
         VALUES (:at, :kind, :who, :peer, :detail)",
        params! { at: row.at, kind: &row.kind, who: &row.who, peer: &row.peer,
        detail: &row.detail },
    )?;
    Ok(())
}

/// The newest `limit` rows, of one kind or of all, the newest first.
pub fn audits(tx: &mut Tx<'_>, kind: Option<&str>, limit: usize) -> Result<Vec<Audit>, StoreError> {
    let read = |row: &Row<'_>| {
        Ok(Audit {
            at: row.get(0)?,
            kind: row.get(1)?,
            who: row.get(2)?,
            peer: row.get(3)?,
            detail: row.get(4)?,
        })
    };
    tx.query(
        "SELECT at, kind, who, peer, detail FROM audit
         WHERE :kind IS NULL OR kind = :kind ORDER BY id DESC LIMIT :limit",
        params! { kind, limit },
        read,
    )
}

/// Removes up to 500 rows from before `before`, the oldest first, and says how many went.
pub fn prune_audit(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM audit WHERE id IN
             (SELECT id FROM (SELECT id, at FROM audit ORDER BY id LIMIT :chunk) AS oldest
              WHERE at < :before)",
        params! { chunk: CHUNK, before },
    )
}

/// What is known of who wrote to whom: when first, when last, whether it may pass.
pub fn greylisted(
    tx: &mut Tx<'_>,
    triple: &[u8],
) -> Result<Option<(Timestamp, Timestamp, bool)>, StoreError> {
    tx.query_opt(
        "SELECT first, last, passed FROM greylist WHERE triple = :triple",
        params! { triple },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Remembers who wrote to whom; nothing new when `most` are remembered already.
pub fn greylist(
    tx: &mut Tx<'_>,
    triple: &[u8],
    (passed, most): (bool, usize),
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO greylist (triple, first, last, passed)
         SELECT :triple, :now, :now, :passed
         WHERE (SELECT count(*) FROM greylist) < :most
             OR EXISTS (SELECT 1 FROM greylist WHERE triple = :triple)
         ON CONFLICT (triple) DO UPDATE SET last = excluded.last,
             passed = max(passed, excluded.passed)",
        params! { triple, now, passed, most },
    )?;
    Ok(())
}

/// Forgets who has not passed since `waiting`, and who has not written since `passed`.
pub fn prune_greylist(
    tx: &mut Tx<'_>,
    (waiting, passed): (Timestamp, Timestamp),
) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM greylist WHERE triple IN
             (SELECT triple FROM greylist
              WHERE (passed = 0 AND first < :waiting) OR last < :passed LIMIT :chunk)",
        params! { waiting, passed, chunk: CHUNK },
    )
}

/// Counts what an account sent in an hour since 1970.
pub fn count_sent(
    tx: &mut Tx<'_>,
    account: Id,
    hour: i64,
    recipients: u32,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO sent (account, hour, messages, recipients)
         VALUES (:account, :hour, 1, :recipients)
         ON CONFLICT (account, hour) DO UPDATE SET messages = messages + 1,
             recipients = recipients + excluded.recipients",
        params! { account, hour, recipients },
    )?;
    Ok(())
}

/// Takes back what was counted of a message that was not sent after all.
pub fn uncount_sent(
    tx: &mut Tx<'_>,
    account: Id,
    hour: i64,
    recipients: u32,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE sent SET messages = max(messages - 1, 0),
             recipients = max(recipients - :recipients, 0)
         WHERE account = :account AND hour = :hour",
        params! { account, hour, recipients },
    )?;
    Ok(())
}

/// What an account sent from an hour on: messages and recipients.
pub fn sent_since(tx: &mut Tx<'_>, account: Id, hour: i64) -> Result<(u64, u64), StoreError> {
    tx.query_one(
        "SELECT coalesce(sum(messages), 0), coalesce(sum(recipients), 0) FROM sent
         WHERE account = :account AND hour >= :hour",
        params! { account, hour },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Forgets what was sent before an hour.
pub fn prune_sent(tx: &mut Tx<'_>, before: i64) -> Result<usize, StoreError> {
    tx.execute("DELETE FROM sent WHERE hour < :before", params! { before })
}

/// Holds what of an account waits in the queue, up to 1,000 recipients; says how many.
pub fn hold_account(tx: &mut Tx<'_>, account: Id) -> Result<usize, StoreError> {
    tx.execute(
        "UPDATE recipient SET state = 'held' WHERE id IN
             (SELECT recipient.id FROM recipient JOIN spool ON spool.id = recipient.spool
              WHERE spool.account = :account AND recipient.state = 'queued'
                  AND recipient.owner_node IS NULL AND recipient.class = 'relay' LIMIT 1000)",
        params! { account },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, Options, Store};

    fn at(ms: i64) -> Timestamp {
        Timestamp::new(ms)
    }

    fn row(ms: i64, kind: &str) -> Audit {
        let text = String::new;
        Audit { at: at(ms), kind: kind.to_owned(), who: text(), peer: text(), detail: text() }
    }

    #[test]
    fn the_audit_log_is_only_added_to_and_only_its_old_end_goes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), at(0)).unwrap();
        let write = |row: Audit| store.write_blocking(Lane::Quick, move |tx| audit(tx, &row));
        for ms in 0..600 {
            write(row(ms, if ms % 2 == 0 { "login" } else { "admin" })).unwrap();
        }
        let found = store.read_blocking(|tx| audits(tx, Some("login"), 2)).unwrap();
        assert_eq!(found, [row(598, "login"), row(596, "login")]);
        let sql = "UPDATE audit SET who = 'nobody'";
        assert!(store.write_blocking(Lane::Quick, |tx| tx.execute(sql, &[])).is_err());
        let prune = || store.write_blocking(Lane::Bulk, |tx| prune_audit(tx, at(550))).unwrap();
        assert_eq!([prune(), prune(), prune()], [500, 50, 0]);
        assert_eq!(store.read_blocking(|tx| audits(tx, None, 1000)).unwrap().len(), 50);
    }

    #[test]
    fn the_greylist_is_bounded_and_forgets() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), at(0)).unwrap();
        let write = |triple: u8, passed, ms| {
            let write = move |tx: &mut Tx<'_>| greylist(tx, &[triple], (passed, 2), at(ms));
            store.write_blocking(Lane::Quick, write).unwrap();
        };
        let read = |triple: u8| store.read_blocking(|tx| greylisted(tx, &[triple])).unwrap();
        write(1, false, 10);
        write(2, false, 20);
        write(3, false, 30);
        assert_eq!(read(3), None, "there was no room");
        write(1, true, 40);
        write(1, false, 50);
        assert_eq!(read(1), Some((at(10), at(50), true)));
        let prune = |waiting, passed| {
            let write = move |tx: &mut Tx<'_>| prune_greylist(tx, (at(waiting), at(passed)));
            store.write_blocking(Lane::Bulk, write).unwrap()
        };
        assert_eq!((prune(25, 0), prune(25, 0), prune(25, 51)), (1, 0, 1));
    }
}
