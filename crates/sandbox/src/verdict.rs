//! What others say of a message: SPF, DKIM, DMARC and lists, as the checks take it.
//!
//! It is told, not found out here; `mailauth` judges, and lists are asked in `blocklist`.

/// What SPF says of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spf {
    /// It may send for the domain.
    Pass,
    /// It may not.
    Fail,
    /// It should not.
    SoftFail,
    /// The domain does not say.
    Neutral,
    /// The domain has no record.
    None,
    /// The record makes no sense.
    PermError,
    /// It could not be found out.
    TempError,
}

impl Spf {
    /// The word of RFC 8601 for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::None => "none",
            Self::PermError => "permerror",
            Self::TempError => "temperror",
        }
    }
}

/// What DKIM says of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dkim {
    /// The domain that signed.
    pub domain: String,
    /// The key's selector.
    pub selector: String,
    /// Whether it is good; else why not.
    pub result: Result<(), String>,
    /// The header fields that it covers, in lower case.
    pub covers: Vec<String>,
}

/// What DMARC says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dmarc {
    /// SPF or DKIM passed for the author's domain.
    Pass,
    /// Neither did; the domain asks for this: `none`, `quarantine` or `reject`.
    Fail(String),
    /// The domain has no policy.
    None,
    /// It could not be found out, for this reason.
    Error(String),
}

/// A name or address that a list has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The list's zone.
    pub list: String,
    /// What is listed.
    pub what: String,
    /// Whether it is an address of a client, not a domain.
    pub is_address: bool,
}

/// All of it; what was not asked for is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// SPF, where the client's address is known.
    pub spf: Option<Spf>,
    /// Each signature; nothing where they were not checked.
    pub dkim: Option<Vec<Dkim>>,
    /// DMARC.
    pub dmarc: Option<Dmarc>,
    /// What is listed; nothing where no list was asked.
    pub listings: Option<Vec<Listing>>,
}
