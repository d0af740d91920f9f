//! When deliveries are tried, and how messages are stored.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pattern::{ReplyRule, supplied};
use crate::unit;

/// When and how often deliveries are tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Wait after the first failure; each further one doubles it. Default 5m.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub retry_first: Duration,
    /// Longest wait between two attempts. Default 4h.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub retry_longest: Duration,
    /// Age at which a message is given up and its sender told. Default 5d.
    ///
    /// Source: RFC 5321 section 4.5.4.1, which asks for at least 4 to 5 days.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub lifetime: Duration,
    /// Age at which a report that could not be delivered is given up. Default 1d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub report_lifetime: Duration,
    /// Age at which the sender is told that a message is late; `"0s"` tells nobody. Default 4h.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub delay_notice: Duration,
    /// Largest original attached to a report whole, in octets; of a larger one its header is.
    /// Default 100 KiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub report_original_max: u64,
    /// Deliveries at once to one destination, at its first message. Default 5.
    pub window_first: usize,
    /// Most connections at once to one site: the servers that take a domain's mail, whose other
    /// domains share them. Default 20.
    pub connections_max: usize,
    /// Most deliveries at once, over all destinations. Default 500.
    pub attempts_max: usize,
    /// Failures to connect, one after another, after which a destination is left alone. Default 3.
    pub dead_after: u32,
    /// How long a dead destination is left alone before one message tries it. Default 10m.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub dead_wait: Duration,
    /// Most recipients of the queue in memory; the rest waits in the store. Default 20000.
    pub recipients_in_memory_max: usize,
    /// Local deliveries at once. Default 8.
    pub local_max: usize,
    /// Patterns of replies that slow a site down or suspend it; the first that fits counts. Those
    /// of a file take the place of the default ones. Default a handful of what large providers
    /// say; `mailwright config show` lists them.
    pub replies: Vec<ReplyRule>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            retry_first: Duration::from_mins(5),
            retry_longest: Duration::from_hours(4),
            lifetime: Duration::from_hours(5 * 24),
            report_lifetime: Duration::from_hours(24),
            delay_notice: Duration::from_hours(4),
            report_original_max: 100 << 10,
            window_first: 5,
            connections_max: 20,
            attempts_max: 500,
            dead_after: 3,
            dead_wait: Duration::from_mins(10),
            recipients_in_memory_max: 20_000,
            local_max: 8,
            replies: supplied(),
        }
    }
}

/// How messages are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// Most messages that share one sync. Default 512.
    pub group_messages_max: usize,
    /// Most octets that share one sync. Default 8 MiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub group_size_max: u64,
    /// Size at which a new segment begins, in octets. Default 64 MiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub segment_size: u64,
    /// Whether 250 waits for stable storage. Default true; false loses mail in a power cut and is
    /// for tests alone.
    pub sync: bool,
    /// How long the bytes of a deleted message stay before their space is used again. Default 1h.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub grace: Duration,
    /// How long events and attempts are kept. Default 30d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub events: Duration,
    /// How long reports of others about mail in the name of your domains are kept. Default 400d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub reports: Duration,
    /// How often all stored messages are compared with their checksums while the server runs, so
    /// that damage of the disk is found before a message is asked for; `"0s"` does it not. Each
    /// round takes a tenth of the disk's time at most. Default 7d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub verify: Duration,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            group_messages_max: 512,
            group_size_max: 8 << 20,
            segment_size: 64 << 20,
            sync: true,
            grace: Duration::from_hours(1),
            events: Duration::from_hours(30 * 24),
            reports: Duration::from_hours(400 * 24),
            verify: Duration::from_hours(7 * 24),
        }
    }
}
