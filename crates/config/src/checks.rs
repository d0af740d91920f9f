//! What the checks of a message ask beyond it: the DNS, blocklists, filters.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{GivenRecords, unit};

/// What the checks of a message, in the sandbox and by `mailwright check`, ask beyond it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// Whether every report asks the DNS: for SPF, DKIM, DMARC and in the lists below. Without it
    /// only those do that are asked for with `online`. Default false.
    pub dns: bool,
    /// The address that messages will be sent from, which SPF and lists are asked about. Without
    /// it, that of the client, where it is a public one. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub send_from: Option<IpAddr>,
    /// How the server that sends will name itself. Default as the client did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helo: Option<String>,
    /// Records of domains that are not set up yet, one a string as in a zone file, such as
    /// `"s1._domainkey.example.com TXT v=DKIM1; p=..."`. They are taken before the DNS, and where
    /// it is not asked. Default none.
    #[schemars(with = "Vec<String>")]
    pub records: GivenRecords,
    /// Blocklists in which the address is looked up, such as `["zen.spamhaus.org"]`. Each has its
    /// terms; ask through a resolver of your own. Default none.
    ///
    /// Source: RFC 5782 section 2.
    pub address_lists: Vec<String>,
    /// Blocklists in which domains of the message are looked up, such as `["dbl.spamhaus.org"]`.
    /// Default none.
    ///
    /// Source: RFC 5782 section 3.
    pub domain_lists: Vec<String>,
    /// Domains of a message that are looked up. Default 20.
    pub domains_max: usize,
    /// A `spamd` of `SpamAssassin` whose score stands beside ours: `"127.0.0.1:783"`, or the path
    /// of its socket. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spamd: Option<String>,
    /// An rspamd whose score stands beside ours: `"http://127.0.0.1:11333"`. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rspamd: Option<String>,
    /// Largest message that those filters are asked about. Default 1 MiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub filter_size_max: u64,
    /// How long the DNS, a list or a filter may take. Default 20s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            dns: false,
            send_from: None,
            helo: None,
            records: GivenRecords::default(),
            address_lists: Vec::new(),
            domain_lists: Vec::new(),
            domains_max: 20,
            spamd: None,
            rspamd: None,
            filter_size_max: 1 << 20,
            timeout: Duration::from_secs(20),
        }
    }
}
