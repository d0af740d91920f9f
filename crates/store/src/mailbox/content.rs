//! The bytes of messages, and what was rendered of them, for a batch in one go.
//!
//! A message is the head in its row, then its body from an offset on; a range of it reads no more
//! than that. What was not rendered yet, or by another version, is rendered here and kept.

use std::{collections::HashMap, ops::Range, sync::Arc};

use mailwright_mime::{Rendered, render};
use mailwright_view::Row;
use mailwright_words::Id;

use crate::{
    Lane, StoreError,
    body::{self, BodyReader},
    mailbox::{
        Copy, copy,
        meta::{self, Wanted},
    },
    store::Store,
};

/// Messages up to this length are taken apart side by side; of longer ones one at a time is in
/// memory, the one that holds [`Store::large`].
pub const LARGE: u64 = 1 << 20;

/// The bytes of one message, open for reading.
#[derive(Debug)]
pub struct Content {
    head: Vec<u8>,
    skip: u64,
    reader: BodyReader,
}

impl Content {
    /// Octets of the message.
    pub fn len(&self) -> u64 {
        let body = self.reader.length().saturating_sub(self.skip);
        body.saturating_add(octets(self.head.len()))
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of a range, less what lies past the end. It waits for the disk.
    ///
    /// Errors: those of the file.
    pub fn range(&self, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let head = octets(self.head.len());
        let place = |at: u64| usize::try_from(at.min(head)).unwrap_or(usize::MAX);
        let mut bytes =
            self.head.get(place(range.start)..place(range.end)).unwrap_or_default().to_vec();
        if range.end > head {
            let from = range.start.saturating_sub(head).saturating_add(self.skip);
            let to = (range.end - head).saturating_add(self.skip).min(self.reader.length());
            if from < to {
                bytes.extend_from_slice(&self.reader.piece(from..to)?);
            }
        }
        Ok(bytes)
    }

    /// All bytes. It waits for the disk.
    ///
    /// Errors: those of the file.
    pub fn whole(&self) -> Result<Vec<u8>, StoreError> {
        self.range(0..self.len())
    }
}

fn octets(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl Store {
    /// Opens the bytes of a message, on the caller's thread; `None` when it is gone.
    ///
    /// Errors: those of the database and of the file.
    pub fn content(&self, message: Id) -> Result<Option<Content>, StoreError> {
        let found = self.read_blocking(|tx| {
            let Some(found) = copy(tx, message)? else { return Ok(None) };
            let place = body::find(tx, found.body)?;
            Ok(Some((found, place)))
        })?;
        let Some((Copy { head, body, head_skip, .. }, place)) = found else { return Ok(None) };
        match self.body_at(body, place) {
            Ok(reader) => Ok(Some(Content { head, skip: head_skip, reader })),
            Err(StoreError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What was rendered of messages of one mailbox, which ascend by UID; `None` for one that is
    /// gone. It waits for the disk: call it where that is allowed.
    ///
    /// Errors: those of the database and of the files.
    pub fn rendered(
        &self,
        mailbox: Id,
        rows: &[Row],
        wanted: Wanted,
    ) -> Result<Vec<Option<Rendered>>, StoreError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        // A run is read in one go when most of it was asked for.
        let span = usize::try_from(last.uid.saturating_sub(first.uid)).unwrap_or(usize::MAX);
        let dense = span / 8 <= rows.len();
        let mut found = self
            .read_blocking(|tx| {
                if dense {
                    let run = meta::of_run(tx, mailbox, (first.uid, last.uid), wanted)?;
                    return Ok(run.into_iter().collect::<Vec<_>>());
                }
                let mut found = Vec::with_capacity(rows.len());
                for row in rows {
                    let rendered = meta::of_message(tx, row.message, wanted)?;
                    found.extend(rendered.map(|rendered| (row.message, rendered)));
                }
                Ok(found)
            })?
            .into_iter()
            .peekable();
        let mut late: HashMap<Id, Rendered> = HashMap::new();
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            // Both ascend, so that mostly the next one is the one that is asked for.
            while let Some((id, _)) = found.peek()
                && *id != row.message
            {
                late.extend(found.next());
                if late.len() > span.saturating_add(1) {
                    break;
                }
            }
            let next = found.next_if(|(id, _)| *id == row.message).map(|(_, rendered)| rendered);
            all.push(match next.or_else(|| late.remove(&row.message)) {
                Some(rendered) => Some(rendered),
                None => self.rendered_late(row.message, wanted)?,
            });
        }
        Ok(all)
    }

    /// One that the run did not have: expunged by now, or not rendered by this version.
    fn rendered_late(&self, message: Id, wanted: Wanted) -> Result<Option<Rendered>, StoreError> {
        let kept = self.read_blocking(|tx| meta::of_message(tx, message, wanted))?;
        if kept.is_some() {
            return Ok(kept);
        }
        let Some(content) = self.content(message)? else { return Ok(None) };
        let rendered = if content.len() > LARGE {
            let _alone = self.large();
            render(&content.whole()?)
        } else {
            render(&content.whole()?)
        };
        let (kept, shared) = (rendered.clone(), Arc::new(rendered));
        self.write_soon(Lane::Bulk, move |tx| {
            if copy(tx, message)?.is_some() { meta::keep(tx, message, &shared) } else { Ok(()) }
        });
        Ok(Some(kept))
    }
}
