//! Copies and moves within an account: rows only, contents are shared.
//!
//! Source: RFC 9051 sections 6.4.7 and 6.4.8; contents keep their identifier, RFC 8474 section 5.1.

use std::fmt::Write;

use mailwright_view::{NumberSet, Row};
use mailwright_words::{Id, Timestamp};

use crate::{
    engine::Tx,
    error::StoreError,
    mailbox::{Edit, What, charged_modseq, expunge::Gone, keyword, load},
    params,
};

/// What a copy or a move came to; both sets ascend together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Of the target.
    pub uidvalidity: u32,
    /// Where the messages were.
    pub source: NumberSet,
    /// Where they are.
    pub target: NumberSet,
}

/// Whether messages stay where they were too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// They do.
    Copy,
    /// They do not.
    Move,
}

/// Messages that one call copies or moves, at most.
pub(super) const CHUNK: u32 = 1000;

/// Copies or moves messages of one mailbox into another of the account, or the same: the first
/// [`CHUNK`] of them.
///
/// Errors: [`StoreError::Missing`] for a mailbox that is gone, [`StoreError::OverQuota`],
/// [`StoreError::Limit`] when the target has no room for the keywords.
pub(super) fn transfer(
    tx: &mut Tx<'_>,
    (source, uids): (Id, &NumberSet),
    target: Id,
    how: Transfer,
    now: Timestamp,
) -> Result<Copied, StoreError> {
    let account = super::account_of(tx, source)?;
    let (uidvalidity, uidnext) = place(tx, account, target)?;
    let rows = rows(tx, source, uids)?;
    let (from, to) = (NumberSet::new(), NumberSet::new());
    let mut copied = Copied { uidvalidity, source: from, target: to };
    if rows.is_empty() {
        return Ok(copied);
    }
    let mut sums = Gone::default();
    for row in &rows {
        sums.add(row.uid, row.flags, row.size);
    }
    let more = if how == Transfer::Copy { sums.bytes } else { 0 };
    let modseq = charged_modseq(tx, account, more)?;
    let keywords = Keywords::of(tx, (source, target), &rows, modseq)?;
    keywords.insert(tx, (source, target), (&sums.uids, uidnext), (modseq, now))?;
    let mut uid = uidnext;
    for row in rows {
        let mut new = Row { uid, modseq, save_date: now, ..row };
        new.flags.keywords = keywords.mapped(row.flags.keywords);
        copied.target.extend([uid]);
        tx.publish(Edit { mailbox: target, modseq, what: What::Append(new) });
        uid = uid.checked_add(1).ok_or(StoreError::Limit("UIDs of a mailbox"))?;
    }
    tx.execute(
        "UPDATE mailbox SET uidnext = :uid, highestmodseq = :modseq, total = total + :count,
             unseen = unseen + :unseen, deleted = deleted + :deleted, bytes = bytes + :bytes
         WHERE id = :target",
        params! { uid, modseq, count: sums.count, unseen: sums.unseen, deleted: sums.deleted,
        bytes: sums.bytes, target },
    )?;
    if how == Transfer::Move {
        sums.remove(tx, source, modseq)?;
    }
    copied.source = sums.uids;
    Ok(copied)
}

/// UIDVALIDITY and the next UID of a mailbox of the account.
fn place(tx: &mut Tx<'_>, account: Id, mailbox: Id) -> Result<(u32, u32), StoreError> {
    tx.query_opt(
        "SELECT uidvalidity, uidnext FROM mailbox
         WHERE id = :mailbox AND account = :account AND dead = 0",
        params! { mailbox, account },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?
    .ok_or(StoreError::Missing("mailbox"))
}

fn rows(tx: &mut Tx<'_>, mailbox: Id, uids: &NumberSet) -> Result<Vec<Row>, StoreError> {
    let sql = format!(
        "SELECT {} FROM mailbox_msg WHERE mailbox = :mailbox AND uid BETWEEN :low AND :high
         ORDER BY uid LIMIT :left",
        load::COLUMNS
    );
    let mut rows = Vec::new();
    let mut left = usize::try_from(CHUNK).unwrap_or(usize::MAX);
    for range in uids.ranges() {
        let (low, high) = range.into_inner();
        let more = tx.query(&sql, params! { mailbox, low, high, left }, load::row)?;
        left = left.saturating_sub(more.len());
        rows.extend(more);
        if left == 0 {
            break;
        }
    }
    Ok(rows)
}

/// Which bit of the target each bit of the source is.
struct Keywords(Vec<(usize, u64)>);

impl Keywords {
    fn of(
        tx: &mut Tx<'_>,
        (source, target): (Id, Id),
        rows: &[Row],
        modseq: u64,
    ) -> Result<Self, StoreError> {
        let used = rows.iter().fold(0, |all, row| all | row.flags.keywords);
        let mut bits = Vec::new();
        if used == 0 {
            return Ok(Self(bits));
        }
        for (bit, name) in keyword::names(tx, source)?.into_iter().enumerate() {
            if used & keyword::bit_of(bit) != 0 {
                bits.push((bit, keyword::make(tx, target, &[name], modseq)?));
            }
        }
        Ok(Self(bits))
    }

    fn mapped(&self, keywords: u64) -> u64 {
        let set = self.0.iter().filter(|(bit, _)| keywords & keyword::bit_of(*bit) != 0);
        set.fold(0, |all, (_, mapped)| all | mapped)
    }

    /// The mapping as SQL over the column `keywords`.
    fn sql(&self) -> String {
        let mut sql = "0".to_owned();
        for (bit, mapped) in &self.0 {
            let mapped = mapped.cast_signed();
            // Writing to a String does not fail.
            write!(sql, " | CASE WHEN keywords >> {bit} & 1 THEN {mapped} ELSE 0 END")
                .unwrap_or_default();
        }
        sql
    }

    /// Copies the rows of `uids` to `uidnext` and behind.
    fn insert(
        &self,
        tx: &mut Tx<'_>,
        (source, target): (Id, Id),
        (uids, uidnext): (&NumberSet, u32),
        (modseq, now): (u64, Timestamp),
    ) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO mailbox_msg (mailbox, uid, message, flags, keywords, modseq, size,
                 internal_date, save_date)
             SELECT :target, :next + row_number() OVER (ORDER BY uid), message, flags, {},
                 :modseq, size, internal_date, :now
             FROM mailbox_msg WHERE mailbox = :source AND uid BETWEEN :low AND :high",
            self.sql()
        );
        let mut next = u64::from(uidnext).saturating_sub(1);
        for range in uids.ranges() {
            let (low, high) = range.into_inner();
            let count =
                tx.execute(&sql, params! { target, next, modseq, now, source, low, high })?;
            next = next.saturating_add(u64::try_from(count).unwrap_or(0));
        }
        Ok(())
    }
}
