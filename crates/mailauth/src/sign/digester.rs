//! Reads a message once: its header is kept, its body is hashed.
//!
//! Invariant: memory is bounded by the header's limit, however large the message is.

use mailwright_words::headers::{Ending, Gathered, Gatherer};

use super::BodyHasher;

/// Octets of a header up to which a message is signed.
const HEADER_MAX: usize = 1 << 20;

/// What of a message is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The fields of its header, without the empty line.
    pub(super) header: Vec<u8>,
    /// The hash of its body in relaxed form.
    pub(super) body_hash: [u8; 32],
}

/// Reads a message in pieces.
#[derive(Debug)]
pub struct Digester {
    header: Gatherer,
    /// Octets that came before the header was whole.
    before: usize,
    state: Gathered,
    body: BodyHasher,
}

impl Default for Digester {
    fn default() -> Self {
        Self {
            header: Gatherer::new(HEADER_MAX),
            before: 0,
            state: Gathered::More,
            body: BodyHasher::default(),
        }
    }
}

impl Digester {
    /// Takes the next octets of the message.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.state {
            Gathered::TooLarge => {}
            Gathered::Whole => self.body.push(bytes),
            Gathered::More => {
                self.state = self.header.push(bytes);
                if self.state == Gathered::Whole {
                    // The block ended within these octets.
                    let start = self.header.block().body_offset().saturating_sub(self.before);
                    self.body.push(bytes.get(start..).unwrap_or_default());
                }
                self.before = self.before.saturating_add(bytes.len());
            }
        }
    }

    /// What was read; none of a message whose header is too large, or runs into its body without
    /// an empty line: others may see another end of it than we do.
    pub fn finish(self) -> Option<Digest> {
        if self.state == Gathered::TooLarge || self.header.ending() == Ending::Junk {
            return None;
        }
        let header = self.header.block().as_bytes().to_vec();
        Some(Digest { header, body_hash: self.body.finish() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(message: &[u8], size: usize) -> Option<Digest> {
        let mut digester = Digester::default();
        message.chunks(size).for_each(|piece| digester.push(piece));
        digester.finish()
    }

    #[test]
    fn a_message_is_the_same_wherever_it_is_cut() {
        for message in
            ["A: b\r\nC: d\r\n e\r\n\r\nbody\r\n\r\nmore\r\n", "A: b\r\n\r\n", "A: b\r\n"]
        {
            let whole = digest(message.as_bytes(), 1000).unwrap();
            for size in 1..20 {
                assert_eq!(digest(message.as_bytes(), size).as_ref(), Some(&whole), "{size}");
            }
        }
        let digest = digest(b"A: b\r\n\r\nx", 3).unwrap();
        assert_eq!(digest.header, b"A: b\r\n");
        let mut body = BodyHasher::default();
        body.push(b"x\r\n");
        assert_eq!(digest.body_hash, body.finish());
    }

    #[test]
    fn a_header_without_a_clear_end_is_not_signed() {
        assert_eq!(digest(b"A: b\r\nhello\r\n\r\nx", 4), None);
        let large = format!("A: {}\r\n\r\nx", "x".repeat(HEADER_MAX));
        assert_eq!(digest(large.as_bytes(), 5000), None);
    }
}
