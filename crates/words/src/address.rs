//! Addresses of the envelope: `local-part@domain`, and the reverse-path.
//!
//! Parsed once at the border; from then on a value is known to be well formed, and what it
//! prints parses to an equal value. Header fields with display names, groups and comments are
//! not read here. Source: RFC 5321 section 4.1.2, RFC 6531 section 3.3.

mod domain;
mod local;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use domain::Domain;
pub use local::LocalPart;

/// The most octets of an address: a path has 256 with its angle brackets.
///
/// Source: RFC 5321 section 4.5.3.1.3.
pub const ADDRESS_MAX: usize = 254;

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no `@` between a local part and a domain.
    #[error("an address needs a local part, an @ and a domain")]
    At,
    /// The local part is neither a dot-string nor a quoted string.
    #[error("the local part of the address is malformed")]
    Local,
    /// The domain is not made of valid labels.
    #[error("the domain of the address is malformed")]
    Domain,
    /// The domain is in brackets, and no IPv4 or `IPv6:` literal.
    #[error("the address literal is malformed")]
    Literal,
    /// A part, or the whole, has too many octets.
    #[error("the address is too long")]
    TooLong,
}

/// The address of a mailbox.
///
/// Equality compares the local part with case, as RFC 5321 section 2.4 wants; for a lookup
/// compare [`key`](Self::key).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: LocalPart,
    domain: Domain,
}

impl Address {
    /// Reads `local-part@domain`, with no angle brackets.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = LocalPart::split(text)?;
        Self::new(local, Domain::parse(domain)?)
    }

    /// The address of `local` at `domain`.
    ///
    /// Errors: [`AddressError::TooLong`] when both together are.
    pub fn new(local: LocalPart, domain: Domain) -> Result<Self, AddressError> {
        if local.wire_len() + 1 + domain.as_str().len() > ADDRESS_MAX {
            return Err(AddressError::TooLong);
        }
        Ok(Self { local, domain })
    }

    /// The meaning of the local part: unquoted, case kept.
    pub fn local(&self) -> &str {
        self.local.as_str()
    }

    /// The domain.
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The lower-case form by which addresses are looked up; it is not for the wire.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local().to_lowercase(), self.domain.as_str())
    }

    /// Whether it needs no SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.local().is_ascii()
    }

    /// Splits the local part at its first `separator`: `ann+lists` is `ann` with detail `lists`.
    ///
    /// An address with nothing before the separator is one without detail.
    pub fn subaddress(&self, separator: char) -> (Self, Option<&str>) {
        let split = self.local().split_once(separator).filter(|(base, _)| !base.is_empty());
        let base = split.and_then(|(base, detail)| Some((LocalPart::new(base).ok()?, detail)));
        match base {
            Some((local, detail)) => (Self { local, domain: self.domain.clone() }, Some(detail)),
            None => (self.clone(), None),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// Where failures of a message are reported.
///
/// Source: RFC 5321 section 4.1.1.2; the null path is section 4.5.5.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: this message is itself a report, and is never bounced.
    Null,
    /// An address that gets delivery status notifications.
    Sender(Address),
}

impl ReversePath {
    /// Reads what stands between `<` and `>`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() { Ok(Self::Null) } else { Address::parse(text).map(Self::Sender) }
    }

    /// The address, where there is one.
    pub const fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Sender(address) => Some(address),
        }
    }

    /// Whether nothing may be reported.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Sender(address) => write!(f, "<{address}>"),
        }
    }
}
