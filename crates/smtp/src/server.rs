//! The server's side of a conversation: bytes in, steps and questions out.
//!
//! [`Session`] is the state machine. It knows the order of commands, their syntax and limits,
//! and nothing of users, domains or disks: those are its [`Question`]s.
//! Source: RFC 5321, RFC 2033 (LMTP), RFC 2920 (PIPELINING), RFC 3030 (CHUNKING).

mod answered;
mod ehlo;
mod log;
mod message;
mod question;
mod reply;
mod session;
mod settings;
mod table;

pub use log::Refused;
pub use question::{Answer, Event, Question, Step};
pub use session::Session;
pub use settings::{FutureRelease, Peer, Role, Settings};

pub use crate::body::BareNewlines;
pub use crate::command::{By, ForwardPath, Hold, MailFrom, RcptTo};
