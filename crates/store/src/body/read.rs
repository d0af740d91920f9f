//! Reading stored bodies: whole and checked, a range, or piece by piece.

use std::{
    fmt, io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use mailwright_words::Id;

use crate::{
    body::{BodyId, Folder, disk::DiskFile, record},
    engine::{BodyRow, Tx},
    error::StoreError,
    params,
    store::Store,
};

/// Segments that stay open for reading.
const OPEN_MAX: usize = 64;

/// Octets of a piece of [`BodyReader`].
const PIECE: u64 = 256 << 10;

/// Bodies up to this length are read where they are asked for: mostly they came a moment ago and
/// are still in memory, and the way to another thread and back costs more than the read.
const QUICK_MAX: u64 = 64 << 10;

/// Files of segments that were read lately, the last one first.
#[derive(Default)]
pub(crate) struct OpenSegments(Mutex<Vec<(i64, Arc<dyn DiskFile>)>>);

impl OpenSegments {
    fn get(&self, folder: &Folder, segment: i64) -> io::Result<Arc<dyn DiskFile>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(id, _)| *id == segment) {
            return Ok(Arc::clone(file));
        }
        let file = folder.disk.open(&folder.segment(segment))?;
        open.truncate(OPEN_MAX - 1);
        open.insert(0, (segment, Arc::clone(&file)));
        Ok(file)
    }

    /// Lets go of a segment that is about to be removed.
    pub(crate) fn forget(&self, segment: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _)| *id != segment);
    }
}

/// Where a body lies, by its row.
pub(crate) fn find(tx: &mut Tx<'_>, body: BodyId) -> Result<Option<(BodyRow, bool)>, StoreError> {
    tx.query_opt(
        "SELECT id, segment, offset, length, crc, file, quarantined FROM body WHERE id = :body",
        params! { body },
        |row| {
            let place = BodyRow {
                id: row.get(0)?,
                segment: row.get(1)?,
                offset: row.get(2)?,
                length: row.get(3)?,
                crc: row.get(4)?,
                file: row.get(5)?,
            };
            Ok((place, row.get::<Option<i64>>(6)?.is_some()))
        },
    )
}

/// The stored bodies of a store.
#[derive(Debug)]
pub struct Bodies<'s>(pub(crate) &'s Store);

impl Bodies<'_> {
    /// All bytes of a body, checked against its checksum.
    ///
    /// Meant for bodies that fit in memory; [`Bodies::open`] reads one of any size.
    ///
    /// Errors: [`StoreError::Missing`], [`StoreError::Corrupt`] when the bytes are not those that
    /// were stored.
    pub async fn read(&self, body: BodyId) -> Result<Vec<u8>, StoreError> {
        self.run(move |store| {
            let reader = store.body_reader(body)?;
            let bytes = reader.piece(0..reader.length())?;
            let crc = record::seal(crc32c::crc32c(&bytes), body.0, reader.length());
            if crc == reader.row.crc { Ok(bytes) } else { Err(damaged(body)) }
        })
        .await
    }

    /// Some bytes of a body; what lies past its end is left out. The checksum is not looked at.
    ///
    /// Errors: [`StoreError::Missing`], [`StoreError::Corrupt`] when the body is quarantined.
    pub async fn range(&self, body: BodyId, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let reader = self.open(body).await?;
        if reader.is_quick() {
            return reader.piece(range);
        }
        self.run(move |_| reader.piece(range)).await
    }

    /// Opens a body to be read piece by piece.
    ///
    /// The pieces stay readable while the reader lives, also when the body is moved meanwhile.
    ///
    /// Errors: as [`Bodies::range`].
    #[expect(clippy::unused_async, reason = "an engine behind a network would be waited for")]
    pub async fn open(&self, body: BodyId) -> Result<BodyReader, StoreError> {
        self.0.body_reader(body)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.off_thread(work).await
    }
}

impl Store {
    /// Opens a body on the caller's thread; see [`Bodies::open`].
    ///
    /// Errors: as [`Bodies::range`].
    pub fn body_reader(&self, body: BodyId) -> Result<BodyReader, StoreError> {
        let found = self.read_blocking(|tx| find(tx, body))?;
        self.body_at(body, found)
    }

