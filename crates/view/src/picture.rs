//! What one session's client knows of a mailbox, and what it has to be told.
//!
//! Flags and new messages may be told at any time, expunges only where the protocol lets sequence
//! numbers change; until then an expunged row stays in the picture, numbered and readable.
//! Source: RFC 9051 section 7.5.1, RFC 7162 section 3.2.10.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::{NumberSet, Row, Snapshot, snapshot::number};

/// What a session's client knows.
#[derive(Debug, Clone)]
pub struct Picture {
    snapshot: Snapshot,
    /// Rows that are gone and that the client still counts, ascending.
    ghosts: Vec<Row>,
}

/// Whether the client may be told of expunges now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expunges {
    /// Sequence numbers may change.
    Tell,
    /// They may not: within FETCH, STORE and SEARCH by sequence number.
    Keep,
}

/// What changed, in the order in which it is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// The list of keyword names is another.
    pub keywords: bool,
    /// Sequence number and UID of each row that goes; descending, so that each number is right
    /// when it is told.
    pub expunged: Vec<(u32, u32)>,
    /// How many rows there are now, when rows came.
    pub exists: Option<u32>,
    /// UIDs of the rows that came.
    pub appended: NumberSet,
    /// Rows whose flags are others, with their sequence numbers after the expunges; ascending.
    pub changed: Vec<(u32, Row)>,
}

impl News {
    /// Whether there is nothing to tell.
    pub const fn is_empty(&self) -> bool {
        !self.keywords
            && self.expunged.is_empty()
            && self.exists.is_none()
            && self.changed.is_empty()
    }
}

impl Picture {
    /// A client that has just selected the mailbox.
    pub const fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, ghosts: Vec::new() }
    }

    /// The newest snapshot that is in the picture.
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// How many messages the client counts.
    pub fn len(&self) -> u32 {
        self.snapshot.len().saturating_add(self.ghosts_before(u32::MAX))
    }

    /// Whether the client counts none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The largest UID the client counts; 0 when there is none.
    pub fn last_uid(&self) -> u32 {
        let last = self.snapshot.row(self.snapshot.len()).map_or(0, |row| row.uid);
        last.max(self.ghosts.last().map_or(0, |row| row.uid))
    }

    /// The row the client calls `seq`.
    pub fn row(&self, seq: u32) -> Option<&Row> {
        if self.ghosts.is_empty() {
            return self.snapshot.row(seq);
        }
        let at = |place: usize, ghost: &Row| {
            self.snapshot.rows_before(ghost.uid).saturating_add(number(place)).saturating_add(1)
        };
        let places: Vec<u32> = self.ghosts.iter().enumerate().map(|(p, g)| at(p, g)).collect();
        match places.binary_search(&seq) {
            Ok(ghost) => self.ghosts.get(ghost),
            Err(ghosts) => self.snapshot.row(seq.checked_sub(number(ghosts))?),
        }
    }

    /// What the client calls the message of this UID.
    pub fn seq(&self, uid: u32) -> Option<u32> {
        let known = self.snapshot.find(uid).is_some()
            || self.ghosts.binary_search_by_key(&uid, |row| row.uid).is_ok();
        known.then(|| {
            self.snapshot.rows_before(uid).saturating_add(self.ghosts_before(uid)).saturating_add(1)
        })
    }

    /// How many of these messages the client counts.
    pub fn count(&self, uids: &NumberSet) -> u32 {
        let before = |uid| self.snapshot.rows_before(uid).saturating_add(self.ghosts_before(uid));
        let within = |(first, last): (u32, u32)| {
            let behind = last.checked_add(1).map_or_else(|| self.len(), before);
            behind.saturating_sub(before(first))
        };
        uids.ranges().map(RangeInclusive::into_inner).map(within).sum()
    }

    /// The rows with their sequence numbers, ascending; among them those that are gone.
    pub fn rows(&self) -> impl Iterator<Item = (u32, Row)> + '_ {
        self.rows_from(0)
    }

    /// The rows of `uids` with their sequence numbers, ascending.
    pub fn by_uid(&self, uids: &NumberSet) -> Vec<(u32, Row)> {
        /// Rows that are passed by in the time in which one is looked up.
        const ROWS_A_LOOKUP: usize = 16;
        let mut ranges = uids.ranges().map(RangeInclusive::into_inner).peekable();
        let (Some(first), Some(last)) = (uids.first(), uids.last()) else { return Vec::new() };
        let count = usize::try_from(self.len()).unwrap_or(usize::MAX);
        if uids.ranges().count().saturating_mul(ROWS_A_LOOKUP) > count {
            let within = self.rows_from(first).take_while(|(_, row)| row.uid <= last);
            let wanted = within.filter(|(_, row)| {
                while ranges.next_if(|&(_, last)| last < row.uid).is_some() {}
                ranges.peek().is_some_and(|&(first, _)| first <= row.uid)
            });
            return wanted.collect();
        }
        let mut rows = Vec::new();
        for range in uids.ranges() {
            let (first, last) = range.into_inner();
            rows.extend(self.rows_from(first).take_while(|(_, row)| row.uid <= last));
        }
        rows
    }

    /// The rows that the client calls `seqs`, ascending.
    pub fn by_seq(&self, seqs: &NumberSet) -> Vec<(u32, Row)> {
        let mut rows = Vec::new();
        for range in seqs.ranges() {
            let (first, last) = range.into_inner();
            let Some(row) = self.row(first.max(1)) else { continue };
            rows.extend(self.rows_from(row.uid).take_while(|(seq, _)| *seq <= last));
        }
        rows
    }

    /// The UIDs of the rows that are gone and that the client still counts.
    pub fn untold(&self) -> NumberSet {
        self.ghosts.iter().map(|row| row.uid).collect()
    }

    /// The rows from `uid` on with their sequence numbers, ascending.
    pub fn rows_from(&self, uid: u32) -> impl Iterator<Item = (u32, Row)> + '_ {
        let mut live = self.snapshot.rows_from(uid).peekable();
        let ghosts = self.ghosts.partition_point(|row| row.uid < uid);
        let mut gone = self.ghosts.get(ghosts..).unwrap_or_default().iter().peekable();
        let merged = std::iter::from_fn(move || match (live.peek(), gone.peek()) {
            (Some(row), Some(ghost)) if ghost.uid < row.uid => gone.next(),
            (Some(_), _) => live.next(),
            (None, _) => gone.next(),
        });
        let before = self.snapshot.rows_before(uid).saturating_add(number(ghosts));
        (before.saturating_add(1)..).zip(merged.copied())
    }

    fn ghosts_before(&self, uid: u32) -> u32 {
        number(self.ghosts.partition_point(|row| row.uid < uid))
    }

    /// Takes a newer snapshot into the picture, and says what the client has to be told.
    pub fn advance(&mut self, new: &Snapshot, expunges: Expunges) -> News {
        if self.snapshot.is(new) && (self.ghosts.is_empty() || expunges == Expunges::Keep) {
            return News::default();
        }
        let difference = Difference::between(&self.snapshot, new);
        let mut news = News {
            keywords: self.snapshot.keywords() != new.keywords(),
            appended: difference.appended,
            ..News::default()
        };
        self.ghosts.extend(difference.expunged);
        self.ghosts.sort_unstable_by_key(|row| row.uid);
        if expunges == Expunges::Tell {
            let told = self.ghosts.iter().enumerate().rev().map(|(place, ghost)| {
                // Rows that came are behind all that go, so the old numbers are still right.
                let rows = new.rows_before(ghost.uid);
                (rows.saturating_add(number(place)).saturating_add(1), ghost.uid)
            });
            news.expunged = told.collect();
            self.ghosts.clear();
        }
        self.snapshot = new.clone();
        news.exists = (!news.appended.is_empty()).then(|| self.len());
        news.changed = difference.changed;
        if !self.ghosts.is_empty() {
            for (seq, row) in &mut news.changed {
                *seq = seq.saturating_add(self.ghosts_before(row.uid));
            }
        }
        news
    }
}

