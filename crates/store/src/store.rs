//! `Store`: an open data folder, from which everything else is reached.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use mailwright_words::{IdSource, Timestamp};
use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::{
    engine::{Inbox, Job, Lane, Readers, Tx, Writer, open_database},
    error::{OpenError, StoreError},
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
}

impl Options {
    /// The defaults for the data folder `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), node: 1, writes_waiting_max: 8192, readers_max: 4 }
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
    spooled: Arc<Notify>,
    readers: Readers,
    writes: Arc<Semaphore>,
    reads: Semaphore,
    writer: Mutex<Option<JoinHandle<()>>>,
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
        fs::create_dir_all(&path).map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let lock = lock_folder(&path)?;
        let database = path.join("mailwright.db");
        let connection = open_database(&database)?;
        let owner = begin_life(&connection, options.node, now)?;
        let inbox = Arc::new(Inbox::default());
        let spooled = Arc::new(Notify::new());
        let writer = Writer::new(connection, Arc::clone(&inbox), Arc::clone(&spooled));
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Io { path: path.clone(), source })?;
        Ok(Self(Arc::new(Inner {
            readers: Readers::new(&database, options.readers_max),
            path,
            owner,
            ids: IdSource::new(options.node),
            inbox,
            spooled,
            writes: Arc::new(Semaphore::new(options.writes_waiting_max)),
            reads: Semaphore::new(options.readers_max),
            writer: Mutex::new(Some(thread)),
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
        let _permit = self.0.reads.acquire().await.map_err(|_| StoreError::Closed)?;
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.read_blocking(closure))
            .await
            .map_err(|e| StoreError::Panicked(e.to_string().into()))?
    }

    /// As [`Store::read`], on the caller's thread.
    pub fn read_blocking<T>(
        &self,
        closure: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.0.readers.run(closure)
    }

    async fn put(&self, lane: Lane, mut job: Job) -> Result<(), StoreError> {
        let place = Arc::clone(&self.0.writes).acquire_owned().await;
        job.permit = Some(place.map_err(|_| StoreError::Closed)?);
        self.0.inbox.put(lane, job);
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.inbox.close();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("The store's writer ended with a panic.");
        }
    }
}

fn closed(_: oneshot::error::RecvError) -> StoreError {
    StoreError::Closed
}

/// Takes the folder for this process; the kernel gives it back when the process ends.
fn lock_folder(path: &Path) -> Result<File, OpenError> {
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
    Ok(Owner { node, epoch })
}
