//! Odd messages: whatever the octets are, what is rendered is valid.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "what fails here fails a test")]

mod corpus;
mod imap;
mod properties;
