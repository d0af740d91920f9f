//! What an examination of this server looks at beyond this machine.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// What `mailwright doctor` looks at beyond this machine, and what it finds old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Doctor {
    /// Domains whose mail servers are connected to, to see whether port 25 is open on the way out;
    /// nothing is sent. Default `["gmail.com", "outlook.com"]`; an empty list turns it off.
    pub outbound_domains: Vec<String>,
    /// Blocklists in which the addresses of this server are looked up, such as
    /// `["zen.spamhaus.org"]`. Each has its terms; ask through a resolver of your own. Default
    /// none.
    ///
    /// Source: RFC 5782 section 2.
    pub address_lists: Vec<String>,
    /// Blocklists in which our domains are looked up, such as `["dbl.spamhaus.org"]`. Default none.
    ///
    /// Source: RFC 5782 section 3.
    pub domain_lists: Vec<String>,
    /// A name whose DNSSEC signature is wrong on purpose: who checks signatures does not find it.
    /// Default `"dnssec-failed.org"`.
    pub bogus_name: String,
    /// Servers that are asked for the time (NTP over UDP, port 123), such as `["time.example.com"]`
    /// or `["192.0.2.1:123"]`, to see whether the clock of this machine is right; where none
    /// answers, the date of the web pages of `outbound_domains` is looked at. An empty list turns
    /// both off. Default `["time.cloudflare.com", "ptbtime1.ptb.de"]`.
    ///
    /// Source: RFC 5905.
    pub time_servers: Vec<String>,
    /// Age of a message in the queue from which on it is told of. Default 4h.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub queue_age: Duration,
    /// Age of the last backup from which on it is told of; `"0s"` never. Default 7d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub backup_age: Duration,
}

impl Default for Doctor {
    fn default() -> Self {
        Self {
            outbound_domains: ["gmail.com", "outlook.com"].map(str::to_owned).to_vec(),
            address_lists: Vec::new(),
            domain_lists: Vec::new(),
            bogus_name: "dnssec-failed.org".to_owned(),
            time_servers: ["time.cloudflare.com", "ptbtime1.ptb.de"].map(str::to_owned).to_vec(),
            queue_age: Duration::from_hours(4),
            backup_age: Duration::from_hours(7 * 24),
        }
    }
}
