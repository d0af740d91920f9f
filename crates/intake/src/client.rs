//! Who hands in a message, and over what.

use std::net::SocketAddr;

use mailwright_config::Role;
use mailwright_directory::Identity;
use mailwright_words::trace::Protocol;

/// The client of a transaction.
#[derive(Debug, Clone)]
pub struct Client {
    /// The name of the listener it came to.
    pub listener: String,
    /// What that listener is for.
    pub role: Role,
    /// Where it is; a program on this machine has no address.
    pub peer: Option<SocketAddr>,
    /// How it named itself.
    pub hello: String,
    /// How it speaks.
    pub protocol: Protocol,
    /// Version and cipher of its TLS.
    pub tls: Option<String>,
    /// Who it proved to be.
    pub identity: Option<Identity>,
    /// Whether it is in a network that may submit without a password.
    pub is_trusted: bool,
    /// Largest message its listener takes, in octets.
    pub size_max: u64,
    /// Most recipients its listener takes for a message.
    pub recipients_max: usize,
    /// What lists in the DNS say of it, for its messages.
    pub marks: Vec<String>,
    /// What an inbox keeps of its session.
    pub session: Box<Session>,
}

/// What an inbox keeps of the session that brought a message.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// The word for how the client speaks, such as `ESMTPSA`.
    pub protocol: String,
    /// The mechanism by which it authenticated.
    pub mechanism: Option<String>,
    /// As whom.
    pub username: Option<String>,
    /// What both sides said, without passwords and without the message.
    pub conversation: String,
}

impl Client {
    /// Whether it may send to anywhere. On an MTA listener nobody may, whoever they are.
    pub(crate) fn may_relay(&self) -> bool {
        self.role == Role::Msa && (self.identity.is_some() || self.is_trusted)
    }

    /// Whether its messages may go before those of others.
    pub(crate) fn may_be_urgent(&self) -> bool {
        self.may_relay() || self.is_trusted
    }
}
