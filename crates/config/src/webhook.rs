//! Webhooks of inboxes: where they may lead, and how long they are tried.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Config, Egress, Opened, egress::opened, unit};

/// Telling servers of one's own what happens in an inbox. `[egress]` says where they may be; a
/// redirect is never followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Hosts and networks of one's own that webhooks may lead to, beside those of `egress.allow`,
    /// such as `["localhost:3000", "app", "10.0.0.0/8"]`; without a port, on any. Default none:
    /// public addresses alone. `mailwright sandbox` on loopback opens loopback.
    #[serde(with = "opened")]
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<Opened>,
    /// Most webhooks of an inbox. Default 10.
    pub per_inbox_max: usize,
    /// How long a server may take to answer. Default 10s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How long to wait after the first attempt that did not work; after each further one it is
    /// four times as long. Default 5s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub retry_first: Duration,
    /// Longest wait between two attempts. Default 6h.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub retry_longest: Duration,
    /// Attempts of a delivery, the first included. Default 12.
    pub attempts_max: u32,
    /// After how long without any delivery that worked a webhook is switched off. Default 5d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub disabled_after: Duration,
    /// How long the secret before still signs, too, when a new one is made. Default 1d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub old_secret: Duration,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            per_inbox_max: 10,
            timeout: Duration::from_secs(10),
            retry_first: Duration::from_secs(5),
            retry_longest: Duration::from_hours(6),
            attempts_max: 12,
            disabled_after: Duration::from_hours(5 * 24),
            old_secret: Duration::from_hours(24),
        }
    }
}

impl Webhooks {
    /// How long to wait after so many attempts.
    pub fn wait(&self, attempts: u32) -> Duration {
        let factor = 4_u32.saturating_pow(attempts.saturating_sub(1));
        self.retry_first.saturating_mul(factor).min(self.retry_longest)
    }
}

impl Config {
    /// What may be asked over the web for webhooks.
    pub fn webhook_egress(&self) -> Egress {
        let webhooks = &self.sandbox.webhooks;
        Egress {
            allow: self.egress.allow.iter().chain(&webhooks.allow).cloned().collect(),
            redirects_max: 0,
            timeout: webhooks.timeout,
            ..self.egress.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest() {
        let webhooks = Webhooks::default();
        let waits: Vec<u64> = (1..12).map(|attempts| webhooks.wait(attempts).as_secs()).collect();
        assert_eq!(waits, [5, 20, 80, 320, 1280, 5120, 20480, 21600, 21600, 21600, 21600]);
        assert_eq!(webhooks.wait(u32::MAX), webhooks.retry_longest);
    }
}
