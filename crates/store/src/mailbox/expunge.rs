//! Expunging: rows go at once, contents that no mailbox has any more go after a grace time.
//!
//! So an expunge costs its rows only, and a session that was not told yet can still read them.
//! Source: RFC 9051 section 6.4.3, RFC 7162 section 3.2.5.

use mailwright_view::{Flags, NumberSet, Snapshot};
use mailwright_words::{Id, Timestamp};

use crate::{
    engine::Tx,
    error::StoreError,
    mailbox::{Edit, What, next_modseq},
    params,
};

/// Expunges messages of a mailbox: of `uids`, those with `\Deleted` when `only_deleted`; at most
/// about `limit`. Gives their UIDs; fewer than `limit` are all there were.
///
/// Errors: [`StoreError::Missing`] for a mailbox that is gone.
pub fn expunge(
    tx: &mut Tx<'_>,
    mailbox: Id,
    (uids, only_deleted): (&NumberSet, bool),
    limit: usize,
    now: Timestamp,
) -> Result<NumberSet, StoreError> {
    let account = super::account_of(tx, mailbox)?;
    let mask = if only_deleted { Flags::DELETED } else { 0 };
    let mut gone = Gone::default();
    for range in uids.ranges() {
        let left = limit.saturating_sub(gone.count);
        if left == 0 {
            break;
        }
        let (low, high) = range.into_inner();
        gone.find(tx, mailbox, (low, high, mask), left)?;
    }
    if gone.count == 0 {
        return Ok(gone.uids);
    }
    let modseq = next_modseq(tx, account)?;
    for range in gone.uids.ranges() {
        let (low, high) = range.into_inner();
        tx.execute(
            "INSERT INTO orphan (message, since) SELECT message, :now FROM mailbox_msg
             WHERE mailbox = :mailbox AND uid BETWEEN :low AND :high
             ON CONFLICT (message) DO UPDATE SET since = excluded.since",
            params! { now, mailbox, low, high },
        )?;
    }
    gone.remove(tx, mailbox, modseq)?;
    tx.execute(
        "UPDATE principal SET used_bytes = max(0, used_bytes - :bytes) WHERE id = :account",
        params! { bytes: gone.bytes, account },
    )?;
    Ok(gone.uids)
}

/// Rows that go, and what they counted for.
#[derive(Default)]
pub(super) struct Gone {
    pub(super) uids: NumberSet,
    pub(super) count: usize,
    pub(super) unseen: i64,
    pub(super) deleted: i64,
    pub(super) bytes: u64,
}

impl Gone {
    /// Counts a row.
    pub(super) fn add(&mut self, uid: u32, flags: Flags, size: u64) {
        self.uids.extend([uid]);
        self.count += 1;
        self.unseen += i64::from(!flags.has(Flags::SEEN));
        self.deleted += i64::from(flags.has(Flags::DELETED));
        self.bytes = self.bytes.saturating_add(size);
    }

    fn find(
        &mut self,
        tx: &mut Tx<'_>,
        mailbox: Id,
        (low, high, mask): (u32, u32, u8),
        limit: usize,
    ) -> Result<(), StoreError> {
        let rows = tx.query(
            "SELECT uid, flags, size FROM mailbox_msg WHERE mailbox = :mailbox
                 AND uid BETWEEN :low AND :high AND flags & :mask = :mask
             ORDER BY uid LIMIT :limit",
            params! { mailbox, low, high, mask, limit },
            |row| Ok((row.get::<u32>(0)?, row.get::<u8>(1)?, row.get::<u64>(2)?)),
        )?;
        for (uid, flags, size) in rows {
            self.add(uid, Flags::system(flags), size);
        }
        Ok(())
    }

    /// Takes the rows out of their mailbox as change `modseq`, and notes that they went.
    pub(super) fn remove(
        &self,
        tx: &mut Tx<'_>,
        mailbox: Id,
        modseq: u64,
    ) -> Result<(), StoreError> {
        for range in self.uids.ranges() {
            let (low, high) = range.into_inner();
            tx.execute(
                "DELETE FROM mailbox_msg WHERE mailbox = :mailbox AND uid BETWEEN :low AND :high",
                params! { mailbox, low, high },
            )?;
            tx.execute(
                "INSERT INTO mailbox_change (mailbox, modseq, uid_low, uid_high, kind)
                 VALUES (:mailbox, :modseq, :low, :high, 'expunged')",
                params! { mailbox, modseq, low, high },
            )?;
        }
        tx.execute(
            "UPDATE mailbox SET highestmodseq = :modseq, total = total - :count,
                 unseen = unseen - :unseen, deleted = deleted - :deleted, bytes = bytes - :bytes
             WHERE id = :mailbox",
            params! { modseq, count: self.count, unseen: self.unseen, deleted: self.deleted,
            bytes: self.bytes, mailbox },
        )?;
        tx.publish(Edit { mailbox, modseq, what: What::Expunge(self.uids.clone()) });
        Ok(())
    }
}

/// The UIDs that were expunged after the change `since`; `None` when that is no longer known.
pub fn vanished(tx: &mut Tx<'_>, mailbox: Id, since: u64) -> Result<Option<NumberSet>, StoreError> {
    let floor: u64 = tx
        .query_opt(
            "SELECT expunge_floor_modseq FROM mailbox WHERE id = :mailbox",
            params! { mailbox },
            |row| row.get(0),
        )?
        .ok_or(StoreError::Missing("mailbox"))?;
    if since < floor {
        return Ok(None);
    }
    let mut uids = NumberSet::new();
    let ranges = tx.query(
        "SELECT uid_low, uid_high FROM mailbox_change
         WHERE mailbox = :mailbox AND modseq > :since AND kind = 'expunged'",
        params! { mailbox, since },
        |row| Ok((row.get::<u32>(0)?, row.get::<u32>(1)?)),
    )?;
    for (low, high) in ranges {
        uids.insert(low..=high);
    }
    Ok(Some(uids))
}

/// What of `uids` no row of the snapshot has.
pub fn without_rows(uids: &NumberSet, snapshot: &Snapshot) -> NumberSet {
    let mut rest = NumberSet::new();
    for range in uids.ranges() {
        let (mut low, high) = range.into_inner();
        for row in snapshot.rows_from(low).take_while(|row| row.uid <= high) {
            if low < row.uid {
                rest.insert(low..=row.uid - 1);
            }
            low = row.uid.saturating_add(1);
        }
        if low <= high && snapshot.find(low).is_none() {
            rest.insert(low..=high);
        }
    }
    rest
}
