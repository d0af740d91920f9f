//! A mailbox at one moment: rows in shared chunks, cheap to copy and to compare.
//!
//! An edit copies the chunks it touches and shares the others, so that a snapshot is never changed
//! under its reader, and two of them differ only where their chunks are not the same memory.
//! Invariant: UIDs ascend, no chunk is empty.

use std::sync::Arc;

use mailwright_words::Id;

use crate::{FlagChange, Flags, NumberSet, Row};

/// Most rows of a chunk.
const CHUNK_ROWS: usize = 1024;

/// What a mailbox is beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The mailbox; never used again for another.
    pub mailbox: Id,
    /// Stands for the UIDs given out under its name.
    pub uidvalidity: u32,
    /// The UID of the next message.
    pub uidnext: u32,
    /// The last change. Source: RFC 7162 section 3.1.2.1.
    pub highest_modseq: u64,
}

/// Sums over the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows without `\Seen`.
    pub unseen: u32,
    /// Rows with `\Deleted`.
    pub deleted: u32,
    /// Octets of all messages.
    pub bytes: u64,
}

/// A mailbox at one moment; clones share it.
#[derive(Debug, Clone)]
pub struct Snapshot(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    identity: Identity,
    counts: Counts,
    keywords: Arc<[Box<str>]>,
    chunks: Vec<Arc<Vec<Row>>>,
    /// How many rows stand before each chunk.
    before: Vec<u32>,
    len: u32,
}

impl Snapshot {
    /// A mailbox of `rows`, in any order, whose keyword bits stand for `keywords`.
    pub fn new(identity: Identity, keywords: Vec<Box<str>>, mut rows: Vec<Row>) -> Self {
        rows.sort_unstable_by_key(|row| row.uid);
        rows.dedup_by_key(|row| row.uid);
        let chunks = rows.chunks(CHUNK_ROWS).map(|chunk| Arc::new(chunk.to_vec())).collect();
        let counts = counted(Counts::default(), &rows);
        Self::of(identity, counts, keywords.into(), chunks)
    }

    fn of(
        identity: Identity,
        counts: Counts,
        keywords: Arc<[Box<str>]>,
        chunks: Vec<Arc<Vec<Row>>>,
    ) -> Self {
        let mut len = 0_u32;
        let before = chunks.iter().map(|chunk| {
            let before = len;
            len = len.saturating_add(number(chunk.len()));
            before
        });
        let before = before.collect();
        Self(Arc::new(Inner { identity, counts, keywords, chunks, before, len }))
    }

    /// What it is beside its rows.
    pub fn identity(&self) -> Identity {
        self.0.identity
    }

    /// Sums over its rows.
    pub fn counts(&self) -> Counts {
        self.0.counts
    }

    /// The names of keyword bits, from bit 0 on.
    pub fn keywords(&self) -> &[Box<str>] {
        &self.0.keywords
    }

    /// How many rows.
    pub fn len(&self) -> u32 {
        self.0.len
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Whether both are the same memory.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The rows, ascending.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> + '_ {
        self.0.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The row number `seq`, counted from 1.
    pub fn row(&self, seq: u32) -> Option<&Row> {
        let place = seq.checked_sub(1)?;
        let chunk = self.0.before.partition_point(|&before| before <= place).checked_sub(1)?;
        let within = place.checked_sub(*self.0.before.get(chunk)?)?;
        self.0.chunks.get(chunk)?.get(usize::try_from(within).ok()?)
    }

    /// How many rows have a smaller UID.
    pub fn rows_before(&self, uid: u32) -> u32 {
        let chunk = self.chunk_of(uid);
        let Some(&before) = self.0.before.get(chunk) else { return self.0.len };
        let within = self.0.chunks.get(chunk).map_or(0, |c| c.partition_point(|r| r.uid < uid));
        before.saturating_add(number(within))
    }

    /// The row of this UID.
    pub fn find(&self, uid: u32) -> Option<&Row> {
        let chunk = self.0.chunks.get(self.chunk_of(uid))?;
        let place = chunk.binary_search_by_key(&uid, |row| row.uid).ok()?;
        chunk.get(place)
    }

    /// The rows with UIDs of `set`, ascending.
    pub fn select<'a>(&'a self, set: &'a NumberSet) -> impl Iterator<Item = &'a Row> + 'a {
        set.ranges().flat_map(move |range| {
            let (first, last) = range.into_inner();
            self.rows_from(first).take_while(move |row| row.uid <= last)
        })
    }

    /// The rows from this UID on.
    pub fn rows_from(&self, uid: u32) -> impl Iterator<Item = &Row> + '_ {
        let chunk = self.chunk_of(uid);
        let rest = self.0.chunks.get(chunk..).unwrap_or_default();
        let within = rest.first().map_or(0, |c| c.partition_point(|row| row.uid < uid));
        rest.iter().flat_map(|chunk| chunk.iter()).skip(within)
    }

    /// The first chunk that ends at `uid` or behind it.
    fn chunk_of(&self, uid: u32) -> usize {
        let ends_before = |chunk: &Arc<Vec<Row>>| chunk.last().is_some_and(|row| row.uid < uid);
        self.0.chunks.partition_point(ends_before)
    }

    /// Begins the next snapshot.
    pub fn edit(&self) -> Editor {
        let Inner { identity, counts, keywords, chunks, before: _, len: _ } = &*self.0;
        Editor {
            identity: *identity,
            counts: *counts,
            keywords: Arc::clone(keywords),
            chunks: chunks.clone(),
        }
    }

    pub(crate) fn chunks(&self) -> &[Arc<Vec<Row>>] {
        &self.0.chunks
    }
}

