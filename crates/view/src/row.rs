//! One message of a mailbox, without its content.

use mailwright_words::{Id, Timestamp};

use crate::Flags;

/// A message of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its UID; never 0.
    pub uid: u32,
    /// Its flags and keywords.
    pub flags: Flags,
    /// The content, which copies in other mailboxes share.
    pub message: Id,
    /// The change that made the row what it is. Source: RFC 7162 section 3.1.
    pub modseq: u64,
    /// Octets of the message, as `RFC822.SIZE` tells them.
    pub size: u64,
    /// When it was received, or what `APPEND` said.
    pub internal_date: Timestamp,
    /// When it came into this mailbox. Source: RFC 8514.
    pub save_date: Timestamp,
}
