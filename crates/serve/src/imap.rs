//! IMAP: the questions of a session, answered from the store.
//!
//! A [`Door`] is what the sessions of a listener share, a [`Conversation`] is one session. What
//! waits for the disk runs on threads that may wait, in pieces that are bounded.

mod auth;
mod change;
mod conversation;
mod digests;
mod door;
mod fetch;
mod folder;
mod large;
mod search;
mod sort;

pub use conversation::Conversation;
pub use door::Door;
