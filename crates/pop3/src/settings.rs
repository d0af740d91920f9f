//! What a listener allows and announces, and what is known of a client before it speaks.

use std::time::Duration;

/// The rules of one listener.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name, as the greeting says it.
    pub hostname: String,
    /// Whether `STLS` is offered on a connection that is not yet encrypted.
    pub tls: bool,
    /// SASL mechanisms, best first. They and passwords are taken on encrypted connections and
    /// from trusted peers only, those that end in `-PLUS` on encrypted ones only.
    pub auth: Vec<String>,
    /// How long an account waits between logins; it is announced when it is not zero.
    pub login_delay: Duration,
    /// For how many days messages are kept at least; `None` is for ever.
    pub keep_days: Option<u32>,
    /// Commands that are none, or come where they must not; one more ends the session.
    pub errors_max: u32,
    /// Commands before the client has logged in; one more ends the session.
    pub commands_max: u32,
    /// How long a client may say nothing before it has logged in.
    pub login_timeout: Duration,
    /// How long a client may say nothing afterwards. Source: RFC 1939 section 3, which asks for
    /// at least 10 minutes.
    pub idle_timeout: Duration,
}

impl Settings {
    /// The usual rules on the server `hostname`, without TLS and without AUTH.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            tls: false,
            auth: Vec::new(),
            login_delay: Duration::ZERO,
            keep_days: None,
            errors_max: 20,
            commands_max: 100,
            login_timeout: Duration::from_mins(2),
            idle_timeout: Duration::from_mins(10),
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
