//! What a session says to its driver, and what it is told in return.
//!
//! After a [`Step::Ask`] the session does nothing until it is answered. Any question may be
//! answered by [`Answer::Refused`]; what the client then reads is the session's matter. Mailbox
//! names are UTF-8 with `/` between levels, and `INBOX` is always in upper case.

use std::fmt;
use std::sync::Arc;

use mailwright_view::{NumberSet, Row, Snapshot};
use mailwright_words::{Id, Timestamp};

use crate::{
    Algorithm, Fetched, Folder, Need, Node, Opened, Program, Quota, Refusal, SortKey, SpecialUse,
    Status,
};

/// What a session wants done next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Send these bytes. Several may be sent as one.
    Write(Vec<u8>),
    /// Answer this, before anything else.
    Ask(Question),
    /// What was written is to be sent; then the TLS handshake begins.
    StartTls,
    /// What was written is to be sent; then the connection ends.
    Close,
}

/// What a session cannot decide by itself.
#[derive(Debug, Clone)]
pub enum Question {
    /// May this client speak? [`Answer::Done`] greets it, a refusal turns it away.
    Connect,
    /// `LOGIN`. Answered by [`Answer::Authenticated`].
    Login {
        /// Who logs in.
        name: String,
        /// With what.
        password: Password,
    },
    /// `AUTHENTICATE`. Answered by [`Answer::Challenge`] or [`Answer::Authenticated`].
    Auth {
        /// One of [`Settings::auth`](crate::Settings::auth), in upper case.
        mechanism: String,
        /// Its initial response, decoded; `Some` of nothing when it was `=`.
        initial: Option<Vec<u8>>,
    },
    /// The client's response to the last challenge, decoded. Answered as [`Question::Auth`] is.
    AuthResponse(Vec<u8>),
    /// The dialogue is over without a result. Its answer is not used.
    AuthCancel,
    /// What the client says of itself, for the log. Its answer is not used. Source: RFC 2971.
    Id(Vec<(String, Option<String>)>),
    /// The account's folders. Answered by [`Answer::Folders`].
    Folders,
    /// How full these mailboxes are; at most [`Settings::folders_max`](crate::Settings). Answered
    /// by [`Answer::Statuses`], one for each, `None` for one that is not there.
    Statuses(Vec<String>),
    /// Opens a mailbox, in place of the one that is open. Answered by [`Answer::Opened`]; after a
    /// refusal none is open.
    Select {
        /// Its name.
        name: String,
        /// `EXAMINE`: nothing of it will be changed, and its recent messages stay recent.
        read_only: bool,
    },
    /// Closes the open mailbox, and changes nothing. Its answer is not used.
    Deselect,
    /// The open mailbox as it is now. Answered by [`Answer::Latest`], a refusal when it is gone.
    ///
    /// It is asked at the end of each command and on each [`Event::News`], and has to be cheap.
    Latest,
    /// The UIDs that were expunged from the open mailbox after the change `since`, of `uids`.
    ///
    /// Answered by [`Answer::Vanished`]. When it is no longer known that far back: all of `uids`
    /// that are not there. Source: RFC 7162 section 3.2.5.
    Vanished {
        /// A mod-sequence.
        since: u64,
        /// Which are asked for; never beyond the last UID given out.
        uids: NumberSet,
    },
    /// `CREATE`. Answered by [`Answer::Created`].
    Create {
        /// Its name; levels above it that are missing are made too.
        name: String,
        /// What it is for. Source: RFC 6154 section 3.
        special_use: Vec<SpecialUse>,
    },
    /// `DELETE`. Answered by [`Answer::Done`].
    Delete(String),
    /// `RENAME`. Answered by [`Answer::Done`].
    Rename {
        /// Its name now.
        from: String,
        /// Its new name. What is below it goes along.
        to: String,
    },
    /// `SUBSCRIBE` and `UNSUBSCRIBE`. Answered by [`Answer::Done`].
    Subscribe {
        /// A name; there need not be a mailbox of it.
        name: String,
        /// Whether it is subscribed to now.
        subscribed: bool,
    },
    /// A message of `APPEND` begins. Answered by [`Answer::Done`].
    ///
    /// Several may follow each other, all for the same mailbox; none is there before
    /// [`Question::AppendCommit`].
    AppendBegin(Message),
    /// Octets of the message that began last, at most 64 KiB. Answered by [`Answer::Done`].
    AppendChunk(Vec<u8>),
    /// All messages are whole, as many octets as their beginnings said: they come into the
    /// mailbox at once, or none does. Answered by [`Answer::Appended`]: a promise that they will
    /// not be lost.
    AppendCommit,
    /// What was appended so far is to be dropped. Its answer is not used. After an append
    /// question was refused it comes too, except after [`Question::AppendCommit`].
    AppendAbort,
    /// What is to be told of messages. Answered by [`Answer::Fetched`].
    Fetch {
        /// Of which, ascending. An answer may stop after any of them but the first; the others
        /// are asked for again.
        rows: Vec<Row>,
        /// What of each.
        needs: Arc<[Need]>,
    },
    /// More of what was answered by [`Piece::Large`](crate::Piece::Large). Answered by
    /// [`Answer::Chunk`].
    More {
        /// Of which message.
        row: Row,
        /// What of it; one of the needs of the [`Question::Fetch`].
        need: Need,
        /// Where it goes on, counted from the piece's first octet.
        offset: u64,
        /// How many octets, never beyond the piece's end, at most 256 KiB.
        octets: usize,
    },
    /// `STORE`, and the `\Seen` of `FETCH`. Answered by [`Answer::Stored`].
    Store {
        /// Of which messages of the open mailbox. Those that are gone are passed over.
        uids: NumberSet,
        /// What changes.
        change: Change,
        /// Messages changed after this mod-sequence are left as they are.
        /// Source: RFC 7162 section 3.1.3.
        unchanged_since: Option<u64>,
    },
    /// Removes messages with `\Deleted` from the open mailbox; of these, or all. Answered by
    /// [`Answer::Done`]; what went is seen in the next [`Answer::Latest`].
    Expunge(Option<NumberSet>),
    /// Copies messages of the open mailbox, all or none. Answered by [`Answer::Copied`].
    Copy {
        /// Which. Those that are gone are passed over.
        uids: NumberSet,
        /// Where to.
        to: String,
    },
    /// Moves them, maybe some of them. Answered by [`Answer::Copied`]; that they went is seen in
    /// the next [`Answer::Latest`]. Source: RFC 6851.
    Move {
        /// Which. Those that are gone are passed over.
        uids: NumberSet,
        /// Where to; it may be the same mailbox.
        to: String,
    },
    /// Which rows of the snapshot match. Answered by [`Answer::Found`].
    Search {
        /// Where to look.
        snapshot: Snapshot,
        /// What for.
        program: Arc<Program>,
    },
    /// The same, in an order. Answered by [`Answer::Sorted`]. Source: RFC 5256.
    Sort {
        /// Where to look.
        snapshot: Snapshot,
        /// What for.
        program: Arc<Program>,
        /// By what, the first weighing most. Equal ones stand by sequence number.
        keys: Vec<SortKey>,
    },
    /// The same, as conversations. Answered by [`Answer::Threads`]. Source: RFC 5256.
    Thread {
        /// Where to look.
        snapshot: Snapshot,
        /// What for.
        program: Arc<Program>,
        /// How they are found.
        algorithm: Algorithm,
    },
    /// The account's limits and what is used of them. Answered by [`Answer::Quota`].
    Quota,
}

