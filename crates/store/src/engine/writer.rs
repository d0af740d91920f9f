//! The one thread that writes rows: every closure that waits shares one transaction and its sync.
//!
//! A group is first run in one go; when a closure of it fails, all is taken back and each runs
//! again in a savepoint of its own, so that its error or panic takes back its rows and nobody
//! else's. That is why closures can be called twice. No answer leaves before the `COMMIT` has
//! returned, and the views of mailboxes are told before it. A group of changes that a power cut may
//! take, such as flags, commits without a sync. When an undo fails the writer stops for good:
//! nothing may be acknowledged on top of a state that nobody knows.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use mailwright_words::metric;
use rusqlite::Connection;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use crate::{
    body::Spilled,
    engine::{Extent, Sequel, Tx, log},
    error::StoreError,
    index::Index,
    mailbox::{Edit, Late, Shelf},
    params,
};

/// Closures that share one transaction, at most.
const GROUP_MAX: usize = 1024;

/// Transactions after which a store is taken to be in use; a command writes a few.
const FILL_AFTER: u32 = 32;

/// How urgent a write is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Someone waits for the answer.
    Quick,
    /// Chunked work in the background: one closure a transaction.
    Bulk,
}

/// Where a body lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyRow {
    pub(crate) id: i64,
    /// Segment and offset of its record; zeros for a file of its own.
    pub(crate) segment: i64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) crc: u32,
    pub(crate) file: bool,
}

/// How far a segment is on stable storage; stored with the next transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) segment: i64,
    pub(crate) length: u64,
    /// Bytes of records that no row was made for.
    pub(crate) dead: u64,
    pub(crate) sealed: bool,
}

/// A closure with the place its answer goes to.
pub(crate) trait Work: Send {
    /// Runs it; may be called again when the group has to be repeated.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError>;
    /// Whether what it wrote is something for the queue.
    fn wakes(&self) -> bool;
    /// Tells what became of it.
    fn answer(self: Box<Self>, verdict: Result<(), StoreError>);
}

struct Typed<T, F> {
    closure: F,
    outcome: Option<T>,
    wakes: fn(&T) -> bool,
    done: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work for Typed<T, F>
where
    T: Send,
    F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.outcome = Some((self.closure)(tx)?);
        Ok(())
    }

    fn wakes(&self) -> bool {
        self.outcome.as_ref().is_some_and(self.wakes)
    }

    fn answer(self: Box<Self>, verdict: Result<(), StoreError>) {
        let Self { outcome, done, closure: _, wakes: _ } = *self;
        if done.send(verdict.and_then(|()| outcome.ok_or(StoreError::Closed))).is_err() {
            tracing::trace!("Nobody waits for an answer of the store.");
        }
    }
}

/// One closure that waits, with what has to be written beside it.
pub(crate) struct Job {
    pub(crate) work: Box<dyn Work>,
    /// A body that is on stable storage and gets its row before the closure runs.
    pub(crate) body: Option<BodyRow>,
    /// Where such a body lay before, if it is only moved.
    pub(crate) moved_from: Option<BodyRow>,
    /// The file of such a body; it goes again when the row was not made.
    pub(crate) file: Option<Spilled>,
    /// Whether a power cut may take it back although it was answered.
    pub(crate) relaxed: bool,
    /// A place in the bounded number of waiting writes.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl Job {
    /// A job of `closure`, and where its answer will be.
    pub(crate) fn new<T, F>(closure: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>)
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        Self::waking(closure, |_| false)
    }

    /// As [`Job::new`]; the queue is woken after the commit when `wakes` says so of the answer.
    pub(crate) fn waking<T, F>(
        closure: F,
        wakes: fn(&T) -> bool,
    ) -> (Self, oneshot::Receiver<Result<T, StoreError>>)
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        let work = Box::new(Typed { closure, outcome: None, wakes, done });
        let (body, moved_from, file, permit) = (None, None, None, None);
        (Self { work, body, moved_from, file, relaxed: false, permit }, answer)
    }
}

