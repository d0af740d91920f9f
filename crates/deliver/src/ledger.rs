//! What sessions with other servers came to, as domains want to be told of it.
//!
//! Only told on: counting, keeping and reporting are others'. Source: RFC 8460.

use std::fmt;

/// What a domain had published when it was connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Policy {
    /// TLSA records, as in a zone file.
    Tlsa(Vec<String>),
    /// An MTA-STS policy: its lines, and the patterns of its hosts.
    Sts(Vec<String>, Vec<String>),
    /// Nothing.
    None,
}

impl Policy {
    /// The word of a report. Source: RFC 8460 section 4.2.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Tlsa(_) => "tlsa",
            Self::Sts(..) => "sts",
            Self::None => "no-policy-found",
        }
    }
}

/// Why a session was not as the policy asks. Source: RFC 8460 section 4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// The host offers no STARTTLS.
    StarttlsNotSupported,
    /// Its certificate is for other names.
    CertificateHostMismatch,
    /// Its certificate is out of date.
    CertificateExpired,
    /// No known authority vouches for its certificate.
    CertificateNotTrusted,
    /// Anything else about TLS.
    Validation,
    /// No certificate matches the TLSA records.
    TlsaInvalid,
    /// The TLSA records could not be looked up, or are bogus.
    DnssecInvalid,
    /// DANE was asked for, and there are no usable records.
    DaneRequired,
    /// The policy could not be fetched.
    StsPolicyFetchError,
    /// The policy makes no sense.
    StsPolicyInvalid,
    /// The policy's own server has no certificate that is believed.
    StsWebpkiInvalid,
}

impl Failure {
    /// The word of a report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StarttlsNotSupported => "starttls-not-supported",
            Self::CertificateHostMismatch => "certificate-host-mismatch",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotTrusted => "certificate-not-trusted",
            Self::Validation => "validation-failure",
            Self::TlsaInvalid => "tlsa-invalid",
            Self::DnssecInvalid => "dnssec-invalid",
            Self::DaneRequired => "dane-required",
            Self::StsPolicyFetchError => "sts-policy-fetch-error",
            Self::StsPolicyInvalid => "sts-policy-invalid",
            Self::StsWebpkiInvalid => "sts-webpki-invalid",
        }
    }
}

/// One session, or one that did not come about for its policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session {
    /// Whose mail.
    pub domain: String,
    /// What the domain had published.
    pub policy: Policy,
    /// The server's name; empty where it did not come to a server.
    pub host: String,
    /// The server's address; empty as above.
    pub address: String,
    /// Why it was not as asked; none when it was.
    pub failure: Option<Failure>,
}

/// Whoever counts sessions. It is told in passing, and must not wait.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Notes a session.
    fn note(&self, session: Session);
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uncounted;

impl Ledger for Uncounted {
    fn note(&self, _session: Session) {}
}
