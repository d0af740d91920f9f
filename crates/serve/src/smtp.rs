//! SMTP and LMTP: the questions of a session, answered.
//!
//! A [`Door`] is what the sessions of a listener share, a [`Conversation`] is one session. Every
//! decision about a message is one INFO line and one count.

mod anyone;
mod auth;
mod conversation;
mod door;
mod fault;
mod lists;
#[cfg(test)]
mod tests;
mod transaction;

pub use conversation::Conversation;
pub use door::{Door, DoorError};