/// What waits for the writer.
#[derive(Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    more: Condvar,
    /// Whether the writer takes no more: an undo failed.
    has_stopped: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    quick: VecDeque<Job>,
    bulk: VecDeque<Job>,
    marks: Vec<Mark>,
    /// Marks that end a segment, each behind the last of the jobs that came before it: a segment
    /// whose rows still wait looks as if nothing lived in it.
    ends: VecDeque<(u64, Mark)>,
    /// Quick jobs that ever came, and that were ever taken.
    came: u64,
    taken: u64,
    closed: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts one job in; a closed inbox answers it at once.
    pub(crate) fn put(&self, lane: Lane, job: Job) {
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            job.work.answer(Err(StoreError::Closed));
            return;
        }
        match lane {
            Lane::Quick => {
                waiting.came += 1;
                waiting.quick.push_back(job);
            }
            Lane::Bulk => waiting.bulk.push_back(job),
        }
        self.more.notify_one();
    }

    /// Puts a group in whose bodies are durable, with the marks that say so.
    pub(crate) fn put_group(&self, jobs: Vec<Job>, marks: Vec<Mark>) {
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            for job in jobs {
                job.work.answer(Err(StoreError::Closed));
            }
            return;
        }
        waiting.came += u64::try_from(jobs.len()).unwrap_or(0);
        waiting.quick.extend(jobs);
        let behind = waiting.came;
        let (ends, marks): (Vec<Mark>, Vec<Mark>) = marks.into_iter().partition(|m| m.sealed);
        waiting.ends.extend(ends.into_iter().map(|mark| (behind, mark)));
        waiting.marks.extend(marks);
        self.more.notify_one();
    }

    /// Whether nothing is written any more until a restart.
    pub(crate) fn has_stopped(&self) -> bool {
        self.has_stopped.load(Ordering::Relaxed)
    }

    /// Lets the writer finish what waits and end.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_one();
    }

    fn take(&self) -> Option<(Vec<Job>, Vec<Mark>)> {
        let mut waiting = self.lock();
        while waiting.quick.is_empty() && waiting.bulk.is_empty() {
            if waiting.closed && waiting.marks.is_empty() && waiting.ends.is_empty() {
                return None;
            }
            if waiting.closed {
                break;
            }
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let count = waiting.quick.len().min(GROUP_MAX);
        let mut jobs: Vec<Job> = waiting.quick.drain(..count).collect();
        jobs.extend(waiting.bulk.pop_front());
        waiting.taken += u64::try_from(count).unwrap_or(0);
        let mut marks = std::mem::take(&mut waiting.marks);
        while let Some((_, mark)) = waiting.ends.front().filter(|(at, _)| *at <= waiting.taken) {
            marks.push(*mark);
            waiting.ends.pop_front();
        }
        Some((jobs, marks))
    }
}

