//! What tests share: transcripts and the small world they play in, and what fuzzers check.
//!
//! For development only: no crate depends on it but in its tests.

pub mod account;
pub mod fuzz;
pub mod maildrop;
pub mod policy;
pub mod transcript;
