//! How mail from strangers is judged.

use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// How mail from strangers is judged: SPF, DKIM, DMARC and ARC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Verification {
    /// Whether mail that comes to an MTA listener is checked at all. Default true.
    pub enabled: bool,
    /// Networks from which nothing is checked, and whose `Authentication-Results` in our name are
    /// believed: servers of your own. Default loopback.
    #[serde(with = "unit::networks")]
    #[schemars(with = "Vec<String>")]
    pub skip_from: Vec<IpNet>,
    /// What follows from DMARC: `"off"`; `"report"`, which writes results down alone; or
    /// `"enforce"`, which refuses what the author's domain wants refused, and files what it wants
    /// quarantined into Junk. Default `"enforce"`.
    ///
    /// Source: RFC 9989.
    pub dmarc: Strictness,
    /// What follows from SPF alone: `"enforce"` refuses a client that the domain of the
    /// reverse-path forbids, forwarded mail with it. Default `"report"`.
    ///
    /// Source: RFC 7208.
    pub spf: Strictness,
    /// What follows from a client whose address has no name that leads back to it: `"enforce"`
    /// refuses it. Default `"report"`.
    pub iprev: Strictness,
    /// Domains whose ARC seals are believed: a message that passed DMARC when one of them got it
    /// is taken as if it passed here. Default none.
    ///
    /// Source: RFC 8617.
    pub trusted_sealers: Vec<String>,
    /// How long all lookups for a message may take together; what is not known by then counts
    /// neither way. Default 15s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How many signatures of a message are checked. Default 10.
    pub signatures_max: usize,
}

/// What follows from a check that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strictness {
    /// It is not made, or not looked at.
    Off,
    /// It is written down.
    Report,
    /// The message is treated by it.
    Enforce,
}

impl Default for Verification {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"];
        Self {
            enabled: true,
            skip_from: loopback.iter().filter_map(|net| net.parse().ok()).collect(),
            dmarc: Strictness::Enforce,
            spf: Strictness::Report,
            iprev: Strictness::Report,
            trusted_sealers: Vec::new(),
            timeout: Duration::from_secs(15),
            signatures_max: 10,
        }
    }
}