/// The writer's side of the database.
pub(crate) struct Writer {
    connection: Connection,
    inbox: Arc<Inbox>,
    spooled: Arc<Notify>,
    shelf: Arc<Shelf>,
    late: Arc<Late>,
    index: Arc<Index>,
    stopped: Option<Arc<str>>,
    /// Whether commits are not synced now.
    relaxed: bool,
    /// Whether no commit is ever synced.
    is_volatile: bool,
    /// Marks of transactions that did not commit; what they say is still true.
    owed: Vec<Mark>,
    /// Groups until the log gets its zeros; 0 when it has them.
    until_filled: u32,
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        inbox: Arc<Inbox>,
        spooled: Arc<Notify>,
        (shelf, late, index): (Arc<Shelf>, Arc<Late>, Arc<Index>),
        is_volatile: bool,
    ) -> Self {
        let (stopped, relaxed, owed) = (None, false, Vec::new());
        Self {
            connection,
            inbox,
            spooled,
            shelf,
            late,
            index,
            stopped,
            relaxed,
            is_volatile,
            owed,
            until_filled: FILL_AFTER,
        }
    }

    /// Runs until the inbox is closed and empty.
    pub(crate) fn run(mut self) {
        while let Some((jobs, marks)) = self.inbox.take() {
            for mark in marks {
                owe(&mut self.owed, mark);
            }
            self.group(jobs);
            self.fill_log_when_due();
        }
        if let Err(error) = self.connection.execute_batch("PRAGMA optimize") {
            tracing::debug!(%error, "The database was not optimized.");
        }
    }

    /// Writes zeros behind a log that is short, once the store is in use.
    fn fill_log_when_due(&mut self) {
        if self.until_filled == 0 {
            return;
        }
        self.until_filled -= 1;
        if self.until_filled == 0
            && let Err(error) = log::fill(&self.connection)
        {
            tracing::debug!(%error, "The log of the database grows as it is written.");
        }
    }

    /// One transaction for `jobs`, then their answers.
    fn group(&mut self, mut jobs: Vec<Job>) {
        let mut verdicts = Vec::with_capacity(jobs.len());
        let whole = self.transact(&mut jobs, &mut verdicts);
        match &whole {
            Ok(()) => {
                let writes = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
                metrics::histogram!(metric::COMMIT_GROUP).record(f64::from(writes));
                self.owed.clear();
            }
            Err(error) => {
                metrics::counter!(metric::COMMIT_FAILURES).increment(1);
                tracing::error!(%error, closures = jobs.len(), "A transaction did not commit.");
                for body in jobs.iter().filter_map(|job| job.body) {
                    owe(&mut self.owed, unused(&body));
                }
            }
        }
        if whole.is_ok() && jobs.iter().zip(&verdicts).any(|(job, v)| v.is_ok() && job.work.wakes())
        {
            self.spooled.notify_one();
        }
        let mut verdicts = verdicts.into_iter();
        for job in jobs {
            let own = verdicts.next().unwrap_or(Ok(()));
            // After a commit that failed the rows may yet come back when the log is read anew, so
            // the file stays; opening the store removes it when no row names it.
            if let Some(file) = job.file.filter(|_| whole.is_err() || own.is_ok()) {
                file.keep();
            }
            job.work.answer(whole.clone().and(own));
            drop(job.permit);
        }
    }

    fn transact(
        &mut self,
        jobs: &mut [Job],
        verdicts: &mut Vec<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        if let Some(reason) = &self.stopped {
            return Err(StoreError::Stopped(Arc::clone(reason)));
        }
        let relaxed = self.owed.is_empty() && jobs.iter().all(|job| job.relaxed);
        self.relax(relaxed)?;
        Tx::new(&self.connection).execute("BEGIN IMMEDIATE", &[])?;
        let done = self.fill(jobs, verdicts).and_then(|sequel| {
            Tx::new(&self.connection).execute("COMMIT", &[])?;
            Ok(sequel)
        });
        match done {
            Ok(Sequel { edits, late, entries, is_promise }) => {
                self.index.feed.put_committed(edits.iter().filter_map(Edit::appended), entries);
                self.shelf.publish(edits);
                self.late.put(late);
                if relaxed && is_promise { self.sync() } else { Ok(()) }
            }
            Err(error) => {
                self.undo();
                Err(error)
            }
        }
    }

    /// Lets the next commit answer before it is on stable storage, or not.
    fn relax(&mut self, relaxed: bool) -> Result<(), StoreError> {
        if relaxed != self.relaxed && !self.is_volatile {
            let level = if relaxed { "NORMAL" } else { "FULL" };
            self.connection.execute_batch(&format!("PRAGMA synchronous = {level}"))?;
            self.relaxed = relaxed;
        }
        Ok(())
    }

    /// Puts all that was committed on stable storage, by a commit that is synced.
    fn sync(&mut self) -> Result<(), StoreError> {
        self.relax(false)?;
        self.connection
            .execute_batch("BEGIN IMMEDIATE; UPDATE node SET epoch = epoch; COMMIT")
            .map_err(StoreError::from)
            .inspect_err(|_| self.undo())
    }

    fn fill(
        &self,
        jobs: &mut [Job],
        verdicts: &mut Vec<Result<(), StoreError>>,
    ) -> Result<Sequel, StoreError> {
        let mut tx = Tx::new(&self.connection);
        store_marks(&mut tx, &self.owed)?;
        // Mostly none of them fails, and then the savepoints would be half of the work.
        tx.execute("SAVEPOINT whole", &[])?;
        if jobs.iter_mut().all(|job| contained(&mut tx, job).is_ok()) {
            tx.execute("RELEASE whole", &[])?;
            verdicts.resize_with(jobs.len(), || Ok(()));
            return Ok(tx.into_sequel());
        }
        tx.back_to(Extent::default());
        tx.execute("ROLLBACK TO whole", &[])?;
        tx.execute("RELEASE whole", &[])?;
        for job in jobs {
            tx.execute("SAVEPOINT closure", &[])?;
            let extent = tx.extent();
            let verdict = contained(&mut tx, job);
            if verdict.is_err() {
                tx.back_to(extent);
                tx.execute("ROLLBACK TO closure", &[])?;
            }
            tx.execute("RELEASE closure", &[])?;
            if let (Err(_), Some(body)) = (&verdict, job.body) {
                store_marks(&mut tx, &[unused(&body)])?;
            }
            verdicts.push(verdict);
        }
        Ok(tx.into_sequel())
    }

    /// Takes a failed transaction back, or stops the writer.
    fn undo(&mut self) {
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.connection.execute_batch("ROLLBACK")
            && !self.connection.is_autocommit()
        {
            tracing::error!(%error, "The store takes no more writes: an undo failed.");
            self.stopped = Some(error.to_string().into());
            self.inbox.has_stopped.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs one job's rows; a panic becomes an error.
fn contained(tx: &mut Tx<'_>, job: &mut Job) -> Result<(), StoreError> {
    catch_unwind(AssertUnwindSafe(|| {
        match (&job.body, &job.moved_from) {
            (Some(body), None) => insert_body(tx, body)?,
            (Some(body), Some(from)) => move_body(tx, body, from)?,
            (None, _) => {}
        }
        job.work.run(tx)
    }))
    .unwrap_or_else(|panic| {
        let text = panic_text(panic.as_ref());
        tracing::error!(panic = text, "A closure of the store panicked.");
        Err(StoreError::Panicked(text.into()))
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

/// The row of a new body, with the one reference its closure takes over.
fn insert_body(tx: &mut Tx<'_>, body: &BodyRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO body (id, segment, offset, length, crc, file, refs)
         VALUES (:id, :segment, :offset, :length, :crc, :file, 1)",
        params! { id: body.id, segment: body.segment, offset: body.offset, length: body.length,
        crc: body.crc, file: body.file },
    )?;
    Ok(())
}

/// The new place of a body that was copied; it may have died meanwhile.
fn move_body(tx: &mut Tx<'_>, body: &BodyRow, from: &BodyRow) -> Result<(), StoreError> {
    let touched = tx.execute(
        "UPDATE body SET segment = :segment, offset = :offset
         WHERE id = :id AND segment = :old_segment AND offset = :old_offset",
        params! { segment: body.segment, offset: body.offset, id: body.id,
        old_segment: from.segment, old_offset: from.offset },
    )?;
    if touched == 1 { Ok(()) } else { Err(StoreError::Missing("body")) }
}

/// Adds to what is owed: one mark a segment, however long nothing commits.
fn owe(owed: &mut Vec<Mark>, mark: Mark) {
    match owed.iter_mut().find(|one| one.segment == mark.segment) {
        Some(one) => {
            one.length = one.length.max(mark.length);
            one.dead = one.dead.saturating_add(mark.dead);
            one.sealed |= mark.sealed;
        }
        None => owed.push(mark),
    }
}

/// What a body leaves in its segment when its row was not made.
fn unused(body: &BodyRow) -> Mark {
    Mark { segment: body.segment, length: 0, dead: body.length + 16, sealed: false }
}

fn store_marks(tx: &mut Tx<'_>, marks: &[Mark]) -> Result<(), StoreError> {
    for mark in marks.iter().filter(|mark| mark.segment != 0) {
        tx.execute(
            "INSERT INTO segment (id, length, dead, sealed)
             VALUES (:id, :length, :dead, :sealed)
             ON CONFLICT (id) DO UPDATE SET length = max(length, excluded.length),
                 dead = dead + excluded.dead, sealed = max(sealed, excluded.sealed)",
            params! { id: mark.segment, length: mark.length, dead: mark.dead, sealed: mark.sealed },
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(segment: i64, sealed: bool) -> Mark {
        Mark { segment, length: 10, dead: 1, sealed }
    }

    #[test]
    fn a_segment_ends_with_the_last_of_its_rows_and_not_before() {
        let inbox = Inbox::default();
        let jobs = |count| (0..count).map(|_| Job::new(|_| Ok(())).0).collect::<Vec<_>>();
        inbox.put_group(jobs(GROUP_MAX), vec![mark(1, false)]);
        inbox.put_group(jobs(10), vec![mark(1, true), mark(2, false)]);
        inbox.put_group(jobs(5), Vec::new());
        let (first, marks) = inbox.take().unwrap();
        assert_eq!(first.len(), GROUP_MAX);
        assert_eq!(marks, [mark(1, false), mark(2, false)]);
        let (rest, marks) = inbox.take().unwrap();
        assert_eq!((rest.len(), marks), (15, vec![mark(1, true)]));
    }

    #[test]
    fn what_is_owed_is_one_mark_a_segment() {
        let mut owed = Vec::new();
        for _ in 0..1000 {
            owe(&mut owed, mark(1, false));
        }
        owe(&mut owed, mark(1, true));
        owe(&mut owed, mark(2, false));
        let sum = Mark { segment: 1, length: 10, dead: 1001, sealed: true };
        assert_eq!(owed, [sum, mark(2, false)]);
    }
}
