//! The thread that appends bodies: all that wait share one write and one sync of the segment.
//!
//! Only a group that is on stable storage goes on to the writer of rows, so a row never names bytes
//! that a power cut can take. A segment whose sync failed is never synced again: what the kernel
//! dropped it would not tell twice. The group gets the error and a new segment begins.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    body::{
        Folder,
        disk::DiskFile,
        record::{HEAD, MAGIC, RecordHead, START},
    },
    engine::{BodyRow, Inbox, Job, Mark},
    error::StoreError,
};

/// Bodies that share one sync, at most.
const GROUP_MAX: usize = 512;

/// Octets that share one sync, at most (a single body may be larger).
const GROUP_BYTES_MAX: usize = 2 << 20;

/// Zeros that are written behind a small group. A sync of bytes that overwrite others costs a
/// tenth of one that also grows the file, so one group in many pays for the growth.
const FILL: usize = 1 << 20;

/// Groups from this size on are written without zeros: for them it is the bytes that cost.
const FILL_BELOW: usize = 128 << 10;

/// A body in memory, on its way into a segment.
pub(crate) struct Pending {
    pub(crate) job: Job,
    pub(crate) head: RecordHead,
    pub(crate) bytes: Vec<u8>,
    /// Its part of the memory budget.
    pub(crate) budget: Option<OwnedSemaphorePermit>,
}

/// Bodies that wait for the appender.
#[derive(Default)]
pub(crate) struct AppendInbox {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    bodies: VecDeque<Pending>,
    closed: bool,
}

impl AppendInbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts one body in; a closed inbox answers its job at once.
    pub(crate) fn put(&self, body: Pending) {
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            body.job.work.answer(Err(StoreError::Closed));
            return;
        }
        waiting.bodies.push_back(body);
        self.more.notify_one();
    }

    /// Lets the appender finish what waits and end.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_one();
    }

    fn take(&self) -> Option<Vec<Pending>> {
        let mut waiting = self.lock();
        while waiting.bodies.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let mut octets = 0_usize;
        let fits = |body: &&Pending| {
            octets = octets.saturating_add(body.bytes.len());
            octets <= GROUP_BYTES_MAX
        };
        let count = waiting.bodies.iter().take(GROUP_MAX).take_while(fits).count().max(1);
        Some(waiting.bodies.drain(..count).collect())
    }
}

/// The segment that grows.
struct Open {
    id: i64,
    file: Arc<dyn DiskFile>,
    /// Octets that are on stable storage.
    length: u64,
    /// Octets of the file, with the zeros behind its records.
    filled: u64,
}

/// The appender's side of the segments.
pub(crate) struct Appender {
    folder: Arc<Folder>,
    inbox: Arc<AppendInbox>,
    rows: Arc<Inbox>,
    segment_bytes_max: u64,
    next: i64,
    open: Option<Open>,
    /// What the next transaction has to store beside the group's own mark.
    marks: Vec<Mark>,
    buffer: Vec<u8>,
}

impl Appender {
    /// An appender whose first segment will be number `next`.
    pub(crate) fn new(
        folder: Arc<Folder>,
        inbox: Arc<AppendInbox>,
        rows: Arc<Inbox>,
        segment_bytes_max: u64,
        next: i64,
    ) -> Self {
        let (open, marks, buffer) = (None, Vec::new(), Vec::new());
        Self { folder, inbox, rows, segment_bytes_max, next, open, marks, buffer }
    }

    /// Runs until the inbox is closed and empty.
    pub(crate) fn run(mut self) {
        while let Some(group) = self.inbox.take() {
            match self.append(&group) {
                Ok(rows) => self.hand_on(group, rows),
                Err(error) => {
                    tracing::error!(%error, bodies = group.len(), "Bodies were not stored.");
                    for body in group {
                        body.job.work.answer(Err(error.clone()));
                    }
                }
            }
        }
    }

