//! What `FETCH` needs of messages' contents, and how it is handed over.
//!
//! What stands in a row already (flags, dates, sizes) is never asked for. Envelopes and structures
//! are rendered elsewhere, and only placed here. Source: RFC 9051 section 6.4.5.

use std::ops::Range;

use mailwright_words::Id;

/// One thing asked of a message's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// `ENVELOPE`: the parenthesised list.
    Envelope,
    /// `BODY`: the parenthesised list without extension data.
    Body,
    /// `BODYSTRUCTURE`: the parenthesised list with extension data.
    BodyStructure,
    /// `PREVIEW`: UTF-8 text. [`Piece::Nil`] when there is none yet. Source: RFC 8970.
    Preview {
        /// Only one that is at hand.
        lazy: bool,
    },
    /// `THREADID`: a [`Piece::Id`]. Source: RFC 8474 section 5.2.
    ThreadId,
    /// `BODY[..]`: octets as they came; [`Piece::Nil`] when there is no such part.
    Section {
        /// Which.
        section: Section,
        /// Which octets of it.
        partial: Option<Partial>,
    },
    /// `BINARY[..]`: octets of the part with its transfer encoding undone, [`Piece::Nil`] when
    /// there is no such part. Source: RFC 3516.
    Binary {
        /// The part's number; empty for the whole message.
        part: Vec<u32>,
        /// Which octets of it.
        partial: Option<Partial>,
    },
    /// `BINARY.SIZE[..]`: the number of those octets, a [`Piece::Number`].
    BinarySize {
        /// The part's number; empty for the whole message.
        part: Vec<u32>,
    },
}

/// A section of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Section {
    /// The part's number, such as 2.1; empty for the message itself.
    pub part: Vec<u32>,
    /// What of it.
    pub of: Part,
}

/// What of a part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// All of it: the message, or the part's content.
    All,
    /// The header, of the message or of the message that the part is.
    Header,
    /// The header's fields of these names, and the empty line behind them.
    HeaderFields(Vec<Box<str>>),
    /// The header's other fields, and the empty line behind them.
    HeaderFieldsNot(Vec<Box<str>>),
    /// What follows the header.
    Text,
    /// The part's own header. Only with a part's number.
    Mime,
}

/// A run of octets. Beyond the end it is shorter, or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partial {
    /// Where it begins.
    pub offset: u64,
    /// How many octets it has at most; never 0.
    pub octets: u64,
}

/// One need of one message, met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// There is none.
    Nil,
    /// These octets of [`Fetched::octets`].
    Inline(Range<usize>),
    /// So many octets, which [`Question::More`](crate::Question::More) then asks for.
    Large(u64),
    /// A number.
    Number(u64),
    /// An identifier.
    Id(Id),
    /// It cannot be decoded: the transfer encoding is unknown or broken.
    UnknownCte,
    /// The message is gone, with its content. It stands for each need of the message.
    Gone,
}

/// The needs of some messages, met: for each message in order each need in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fetched {
    /// What [`Piece::Inline`] refers to.
    pub octets: Vec<u8>,
    /// The pieces; as many as messages times needs.
    pub pieces: Vec<Piece>,
}

impl Fetched {
    /// Adds a piece that is these octets.
    pub fn push(&mut self, octets: &[u8]) {
        let start = self.octets.len();
        self.octets.extend_from_slice(octets);
        self.pieces.push(Piece::Inline(start..self.octets.len()));
    }
}
