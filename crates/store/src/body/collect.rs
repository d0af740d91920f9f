//! Collecting a body: in memory while it is small and the budget lasts, else in a file of its own.
//!
//! So memory does not grow with the size of a message, nor past the budget with their number. What
//! is dropped before it is stored leaves nothing.

use std::{fmt, io, path::PathBuf, sync::Arc};

use mailwright_words::Id;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};

use crate::{
    body::{BodyId, Folder, disk::DiskFile, record},
    error::StoreError,
};

/// Bodies up to this length go into a segment.
const MEMORY_MAX: usize = 1 << 20;

/// A body in a file is written in pieces of this size.
const PIECE: usize = 256 << 10;

/// A whole body that is not yet stored.
#[must_use = "a body that is dropped is gone"]
pub struct Body {
    pub(crate) id: BodyId,
    pub(crate) length: u64,
    pub(crate) crc: u32,
    pub(crate) place: Place,
}

pub(crate) enum Place {
    Memory { bytes: Vec<u8>, budget: Option<OwnedSemaphorePermit> },
    File(Spilled),
}

impl Body {
    /// The number it will have.
    pub fn id(&self) -> BodyId {
        self.id
    }

    /// Its length in octets.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes, while they are in memory; a large body is in a file.
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.place {
            Place::Memory { bytes, .. } => Some(bytes),
            Place::File(_) => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("id", &self.id)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// A body's own file; unless kept, it is removed when this goes.
pub(crate) struct Spilled {
    folder: Arc<Folder>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    kept: bool,
}

impl Spilled {
    fn create(folder: Arc<Folder>, id: BodyId) -> io::Result<Self> {
        let path = folder.file(id);
        let file = folder.disk.create(&path)?;
        Ok(Self { folder, path, file, kept: false })
    }

    /// Puts the bytes and the name on stable storage.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()?;
        self.folder.disk.sync_folder(&self.folder.files)
    }

    /// Leaves the file where it is.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Spilled {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = self.folder.disk.remove(&self.path)
        {
            tracing::warn!(%error, "A body that was not stored stays until the next start.");
        }
    }
}

/// Takes the bytes of one body as they come.
///
/// Dropping it, at any moment, leaves nothing behind.
pub struct BodyWriter {
    folder: Arc<Folder>,
    budget: Arc<Semaphore>,
    id: BodyId,
    length: u64,
    crc: u32,
    buffer: Vec<u8>,
    held: Option<OwnedSemaphorePermit>,
    file: Option<Spilled>,
    /// Octets of the file that are written.
    written: u64,
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWriter")
            .field("id", &self.id)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl BodyWriter {
    pub(crate) fn new(folder: Arc<Folder>, budget: Arc<Semaphore>, id: Id) -> Self {
        let id = BodyId(id);
        let (buffer, held, file) = (Vec::new(), None, None);
        Self { folder, budget, id, length: 0, crc: 0, buffer, held, file, written: 0 }
    }

    /// The number the body will have.
    pub fn id(&self) -> BodyId {
        self.id
    }

    /// Octets taken so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next bytes; it waits for the disk only when the body has outgrown memory.
    ///
    /// Errors: those of the file; the body is lost then.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.buffer.extend_from_slice(bytes);
        if self.file.is_some() {
            if self.buffer.len() >= PIECE {
                self.flush().await?;
            }
        } else if self.buffer.len() > MEMORY_MAX || !self.reserve(bytes.len()) {
            self.spill().await?;
        }
        Ok(())
    }

    /// The whole body; it is not stored yet.
    ///
    /// Errors: those of the file.
    pub async fn finish(mut self) -> Result<Body, StoreError> {
        if self.file.is_some() && !self.buffer.is_empty() {
            self.flush().await?;
        }
        let crc = record::seal(self.crc, self.id.0, self.length);
        let place = match self.file.take() {
            Some(file) => Place::File(file),
            None => Place::Memory { bytes: self.buffer, budget: self.held },
        };
        Ok(Body { id: self.id, length: self.length, crc, place })
    }

    /// Takes its part of the budget; `false` when there is none left.
    fn reserve(&mut self, octets: usize) -> bool {
        let Ok(octets) = u32::try_from(octets) else { return false };
        let Ok(more) = Arc::clone(&self.budget).try_acquire_many_owned(octets) else {
            return false;
        };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        true
    }

    async fn spill(&mut self) -> Result<(), StoreError> {
        let (folder, id) = (Arc::clone(&self.folder), self.id);
        self.file = Some(blocking(move || Spilled::create(folder, id)).await?);
        self.flush().await?;
        self.held = None;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        let Some(spilled) = &self.file else { return Ok(()) };
        let (file, offset) = (Arc::clone(&spilled.file), self.written);
        let bytes = std::mem::take(&mut self.buffer);
        self.written = self.length;
        let write = move || file.write_at(&bytes, offset).map(|()| bytes);
        self.buffer = blocking(write).await?;
        self.buffer.clear();
        self.buffer.shrink_to(PIECE);
        Ok(())
    }
}

/// Runs file work on a thread that may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(StoreError::from),
        Err(error) => Err(StoreError::Panicked(error.to_string().into())),
    }
}
