//! The mechanisms by name, and what sets them apart.

use std::fmt;
use std::str::FromStr;

use crate::crypto::Hash;

/// A SASL mechanism we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// The password in one message. Source: RFC 4616.
    Plain,
    /// The password in two messages; never standardised, still the only one some clients know.
    Login,
    /// An HMAC with the password itself as key. Source: RFC 2195.
    CramMd5,
    /// SCRAM without (`plus: false`) or with channel binding. Source: RFC 5802, RFC 7677.
    Scram {
        /// SHA-1 or SHA-256.
        hash: Hash,
        /// Whether it is the `-PLUS` form, bound to the TLS channel.
        plus: bool,
    },
}

impl Mechanism {
    /// All of them, the strongest first: the order of our offer and of our choice as a client.
    pub const ALL: [Self; 7] = [
        Self::Scram { hash: Hash::Sha256, plus: true },
        Self::Scram { hash: Hash::Sha1, plus: true },
        Self::Scram { hash: Hash::Sha256, plus: false },
        Self::Scram { hash: Hash::Sha1, plus: false },
        Self::CramMd5,
        Self::Plain,
        Self::Login,
    ];

    /// Its registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
            Self::Scram { hash: Hash::Sha256, plus: true } => "SCRAM-SHA-256-PLUS",
            Self::Scram { hash: Hash::Sha256, plus: false } => "SCRAM-SHA-256",
            Self::Scram { plus: true, .. } => "SCRAM-SHA-1-PLUS",
            Self::Scram { plus: false, .. } => "SCRAM-SHA-1",
        }
    }

    /// Whether it sends the password readable to whoever reads the connection.
    pub const fn is_readable(self) -> bool {
        matches!(self, Self::Plain | Self::Login)
    }

    /// Whether it needs the channel binding of a TLS connection.
    pub const fn is_bound(self) -> bool {
        matches!(self, Self::Scram { plus: true, .. })
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A mechanism by a name we do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown mechanism")]
pub struct Unknown;

impl FromStr for Mechanism {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name)).ok_or(Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_in_any_case() {
        for mechanism in Mechanism::ALL {
            assert_eq!(mechanism.name().to_lowercase().parse(), Ok(mechanism));
        }
        assert_eq!("GSSAPI".parse::<Mechanism>(), Err(Unknown));
    }
}
