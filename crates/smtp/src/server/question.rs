//! What a session says to its driver, and what it is told in return.
//!
//! After a [`Step::Ask`] the session does nothing until
//! [`Session::answer`](super::Session::answer).

use mailwright_words::Reply;

use crate::command::{MailFrom, RcptTo};

/// What a session wants done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send these bytes. Several may be sent as one.
    Write(Vec<u8>),
    /// Answer this, before anything else.
    Ask(Question),
    /// What was written is to be sent; then the TLS handshake begins, then
    /// [`Session::tls`](super::Session::tls).
    StartTls,
    /// What was written is to be sent; then the connection ends.
    Close,
}

/// What a session cannot decide by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// May this client speak? A positive reply is the greeting, any other one turns it away.
    Connect,
    /// The client calls itself so. The text of a positive reply is not used: the session writes
    /// its keywords.
    Hello(String),
    /// The client wants to authenticate.
    Auth {
        /// One of [`Settings::auth`](super::Settings::auth), in upper case.
        mechanism: String,
        /// Its initial response, decoded; `Some` of nothing when it was `=`.
        initial: Option<Vec<u8>>,
    },
    /// The client's response to the last challenge, decoded.
    AuthResponse(Vec<u8>),
    /// The dialogue is over without a result. Its answer is not used.
    AuthCancel,
    /// May this transaction begin?
    Mail(MailFrom),
    /// Is this recipient taken?
    Rcpt(RcptTo),
    /// The first recipient was taken, and the message begins. A negative reply refuses it.
    Begin,
    /// Octets of the message as it is to be stored, at most 64 KiB. A negative reply refuses the
    /// message, whose rest is then read and dropped.
    Chunk(Vec<u8>),
    /// The message is whole. A positive reply promises that it will not be lost.
    Message,
    /// The transaction is over without a message: what was collected of it is to be dropped.
    Abandon,
}

/// What a [`Question`] is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This is said to the client; a 2xx goes on, anything else refuses.
    Reply(Reply),
    /// One reply for each recipient taken, in their order: to [`Question::Message`] of LMTP.
    Replies(Vec<Reply>),
    /// To [`Question::Auth`] and [`Question::AuthResponse`]: the dialogue goes on with this.
    Challenge(Vec<u8>),
    /// To [`Question::Chunk`], [`Question::Abandon`] and [`Question::AuthCancel`]: done.
    Taken,
    /// To [`Question::Auth`] and [`Question::AuthResponse`]: the client is who it says.
    Authenticated {
        /// What the client is told.
        reply: Reply,
        /// Who it is.
        name: String,
    },
}

/// What befalls a session from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The client sends no more.
    Eof,
    /// The client said nothing for [`Session::timeout`](super::Session::timeout).
    TimedOut,
    /// The server stops; what is under way may finish.
    Shutdown,
}
