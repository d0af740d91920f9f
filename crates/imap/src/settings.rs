//! What a listener allows and announces, and what is known of a client before it speaks.
//!
//! Plain values: who fills them, and from which configuration, is not this crate's matter.

use std::time::Duration;

/// The rules of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Our name, as the greeting says it.
    pub hostname: String,
    /// Our version, as `ID` says it; empty: it does not.
    pub version: String,
    /// Whether `STARTTLS` is offered on a connection that is not yet encrypted.
    pub tls: bool,
    /// SASL mechanisms, best first. They are offered on encrypted connections and to trusted
    /// peers only, those that end in `-PLUS` on encrypted ones only.
    pub auth: Vec<String>,
    /// Largest message that `APPEND` takes, in octets. Source: RFC 7889.
    pub append_size_max: u64,
    /// Most messages of one `APPEND`.
    pub append_messages_max: usize,
    /// Longest line before login, in octets.
    pub early_line_max: usize,
    /// Largest literal before login, in octets.
    pub early_literal_max: usize,
    /// Largest command with its literals before login, in octets.
    pub early_command_max: usize,
    /// Longest line, in octets. Source: RFC 7162 section 4 asks for 8192 at least.
    pub line_max: usize,
    /// Largest literal that is not a message, in octets.
    pub literal_max: usize,
    /// Largest command with its literals, messages left out, in octets.
    pub command_max: usize,
    /// Deepest nesting of parentheses and keys.
    pub nesting_max: usize,
    /// Most keys of one search.
    pub search_keys_max: usize,
    /// Most items of one fetch.
    pub fetch_items_max: usize,
    /// Commands before login; one more ends the session.
    pub early_commands_max: u32,
    /// Failed attempts to log in; one more ends the session.
    pub login_failures_max: u32,
    /// Malformed commands since the last one that was understood; one more ends the session.
    pub errors_max: u32,
    /// Most folders that one `LIST` tells.
    pub folders_max: usize,
    /// How long a client may say nothing before login.
    pub early_timeout: Duration,
    /// How long it may say nothing after. Source: RFC 9051 section 5.4 asks for 30 minutes.
    pub timeout: Duration,
    /// How long it may say nothing within a literal.
    pub literal_timeout: Duration,
}

impl Settings {
    /// The usual rules of a listener on the server `hostname`, without TLS.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            version: String::new(),
            tls: false,
            auth: Vec::new(),
            append_size_max: 50 << 20,
            append_messages_max: 256,
            early_line_max: 8 << 10,
            early_literal_max: 4 << 10,
            early_command_max: 16 << 10,
            line_max: 64 << 10,
            literal_max: 64 << 10,
            command_max: 256 << 10,
            nesting_max: 32,
            search_keys_max: 1000,
            fetch_items_max: 200,
            early_commands_max: 50,
            login_failures_max: 5,
            errors_max: 20,
            folders_max: 10_000,
            early_timeout: Duration::from_mins(3),
            timeout: Duration::from_mins(30),
            literal_timeout: Duration::from_mins(5),
        }
    }
}

/// The client, as far as the connection tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Whether it comes from a network that may log in without encryption.
    pub trusted: bool,
    /// Whether the connection is encrypted from its first byte. Source: RFC 8314.
    pub tls: bool,
}
