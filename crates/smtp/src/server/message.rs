//! A transaction of a session, and the message that comes in it.

use std::collections::HashSet;

use mailwright_words::{BodyType, Reply};

use super::{BareNewlines, Settings, reply};
use crate::body::{Decoder, Flaw, Progress, Rules};
use crate::command::ForwardPath;

/// What `MAIL` opened.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) body: BodyType,
    pub(super) smtputf8: bool,
    /// Recipients taken.
    pub(super) accepted: usize,
    /// Whom they are, each once.
    pub(super) known: HashSet<ForwardPath>,
    /// Whether a recipient was refused.
    pub(super) refused: bool,
    /// The message, once `DATA` or the first `BDAT` came.
    pub(super) message: Option<Message>,
}

impl Transaction {
    pub(super) fn new(body: BodyType, smtputf8: bool) -> Self {
        let known = HashSet::new();
        Self { body, smtputf8, accepted: 0, known, refused: false, message: None }
    }

    /// Whether the driver was already told that the message is dropped.
    pub(super) fn is_dropped(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.dropped)
    }
}

/// A message as it comes in.
#[derive(Debug)]
pub(super) struct Message {
    decoder: Decoder,
    /// Octets decoded, also those dropped.
    octets: u64,
    /// What is decoded and not yet passed on; [`CHUNK_MAX`] at most.
    chunk: Vec<u8>,
    /// Why the driver does not want it.
    pub(super) refusal: Option<Reply>,
    /// Whether nothing of it is kept.
    dropped: bool,
}

/// The most octets passed on at once.
const CHUNK_MAX: usize = 64 << 10;

impl Message {
    /// A message of `DATA` when `dots` are stuffed, else of `BDAT`.
    pub(super) fn new(settings: &Settings, body: BodyType, dots: bool) -> Self {
        let bare = (body != BodyType::BinaryMime).then_some(settings.bare_newlines);
        let rules = Rules { bare, line_max: settings.message_line_max, dots };
        let chunk = Vec::new();
        Self { decoder: Decoder::new(rules), octets: 0, chunk, refusal: None, dropped: false }
    }

    /// Octets that were decoded.
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Reads what there is room for.
    pub(super) fn read(&mut self, input: &[u8], settings: &Settings) -> Progress {
        let room = CHUNK_MAX.saturating_sub(self.chunk.len());
        let growth = if settings.bare_newlines == BareNewlines::Normalise { 2 } else { 1 };
        let piece = input.get(..room / growth - 4).unwrap_or(input);
        let before = self.chunk.len();
        let progress = self.decoder.read(piece, &mut self.chunk);
        self.count(before);
        progress
    }

    /// The count of `BDAT LAST` is reached.
    pub(super) fn finish(&mut self) {
        let before = self.chunk.len();
        self.decoder.finish(&mut self.chunk);
        self.count(before);
    }

    fn count(&mut self, before: usize) {
        let grown = u64::try_from(self.chunk.len() - before).unwrap_or(u64::MAX);
        self.octets = self.octets.saturating_add(grown);
        if self.dropped {
            self.chunk.clear();
        }
    }

    /// What is to be passed on now: enough to be worth it, or at the `end` all there is.
    pub(super) fn chunk(&mut self, end: bool) -> Option<Vec<u8>> {
        let due = self.chunk.len() >= CHUNK_MAX / 2 || end && !self.chunk.is_empty();
        due.then(|| std::mem::take(&mut self.chunk))
    }

    /// Why it cannot be taken, as far as it came.
    pub(super) fn wrong(&self, settings: &Settings) -> Option<Reply> {
        if let Some(refusal) = &self.refusal {
            return Some(refusal.clone());
        }
        if self.octets > settings.message_size_max {
            return Some(reply::too_large(settings.message_size_max));
        }
        self.decoder.flaw().map(|flaw| match flaw {
            Flaw::BareNewline => reply::bare_newline(),
            Flaw::LongLine => reply::long_line(settings.message_line_max.saturating_sub(2)),
        })
    }

    /// Keeps nothing of it from now on when it cannot be taken; true the first time.
    pub(super) fn drop_if_wrong(&mut self, settings: &Settings) -> bool {
        if self.dropped || self.wrong(settings).is_none() {
            return false;
        }
        self.dropped = true;
        self.chunk = Vec::new();
        true
    }
}
