//! `Store`: an open data folder, from which everything else is reached.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use mailwright_words::{Id, IdSource, Timestamp};
use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};
use tokio::sync::{Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    body::{
        AppendInbox, Appender, Bodies, Body, BodyWriter, Disk, Folder, OpenSegments, Pending,
        Place, RealDisk, RecordHead, blocking, recover,
    },
    engine::{BodyRow, Inbox, Job, Lane, Readers, Tx, Writer, open_database},
    error::{OpenError, StoreError},
    index::Index,
    mailbox::{Late, Shelf},
    params,
};

/// How a data folder is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder; made when it is not there.
    pub path: PathBuf,
    /// Number of this machine among those that share an account database. Default 1.
    pub node: u8,
    /// Writes that may wait at one time; more wait for a place. Default 8192.
    pub writes_waiting_max: usize,
    /// Reads that run at one time. Default 4.
    pub readers_max: usize,
    /// Octets of bodies in memory; past them bodies go to files at once. Default 128 MiB.
    pub body_memory_max: usize,
    /// A segment that has reached this length is followed by another. Default 64 MiB.
    pub segment_bytes_max: u64,
    /// Octets of mailboxes' views in memory, besides those in use. Default 256 MiB.
    pub views_size_max: u64,
    /// The file system of the bodies.
    pub disk: Arc<dyn Disk>,
    /// Whether a power cut may take everything: nothing is synced, and what was promised is lost
    /// with the machine, though not with the process. Default no.
    pub is_volatile: bool,
}

impl Options {
    /// The defaults for the data folder `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            node: 1,
            writes_waiting_max: 8192,
            readers_max: 4,
            body_memory_max: 128 << 20,
            segment_bytes_max: 64 << 20,
            views_size_max: 256 << 20,
            disk: Arc::new(RealDisk),
            is_volatile: false,
        }
    }
}

/// A node in one of its lives: what an earlier life owned is free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The machine.
    pub node: u8,
    /// How often it has started.
    pub epoch: i64,
}