/// The next snapshot in the making.
#[derive(Debug)]
pub struct Editor {
    /// What the next snapshot is beside its rows; `highest_modseq` and `uidnext` follow what is
    /// done to the rows by themselves.
    pub identity: Identity,
    counts: Counts,
    keywords: Arc<[Box<str>]>,
    chunks: Vec<Arc<Vec<Row>>>,
}

impl Editor {
    /// Adds a row behind all others; one whose UID is not behind them is left out.
    pub fn append(&mut self, row: Row) {
        let last = self.chunks.last().and_then(|chunk| chunk.last()).map_or(0, |row| row.uid);
        if row.uid <= last {
            return;
        }
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK_ROWS) {
            Some(chunk) => Arc::make_mut(chunk).push(row),
            None => self.chunks.push(Arc::new(vec![row])),
        }
        self.counts = counted(self.counts, &[row]);
        self.identity.uidnext = self.identity.uidnext.max(row.uid.saturating_add(1));
        self.saw(row.modseq);
    }

    /// Changes the flags of the rows of `uids` that it makes different, as change `modseq`.
    ///
    /// Gives the UIDs of those rows.
    pub fn change_flags(&mut self, uids: &NumberSet, change: FlagChange, modseq: u64) -> NumberSet {
        let (mut changed, mut wanted) = (NumberSet::new(), uids.ascending());
        for chunk in touched(&mut self.chunks, uids) {
            let differs = |row: &Row| change.applied_to(row.flags) != row.flags;
            let mut ahead = wanted.clone();
            if !chunk.iter().any(|row| ahead.contains(row.uid) && differs(row)) {
                continue;
            }
            for row in Arc::make_mut(chunk) {
                let old = row.flags;
                let new = change.applied_to(old);
                if !wanted.contains(row.uid) || new == old {
                    continue;
                }
                row.flags = new;
                self.counts = recounted(self.counts, old, new);
                row.modseq = modseq;
                changed.extend([row.uid]);
            }
        }
        if !changed.is_empty() {
            self.saw(modseq);
        }
        changed
    }

    /// Removes the rows of `uids`, as change `modseq`; gives the UIDs that were there.
    pub fn expunge(&mut self, uids: &NumberSet, modseq: u64) -> NumberSet {
        let mut gone = NumberSet::new();
        for chunk in touched(&mut self.chunks, uids) {
            if !chunk.iter().any(|row| uids.contains(row.uid)) {
                continue;
            }
            let (out, rest): (Vec<Row>, Vec<Row>) =
                chunk.iter().copied().partition(|row| uids.contains(row.uid));
            for row in out {
                self.counts = recounted(self.counts, row.flags, Flags::system(Flags::SEEN));
                self.counts.bytes = self.counts.bytes.saturating_sub(row.size);
                gone.extend([row.uid]);
            }
            *chunk = Arc::new(rest);
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
        if !gone.is_empty() {
            self.saw(modseq);
        }
        gone
    }

    /// Names the keyword bits, from bit 0 on.
    pub fn name_keywords(&mut self, keywords: Vec<Box<str>>) {
        self.keywords = keywords.into();
    }

    /// The next snapshot.
    pub fn finish(self) -> Snapshot {
        Snapshot::of(self.identity, self.counts, self.keywords, self.chunks)
    }

    fn saw(&mut self, modseq: u64) {
        self.identity.highest_modseq = self.identity.highest_modseq.max(modseq);
    }
}

/// The chunks that may have a UID of the set.
fn touched<'a>(
    chunks: &'a mut [Arc<Vec<Row>>],
    uids: &NumberSet,
) -> impl Iterator<Item = &'a mut Arc<Vec<Row>>> + use<'a> {
    let (low, high) = (uids.first().unwrap_or(u32::MAX), uids.last().unwrap_or(0));
    chunks.iter_mut().filter(move |chunk| {
        let ends = chunk.first().zip(chunk.last());
        ends.is_some_and(|(first, last)| first.uid <= high && last.uid >= low)
    })
}

fn counted(mut counts: Counts, rows: &[Row]) -> Counts {
    for row in rows {
        counts = recounted(counts, Flags::system(Flags::SEEN), row.flags);
        counts.bytes = counts.bytes.saturating_add(row.size);
    }
    counts
}

/// The sums when a row's flags become others.
fn recounted(mut counts: Counts, old: Flags, new: Flags) -> Counts {
    let step = |count: u32, was: bool, is: bool| match (was, is) {
        (false, true) => count.saturating_add(1),
        (true, false) => count.saturating_sub(1),
        _ => count,
    };
    counts.unseen = step(counts.unseen, !old.has(Flags::SEEN), !new.has(Flags::SEEN));
    counts.deleted = step(counts.deleted, old.has(Flags::DELETED), new.has(Flags::DELETED));
    counts
}

pub(crate) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
