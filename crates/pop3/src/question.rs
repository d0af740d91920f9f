//! What a session says to its driver, and what it is told in return.
//!
//! After a [`Step::Ask`] the session does nothing until
//! [`Session::answer`](crate::Session::answer).

use mailwright_view::{NumberSet, Row, Snapshot};

use crate::reply::Reply;

/// What a session wants done next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Send these bytes. Several may be sent as one.
    Write(Vec<u8>),
    /// Answer this, before anything else.
    Ask(Question),
    /// What was written is to be sent; then the TLS handshake begins, then
    /// [`Session::tls`](crate::Session::tls).
    StartTls,
    /// What was written is to be sent; then the connection ends.
    Close,
}

/// What a session cannot decide by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The client wants to log in. `USER` and `PASS` come as `PLAIN`, since they mean the same.
    Auth {
        /// `PLAIN`, or one of [`Settings::auth`](crate::Settings::auth), in upper case.
        mechanism: String,
        /// Its initial response, decoded; `Some` of nothing when it was `=`.
        initial: Option<Vec<u8>>,
    },
    /// The client's response to the last challenge, decoded.
    AuthResponse(Vec<u8>),
    /// The dialogue is over without a result. Its answer is not used.
    AuthCancel,
    /// The first octets of a message of the maildrop.
    Message {
        /// Its number, from 1.
        number: u32,
        /// Its row.
        row: Row,
    },
    /// The next octets of that message.
    More,
    /// The client leaves: the messages of these UIDs are removed, and the maildrop is free for
    /// another session before the answer comes.
    Leave(NumberSet),
}

/// What a [`Question`] is answered with.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This is said to the client, which may go on; to any question but [`Question::More`].
    Refused(Reply),
    /// This is said to the client, and the session ends; where `Refused` fits.
    Closed(Reply),
    /// To [`Question::Auth`] and [`Question::AuthResponse`]: the dialogue goes on with this.
    Challenge(Vec<u8>),
    /// To [`Question::Auth`] and [`Question::AuthResponse`]: the client is who it says, and this
    /// is its maildrop.
    Opened(Snapshot),
    /// To [`Question::Message`] and [`Question::More`].
    Piece {
        /// Octets of the message as it is stored.
        octets: Vec<u8>,
        /// Whether it has no more.
        last: bool,
    },
    /// To [`Question::More`]: the rest cannot be read; the session ends, so that the client does
    /// not take a part for the whole.
    Broken,
    /// To [`Question::AuthCancel`] and [`Question::Leave`]: done.
    Done,
}

/// What befalls a session from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The client sends no more, or is gone. What is not yet written is given up.
    Eof,
    /// The client said nothing for [`Session::timeout`](crate::Session::timeout).
    TimedOut,
    /// The server stops.
    Shutdown,
}
