//! Limits of sessions and messages, and how long each side may take.
//!
//! Bytes from the network never take memory without a bound: the bounds stand here.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// Limits of sessions and messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest message taken, in octets; it is what `SIZE` offers. Default 50 MiB.
    ///
    /// Source: RFC 1870 section 4.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub message_size_max: u64,
    /// Most recipients of one message in a session. Default 1000.
    ///
    /// Source: RFC 5321 section 4.5.3.1.8, which asks for at least 100.
    pub recipients_max: usize,
    /// Longest line of a message taken, in octets without its CRLF. Default 64 KiB.
    ///
    /// Source: RFC 5321 section 4.5.3.1.6, which asks for at least 998.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub line_max: u64,
    /// Largest header of a message, in octets. Default 256 KiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub header_size_max: u64,
    /// Most header fields of a message. Default 1000.
    pub header_fields_max: usize,
    /// Deepest nesting of MIME parts. Default 64.
    pub mime_depth_max: usize,
    /// Most MIME parts of a message. Default 2000.
    pub mime_parts_max: usize,
    /// Most addresses that one recipient may lead to, over all aliases, lists and forwards.
    /// Default 10000.
    pub expansion_max: usize,
    /// Most addresses that the recipients of one message may lead to, all together; a further
    /// recipient is put off with 452. Default 20000.
    pub expansion_sum_max: usize,
    /// Most `Received` fields; with more the message is taken for a loop. Default 50.
    ///
    /// Source: RFC 5321 section 6.3.
    pub hops_max: usize,
    /// Most refused commands in a session before it is closed. Default 20.
    pub errors_max: usize,
    /// Most commands in a session before it is closed. Default 10000.
    pub commands_max: usize,
    /// Most messages in a session before it is closed. Default 1000.
    pub messages_max: usize,
    /// Most failed attempts to authenticate in a session before it is closed. Default 3.
    pub auth_failures_max: usize,
    /// Most sessions open at once on a listener. Default 1000.
    pub sessions_max: usize,
    /// Most sessions open at once from one address. Default 100.
    pub sessions_per_address_max: usize,
    /// Part of `sessions_max`, in percent, from which on a listener counts as overloaded: it waits
    /// for its clients for `timeouts.overload` only, and forgives one error. Default 80.
    pub overload_percent: u8,
    /// Memory for messages that are coming in, over all sessions, in octets; past it they are
    /// written to files as they come. Default 128 MiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub buffered_bodies_max: u64,
    /// Largest message that is kept in memory until it is stored, in octets. Default 1 MiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub buffered_body_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size_max: 50 << 20,
            recipients_max: 1000,
            line_max: 64 << 10,
            header_size_max: 256 << 10,
            header_fields_max: 1000,
            mime_depth_max: 64,
            mime_parts_max: 2000,
            expansion_max: 10_000,
            expansion_sum_max: 20_000,
            hops_max: 50,
            errors_max: 20,
            commands_max: 10_000,
            messages_max: 1000,
            auth_failures_max: 3,
            sessions_max: 1000,
            sessions_per_address_max: 100,
            overload_percent: 80,
            buffered_bodies_max: 128 << 20,
            buffered_body_max: 1 << 20,
        }
    }
}

/// How long each side of a session may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// How long a client may say nothing between commands. Default 5m.
    ///
    /// Source: RFC 5321 section 4.5.3.2.7, which asks for at least 5 minutes.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub command: Duration,
    /// How long a client may say nothing inside a message. Default 5m.
    ///
    /// Source: RFC 5321 section 4.5.3.2.5, which asks for at least 3 minutes.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub body: Duration,
    /// How long a client may say nothing while its listener is overloaded. Default 10s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub overload: Duration,
    /// How long a TLS handshake may take. Default 30s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub handshake: Duration,
    /// How long a session may last in all. Default 1h.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub session: Duration,
    /// How long a stranger waits for the greeting of an MTA listener; one who talks before it is
    /// refused. Default 1ms, which catches those who do not wait at all; 0s is no wait.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub greeting_delay: Duration,
    /// How long running sessions and deliveries may take to finish when the server stops.
    /// Default 10s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub shutdown: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            command: Duration::from_mins(5),
            body: Duration::from_mins(5),
            overload: Duration::from_secs(10),
            handshake: Duration::from_secs(30),
            session: Duration::from_hours(1),
            greeting_delay: Duration::from_millis(1),
            shutdown: Duration::from_secs(10),
        }
    }
}
