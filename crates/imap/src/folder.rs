//! Mailboxes as an account lists them, and what an open one is beside its rows.
//!
//! Source: RFC 9051 section 7.3, RFC 6154, RFC 9208.

use mailwright_view::{NumberSet, Snapshot};
use mailwright_words::Id;

/// What a mailbox is for. Source: RFC 6154 section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// `\All`: every message of the account.
    All,
    /// `\Archive`.
    Archive,
    /// `\Drafts`.
    Drafts,
    /// `\Flagged`: every message with `\Flagged`.
    Flagged,
    /// `\Junk`.
    Junk,
    /// `\Sent`.
    Sent,
    /// `\Trash`.
    Trash,
}

impl SpecialUse {
    /// All of them with their names.
    pub const NAMES: [(Self, &'static str); 7] = [
        (Self::All, "\\All"),
        (Self::Archive, "\\Archive"),
        (Self::Drafts, "\\Drafts"),
        (Self::Flagged, "\\Flagged"),
        (Self::Junk, "\\Junk"),
        (Self::Sent, "\\Sent"),
        (Self::Trash, "\\Trash"),
    ];

    /// Its name, such as `\Sent`.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// The one of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(use_, _)| *use_)
    }
}

/// A name in an account's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its whole name.
    pub name: String,
    /// The mailbox of this name; `None` when there is none, but the name is subscribed to.
    pub mailbox: Option<Id>,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// Whether the name is subscribed to.
    pub subscribed: bool,
}

/// How full a mailbox is. Source: RFC 9051 section 6.3.11.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The mailbox.
    pub mailbox: Id,
    /// Messages in it.
    pub messages: u32,
    /// Of them recent ones. Source: RFC 3501 section 6.3.10.
    pub recent: u32,
    /// Of them without `\Seen`.
    pub unseen: u32,
    /// Of them with `\Deleted`.
    pub deleted: u32,
    /// The UID of the next message.
    pub uidnext: u32,
    /// Stands for the UIDs given out.
    pub uidvalidity: u32,
    /// The last change.
    pub highest_modseq: u64,
    /// Octets of all messages.
    pub bytes: u64,
    /// Octets of messages with `\Deleted`. Source: RFC 9208 section 4.1.4.
    pub deleted_bytes: u64,
}

/// An open mailbox.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its rows.
    pub snapshot: Snapshot,
    /// UIDs of which this session is the first to know.
    pub recent: NumberSet,
    /// Whether nothing of it can be changed, although that was asked for.
    pub read_only: bool,
    /// Whether it takes more keywords than it has.
    pub more_keywords: bool,
}

/// The limits of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Octets of all messages.
    pub storage: Usage,
    /// Number of messages.
    pub messages: Usage,
}

/// How much is used, and of how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// What is used.
    pub used: u64,
    /// The limit, when there is one.
    pub limit: Option<u64>,
}
