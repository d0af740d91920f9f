//! What `SEARCH`, `SORT` and `THREAD` look for.
//!
//! A program is what the client asked, with all that only the session knows resolved: sequence
//! numbers, `$` and `\Recent` are UIDs, strings are UTF-8. Source: RFC 9051 section 6.4.4,
//! RFC 5032, RFC 5256, RFC 7162 section 3.1.5, RFC 8474 section 5, RFC 8514.

use mailwright_view::NumberSet;
use mailwright_words::{Id, Timestamp};

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// All of these have to hold; none: every message.
    pub keys: Vec<Key>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// All of them hold.
    And(Vec<Self>),
    /// One of them holds.
    Or(Box<(Self, Self)>),
    /// It does not hold.
    Not(Box<Self>),
    /// The UID is one of these.
    Uids(NumberSet),
    /// All of these flags of the standard are set.
    Has(u8),
    /// The keyword of this name is set; names are compared without regard to case.
    Keyword(Box<str>),
    /// The message has more octets.
    Larger(u64),
    /// The message has fewer octets.
    Smaller(u64),
    /// The internal date is of an earlier day.
    Before(Day),
    /// It is of this day.
    On(Day),
    /// It is of this day or a later one.
    Since(Day),
    /// The day of the `Date` field, as it stands there, is earlier.
    SentBefore(Day),
    /// It is this day.
    SentOn(Day),
    /// It is this day or a later one.
    SentSince(Day),
    /// The message came into the mailbox on an earlier day. Source: RFC 8514.
    SavedBefore(Day),
    /// It came on this day.
    SavedOn(Day),
    /// It came on this day or later.
    SavedSince(Day),
    /// The internal date is this many seconds ago, or more. Source: RFC 5032.
    Older(u32),
    /// It is this many seconds ago, or less.
    Younger(u32),
    /// The last change of the row was this one or a later one.
    ModSeq(u64),
    /// The field of this name is there, and contains the text; `From`, `To`, `Cc`, `Bcc` and
    /// `Subject` too.
    Header {
        /// The field's name, as the client wrote it.
        name: Box<str>,
        /// The text; an empty one is contained in any.
        text: Box<str>,
    },
    /// The body contains the text.
    Body(Box<str>),
    /// Header or body contain the text.
    Text(Box<str>),
    /// The content has this identifier; `None` is one that none has.
    EmailId(Option<Id>),
    /// The conversation has this identifier; `None` is one that none has.
    ThreadId(Option<Id>),
}

impl Key {
    /// Whether rows alone tell whether it holds.
    pub fn needs_only_rows(&self) -> bool {
        match self {
            Self::And(keys) => keys.iter().all(Self::needs_only_rows),
            Self::Or(pair) => pair.0.needs_only_rows() && pair.1.needs_only_rows(),
            Self::Not(key) => key.needs_only_rows(),
            Self::SentBefore(_)
            | Self::SentOn(_)
            | Self::SentSince(_)
            | Self::Header { .. }
            | Self::Body(_)
            | Self::Text(_)
            | Self::ThreadId(_) => false,
            _ => true,
        }
    }
}

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The day of a moment, in UTC: the one that `INTERNALDATE` tells.
    pub fn of(moment: Timestamp) -> Self {
        let day = moment.ms().div_euclid(86_400_000);
        Self(i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX }))
    }
}

/// A way to find conversations. Source: RFC 5256 section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `ORDEREDSUBJECT`.
    OrderedSubject,
    /// `REFERENCES`.
    References,
}

/// One key of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// Whether the largest comes first.
    pub reverse: bool,
    /// By what.
    pub by: Criterion,
}

/// What is compared. Source: RFC 5256 section 3, RFC 5957.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Criterion {
    /// The internal date, with its time.
    Arrival,
    /// The mailbox part of the first address of `Cc`.
    Cc,
    /// The moment of `Date`, the internal date when there is none.
    Date,
    /// The mailbox part of the first address of `From`.
    From,
    /// The size in octets.
    Size,
    /// The base subject.
    Subject,
    /// The mailbox part of the first address of `To`.
    To,
    /// What a person reads as the sender. Source: RFC 5957.
    DisplayFrom,
    /// What a person reads as the recipient. Source: RFC 5957.
    DisplayTo,
}

/// A message in a conversation, or the place of one that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    /// How far below the beginning; 0 begins a conversation. Never more than one below the node
    /// before it.
    pub depth: u32,
    /// The message; `None` for one that is missing, which then has nodes below it.
    pub uid: Option<u32>,
}
