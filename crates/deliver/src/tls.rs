//! How much TLS a host has to take: what was set, what its domain publishes, what a message asks.
//!
//! [`decide`] is the table, and asks nobody. What it needs is looked up before: TLSA records here,
//! MTA-STS policies in [`crate::sts`]. Source: RFC 7672, RFC 8461, RFC 8689.

mod dane;
mod decide;

pub(crate) use dane::{Dane, dane};
pub(crate) use decide::{Refused, decide};

use std::sync::Arc;

use mailwright_config::TlsNeed;
use mailwright_net::tls::{Pins, Trust};

/// What the operator set for a host or a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// A word of the configuration that says all.
    Word(TlsNeed),
    /// One of these certificates.
    Pinned(Arc<Pins>),
}

impl Need {
    /// Reads what was set; fingerprints without one that is usable match nobody.
    pub(crate) fn new(word: TlsNeed, digests: &[[u8; 32]]) -> Self {
        match (word, Pins::fingerprints(digests)) {
            (TlsNeed::Fingerprint, Some(pins)) => Self::Pinned(Arc::new(pins)),
            _ => Self::Word(word),
        }
    }

    /// Whether TLSA records are worth a lookup; of a server that was set, only where DANE is.
    pub(crate) fn asks_dane(&self, found: bool) -> bool {
        match self {
            Self::Word(TlsNeed::Dane | TlsNeed::DaneOnly) => true,
            Self::Word(TlsNeed::None | TlsNeed::Fingerprint) | Self::Pinned(_) => false,
            Self::Word(_) => found,
        }
    }

    /// Whether an MTA-STS policy is worth a lookup.
    pub(crate) fn asks_sts(&self) -> bool {
        use TlsNeed::{Opportunistic, Required, Verified};
        matches!(self, Self::Word(Opportunistic | Required | Verified))
    }
}

/// How much TLS a connection has to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Level {
    /// None, even when offered.
    Plain,
    /// When offered, with any certificate.
    Optional,
    /// With any certificate.
    Encrypted,
    /// With a certificate of the host's name from a known authority.
    Verified,
    /// With a certificate that these match.
    Pinned(Arc<Pins>),
}

impl Level {
    /// Whether a connection without TLS is of no use.
    pub(crate) fn is_needed(&self) -> bool {
        !matches!(self, Self::Plain | Self::Optional)
    }

    /// Whether the host is sure to be who it says.
    pub(crate) fn is_authenticated(&self) -> bool {
        matches!(self, Self::Verified | Self::Pinned(_))
    }

    /// Whom a handshake believes.
    pub(crate) fn trust(&self) -> Trust {
        match self {
            Self::Verified => Trust::Verified,
            Self::Pinned(pins) => Trust::Pinned(Arc::clone(pins)),
            Self::Plain | Self::Optional | Self::Encrypted => Trust::Opportunistic,
        }
    }
}

/// Whose word a demand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The configuration's.
    Set,
    /// The domain's, by DANE.
    Dane,
    /// The domain's, by an MTA-STS policy in force.
    Sts,
    /// The domain's, by an MTA-STS policy on trial: it is reported on, and binds nobody.
    StsTesting,
    /// The message's.
    Message,
}

/// What a host has to offer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) level: Level,
    pub(crate) basis: Basis,
    /// For people, in a clause.
    pub(crate) why: String,
}

impl Demand {
    /// In a word, as the attempt's row has it.
    pub(crate) fn word(&self) -> &'static str {
        match (self.basis, &self.level) {
            (Basis::Dane, Level::Pinned(_)) => "dane",
            (Basis::Dane, _) => "dane-unusable",
            (Basis::Sts, _) => "mta-sts",
            (Basis::StsTesting, _) => "mta-sts-testing",
            (Basis::Message, _) => "requiretls",
            (Basis::Set, Level::Plain) => "none",
            (Basis::Set, Level::Optional) => "opportunistic",
            (Basis::Set, Level::Encrypted) => "required",
            (Basis::Set, Level::Verified) => "verified",
            (Basis::Set, Level::Pinned(_)) => "fingerprint",
        }
    }
}
