//! How messages of ours are signed.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// How messages of ours are signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dkim {
    /// Whether messages that our users submit, and our own reports, are signed by the keys of
    /// their author's domain. Default true.
    ///
    /// Source: RFC 6376.
    pub sign: bool,
    /// Whether what was found out about a message of a stranger is sealed when it goes on, through
    /// a list or a forward, by the keys of the list's or the forward's domain. Default true.
    ///
    /// Source: RFC 8617.
    pub seal: bool,
    /// How long a signature is good for; `"0s"` is for ever. Default 0s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub lifetime: Duration,
    /// How long the record of a key has to stay after the key was changed for another. It should
    /// be longer than `queue.lifetime`. Default 14d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub old_kept: Duration,
    /// How often it is looked whether the record of a new key can be found, so that it may sign.
    /// Default 10m.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub look_every: Duration,
}

impl Default for Dkim {
    fn default() -> Self {
        Self {
            sign: true,
            seal: true,
            lifetime: Duration::ZERO,
            old_kept: Duration::from_hours(14 * 24),
            look_every: Duration::from_mins(10),
        }
    }
}
