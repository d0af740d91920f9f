//! A piece that is sent in ranges: what stays open between two of them.

use std::fmt;

use mailwright_imap::{Answer, Need, Refusal};
use mailwright_store::{
    Store, StoreError,
    mailbox::{Content, Wanted},
};
use mailwright_view::Row;
use mailwright_words::Id;

use super::{
    conversation::{Conversation, refusal},
    fetch::{Decoding, Message, Octets},
};

/// A piece that is being sent.
pub(super) struct Large {
    message: Id,
    need: Need,
    content: Content,
    octets: Octets,
    decoding: Option<Decoding>,
}

impl fmt::Debug for Large {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Large").field("message", &self.message).finish_non_exhaustive()
    }
}

impl Conversation {
    pub(super) async fn more(
        &mut self,
        row: Row,
        need: Need,
        offset: u64,
        octets: usize,
    ) -> Result<Answer, Refusal> {
        let id = self.mailbox()?;
        let open =
            self.large.take().filter(|large| large.message == row.message && large.need == need);
        let read = self.door.store.off_thread(move |store| {
            let mut large = match open {
                Some(large) => large,
                None => Box::new(Large::open(store, id, row, need)?),
            };
            let bytes = large.range(offset, octets)?;
            Ok((large, bytes))
        });
        let (large, mut bytes) = read.await.map_err(|error| refusal(&error))?;
        self.large = Some(large);
        // As many octets as were announced, whatever the disk says.
        bytes.resize(octets, b' ');
        Ok(Answer::Chunk(bytes))
    }
}

impl Large {
    fn open(store: &Store, mailbox: Id, row: Row, need: Need) -> Result<Self, StoreError> {
        let gone = || StoreError::Missing("message");
        let wanted = Wanted { parts: true, headers: true, ..Wanted::default() };
        let rendered = store.rendered(mailbox, &[row], wanted)?.pop().flatten().ok_or_else(gone)?;
        let mut message = Message::new(store, &row, rendered)?;
        let octets = message.octets(&need)?.ok_or_else(gone)?;
        let content = store.content(row.message)?.ok_or_else(gone)?;
        Ok(Self { message: row.message, need, content, octets, decoding: None })
    }

    fn range(&mut self, offset: u64, octets: usize) -> Result<Vec<u8>, StoreError> {
        let count = u64::try_from(octets).unwrap_or(u64::MAX);
        match &self.octets {
            Octets::Piece(_) => Ok(Vec::new()),
            Octets::Here(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = start.saturating_add(octets).min(bytes.len());
                Ok(bytes.get(start..end).unwrap_or_default().to_vec())
            }
            Octets::Stored(range) => {
                let start = range.start.saturating_add(offset);
                self.content.range(start..start.saturating_add(count).min(range.end))
            }
            Octets::Encoded { range, encoding, window } => {
                let start = window.start.saturating_add(offset);
                let fits = self.decoding.take().filter(|decoding| decoding.at() <= start);
                let mut decoding = fits.unwrap_or_else(|| Decoding::new(range.clone(), *encoding));
                let end = start.saturating_add(count).min(window.end);
                let bytes = decoding.window(&self.content, start..end)?;
                self.decoding = Some(decoding);
                Ok(bytes)
            }
        }
    }
}