/// An open data folder. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    path: PathBuf,
    owner: Owner,
    ids: IdSource,
    inbox: Arc<Inbox>,
    bodies: Arc<AppendInbox>,
    folder: Arc<Folder>,
    open_segments: OpenSegments,
    spooled: Arc<Notify>,
    shelf: Arc<Shelf>,
    late: Arc<Late>,
    index: Arc<Index>,
    /// Held while a large message is in memory to be rendered.
    large: Mutex<()>,
    /// Held by who moves or removes stored bytes, and by who needs them to stay.
    still: Arc<tokio::sync::Mutex<()>>,
    readers: Readers,
    writes: Arc<Semaphore>,
    budget: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    segment_bytes_max: u64,
    is_volatile: bool,
    /// The appender of bodies, then the writer of rows: the order in which they end.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Held, not read: the lock of the folder goes with it.
    _lock: File,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a data folder, brings its schema up to date and recovers what a crash left.
    ///
    /// Errors: [`OpenError::Locked`] while another process has it; the others when the folder is
    /// not one this program can use.
    pub fn open(options: Options, now: Timestamp) -> Result<Self, OpenError> {
        let path = options.path;
        let io = |source| OpenError::Io { path: path.clone(), source };
        keep_private(&path).map_err(io)?;
        let lock = lock_folder(&path)?;
        let database = path.join("mailwright.db");
        let connection = open_database(&database, options.is_volatile)?;
        let owner = begin_life(&connection, options.node, now)?;
        let folder = Arc::new(Folder::new(options.disk, &path).map_err(io)?);
        let next = recover(&connection, &folder, now)?;
        let ids = IdSource::new(options.node);
        ids.resume(newest_id(&connection)?);

        let inbox = Arc::new(Inbox::default());
        let bodies = Arc::new(AppendInbox::default());
        let spooled = Arc::new(Notify::new());
        let shelf = Arc::new(Shelf::new(options.views_size_max));
        let (jobs, wake) = (Arc::clone(&inbox), Arc::clone(&spooled));
        let late = Arc::new(Late::default());
        let index = Arc::new(Index::open(&path, owner.epoch, options.readers_max)?);
        let views = (Arc::clone(&shelf), Arc::clone(&late), Arc::clone(&index));
        let writer = Writer::new(connection, jobs, wake, views, options.is_volatile);
        let appender = Appender::new(
            Arc::clone(&folder),
            Arc::clone(&bodies),
            Arc::clone(&inbox),
            options.segment_bytes_max,
            next,
        );
        let rows = thread("store-rows", move || writer.run()).map_err(io)?;
        let segments = thread("store-bodies", move || appender.run()).map_err(io)?;
        Ok(Self(Arc::new(Inner {
            readers: Readers::new(&database, options.readers_max),
            path,
            owner,
            ids,
            inbox,
            bodies,
            folder,
            open_segments: OpenSegments::default(),
            spooled,
            shelf,
            late,
            index,
            large: Mutex::new(()),
            still: Arc::default(),
            writes: Arc::new(Semaphore::new(options.writes_waiting_max)),
            budget: Arc::new(Semaphore::new(options.body_memory_max)),
            reads: Arc::new(Semaphore::new(options.readers_max)),
            segment_bytes_max: options.segment_bytes_max,
            is_volatile: options.is_volatile,
            threads: Mutex::new(vec![segments, rows]),
            _lock: lock,
        })))
    }

    /// The data folder.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Who this process is to the queue's rows.
    pub fn owner(&self) -> Owner {
        self.0.owner
    }

    /// Whether nothing can be written any more until a restart, because an undo failed.
    pub fn has_stopped(&self) -> bool {
        self.0.inbox.has_stopped()
    }

    /// Whether a power cut may take what was acknowledged.
    pub fn is_volatile(&self) -> bool {
        self.0.is_volatile
    }

    /// Where new ids come from.
    pub fn ids(&self) -> &IdSource {
        &self.0.ids
    }

    /// Told after each commit that put something into the spool.
    pub fn spooled(&self) -> &Notify {
        &self.0.spooled
    }

    /// Runs `closure` in the next transaction and answers after its commit.
    ///
    /// All that waits at that moment shares the transaction. A closure takes at most 5 ms or 1,000
    /// rows; its error or panic takes back what it wrote, and nothing else.
    ///
    /// Errors: the closure's own, and those of the commit.
    pub async fn write<T, F>(&self, lane: Lane, closure: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Job::new(closure);
        self.put(lane, job).await?;
        answer.await.map_err(closed)?
    }

    /// As [`Store::write`], for what a power cut may take back after the answer, such as flags.
    ///
    /// It commits without a sync when all of its group is so.
    ///
    /// Errors: as [`Store::write`].
    pub async fn write_relaxed<T, F>(&self, closure: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_in(Lane::Quick, closure).await
    }

    /// As [`Store::write_relaxed`], in a lane of choice.
    pub(crate) async fn write_in<T, F>(&self, lane: Lane, closure: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (mut job, answer) = Job::new(closure);
        job.relaxed = true;
        self.put(lane, job).await?;
        answer.await.map_err(closed)?
    }

    /// As [`Store::write`], for callers outside of the runtime.
    pub fn write_blocking<T, F>(&self, lane: Lane, closure: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Job::new(closure);
        self.0.inbox.put(lane, job);
        answer.blocking_recv().map_err(closed)?
    }

    /// Runs `closure` on a snapshot of the rows, on a thread that may wait.
    ///
    /// Errors: the closure's own, and those of the database.
    pub async fn read<T, F>(&self, closure: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.off_thread(|store| store.read_blocking(closure)).await
    }

    /// As [`Store::read`], without leaving the caller's thread: for a few rows found by their
    /// key, where the way to another thread and back costs many times the work.
    ///
    /// Errors: as [`Store::read`].
    #[expect(clippy::unused_async, reason = "an engine behind a network would be waited for")]
    pub async fn look<T>(
        &self,
        closure: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.0.readers.run(closure)
    }

    /// As [`Store::read`], on the caller's thread.
    pub fn read_blocking<T>(
        &self,
        closure: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.0.readers.run(closure)
    }

    /// Runs `work`, which reads rows and bodies, on a thread that may wait. It keeps its place
    /// among the reads until it ends, whether or not somebody still waits for what comes of it.
    ///
    /// Errors: the work's own.
    pub async fn off_thread<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    {
        let place = Arc::clone(&self.0.reads).acquire_owned().await;
        let (place, store) = (place.ok().ok_or(StoreError::Closed)?, self.clone());
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&store);
            drop(place);
            done
        });
        done.await.map_err(|e| StoreError::Panicked(e.to_string().into()))?
    }

    /// Begins to collect a body; nothing is stored until it is given to a write.
    pub fn body(&self, now: Timestamp) -> BodyWriter {
        let (folder, budget) = (Arc::clone(&self.0.folder), Arc::clone(&self.0.budget));
        BodyWriter::new(folder, budget, self.0.ids.next(now))
    }

    /// The stored bodies.
    pub fn bodies(&self) -> Bodies<'_> {
        Bodies(self)
    }

    /// As [`Store::write`], with a new body: its bytes are on stable storage and its row is made
    /// before `closure` runs, which takes over the one reference the row begins with.
    ///
    /// Errors: as [`Store::write`]; the body is gone then.
    pub async fn write_body<T, F>(&self, body: Body, closure: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Job::new(closure);
        self.store_body(body, job).await?;
        answer.await.map_err(closed)?
    }

    /// As [`Store::write_body`], and wakes the queue after the commit when `wakes` says so.
    pub(crate) async fn write_spool<T, F>(
        &self,
        body: Option<Body>,
        wakes: fn(&T) -> bool,
        closure: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Job::waking(closure, wakes);
        match body {
            Some(body) => self.store_body(body, job).await?,
            None => self.put(Lane::Quick, job).await?,
        }
        answer.await.map_err(closed)?
    }

    async fn store_body(&self, body: Body, mut job: Job) -> Result<(), StoreError> {
        match body.place {
            Place::Memory { bytes, budget } => {
                job.permit = Some(self.place().await?);
                let length = u32::try_from(body.length).unwrap_or(u32::MAX);
                let head = RecordHead { length, crc: body.crc, id: body.id.get() };
                self.0.bodies.put(Pending { job, head, bytes, budget });
            }
            Place::File(file) => {
                let sync = move || file.sync().map(|()| file);
                job.file = Some(blocking(sync).await?);
                job.body = Some(BodyRow {
                    id: body.id.get(),
                    segment: 0,
                    offset: 0,
                    length: body.length,
                    crc: body.crc,
                    file: true,
                });
                self.put(Lane::Quick, job).await?;
            }
        }
        Ok(())
    }

    async fn put(&self, lane: Lane, mut job: Job) -> Result<(), StoreError> {
        job.permit = Some(self.place().await?);
        self.0.inbox.put(lane, job);
        Ok(())
    }

    /// A place among the writes that may wait.
    async fn place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        Arc::clone(&self.0.writes).acquire_owned().await.ok().ok_or(StoreError::Closed)
    }

    /// Puts a write in that nobody waits for; its error is logged. It is left out when as many
    /// writes wait as may.
    pub(crate) fn write_soon<F>(&self, lane: Lane, closure: F)
    where
        F: Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.0.writes).try_acquire_owned() else { return };
        let logged = move |tx: &mut Tx<'_>| {
            closure(tx).inspect_err(|error| tracing::debug!(%error, "Write not done."))
        };
        let (mut job, _) = Job::new(logged);
        job.permit = Some(place);
        job.relaxed = true;
        self.0.inbox.put(lane, job);
    }

    /// Waits until no other large message is being rendered.
    pub fn large(&self) -> MutexGuard<'_, ()> {
        self.0.large.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody moves or removes stored bytes, and keeps it so while the guard lives.
    pub(crate) async fn hold_still(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0.still).lock_owned().await
    }

    /// What waits to be rendered.
    pub(crate) fn index(&self) -> &Index {
        &self.0.index
    }

    pub(crate) fn late(&self) -> &Late {
        &self.0.late
    }

    pub(crate) fn shelf(&self) -> &Arc<Shelf> {
        &self.0.shelf
    }

    pub(crate) fn append(&self, body: Pending) {
        self.0.bodies.put(body);
    }

    pub(crate) fn body_files(&self) -> (&Arc<Folder>, &OpenSegments) {
        (&self.0.folder, &self.0.open_segments)
    }

    pub(crate) fn segment_bytes_max(&self) -> u64 {
        self.0.segment_bytes_max
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.bodies.close();
        let threads =
            std::mem::take(self.threads.get_mut().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("A thread of the store ended with a panic.");
            }
            // The appender has handed on all it had, so the rows may end too.
            self.inbox.close();
        }
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// The newest of the ids in use, behind which none may be made again when the clock was set back.
fn newest_id(connection: &Connection) -> Result<Id, StoreError> {
    Tx::new(connection).query_one(
        "SELECT max(coalesce((SELECT max(id) FROM body), 0),
             coalesce((SELECT max(id) FROM spool), 0), coalesce((SELECT max(id) FROM message), 0),
             coalesce((SELECT max(id) FROM recipient), 0),
             coalesce((SELECT max(id) FROM mailbox), 0),
             coalesce((SELECT max(id) FROM event), 0))",
        &[],
        |row| row.get(0),
    )
}

