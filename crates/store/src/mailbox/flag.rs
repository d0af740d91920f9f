//! Changes of flags: one statement a range of UIDs, and only rows that become different change.
//!
//! They may be lost in a power cut after they were told, which no sync of theirs is worth; their
//! numbers are not used again. Source: RFC 9051 section 6.4.6, RFC 7162 section 3.1.3.

use mailwright_view::{FlagChange, Flags, NumberSet};
use mailwright_words::Id;

use crate::{
    engine::Tx,
    error::StoreError,
    mailbox::{Edit, What, keyword, next_modseq},
    params,
};

/// A change of flags, with keywords by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whether it sets, adds or removes.
    pub how: How,
    /// Flags of the standard.
    pub system: u8,
    /// Keywords.
    pub keywords: Vec<Box<str>>,
}

/// What is done with flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// These and no others.
    Set,
    /// These too.
    Add,
    /// These no longer.
    Remove,
}

impl How {
    /// The new values of `flags` and `keywords` as SQL.
    const fn sql(self) -> (&'static str, &'static str) {
        match self {
            Self::Set => (":system", ":bits"),
            Self::Add => ("(flags | :system)", "(keywords | :bits)"),
            Self::Remove => ("(flags & ~:system)", "(keywords & ~:bits)"),
        }
    }
}

/// Changes the flags of messages of a mailbox; those that changed after `unchanged_since` stay as
/// they are, and are the answer.
///
/// Errors: [`StoreError::Missing`] for a mailbox that is gone, [`StoreError::Limit`] for one that
/// has no room for the keywords.
pub fn change_flags(
    tx: &mut Tx<'_>,
    mailbox: Id,
    uids: &NumberSet,
    change: &Change,
    unchanged_since: Option<u64>,
) -> Result<NumberSet, StoreError> {
    let account = super::account_of(tx, mailbox)?;
    let modseq = next_modseq(tx, account)?;
    let bits = match change.how {
        How::Remove => keyword::bits(&keyword::names(tx, mailbox)?, &change.keywords).0,
        How::Set | How::Add => keyword::make(tx, mailbox, &change.keywords, modseq)?,
    };
    let until = unchanged_since.unwrap_or(u64::MAX);
    let mut kept = NumberSet::new();
    let mut sums = Sums::default();
    let update = Update { mailbox, how: change.how, system: change.system, bits, modseq, until };
    for range in uids.ranges() {
        let (low, high) = range.into_inner();
        if unchanged_since.is_some() {
            kept.extend(tx.query(
                "SELECT uid FROM mailbox_msg WHERE mailbox = :mailbox
                     AND uid BETWEEN :low AND :high AND modseq > :until ORDER BY uid",
                params! { mailbox, low, high, until },
                |row| row.get::<u32>(0),
            )?);
        }
        update.run(tx, (low, high), &mut sums)?;
    }
    if sums.rows == 0 {
        return Ok(kept);
    }
    tx.execute(
        "UPDATE mailbox SET highestmodseq = :modseq, unseen = unseen - :seen,
             deleted = deleted + :deleted WHERE id = :mailbox",
        params! { modseq, seen: sums.seen, deleted: sums.deleted, mailbox },
    )?;
    let flags = Flags { system: change.system, keywords: bits };
    let change = match change.how {
        How::Set => FlagChange::Set(flags),
        How::Add => FlagChange::Add(flags),
        How::Remove => FlagChange::Remove(flags),
    };
    let changed = if kept.is_empty() { uids.clone() } else { without(uids, &kept) };
    tx.publish(Edit { mailbox, modseq, what: What::Flags(changed, change) });
    Ok(kept)
}

/// What changes of a mailbox's counters.
#[derive(Default)]
struct Sums {
    rows: usize,
    seen: i64,
    deleted: i64,
}

struct Update {
    mailbox: Id,
    how: How,
    system: u8,
    bits: u64,
    modseq: u64,
    until: u64,
}

impl Update {
    fn run(
        &self,
        tx: &mut Tx<'_>,
        (low, high): (u32, u32),
        sums: &mut Sums,
    ) -> Result<(), StoreError> {
        let &Self { mailbox, how, system, bits, modseq, until } = self;
        let bits = bits.cast_signed();
        let (flags, keywords) = how.sql();
        let rows = format!(
            "WHERE mailbox = :mailbox AND uid BETWEEN :low AND :high AND modseq <= :until
                 AND ({flags} <> flags OR {keywords} <> keywords)"
        );
        let counted = Flags::SEEN | Flags::DELETED;
        if how == How::Set || system & counted != 0 {
            let sql = format!(
                "SELECT ifnull(sum(({flags} & 1 <> 0) - (flags & 1 <> 0)), 0),
                     ifnull(sum(({flags} & 8 <> 0) - (flags & 8 <> 0)), 0) FROM mailbox_msg {rows}"
            );
            let (seen, deleted) =
                tx.query_one(&sql, params! { system, mailbox, low, high, until, bits }, |row| {
                    Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
                })?;
            sums.seen += seen;
            sums.deleted += deleted;
        }
        let sql = format!(
            "UPDATE mailbox_msg SET flags = {flags}, keywords = {keywords}, modseq = :modseq {rows}"
        );
        sums.rows +=
            tx.execute(&sql, params! { system, bits, modseq, mailbox, low, high, until })?;
        Ok(())
    }
}

/// What is in `set` and not in `less`.
fn without(set: &NumberSet, less: &NumberSet) -> NumberSet {
    let mut rest = NumberSet::new();
    for range in set.ranges() {
        let (mut low, high) = range.into_inner();
        let within = NumberSet::range(low..=high);
        for gap in less.intersection(&within).ranges() {
            let (first, last) = gap.into_inner();
            if low < first {
                rest.insert(low..=first - 1);
            }
            low = last.saturating_add(1);
        }
        // A gap that ends at the largest number leaves nothing behind it.
        if low <= high && !less.contains(low) {
            rest.insert(low..=high);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_set() {
        let set = |ranges: &[(u32, u32)]| {
            let mut set = NumberSet::new();
            for &(low, high) in ranges {
                set.insert(low..=high);
            }
            set
        };
        let left = without(&set(&[(1, 10), (20, 30)]), &set(&[(1, 1), (5, 6), (10, 22)]));
        assert_eq!(left.to_string(), "2:4,7:9,23:30");
        let all = set(&[(1, u32::MAX)]);
        assert!(without(&all, &all).is_empty());
        assert_eq!(without(&all, &NumberSet::new()), all);
    }
}
