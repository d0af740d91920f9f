//! The mail protocols' doors: a pure session and its answers.
//!
//! A conversation joins a session of `smtp` with `directory` and `intake`; it decides nothing that
//! they can decide, and speaks no protocol itself.

pub mod imap;
mod peer;
pub mod pop3;
mod shared;
pub mod smtp;

pub use shared::Shared;
