//! The sandbox: inboxes that catch mail, what they keep, and who may look.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Release, Webhooks, unit};

/// What names the inbox of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InboxBy {
    /// The name that the client authenticated with.
    User,
    /// What stands behind the separator in the recipient's local part.
    Tag,
    /// The recipient's domain.
    Domain,
}

/// The sandbox: inboxes that catch mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sandbox {
    /// What names the inbox of a message that comes to a `sandbox` listener, the first that gives
    /// a name: `"user"`, `"tag"`, `"domain"`; without a name it is `default`. An inbox is made on
    /// first use. Default `["user"]`.
    pub inbox_by: Vec<InboxBy>,
    /// Most inboxes. Default 1000.
    pub inboxes_max: usize,
    /// Most messages of an inbox; past them the oldest go. Default 100000.
    pub messages_max: usize,
    /// Most octets of all inboxes together; past them the oldest messages of the largest inbox go,
    /// so that what is caught leaves room for mail. Default 20 GiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub octets_max: u64,
    /// How long messages are kept. Default for ever.
    #[serde(with = "unit::duration_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kept: Option<Duration>,
    /// Most octets kept of the conversation that brought a message. Default 64 KiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub conversation_max: u64,
    /// Refusals that are remembered, in memory. Default 500.
    pub refusals_max: usize,
    /// Password of the pages and the API, for HTTP Basic with any name or as a bearer token.
    /// Without it they answer to addresses of this machine alone. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<unit::Secret>,
    /// Names under which the pages are reached, besides addresses and `localhost`. Default none.
    pub hosts: Vec<String>,
    /// Requests that may wait for a message or for events at one time. Default 200.
    pub waits_max: usize,
    /// Those of one client address. Default 100.
    pub waits_per_address_max: usize,
    /// Letting go of what was caught, to addresses that are allowed. Default to none.
    pub release: Release,
    /// Telling servers of one's own what happens in an inbox. Default as below.
    pub webhooks: Webhooks,
    /// Whether every password opens an inbox; set by `mailwright sandbox` alone.
    #[serde(skip)]
    pub is_open: bool,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            inbox_by: vec![InboxBy::User],
            inboxes_max: 1000,
            messages_max: 100_000,
            octets_max: 20 << 30,
            kept: None,
            conversation_max: 64 << 10,
            refusals_max: 500,
            token: None,
            hosts: Vec::new(),
            waits_max: 200,
            waits_per_address_max: 100,
            release: Release::default(),
            webhooks: Webhooks::default(),
            is_open: false,
        }
    }
}
