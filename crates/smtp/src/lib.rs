//! SMTP and LMTP as pure conversations, server and client.
//!
//! Bytes go in, steps come out; nothing here knows sockets, clocks, policy or storage. What a
//! session cannot decide by itself it asks, and waits for the answer.
//! Source: RFC 5321, and the extensions each module names.

pub mod body;
pub mod client;
pub mod command;
pub mod reply;
pub mod server;
