//! Takes the header block off a message that comes in pieces.
//!
//! Invariant: it keeps no more than the limit it was given, and finds the same end as
//! [`HeaderBlock`](super::HeaderBlock) does, wherever the message is cut.

use super::{Ending, HeaderBlock, Kind, crlf, kind};

/// How far the header block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathered {
    /// It goes on.
    More,
    /// It is whole; what was pushed since and will be is body.
    Whole,
    /// It is over the limit.
    TooLarge,
}

/// Collects a header block of a bounded size.
#[derive(Debug)]
pub struct Gatherer {
    bytes: Vec<u8>,
    limit: usize,
    /// Where the line starts that has no end yet.
    line: usize,
    state: Gathered,
}

impl Gatherer {
    /// A collector that takes up to `limit` octets of header.
    pub const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, line: 0, state: Gathered::More }
    }

    /// Takes the next octets of the message.
    ///
    /// Octets behind the block are kept only as far as they came with its end.
    pub fn push(&mut self, bytes: &[u8]) -> Gathered {
        if self.state != Gathered::More {
            return self.state;
        }
        let room = (self.limit + 2).saturating_sub(self.bytes.len());
        let mut search = self.bytes.len().saturating_sub(1).max(self.line);
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        while let Some(at) = self.bytes.get(search..).and_then(crlf) {
            let end = search + at + 2;
            let line = self.bytes.get(self.line..end).unwrap_or_default();
            if matches!(kind(line, self.line == 0), Kind::Blank | Kind::Junk) {
                self.state = Gathered::Whole;
                return self.state;
            }
            self.line = end;
            search = end;
        }
        if self.bytes.len() > self.limit {
            self.state = Gathered::TooLarge;
        }
        self.state
    }

    /// The block; of the whole message, when it ended without one.
    pub fn block(&self) -> HeaderBlock<'_> {
        HeaderBlock::new(&self.bytes)
    }

    /// How the block ended, known once it is whole or the message is.
    pub fn ending(&self) -> Ending {
        self.block().ending()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_the_same_wherever_the_message_is_cut() {
        for message in [
            &b"A: b\r\n c\r\nD: e\r\n\r\nbody\r\n\r\n"[..],
            b"A: b\r\nbody without a blank line\r\nmore\r\n",
            b"\r\nbody",
            b"A: b\r\n",
        ] {
            let whole = HeaderBlock::new(message);
            for step in 1..=message.len() {
                let mut gatherer = Gatherer::new(100);
                let mut taken = Vec::new();
                for piece in message.chunks(step) {
                    taken.push(gatherer.push(piece));
                }
                let block = gatherer.block();
                assert_eq!(block.as_bytes(), whole.as_bytes(), "{message:?} by {step}");
                assert_eq!(block.body_offset(), whole.body_offset());
                let is_whole = whole.ending() != Ending::Message;
                assert_eq!(taken.contains(&Gathered::Whole), is_whole, "{message:?} by {step}");
            }
        }
    }

    #[test]
    fn a_block_over_the_limit_is_told_and_not_kept() {
        let mut gatherer = Gatherer::new(10);
        assert_eq!(gatherer.push(b"A: b\r\n"), Gathered::More);
        assert_eq!(gatherer.push(b"C: d\r\n\r\n"), Gathered::TooLarge);
        assert_eq!(gatherer.push(&[b'x'; 1000]), Gathered::TooLarge);
        assert!(gatherer.bytes.len() <= 12);
        let mut fits = Gatherer::new(10);
        assert_eq!(fits.push(b"A: b56\r\n\r\nbody"), Gathered::Whole);
    }
}
