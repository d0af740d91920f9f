//! A message while it comes in: its bytes on their way to the store, and its limits.
//!
//! Invariant: memory is bounded by the header limit and what the store's writer takes. A message
//! over a limit is read to its end and forgotten at once; what it broke is said at the end.

use mailwright_mailauth::{BodyHash, BodyHashes};
use mailwright_store::body::{Body, BodyWriter};
use mailwright_words::headers::{Gathered, Gatherer, HeaderBlock};
use mailwright_words::mime::{self, Walker};

use crate::refusal::Refusal;
use crate::settings::Settings;

/// What a message may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) size_max: u64,
    pub(crate) header_size_max: u64,
    pub(crate) header_fields_max: usize,
    pub(crate) hops_max: usize,
    pub(crate) structure: mime::Limits,
    /// Whether a message is taken whatever its structure is.
    pub(crate) shows_all: bool,
}

impl Bounds {
    pub(crate) const fn of(settings: &Settings, size_max: u64, is_caught: bool) -> Self {
        let limits = &settings.limits;
        if is_caught {
            // An inbox shows what cannot be parsed, too.
            return Self {
                size_max,
                header_size_max: limits.header_size_max,
                header_fields_max: usize::MAX,
                hops_max: usize::MAX,
                structure: mime::Limits {
                    depth: limits.mime_depth_max,
                    parts: limits.mime_parts_max,
                },
                shows_all: true,
            };
        }
        Self {
            size_max,
            header_size_max: limits.header_size_max,
            header_fields_max: limits.header_fields_max,
            hops_max: limits.hops_max,
            structure: mime::Limits { depth: limits.mime_depth_max, parts: limits.mime_parts_max },
            shows_all: false,
        }
    }
}

/// Collects one message. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    /// Gone as soon as something is wrong with the message.
    writer: Option<BodyWriter>,
    header: Gatherer,
    structure: Walker,
    /// Whether its structure is still looked at.
    walks: bool,
    lines: Lines,
    hashes: Hashes,
    bounds: Bounds,
    size: u64,
    refusal: Option<Refusal>,
}

/// A whole message that is over no limit.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) body: Body,
    pub(crate) header: Gatherer,
    /// Whether a line has more octets than SMTP has room for.
    pub(crate) has_long_lines: bool,
    /// The hashes of the body, where its signatures are to be checked.
    pub(crate) hash: Option<BodyHash>,
}

/// The body on its way through the hashes that its header asks for.
#[derive(Debug)]
enum Hashes {
    /// Nobody checks them.
    Off,
    /// It is not known yet what is asked for.
    Header,
    Body(BodyHashes),
}

impl Collected {
    pub(crate) fn block(&self) -> HeaderBlock<'_> {
        self.header.block()
    }
}

impl Incoming {
    pub(crate) fn new(writer: BodyWriter, bounds: Bounds, judges: bool) -> Self {
        Self {
            writer: Some(writer),
            header: Gatherer::new(usize::try_from(bounds.header_size_max).unwrap_or(usize::MAX)),
            structure: Walker::new(bounds.structure),
            walks: true,
            lines: Lines::default(),
            hashes: if judges { Hashes::Header } else { Hashes::Off },
            bounds,
            size: 0,
            refusal: None,
        }
    }

    /// Octets of the message so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// What is wrong with the message already, whatever follows.
    pub const fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Takes the next octets of the message.
    ///
    /// It never fails: what is wrong is kept for the end, where SMTP has a place for it.
    pub async fn push(&mut self, bytes: &[u8]) {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.refusal.is_some() {
            return;
        }
        let checked = self.check(bytes);
        let taken = match (&mut self.writer, checked) {
            (_, Err(refusal)) => Err(refusal),
            (Some(writer), Ok(())) => writer.push(bytes).await.map_err(Refusal::from),
            (None, Ok(())) => Err(Refusal::Internal("the message has no writer")),
        };
        if let Err(refusal) = taken {
            self.refusal = Some(refusal);
            self.writer = None;
        }
    }

    fn check(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.size > self.bounds.size_max {
            return Err(Refusal::TooLarge { limit: self.bounds.size_max });
        }
        self.lines.push(bytes);
        let gathered = self.header.push(bytes);
        if gathered == Gathered::TooLarge {
            return Err(Refusal::HeaderTooLarge { limit: self.bounds.header_size_max });
        }
        self.hash(gathered, bytes);
        if !self.walks {
            return Ok(());
        }
        let walked = self.structure.push(bytes).map_err(Refusal::Structure);
        self.walks = walked.is_ok();
        if self.bounds.shows_all { Ok(()) } else { walked }
    }

