//! Reports of other servers about mail in the name of our domains: DMARC aggregate reports and
//! reports about TLS.
//!
//! They come from anybody, so they are data and no more: texts are cut and made printable, sizes
//! and rows have limits, and whoever sent a report is told apart from who it says it is.
//! Source: RFC 9990, RFC 7489 section 7.2, RFC 8460 section 4.

mod aggregate;
mod tls;
mod unpack;

use std::net::IpAddr;

use mailwright_words::Timestamp;
use serde::{Deserialize, Serialize};

/// Most octets of a report, unpacked.
pub const REPORT_MAX: usize = 32 << 20;
/// Most rows of a report.
pub const ROWS_MAX: usize = 50_000;
/// Most characters of a text in it.
const TEXT_MAX: usize = 255;

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who made it.
    pub organisation: String,
    /// How they are reached.
    pub contact: String,
    /// Their name for it.
    pub number: String,
    /// The first moment it is about.
    pub begins: Timestamp,
    /// The last one.
    pub ends: Timestamp,
    /// What it tells.
    pub content: Content,
}

/// What a report tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// How messages of a domain passed DMARC.
    Dmarc(Aggregate),
    /// How sessions with the servers of domains were encrypted.
    Tls(TlsReport),
}

/// What a receiver saw of a domain's messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    /// The domain.
    pub domain: String,
    /// Its policy, as the receiver found it: `none`, `quarantine`, `reject`; empty for not told.
    pub policy: String,
    /// That for its subdomains.
    pub subdomain_policy: String,
    /// Messages from one address that came out alike, one row each.
    pub rows: Vec<AggregateRow>,
}

/// Messages from one address that came out alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateRow {
    /// The address.
    pub ip: Option<IpAddr>,
    /// How many.
    pub count: u64,
    /// What was done: `none`, `pass`, `quarantine`, `reject`; empty for not told.
    pub disposition: String,
    /// Whether a signature of the author's domain passed.
    pub dkim: bool,
    /// Whether SPF of the author's domain passed.
    pub spf: bool,
    /// The domain of the author.
    pub header_from: String,
    /// The domain of the reverse-path.
    pub envelope_from: String,
    /// Why the policy was not followed.
    pub reasons: Vec<String>,
    /// Each signature and each SPF identity, as `dkim=pass d=example.com s=one`.
    pub results: Vec<String>,
}

impl AggregateRow {
    /// Whether these messages passed DMARC.
    pub const fn passed(&self) -> bool {
        self.dkim || self.spf
    }
}

/// What a sender saw of the servers of domains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReport {
    /// By policy.
    pub policies: Vec<TlsPolicy>,
}

/// Sessions under one policy of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsPolicy {
    /// The domain.
    pub domain: String,
    /// `tlsa`, `sts`, `no-policy-found` or `other`.
    pub kind: String,
    /// Sessions that went well.
    pub succeeded: u64,
    /// Sessions that did not.
    pub failed: u64,
    /// Why not.
    pub failures: Vec<TlsFailure>,
}

/// Sessions that failed alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFailure {
    /// The word for it, such as `certificate-expired`.
    pub kind: String,
    /// The server.
    pub host: String,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// From where.
    pub sender: Option<IpAddr>,
    /// How many.
    pub count: u64,
    /// What more is told.
    pub detail: String,
}

/// Why something is no report.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum ReportError {
    /// It is neither XML nor JSON, nor an archive of one file of these.
    #[error("it is neither a DMARC report in XML nor a TLS report in JSON, packed or not")]
    Unknown,
    /// Its archive is broken.
    #[error("it cannot be unpacked: {0}")]
    Packed(String),
    /// It is too large.
    #[error("it has more than {REPORT_MAX} octets")]
    Large,
    /// It has too many rows.
    #[error("it has more than {ROWS_MAX} rows")]
    Rows,
    /// It is not written as its standard asks.
    #[error("it cannot be read: {0}")]
    Broken(String),
}

impl Report {
    /// Reads a report from the octets of a file: XML, JSON, or an archive of one of these. What it
    /// is, its first octets say, since names and media types in reports are often wrong.
    ///
    /// Errors: it is none, or over a limit.
    pub fn read(file: &[u8]) -> Result<Self, ReportError> {
        let text = unpack::unpack(file)?;
        match unpack::without_mark(&text).trim_ascii_start().first() {
            Some(b'<') => aggregate::read(unpack::without_mark(&text)),
            Some(b'{') => tls::read(unpack::without_mark(&text)),
            _ => Err(ReportError::Unknown),
        }
    }

    /// Whether a file's first octets are those of a report or of an archive.
    pub fn may_be(file: &[u8]) -> bool {
        let start = unpack::without_mark(file).trim_ascii_start();
        unpack::is_packed(file) || start.starts_with(b"<") || start.starts_with(b"{")
    }

    /// `dmarc` or `tls`.
    pub const fn kind(&self) -> &'static str {
        match self.content {
            Content::Dmarc(_) => "dmarc",
            Content::Tls(_) => "tls",
        }
    }

    /// The domain it is about; a report about TLS that has several policies has one of them.
    pub fn domain(&self) -> &str {
        match &self.content {
            Content::Dmarc(aggregate) => &aggregate.domain,
            Content::Tls(report) => report.policies.first().map_or("", |policy| &policy.domain),
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        match &self.content {
            Content::Dmarc(aggregate) => aggregate.rows.len(),
            Content::Tls(report) => {
                let rows = report.policies.iter().map(|policy| policy.failures.len() + 1);
                rows.fold(0, usize::saturating_add)
            }
        }
    }

    /// Messages or sessions that were right, and those that were not.
    pub fn counts(&self) -> (u64, u64) {
        let sum = |numbers: &mut dyn Iterator<Item = u64>| numbers.fold(0, u64::saturating_add);
        match &self.content {
            Content::Dmarc(aggregate) => {
                let count = |wanted: bool| {
                    let rows = aggregate.rows.iter().filter(|row| row.passed() == wanted);
                    sum(&mut rows.map(|row| row.count))
                };
                (count(true), count(false))
            }
            Content::Tls(report) => (
                sum(&mut report.policies.iter().map(|policy| policy.succeeded)),
                sum(&mut report.policies.iter().map(|policy| policy.failed)),
            ),
        }
    }
}

/// A text of others as a person may be shown it.
fn plain(text: &str) -> String {
    let shown = text.trim().chars().take(TEXT_MAX);
    shown.map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The moment of a number of seconds since 1970.
fn seconds(seconds: i64) -> Timestamp {
    Timestamp::new(seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests;
