//! Where the sections of a message are: numbers of parts become ranges of octets.
//!
//! It is kept with the message, so that `BODY[1.2]` is a read of a range, and nothing is parsed.
//! Source: RFC 9051 section 6.4.5.1 (sections), RFC 3516 (`BINARY`).

mod bytes;

use std::ops::Range;

use crate::structure::{Kind, Structure};
use crate::transfer::{Encoding, decoded_len};

pub use bytes::PartsError;

/// What of a section is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The whole message, or the body of a part: `BODY[]`, `BODY[1.2]`.
    All,
    /// The header of the message, or of an attached one: `HEADER`.
    Header,
    /// The body of the message, or of an attached one: `TEXT`.
    Text,
    /// The header of a part: `MIME`.
    Mime,
}

/// A section as octets of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The octets.
    pub range: Range<u64>,
    /// How they are encoded for transfer, for `BINARY`; [`Encoding::Identity`] when the section is
    /// not the body of a leaf.
    pub encoding: Encoding,
    /// How many they are once decoded.
    pub decoded_size: u64,
}

/// The places of all parts of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    encoding: Encoding,
    /// The index behind the last part inside.
    after: usize,
    header: u64,
    body: u64,
    end: u64,
    decoded_size: u64,
}

impl Parts {
    /// The places of the parts of `structure`.
    pub fn new(structure: &Structure<'_>) -> Self {
        let entries = structure.parts().iter().map(|part| {
            let is_leaf = part.kind() == Kind::Leaf;
            let encoding = if is_leaf { part.encoding() } else { Encoding::Identity };
            Entry {
                kind: part.kind(),
                encoding,
                after: part.after,
                header: wide(part.header.start),
                body: wide(part.body.start),
                end: wide(part.body.end),
                decoded_size: wide(decoded_len(encoding, part.body_bytes())),
            }
        });
        Self { entries: entries.collect() }
    }

    /// The section of these numbers; nothing when the message has none such.
    ///
    /// `path` is empty for the whole message.
    pub fn find(&self, path: &[u32], of: Of) -> Option<Section> {
        let (index, is_part) = self.resolve(path)?;
        let entry = self.entries.get(index)?;
        // `HEADER` and `TEXT` are those of a message: the whole, or the one a part holds.
        let message = match (is_part, entry.kind) {
            (false, _) => Some(index),
            (true, Kind::Message) => Some(index + 1),
            (true, _) => None,
        };
        match of {
            Of::All if is_part && entry.kind == Kind::Leaf => Some(Section {
                range: entry.body..entry.end,
                encoding: entry.encoding,
                decoded_size: entry.decoded_size,
            }),
            Of::All if is_part => Some(plain(entry.body..entry.end)),
            Of::All => Some(plain(entry.header..entry.end)),
            Of::Mime => is_part.then(|| plain(entry.header..entry.body)),
            Of::Header => {
                let message = self.entries.get(message?)?;
                Some(plain(message.header..message.body))
            }
            Of::Text => {
                let message = self.entries.get(message?)?;
                Some(plain(message.body..message.end))
            }
        }
    }

    /// The range of the section of these numbers.
    pub fn range(&self, path: &[u32], of: Of) -> Option<Range<u64>> {
        self.find(path, of).map(|section| section.range)
    }

    /// Where the header of the whole message is.
    pub fn header(&self) -> Range<u64> {
        self.range(&[], Of::Header).unwrap_or(0..0)
    }

    /// How many parts there are, the message itself counted.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no part; there always is one.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The part of these numbers, and whether it is meant as a part, not as the whole message.
    fn resolve(&self, path: &[u32]) -> Option<(usize, bool)> {
        let mut index = 0;
        let mut is_part = false;
        for &number in path {
            let entry = self.entries.get(index)?;
            let container = match (is_part, entry.kind) {
                (true, Kind::Leaf) => return None,
                (true, Kind::Message) => index + 1,
                _ => index,
            };
            index = self.child(container, number)?;
            is_part = true;
        }
        Some((index, is_part))
    }

    /// The part of this number in a message or multipart. A message that is no multipart is its own
    /// part 1.
    fn child(&self, container: usize, number: u32) -> Option<usize> {
        let entry = self.entries.get(container)?;
        if entry.kind != Kind::Multipart {
            return (number == 1).then_some(container);
        }
        let mut child = container + 1;
        for _ in 1..number {
            child = self.entries.get(child).filter(|_| child < entry.after)?.after;
        }
        (number > 0 && child < entry.after).then_some(child)
    }
}

const fn plain(range: Range<u64>) -> Section {
    let size = range.end.saturating_sub(range.start);
    Section { range, encoding: Encoding::Identity, decoded_size: size }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