    /// Opens a body where its row was found.
    ///
    /// Errors: as [`Bodies::range`].
    pub(crate) fn body_at(
        &self,
        body: BodyId,
        mut found: Option<(BodyRow, bool)>,
    ) -> Result<BodyReader, StoreError> {
        let mut tries = 0;
        loop {
            let (row, quarantined) = found.ok_or(StoreError::Missing("body"))?;
            if quarantined {
                return Err(damaged(body));
            }
            match self.open_row(row) {
                // Its segment was reclaimed between the two looks; the row says where it is now.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 3 => {
                    tries += 1;
                    found = self.read_blocking(|tx| find(tx, body))?;
                }
                opened => return Ok(opened?),
            }
        }
    }

    /// Opens the body that a row describes, where the row says.
    ///
    /// Errors: those of the file; `NotFound` when it was moved since the row was read.
    pub(crate) fn open_row(&self, row: BodyRow) -> io::Result<BodyReader> {
        let (folder, open) = self.body_files();
        let file = if row.file {
            folder.disk.open(&folder.file(BodyId(Id::from_i64(row.id))))?
        } else {
            open.get(folder, row.segment)?
        };
        Ok(BodyReader { file, row, at: 0, summed: 0, crc: 0 })
    }
}

pub(crate) fn damaged(body: BodyId) -> StoreError {
    tracing::error!(%body, "A stored body is damaged.");
    StoreError::Corrupt("body")
}

/// One stored body, open for reading.
pub struct BodyReader {
    file: Arc<dyn DiskFile>,
    row: BodyRow,
    at: u64,
    /// Octets from the start that went into `crc`.
    summed: u64,
    crc: u32,
}

impl fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyReader").field("row", &self.row).finish_non_exhaustive()
    }
}

impl BodyReader {
    /// Octets of the body.
    pub fn length(&self) -> u64 {
        self.row.length
    }

    /// Whether the whole body is read so fast that a task may do it.
    pub fn is_quick(&self) -> bool {
        self.row.length <= QUICK_MAX
    }

    /// Goes on at `offset`.
    pub fn seek(&mut self, offset: u64) {
        self.at = offset;
    }

    /// The next piece, of at most 256 KiB; `None` at the end. It waits for the disk: call it where
    /// that is allowed.
    ///
    /// Whoever reads to the end never gets the last piece of a body whose bytes are not those that
    /// were stored.
    ///
    /// Errors: those of the file; [`StoreError::Corrupt`].
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        while self.summed < self.at.min(self.row.length) {
            let skipped = self.piece(self.summed..self.at.min(self.summed + PIECE))?;
            self.sum(&skipped);
        }
        let start = self.at;
        let bytes = self.piece(start..start.saturating_add(PIECE))?;
        self.at = start.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.summed == start {
            self.sum(&bytes);
        }
        let body = BodyId::from_i64(self.row.id);
        if self.at >= self.row.length
            && self.summed == self.row.length
            && record::seal(self.crc, body.0, self.row.length) != self.row.crc
        {
            return Err(damaged(body));
        }
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    fn sum(&mut self, bytes: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.summed = self.summed.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// Whether the last piece was taken.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.row.length
    }

    /// Appends all bytes from `from` on to `bytes`.
    ///
    /// Errors: those of the file.
    pub(crate) fn read_into(&self, from: u64, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        self.append(from..self.row.length, bytes)
    }

    /// Bytes of a range, less what lies past the end.
    ///
    /// Errors: those of the file.
    pub fn piece(&self, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.append(range, &mut bytes)?;
        Ok(bytes)
    }

    fn append(&self, range: Range<u64>, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        let end = range.end.min(self.row.length);
        let count = usize::try_from(end.saturating_sub(range.start))
            .ok()
            .ok_or(StoreError::Corrupt("body"))?;
        let before = bytes.len();
        bytes.resize(before.saturating_add(count), 0);
        let head = if self.row.file { 0 } else { u64::try_from(record::HEAD).unwrap_or(0) };
        let from = self.row.offset.saturating_add(head).saturating_add(range.start);
        self.file.read_at(bytes.get_mut(before..).unwrap_or_default(), from)?;
        Ok(())
    }
}
