//! What tests share: transcripts, and the small world they play in.
//!
//! For development only: no crate depends on it but in its tests.

pub mod maildrop;
pub mod policy;
pub mod transcript;
