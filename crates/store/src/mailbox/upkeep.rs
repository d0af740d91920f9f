//! What mailboxes leave behind, cleared away chunk by chunk in the background.

use std::time::Duration;

use mailwright_view::NumberSet;
use mailwright_words::{Id, Timestamp};

use crate::{
    Lane, StoreError,
    engine::Tx,
    mailbox::{expunge, import, removal::drop_message},
    params,
    store::Store,
};

/// Rows that one closure removes, at most.
const CHUNK: usize = 500;
/// Ranges of expunged UIDs that a mailbox remembers at least.
const CHANGES_MIN: usize = 5000;

impl Store {
    /// Removes contents that have been in no mailbox for `grace`, rows of deleted mailboxes, and
    /// what is too much of the memory of expunges.
    ///
    /// Errors: those of the store; what was done until then stays done.
    pub async fn sweep_mailboxes(&self, now: Timestamp, grace: Duration) -> Result<(), StoreError> {
        while self.write(Lane::Bulk, move |tx| empty_dead(tx, now)).await? {}
        let before = now.minus(grace);
        while self.write(Lane::Bulk, move |tx| bury(tx, before, now)).await? {}
        let long = self
            .read(|tx| {
                tx.query(
                    "SELECT mailbox FROM mailbox_change GROUP BY mailbox HAVING count(*) > :most",
                    params! { most: CHANGES_MIN * 2 },
                    |row| row.get::<Id>(0),
                )
            })
            .await?;
        for mailbox in long {
            self.write(Lane::Bulk, move |tx| trim(tx, mailbox)).await?;
        }
        Ok(())
    }

    /// Expunges what came into folders of this use, such as `\Junk`, before a moment; says how many
    /// messages.
    ///
    /// Errors: those of the store; what was done until then stays done.
    pub async fn expunge_by_age(
        &self,
        special_use: &'static str,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let folders = self
            .read(move |tx| {
                tx.query(
                    "SELECT id FROM mailbox
                     WHERE special_use = :special_use AND total > 0 AND dead = 0",
                    params! { special_use },
                    |row| row.get::<Id>(0),
                )
            })
            .await?;
        let mut count = 0_u64;
        for mailbox in folders {
            loop {
                let old = self.write(Lane::Bulk, move |tx| old(tx, mailbox, before, now)).await?;
                count = count.saturating_add(old);
                if old == 0 {
                    break;
                }
            }
        }
        Ok(count)
    }
}

fn old(tx: &mut Tx<'_>, mailbox: Id, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    let uids: NumberSet = tx
        .query(
            "SELECT uid FROM mailbox_msg WHERE mailbox = :mailbox AND save_date < :before
             ORDER BY uid LIMIT :limit",
            params! { mailbox, before, limit: CHUNK },
            |row| row.get::<u32>(0),
        )?
        .into_iter()
        .collect();
    Ok(expunge(tx, mailbox, (&uids, false), CHUNK, now)?.len())
}

/// Empties a deleted mailbox by a chunk; says whether there is more to do.
fn empty_dead(tx: &mut Tx<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let found =
        tx.query_opt("SELECT id FROM mailbox WHERE dead = 1 LIMIT 1", params! {}, |row| {
            row.get::<Id>(0)
        })?;
    let Some(mailbox) = found else { return Ok(false) };
    let last: Option<u32> = tx.query_one(
        "SELECT max(uid) FROM (SELECT uid FROM mailbox_msg WHERE mailbox = :mailbox
             ORDER BY uid LIMIT :limit)",
        params! { mailbox, limit: CHUNK },
        |row| row.get(0),
    )?;
    let Some(last) = last else {
        if import::forget(tx, mailbox)? {
            return Ok(true);
        }
        for sql in [
            "DELETE FROM keyword WHERE mailbox = :mailbox",
            "DELETE FROM mailbox_change WHERE mailbox = :mailbox",
            "DELETE FROM mailbox WHERE id = :mailbox",
        ] {
            tx.execute(sql, params! { mailbox })?;
        }
        return Ok(true);
    };
    tx.execute(
        "INSERT INTO orphan (message, since) SELECT message, :now FROM mailbox_msg
         WHERE mailbox = :mailbox AND uid <= :last
         ON CONFLICT (message) DO UPDATE SET since = excluded.since",
        params! { now, mailbox, last },
    )?;
    tx.execute(
        "DELETE FROM mailbox_msg WHERE mailbox = :mailbox AND uid <= :last",
        params! { mailbox, last },
    )?;
    Ok(true)
}

/// Removes a chunk of the contents that were orphaned before `before`; says whether to go on.
fn bury(tx: &mut Tx<'_>, before: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
    let orphans = tx.query(
        "SELECT message, EXISTS (SELECT 1 FROM mailbox_msg mm WHERE mm.message = orphan.message)
         FROM orphan WHERE since <= :before LIMIT :limit",
        params! { before, limit: CHUNK },
        |row| Ok((row.get::<Id>(0)?, row.get::<bool>(1)?)),
    )?;
    let more = orphans.len() == CHUNK;
    for (message, is_in_use) in orphans {
        if is_in_use {
            tx.execute("DELETE FROM orphan WHERE message = :message", params! { message })?;
        } else {
            drop_message(tx, message, now)?;
        }
    }
    Ok(more)
}

/// Forgets the oldest expunges of a mailbox; who asks for them gets an answer from its rows.
fn trim(tx: &mut Tx<'_>, mailbox: Id) -> Result<(), StoreError> {
    let floor: Option<u64> = tx.query_opt(
        "SELECT modseq FROM mailbox_change WHERE mailbox = :mailbox
         ORDER BY modseq DESC LIMIT 1 OFFSET :kept",
        params! { mailbox, kept: CHANGES_MIN },
        |row| row.get(0),
    )?;
    let Some(floor) = floor else { return Ok(()) };
    tx.execute(
        "DELETE FROM mailbox_change WHERE mailbox = :mailbox AND modseq <= :floor",
        params! { mailbox, floor },
    )?;
    tx.execute(
        "UPDATE mailbox SET expunge_floor_modseq = :floor WHERE id = :mailbox",
        params! { floor, mailbox },
    )
    .map(drop)
}