/// A message of `APPEND`, without its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The mailbox.
    pub mailbox: String,
    /// Flags of the standard, as [`Flags::system`](mailwright_view::Flags) has them.
    pub system: u8,
    /// Keywords by name.
    pub keywords: Vec<Box<str>>,
    /// When it was received, when the client says so.
    pub internal_date: Option<Timestamp>,
    /// How many octets follow; 0 is possible.
    pub size: u64,
    /// Whether NULs and bare newlines may come. Source: RFC 3516 section 4.4.
    pub binary: bool,
}

/// A change of flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These and no others.
    Set {
        /// Flags of the standard.
        system: u8,
        /// Keywords by name.
        keywords: Vec<Box<str>>,
    },
    /// These too.
    Add {
        /// Flags of the standard.
        system: u8,
        /// Keywords by name; new ones are to be made, or [`Refusal::Limit`] said.
        keywords: Vec<Box<str>>,
    },
    /// These no longer.
    Remove {
        /// Flags of the standard.
        system: u8,
        /// Keywords by name; unknown ones are passed over.
        keywords: Vec<Box<str>>,
    },
}

/// A password, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub Vec<u8>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a [`Question`] is answered with.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is not.
    Refused(Refusal),
    /// The dialogue goes on with this.
    Challenge(Vec<u8>),
    /// The client is who it says.
    Authenticated {
        /// Who it is.
        name: String,
    },
    /// The folders, in any order.
    Folders(Arc<[Folder]>),
    /// One for each name asked for.
    Statuses(Vec<Option<Status>>),
    /// The mailbox is open.
    Opened(Opened),
    /// The open mailbox now.
    Latest {
        /// Its rows. The same memory as before when nothing changed.
        snapshot: Snapshot,
        /// UIDs of new rows of which this session is the first to know. Source: RFC 3501
        /// section 2.3.2.
        recent: NumberSet,
    },
    /// These are gone.
    Vanished(NumberSet),
    /// The mailbox was made.
    Created {
        /// Its identifier. Source: RFC 8474 section 4.1.
        mailbox: Id,
    },
    /// The messages are on stable storage.
    Appended {
        /// Of the mailbox.
        uidvalidity: u32,
        /// Their UIDs, ascending as they came.
        uids: NumberSet,
    },
    /// What was asked of the first of the rows, or of all.
    Fetched(Fetched),
    /// Exactly as many octets as were asked for.
    Chunk(Vec<u8>),
    /// The flags were changed.
    Stored {
        /// The mailbox after it.
        snapshot: Snapshot,
        /// Those that were left alone because of `unchanged_since`.
        modified: NumberSet,
    },
    /// The messages were copied or moved; both sets are equally long, and ascend together.
    Copied {
        /// Of the mailbox they are in now.
        uidvalidity: u32,
        /// Their UIDs in the open mailbox.
        source: NumberSet,
        /// Their UIDs where they are now.
        target: NumberSet,
        /// Why a move ended before all were moved.
        stopped: Option<Refusal>,
    },
    /// The UIDs of the rows that match.
    Found(NumberSet),
    /// The UIDs of the rows that match, in their order.
    Sorted(Vec<u32>),
    /// The conversations, one behind the other, each in preorder.
    Threads(Vec<Node>),
    /// The account's limits.
    Quota(Quota),
}

/// What befalls a session from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The client sends no more.
    Eof,
    /// The client said nothing for the time that [`Settings`](crate::Settings) give.
    TimedOut,
    /// The server stops; what is under way may finish.
    Shutdown,
    /// The open mailbox may have changed. Told at any time; it matters within `IDLE`.
    News,
}