pub(crate) fn closed(_: oneshot::error::RecvError) -> StoreError {
    StoreError::Closed
}

/// Makes the folder where it is missing, for its owner alone. One that others may enter is mended:
/// it has everybody's mail in it, and keys.
fn keep_private(path: &Path) -> io::Result<()> {
    const OWNER_ALONE: u32 = 0o700;
    DirBuilder::new().recursive(true).mode(OWNER_ALONE).create(path)?;
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & !OWNER_ALONE != 0 {
        let folder = path.display();
        tracing::warn!(%folder, "The data folder was open to others; now it is not.");
        fs::set_permissions(path, fs::Permissions::from_mode(OWNER_ALONE))?;
    }
    // Without the folder's own name on stable storage nothing in it is.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Err(error) =
        File::open(parent.unwrap_or_else(|| Path::new("."))).and_then(|p| p.sync_all())
    {
        tracing::debug!(%error, "The folder above the data folder was not synced.");
    }
    Ok(())
}

/// Takes the folder for this process; the kernel gives it back when the process ends.
pub(crate) fn lock_folder(path: &Path) -> Result<File, OpenError> {
    let name = path.join("lock");
    let io = |source| OpenError::Io { path: name.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(io)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Locked(path.to_owned())),
        Err(errno) => Err(OpenError::Io { path: name, source: io::Error::from(errno) }),
    }
}

/// Counts this start, which frees every claim of earlier ones, and makes the first tenant.
fn begin_life(connection: &Connection, node: u8, now: Timestamp) -> Result<Owner, StoreError> {
    let mut tx = Tx::new(connection);
    tx.execute(
        "INSERT INTO tenant (id, name, created) VALUES (1, 'default', :now)
         ON CONFLICT (id) DO NOTHING",
        params! { now },
    )?;
    let epoch = tx.query_one(
        "INSERT INTO node (id, epoch) VALUES (:node, 1)
         ON CONFLICT (id) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
        params! { node },
        |row| row.get(0),
    )?;
    // Numbers of changes that a power cut took may have been seen; they are not used again.
    tx.execute(
        "UPDATE principal SET modseq = modseq_reserved WHERE modseq < modseq_reserved",
        &[],
    )?;
    Ok(Owner { node, epoch })
}

#[cfg(test)]
mod tests;
