//! POP3 as a pure conversation: the server's side.
//!
//! Bytes go in, steps come out; nothing here knows sockets, clocks, accounts or storage. What a
//! session cannot decide by itself it asks, and waits for the answer. A maildrop is a snapshot of
//! a mailbox: its numbers stay what they are while the session lasts.
//! Source: RFC 1939, 2449 (extensions), 2595 (STLS), 3206 (response codes), 5034 (AUTH), 6856
//! (UTF8, LANG).

mod answered;
mod capability;
mod command;
mod maildrop;
mod outgoing;
mod question;
mod reply;
mod session;
mod settings;
mod table;

pub use command::{Command, Malformed};
pub use outgoing::Outgoing;
pub use question::{Answer, Event, Question, Step};
pub use reply::{Code, Reply};
pub use session::Session;
pub use settings::{Peer, Settings};