    fn hand_on(&mut self, group: Vec<Pending>, rows: Vec<BodyRow>) {
        if let Some(open) = &self.open {
            let mark = Mark { segment: open.id, length: open.length, dead: 0, sealed: false };
            self.marks.push(mark);
        }
        let placed = group.into_iter().zip(rows).map(|(body, row)| {
            drop(body.budget);
            Job { body: Some(row), ..body.job }
        });
        self.rows.put_group(placed.collect(), std::mem::take(&mut self.marks));
        if self.open.as_ref().is_some_and(|open| open.length >= self.segment_bytes_max) {
            self.seal();
        }
    }

    /// Ends the open segment; the next group begins another.
    fn seal(&mut self) {
        if let Some(open) = self.open.take() {
            if let Err(error) = open.file.cut(open.length) {
                tracing::debug!(%error, segment = open.id, "A segment keeps zeros at its end.");
            }
            let mark = Mark { segment: open.id, length: open.length, dead: 0, sealed: true };
            self.marks.push(mark);
        }
    }

    /// Writes and syncs a group, and says where each of its bodies lies.
    fn append(&mut self, group: &[Pending]) -> Result<Vec<BodyRow>, StoreError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        self.buffer.clear();
        let mut rows = Vec::with_capacity(group.len());
        for body in group {
            let before = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
            rows.push(BodyRow {
                id: body.head.id,
                segment: open.id,
                offset: open.length.saturating_add(before),
                length: u64::from(body.head.length),
                crc: body.head.crc,
                file: false,
            });
            self.buffer.extend_from_slice(&body.head.to_bytes());
            self.buffer.extend_from_slice(&body.bytes);
        }
        let group_octets = self.buffer.len();
        let grown = u64::try_from(group_octets).unwrap_or(u64::MAX);
        if open.length + grown > open.filled && group_octets < FILL_BELOW {
            self.buffer.resize(group_octets + FILL, 0);
        }
        let mut written = open.file.write_at(&self.buffer, open.length);
        if written.is_err() && self.buffer.len() > group_octets {
            // A disk without room for the zeros may have room for the group.
            self.buffer.truncate(group_octets);
            written = open.file.write_at(&self.buffer, open.length);
        }
        let end = open.length + u64::try_from(self.buffer.len()).unwrap_or(0);
        open.filled = open.filled.max(end);
        self.buffer.shrink_to(GROUP_BYTES_MAX + (GROUP_MAX * HEAD));
        if let Err(error) = written {
            // Nothing of it was promised, and the next group writes over the same place.
            self.open = Some(open);
            return Err(error.into());
        }
        if let Err(error) = open.file.sync() {
            self.abandon(&open);
            return Err(error.into());
        }
        open.length += grown;
        self.open = Some(open);
        Ok(rows)
    }

    /// Makes the next segment; its name is on stable storage before its first record is.
    fn begin(&mut self) -> Result<Open, StoreError> {
        let id = self.next;
        let path = self.folder.segment(id);
        self.next += 1;
        let file = self.folder.disk.create(&path)?;
        let begun = file
            .write_at(MAGIC, 0)
            .and_then(|()| self.folder.disk.sync_folder(&self.folder.segments));
        if let Err(error) = begun {
            self.remove(id);
            return Err(error.into());
        }
        Ok(Open { id, file, length: START, filled: START })
    }

    fn abandon(&mut self, open: &Open) {
        tracing::error!(segment = open.id, "A sync failed; the segment is not used any more.");
        if open.length > START {
            let mark = Mark { segment: open.id, length: open.length, dead: 0, sealed: true };
            self.marks.push(mark);
        } else {
            self.remove(open.id);
        }
    }

    fn remove(&self, segment: i64) {
        let removed: io::Result<()> = self.folder.disk.remove(&self.folder.segment(segment));
        if let Err(error) = removed {
            tracing::warn!(segment, %error, "An empty segment stays until the next start.");
        }
    }
}
