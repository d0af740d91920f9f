//! The bytes of a spooled message: the head we wrote, then the rest of its body from the store.

use std::fmt;
use std::io;

use mailwright_store::body::{BodyId, BodyReader};
use mailwright_store::{Store, StoreError};

use crate::outcome::{Content, Later, Pieces};

/// A message of the spool, read anew by each attempt.
#[derive(Clone)]
pub struct Stored {
    store: Store,
    head: Vec<u8>,
    head_skip: u64,
    body: BodyId,
    size: u64,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("body", &self.body)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Stored {
    /// The message made of `head` and what of `body` (`body_length` octets) lies behind
    /// `head_skip`.
    pub fn new(
        store: Store,
        head: Vec<u8>,
        head_skip: u64,
        body: BodyId,
        body_length: u64,
    ) -> Self {
        let rest = body_length.saturating_sub(head_skip);
        let size = rest.saturating_add(u64::try_from(head.len()).unwrap_or(u64::MAX));
        Self { store, head, head_skip, body, size }
    }
}

impl Content for Stored {
    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self) -> Later<'_, io::Result<Box<dyn Pieces>>> {
        Box::pin(async move {
            let mut reader = self.store.bodies().open(self.body).await.map_err(other)?;
            reader.seek(self.head_skip);
            let head = Some(self.head.clone()).filter(|head| !head.is_empty());
            let reading: Box<dyn Pieces> = Box::new(Reading { head, reader: Some(reader) });
            Ok(reading)
        })
    }
}

struct Reading {
    head: Option<Vec<u8>>,
    reader: Option<BodyReader>,
}

impl Pieces for Reading {
    fn next(&mut self) -> Later<'_, io::Result<Option<Vec<u8>>>> {
        Box::pin(async move {
            if let Some(head) = self.head.take() {
                return Ok(Some(head));
            }
            let Some(mut reader) = self.reader.take() else { return Ok(None) };
            let (piece, reader) = if reader.is_quick() {
                (reader.next_piece(), reader)
            } else {
                let read = tokio::task::spawn_blocking(move || (reader.next_piece(), reader));
                read.await.map_err(io::Error::other)?
            };
            self.reader = Some(reader);
            piece.map_err(other)
        })
    }
}

/// Bytes that are gone or wrong are `InvalidData`; everything else may pass.
fn other(error: StoreError) -> io::Error {
    let is_gone = match &error {
        StoreError::Corrupt(_) | StoreError::Missing(_) => true,
        StoreError::Io(error) => {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    };
    if is_gone {
        io::Error::new(io::ErrorKind::InvalidData, error)
    } else {
        io::Error::other(error)
    }
}