/// How two snapshots of a mailbox differ.
#[derive(Debug, Default)]
struct Difference {
    expunged: Vec<Row>,
    appended: NumberSet,
    /// With their sequence numbers in the new one.
    changed: Vec<(u32, Row)>,
}

impl Difference {
    fn between(old: &Snapshot, new: &Snapshot) -> Self {
        let mut difference = Self::default();
        let (mut olds, mut news) = (Cursor::of(old), Cursor::of(new));
        loop {
            if olds.skips_with(&mut news) {
                continue;
            }
            match (olds.row(), news.row()) {
                (None, None) => return difference,
                (Some(was), Some(is)) if was.uid == is.uid => {
                    if was.modseq != is.modseq || was.flags != is.flags {
                        difference.changed.push((news.seq, is));
                    }
                    olds.step();
                    news.step();
                }
                (Some(was), is) if is.is_none_or(|is| was.uid < is.uid) => {
                    difference.expunged.push(was);
                    olds.step();
                }
                (_, Some(is)) => {
                    difference.appended.extend([is.uid]);
                    news.step();
                }
                (Some(_), None) => olds.step(),
            }
        }
    }
}

/// A place in a snapshot's rows.
struct Cursor<'a> {
    chunks: &'a [Arc<Vec<Row>>],
    within: usize,
    /// The sequence number of the row here.
    seq: u32,
}

impl<'a> Cursor<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        Self { chunks: snapshot.chunks(), within: 0, seq: 1 }
    }

    fn row(&self) -> Option<Row> {
        self.chunks.first()?.get(self.within).copied()
    }

    fn step(&mut self) {
        self.within += 1;
        self.seq = self.seq.saturating_add(1);
        if self.chunks.first().is_some_and(|chunk| self.within >= chunk.len()) {
            self.chunks = self.chunks.get(1..).unwrap_or_default();
            self.within = 0;
        }
    }

    /// Goes past a chunk that both share, when both stand at its beginning.
    fn skips_with(&mut self, other: &mut Self) -> bool {
        let (Some((ours, our_rest)), Some((theirs, their_rest))) =
            (self.chunks.split_first(), other.chunks.split_first())
        else {
            return false;
        };
        let shared = self.within == 0 && other.within == 0 && Arc::ptr_eq(ours, theirs);
        if shared {
            self.chunks = our_rest;
            other.chunks = their_rest;
            self.seq = self.seq.saturating_add(number(ours.len()));
            other.seq = other.seq.saturating_add(number(theirs.len()));
        }
        shared
    }
}

#[cfg(test)]
mod tests;
