//! Makes a message fit a host that takes less than it needs, as far as that changes no meaning.
//!
//! Parts with octets or lines that a host does not take get a content transfer encoding, and long
//! lines of a header are folded. What somebody has signed is left alone, and so is what is not
//! clear: it is refused with 5.6.3 instead. Reading is bounded, in octets and in number; a message
//! over the bound is not converted.
//! Source: RFC 6152 section 3, RFC 3030 section 3, RFC 2045 section 6, RFC 6531 section 3.6.

mod encoding;
mod part;
mod urgency;

use std::io;
use std::sync::Arc;

use mailwright_smtp::client::Capabilities;
use mailwright_words::envelope::{BodyType, Envelope};
use mailwright_words::status::Status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use part::Room;

use crate::outcome::{Content, Later, Outcome, Pieces, Reason};

/// Messages in memory at once, to be converted or converted.
pub(crate) const AT_ONCE_MAX: usize = 4;
/// Octets of a message up to which it is converted.
const CONVERT_MAX: u64 = 32 * 1024 * 1024;

/// A message as a host takes it.
pub(crate) struct Fitted {
    /// The envelope that says so.
    pub(crate) envelope: Envelope,
    /// The bytes.
    pub(crate) content: Arc<dyn Content>,
    /// What they were converted for; none when they are those that are stored.
    pub(crate) room: Option<Room>,
}

/// The envelope and bytes for a host of these `capabilities`.
///
/// Errors: the outcome for all recipients when the message cannot be made to fit.
pub(crate) async fn fit(
    mut envelope: Envelope,
    content: Arc<dyn Content>,
    capabilities: &Capabilities,
    places: &Arc<Semaphore>,
) -> Result<Fitted, Outcome> {
    let needs_utf8 = envelope.smtputf8 && !capabilities.smtputf8;
    let needs_octets = match envelope.body {
        BodyType::SevenBit => false,
        BodyType::EightBitMime => !capabilities.eight_bit_mime,
        BodyType::BinaryMime => !capabilities.binary_mime,
    };
    if !needs_utf8 && !needs_octets {
        return Ok(Fitted { envelope, content, room: None });
    }
    if content.size() > CONVERT_MAX {
        return Err(refuse(Status::new(5, 6, 3), "the message is too large to be converted"));
    }
    let place = Arc::clone(places).acquire_owned().await.ok();
    let bytes = read(content.as_ref()).await.map_err(|error| unreadable(&error))?;
    if needs_utf8 {
        if !is_ascii(&envelope) || !part::header(&bytes).is_ascii() {
            let text = "the host does not take internationalised messages";
            return Err(refuse(Status::new(5, 6, 7), text));
        }
        envelope.smtputf8 = false;
    }
    if !needs_octets {
        return Ok(Fitted { envelope, content, room: None });
    }
    if envelope.body == BodyType::BinaryMime && part::has_clean_lines(&bytes) {
        envelope.body = BodyType::EightBitMime;
        if capabilities.eight_bit_mime {
            return Ok(Fitted { envelope, content, room: None });
        }
    }
    let room = Room { octets: capabilities.eight_bit_mime, utf8: envelope.smtputf8 };
    let converted = part::message(&bytes, room).ok_or_else(|| {
        let text = "the message has octets or lines that the host does not take, and may not be \
                    changed";
        refuse(Status::new(5, 6, 3), text)
    })?;
    let is_ascii = converted.is_ascii();
    envelope.body = if is_ascii { BodyType::SevenBit } else { BodyType::EightBitMime };
    let content = Arc::new(Converted { bytes: Arc::from(converted), _place: place });
    Ok(Fitted { envelope, content, room: Some(room) })
}

/// The bytes with the message's priority in their header, for a host that hears of it in no other
/// way.
pub(crate) async fn urged(
    content: Arc<dyn Content>,
    envelope: &Envelope,
    capabilities: &Capabilities,
) -> Arc<dyn Content> {
    match envelope.priority.filter(|_| !capabilities.mt_priority) {
        Some(priority) => urgency::told(content, priority).await,
        None => content,
    }
}

fn is_ascii(envelope: &Envelope) -> bool {
    let from = match &envelope.from {
        mailwright_words::address::ReversePath::Null => true,
        mailwright_words::address::ReversePath::Sender(address) => address.is_ascii(),
    };
    from && envelope.recipients.iter().all(|recipient| recipient.address.is_ascii())
}

fn refuse(status: Status, text: &str) -> Outcome {
    Outcome::Failed(Reason::ours(554, status, text))
}

/// Whether the bytes of a message are not those that were stored.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

pub(crate) fn unreadable(error: &io::Error) -> Outcome {
    tracing::error!(%error, "Message could not be read for delivery.");
    let reason = Reason::ours(451, Status::new(4, 3, 0), "the message could not be read");
    if is_damage(error) { Outcome::Held(reason) } else { Outcome::Postponed(reason) }
}

async fn read(content: &dyn Content) -> io::Result<Vec<u8>> {
    let mut pieces = content.open().await?;
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// A converted message, in memory.
#[derive(Debug)]
struct Converted {
    bytes: Arc<[u8]>,
    /// Others wait for it.
    _place: Option<OwnedSemaphorePermit>,
}

impl Content for Converted {
    fn size(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    fn open(&self) -> Later<'_, io::Result<Box<dyn Pieces>>> {
        let pieces: Box<dyn Pieces> = Box::new(Remaining { bytes: Arc::clone(&self.bytes), at: 0 });
        Box::pin(async move { Ok(pieces) })
    }
}

struct Remaining {
    bytes: Arc<[u8]>,
    at: usize,
}

impl Pieces for Remaining {
    fn next(&mut self) -> Later<'_, io::Result<Option<Vec<u8>>>> {
        let end = self.at.saturating_add(64 * 1024).min(self.bytes.len());
        let piece = self.bytes.get(self.at..end).unwrap_or_default().to_vec();
        self.at = end;
        Box::pin(async move { Ok(Some(piece).filter(|piece| !piece.is_empty())) })
    }
}
