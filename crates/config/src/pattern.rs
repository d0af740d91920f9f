//! Patterns of replies that slow a site down, and what comes with the server of them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// What a reply does to the site that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplyAction {
    /// One connection and one message a minute.
    Slow,
    /// Nothing at all.
    Suspend,
}

/// A pattern of replies, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyRule {
    /// Regular expression on the whole reply, such as `'(?i)^4.*too many connections'`. Has to be
    /// set.
    pub pattern: String,
    /// `"slow"`: one connection and one message a minute; `"suspend"`: nothing. Has to be set.
    pub action: ReplyAction,
    /// For how long. Has to be set.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub time: Duration,
}

#[derive(Deserialize)]
struct Supplied {
    reply: Vec<ReplyRule>,
}

/// The patterns that come with the server; a test reads them.
pub(crate) fn supplied() -> Vec<ReplyRule> {
    let text = include_str!("replies.toml");
    toml::from_str::<Supplied>(text).map(|supplied| supplied.reply).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_that_come_with_the_server_can_be_read() {
        let rules = supplied();
        assert!(rules.len() >= 5);
        for rule in rules {
            assert!(regex::Regex::new(&rule.pattern).is_ok(), "{}", rule.pattern);
            assert!(!rule.time.is_zero());
        }
    }
}
