//! Ways of a session, for those who try out what a host makes of them.

/// Ways of a session that a queue never needs to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// Whether commands are sent in groups where the host offers it.
    pub pipelining: bool,
    /// Whether the hello is `EHLO`, with extensions; else it is `HELO`, and there are none.
    pub extended: bool,
    /// Whether a hello follows the greeting; else the session is at rest behind it.
    pub hello: bool,
    /// Whether a message of lines goes with `BDAT`, too, where the host offers it.
    pub chunking: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self { pipelining: true, extended: true, hello: true, chunking: false }
    }
}
