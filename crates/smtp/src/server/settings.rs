//! What a listener allows and announces, and what is known of a client before it speaks.
//!
//! Plain values: who fills them, and from which configuration, is not this crate's matter.

use std::net::SocketAddr;
use std::time::Duration;

use mailwright_words::{Domain, Timestamp};

use crate::body::BareNewlines;

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes mail from other servers for our own recipients.
    Mta,
    /// Takes mail from our own users, for anyone.
    Msa,
    /// Takes mail for mailboxes, with one reply a recipient. Source: RFC 2033.
    Lmtp,
}

/// The rules of one listener.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the listener is for.
    pub role: Role,
    /// Our name, as the reply to `EHLO` says it.
    pub hostname: Domain,
    /// Whether `STARTTLS` is offered on a connection that is not yet encrypted.
    pub tls: bool,
    /// SASL mechanisms, best first; empty: no `AUTH`. They are offered on encrypted connections
    /// and to trusted peers only, those that end in `-PLUS` on encrypted ones only.
    pub auth: Vec<String>,
    /// Largest message taken, in octets. Source: RFC 1870.
    pub message_size_max: u64,
    /// Longest line of a message taken, in octets with its CRLF.
    pub message_line_max: usize,
    /// Recipients of one transaction. Source: RFC 5321 section 4.5.3.1.8 asks for 100 at least.
    pub recipients_max: usize,
    /// Transactions of one session; one more ends it. Source: RFC 9422.
    pub transactions_max: Option<u32>,
    /// Commands refused in a session since it last delivered a message; one more ends it.
    pub errors_max: u32,
    /// Commands of a session since it last delivered a message, accepted recipients left out;
    /// one more ends it.
    pub commands_max: u32,
    /// Whether `BODY=BINARYMIME` is offered. Source: RFC 3030.
    pub binary_mime: bool,
    /// Whether `BY=` is offered, and the shortest time it may ask for. Source: RFC 2852.
    pub deliver_by: Option<Duration>,
    /// Whether `HOLDFOR=` and `HOLDUNTIL=` are offered, and how far ahead.
    pub future_release: Option<FutureRelease>,
    /// Octets that are kept of what both sides say; none by default.
    pub transcript_max: usize,
    /// What becomes of a CR or LF of a message that is no line's end.
    pub bare_newlines: BareNewlines,
    /// How long a client may say nothing where a command is expected.
    pub command_timeout: Duration,
    /// How long a client may say nothing within a message.
    pub body_timeout: Duration,
    /// How long a client may say nothing within an `AUTH` dialogue.
    pub auth_timeout: Duration,
}

impl Settings {
    /// The usual rules of a listener of this `role` on the server `hostname`, without TLS and
    /// without AUTH.
    pub fn new(role: Role, hostname: Domain) -> Self {
        Self {
            role,
            hostname,
            tls: false,
            auth: Vec::new(),
            message_size_max: 50 << 20,
            message_line_max: (64 << 10) + 2,
            recipients_max: 1000,
            transactions_max: None,
            errors_max: 20,
            commands_max: 200,
            binary_mime: false,
            deliver_by: None,
            future_release: None,
            transcript_max: 0,
            bare_newlines: BareNewlines::Refuse,
            command_timeout: Duration::from_mins(5),
            body_timeout: Duration::from_mins(5),
            auth_timeout: Duration::from_mins(1),
        }
    }
}

/// How far ahead a message may be held.
///
/// Source: RFC 4865 section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FutureRelease {
    /// The longest time `HOLDFOR` may ask for.
    pub longest: Duration,
    /// The last moment `HOLDUNTIL` may name.
    pub latest: Timestamp,
}

/// The client, as far as the connection tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Where it connects from.
    pub address: SocketAddr,
    /// Whether it comes from a network that may authenticate without encryption.
    pub trusted: bool,
    /// Whether the connection is encrypted from its first byte. Source: RFC 8314.
    pub tls: bool,
}