    /// Hashes what of these octets is body.
    fn hash(&mut self, gathered: Gathered, bytes: &[u8]) {
        match &mut self.hashes {
            Hashes::Header if gathered == Gathered::Whole => {
                let block = self.header.block();
                let mut hashes = BodyHashes::of(&block);
                let offset = u64::try_from(block.body_offset()).unwrap_or(u64::MAX);
                // How many octets of the body came with these.
                let behind = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(0);
                let from = bytes.len().saturating_sub(behind);
                hashes.push(bytes.get(from..).unwrap_or_default());
                self.hashes = Hashes::Body(hashes);
            }
            Hashes::Body(hashes) => hashes.push(bytes),
            Hashes::Off | Hashes::Header => {}
        }
    }

    /// The whole message.
    ///
    /// Errors: the limit it is over, or what the store says.
    pub(crate) async fn finish(self) -> Result<Collected, Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        check_header(&self.header.block(), &self.bounds)?;
        let writer = self.writer.ok_or(Refusal::Internal("the message has no writer"))?;
        let has_long_lines = self.lines.are_long();
        let hash = match self.hashes {
            Hashes::Off => None,
            Hashes::Header => Some(BodyHashes::of(&self.header.block()).finish()),
            Hashes::Body(hashes) => Some(hashes.finish()),
        };
        let (body, header) = (writer.finish().await?, self.header);
        Ok(Collected { body, header, has_long_lines, hash })
    }
}

/// Watches for lines that are too long to be relayed as they are.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Octets of the line before the next ones.
    octets: usize,
    is_over: bool,
}

impl Lines {
    /// Octets of a line with its end. Source: RFC 5321 section 4.5.3.1.6.
    const MAX: usize = 1000;

    /// Whether a whole message has such a line.
    pub(crate) fn are_long_in(message: &[u8]) -> bool {
        let mut lines = Self::default();
        lines.push(message);
        lines.are_long()
    }

    fn are_long(&self) -> bool {
        // The last line may lack its end, which a relay adds.
        self.is_over || self.octets > Self::MAX - 2
    }

    fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !self.is_over {
            // Most lines are short: looking from the far end finds the end of several at once.
            let room = Self::MAX - self.octets;
            let near = rest.get(..room).unwrap_or(rest);
            let Some(end) = memchr::memrchr(b'\n', near) else {
                self.octets += near.len();
                self.is_over = near.len() == room;
                return;
            };
            self.octets = 0;
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }
}

/// Source: RFC 5321 section 6.3 for the hops.
fn check_header(block: &HeaderBlock<'_>, bounds: &Bounds) -> Result<(), Refusal> {
    if !bounds.shows_all && !block.is_plain() {
        return Err(Refusal::Newline);
    }
    if block.fields().count() > bounds.header_fields_max {
        return Err(Refusal::Fields { limit: bounds.header_fields_max });
    }
    let hops = block.count("Received");
    if hops > bounds.hops_max {
        return Err(Refusal::Hops { hops });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        size_max: 1000,
        header_size_max: 100,
        header_fields_max: 5,
        hops_max: 2,
        structure: mime::Limits { depth: 2, parts: 10 },
        shows_all: false,
    };

    fn header(text: &str) -> Result<(), Refusal> {
        check_header(&HeaderBlock::new(text.as_bytes()), &BOUNDS)
    }

    #[test]
    fn long_lines_are_seen_wherever_they_are_cut() {
        let line = |octets: usize| format!("{}\r\n", "x".repeat(octets));
        for (text, is_over) in [
            (line(998), false),
            (line(999), true),
            (format!("{}{}", line(998), line(998)), false),
            (format!("{}{}{}", line(10), line(1200), line(3)), true),
            ("x".repeat(998), false),
            ("x".repeat(999), true),
            (line(10).repeat(500), false),
            (format!("{}{}", line(10).repeat(500), line(2000)), true),
        ] {
            for size in [1, 7, 998, 1000, 1001, 100_000] {
                let mut lines = Lines::default();
                text.as_bytes().chunks(size).for_each(|piece| lines.push(piece));
                assert_eq!(lines.are_long(), is_over, "{} octets by {size}", text.len());
            }
        }
    }

    #[test]
    fn fields_and_hops_are_limited() {
        assert!(header(&"Received: x\r\n".repeat(2)).is_ok());
        assert!(matches!(header(&"Received: x\r\n".repeat(3)), Err(Refusal::Hops { hops: 3 })));
        assert!(matches!(header(&"A: x\r\n".repeat(6)), Err(Refusal::Fields { limit: 5 })));
        for text in ["A: b\nC: d\r\n", "A: b\rC: d\r\n"] {
            assert!(matches!(header(text), Err(Refusal::Newline)), "{text:?}");
            let shown = Bounds { shows_all: true, ..BOUNDS };
            assert!(check_header(&HeaderBlock::new(text.as_bytes()), &shown).is_ok());
        }
        assert!(header("\r\nReceived: a\r\nReceived: a\r\nReceived: a\r\n").is_ok());
    }
}
