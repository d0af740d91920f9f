//! A message while it comes in: its bytes on their way to the store, and its limits.
//!
//! Invariant: memory is bounded by the header limit and what the store's writer takes. A message
//! over a limit is read to its end and forgotten at once; what it broke is said at the end.

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
}

impl Bounds {
    pub(crate) const fn of(settings: &Settings, size_max: u64) -> Self {
        let limits = &settings.limits;
        Self {
            size_max,
            header_size_max: limits.header_size_max,
            header_fields_max: limits.header_fields_max,
            hops_max: limits.hops_max,
            structure: mime::Limits { depth: limits.mime_depth_max, parts: limits.mime_parts_max },
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
    bounds: Bounds,
    size: u64,
    refusal: Option<Refusal>,
}

/// A whole message that is over no limit.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) body: Body,
    pub(crate) header: Gatherer,
}

impl Collected {
    pub(crate) fn block(&self) -> HeaderBlock<'_> {
        self.header.block()
    }
}

impl Incoming {
    pub(crate) fn new(writer: BodyWriter, bounds: Bounds) -> Self {
        Self {
            writer: Some(writer),
            header: Gatherer::new(usize::try_from(bounds.header_size_max).unwrap_or(usize::MAX)),
            structure: Walker::new(bounds.structure),
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
        if self.header.push(bytes) == Gathered::TooLarge {
            return Err(Refusal::HeaderTooLarge { limit: self.bounds.header_size_max });
        }
        self.structure.push(bytes).map_err(Refusal::Structure)
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
        Ok(Collected { body: writer.finish().await?, header: self.header })
    }
}

/// Source: RFC 5321 section 6.3 for the hops.
fn check_header(block: &HeaderBlock<'_>, bounds: &Bounds) -> Result<(), Refusal> {
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
    };

    fn header(text: &str) -> Result<(), Refusal> {
        check_header(&HeaderBlock::new(text.as_bytes()), &BOUNDS)
    }

    #[test]
    fn fields_and_hops_are_limited() {
        assert!(header(&"Received: x\r\n".repeat(2)).is_ok());
        assert!(matches!(header(&"Received: x\r\n".repeat(3)), Err(Refusal::Hops { hops: 3 })));
        assert!(matches!(header(&"A: x\r\n".repeat(6)), Err(Refusal::Fields { limit: 5 })));
        assert!(header("\r\nReceived: a\r\nReceived: a\r\nReceived: a\r\n").is_ok());
    }
}
