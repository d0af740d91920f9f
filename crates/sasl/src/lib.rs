//! SASL mechanisms, both sides, as pure exchanges.
//!
//! [`server::Exchange`] and [`client::Exchange`] turn messages into messages. They do no IO, know
//! no account and keep no password: where a verdict or a key is needed, the server side asks its
//! caller. Messages are the decoded bytes; the base64 of SMTP, IMAP and POP3 is the protocol's.
//! Source: RFC 4422 (SASL), 4616 (PLAIN), 2195 (CRAM-MD5), 5802, 7677 and 9266 (SCRAM).

pub mod client;
mod cram;
mod crypto;
mod facts;
mod failure;
mod mechanism;
mod prepare;
pub mod scram;
mod secret;
pub mod server;

pub use facts::{ChannelBinding, DecoyKey, Nonce};
pub use failure::Failure;
pub use mechanism::{Mechanism, Unknown};
pub use prepare::{NAME_MAX, PASSWORD_MAX, prepare_name, prepare_password};
pub use secret::Secret;

/// Longest message of a peer that is read, in octets.
pub const MESSAGE_MAX: usize = 4096;
