//! Reading copies: many small ones at once, a large one piece by piece.
//!
//! One thread and one snapshot of the rows serve a whole batch, since a hop between threads costs
//! more than a small message.

use std::{fmt, io};

use mailwright_words::Id;

use crate::{
    body::{BodyId, BodyReader, damaged},
    engine::{BodyRow, Tx},
    error::StoreError,
    params,
    store::Store,
};

/// A copy that is read from its beginning.
pub struct CopyReader {
    /// What was read and not yet taken.
    front: Vec<u8>,
    /// The body, where more of it is to come.
    rest: Option<BodyReader>,
}

impl fmt::Debug for CopyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyReader").field("rest", &self.rest).finish_non_exhaustive()
    }
}

impl CopyReader {
    /// Takes what was read already.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.front)
    }

    /// Whether nothing is left to be read.
    pub const fn is_read(&self) -> bool {
        self.rest.is_none()
    }

    /// Reads the next piece, of at most 256 KiB. It waits for the disk: call it where that is
    /// allowed.
    ///
    /// Errors: those of the file.
    pub fn read(&mut self) -> Result<(), StoreError> {
        let Some(body) = &mut self.rest else { return Ok(()) };
        match body.next_piece()? {
            Some(piece) if self.front.is_empty() => self.front = piece,
            Some(piece) => self.front.extend_from_slice(&piece),
            None => self.rest = None,
        }
        if self.rest.as_ref().is_some_and(BodyReader::is_at_end) {
            self.rest = None;
        }
        Ok(())
    }
}

impl Store {
    /// Opens copies in the order of `messages`, and reads them while they have `octets_max` octets
    /// together at most. The first is opened at any rate, the answer may be shorter than the
    /// question, and a copy may be there only in part.
    ///
    /// Errors: those of the database; of one copy [`StoreError::Missing`] and
    /// [`StoreError::Corrupt`].
    pub async fn copies(
        &self,
        messages: Vec<Id>,
        octets_max: u64,
    ) -> Result<Vec<Result<CopyReader, StoreError>>, StoreError> {
        self.off_thread(move |store| store.copies_blocking(&messages, octets_max)).await
    }

    /// As [`Store::copies`], on the caller's thread.
    pub fn copies_blocking(
        &self,
        messages: &[Id],
        octets_max: u64,
    ) -> Result<Vec<Result<CopyReader, StoreError>>, StoreError> {
        self.read_blocking(|tx| {
            let mut copies: Vec<Result<CopyReader, StoreError>> = Vec::new();
            let mut left = octets_max;
            for message in messages {
                let found = find(tx, *message)?;
                let size = found.as_ref().map_or(0, Found::size);
                if size > left && !copies.is_empty() {
                    break;
                }
                left = left.saturating_sub(size);
                copies.push(match found {
                    Some(found) => open(self, found, octets_max),
                    None => Err(StoreError::Missing("message")),
                });
            }
            Ok(copies)
        })
    }
}

/// The rows of a copy.
struct Found {
    head: Vec<u8>,
    head_skip: u64,
    body: BodyRow,
    quarantined: bool,
}

impl Found {
    fn size(&self) -> u64 {
        let head = u64::try_from(self.head.len()).unwrap_or(u64::MAX);
        head.saturating_add(self.body.length.saturating_sub(self.head_skip))
    }
}

fn find(tx: &mut Tx<'_>, message: Id) -> Result<Option<Found>, StoreError> {
    tx.query_opt(
        "SELECT m.head, m.head_skip, b.id, b.segment, b.offset, b.length, b.crc, b.file,
             b.quarantined
         FROM message m JOIN body b ON b.id = m.body WHERE m.id = :message",
        params! { message },
        |row| {
            Ok(Found {
                head: row.get(0)?,
                head_skip: row.get(1)?,
                body: BodyRow {
                    id: row.get(2)?,
                    segment: row.get(3)?,
                    offset: row.get(4)?,
                    length: row.get(5)?,
                    crc: row.get(6)?,
                    file: row.get(7)?,
                },
                quarantined: row.get::<Option<i64>>(8)?.is_some(),
            })
        },
    )
}

fn open(store: &Store, found: Found, octets_max: u64) -> Result<CopyReader, StoreError> {
    let body = BodyId::from_i64(found.body.id);
    if found.quarantined {
        return Err(damaged(body));
    }
    let is_small = found.size() <= octets_max;
    let mut reader = match store.open_row(found.body) {
        Ok(reader) => reader,
        // It was moved since the row was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => store.body_reader(body)?,
        Err(error) => return Err(error.into()),
    };
    if is_small {
        let mut front = found.head;
        reader.read_into(found.head_skip, &mut front)?;
        return Ok(CopyReader { front, rest: None });
    }
    reader.seek(found.head_skip);
    let mut copy = CopyReader { front: found.head, rest: Some(reader) };
    copy.read()?;
    Ok(copy)
}
