//! Who is let in at the door for mail from other servers, and how much our own users may send.

use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// What follows when a list in the DNS has a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ListAction {
    /// Its mail is refused.
    Reject,
    /// Its mail is marked with a field `X-Mailwright-Listed`.
    Tag,
    /// The list's score counts; its mail is marked, or refused from `list_score_max` on.
    Score,
    /// It is trusted: other lists and greylisting do not count.
    Allow,
}

/// A list of addresses in the DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsList {
    /// Its zone. Has to be set.
    pub zone: String,
    /// What follows: `"reject"`, `"tag"`, `"score"` or `"allow"`. Has to be set.
    pub action: ListAction,
    /// Answers that count, as networks. Those of 127.255.255.0/24 are errors of the list, never
    /// a listing. Default `["127.0.0.0/8"]`.
    #[serde(default = "any_answer", with = "unit::networks")]
    #[schemars(with = "Vec<String>")]
    pub answers: Vec<IpNet>,
    /// What a listing counts with the action `"score"`. Default 1.
    #[serde(default = "one")]
    pub score: u32,
}

fn any_answer() -> Vec<IpNet> {
    "127.0.0.0/8".parse().into_iter().collect()
}

const fn one() -> u32 {
    1
}

/// Who is let in by MTA listeners. All of it is off by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Door {
    /// Lists of addresses in the DNS. Default none.
    ///
    /// Source: RFC 5782.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<DnsList>,
    /// How long a list may take to answer; one that takes longer has not listed the client.
    /// Default 2s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub list_timeout: Duration,
    /// Sum of scores from which on mail is refused. Default 5.
    pub list_score_max: u32,
    /// Whether who writes to somebody for the first time is told to come again later, as most that
    /// send spam do not. Default false.
    ///
    /// Source: RFC 6647.
    pub greylist: bool,
    /// How long it has to wait. Default 5m.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub greylist_wait: Duration,
    /// How long it may take to come again. Default 1d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub greylist_retry: Duration,
    /// How long it is remembered after it last wrote. Default 36d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub greylist_kept: Duration,
    /// Most that are remembered; further ones are let in at once. Default 200000.
    pub greylist_max: usize,
    /// Most messages an hour from an address, of IPv6 a /64; 0 sets no limit. Default 0.
    pub address_per_hour: u32,
    /// Most messages an hour from a /24, of IPv6 a /48; 0 sets no limit. Default 0.
    pub network_per_hour: u32,
    /// Most messages an hour from a reverse-path; 0 sets no limit. Default 0.
    pub sender_per_hour: u32,
    /// Most messages an hour to a recipient; 0 sets no limit. Default 0.
    pub recipient_per_hour: u32,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            lists: Vec::new(),
            list_timeout: Duration::from_secs(2),
            list_score_max: 5,
            greylist: false,
            greylist_wait: Duration::from_mins(5),
            greylist_retry: Duration::from_hours(24),
            greylist_kept: Duration::from_hours(36 * 24),
            greylist_max: 200_000,
            address_per_hour: 0,
            network_per_hour: 0,
            sender_per_hour: 0,
            recipient_per_hour: 0,
        }
    }
}

/// How much an account may send. Past a limit it gets 450, and the postmaster is told: a password
/// may have been stolen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Submission {
    /// Most messages an account sends in an hour; 0 sets no limit. Default 0.
    pub messages_per_hour: u32,
    /// Most recipients an account writes to in an hour; 0 sets no limit. Default 0.
    pub recipients_per_hour: u32,
    /// Most messages an account sends in 24 hours; 0 sets no limit. Default 0.
    pub messages_per_day: u32,
    /// Most recipients an account writes to in 24 hours; 0 sets no limit. Default 20000.
    pub recipients_per_day: u32,
    /// Whether what waits in the queue of an account past a limit is held until it is released.
    /// Default true.
    pub hold: bool,
}

impl Default for Submission {
    fn default() -> Self {
        Self {
            messages_per_hour: 0,
            recipients_per_hour: 0,
            messages_per_day: 0,
            recipients_per_day: 20_000,
            hold: true,
        }
    }
}
