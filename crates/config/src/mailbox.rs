//! How mailboxes are read: limits and timeouts of IMAP and POP3, and what goes by age.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// Reading mailboxes: IMAP and POP3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mailboxes {
    /// How long an IMAP client may say nothing, also within IDLE. Default 30m.
    ///
    /// Source: RFC 9051 section 5.4, which asks for at least 30 minutes.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub imap_timeout: Duration,
    /// How long a POP3 client may say nothing. Default 10m.
    ///
    /// Source: RFC 1939 section 3, which asks for at least 10 minutes.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub pop3_timeout: Duration,
    /// How long a POP3 session may last in all. Default 24h.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub pop3_session_timeout: Duration,
    /// Most POP3 sessions of one account open at once. Default 1: a second one is refused as in
    /// use; with more they share the inbox.
    pub pop3_sessions_per_account_max: usize,
    /// How long an account waits between two POP3 logins; it is announced as `LOGIN-DELAY`.
    /// Default 0s, which is no wait.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub pop3_login_delay: Duration,
    /// Days for which your site keeps messages at least, announced as `EXPIRE`; nothing is removed
    /// by it. Default for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pop3_kept_days: Option<u32>,
    /// Memory of one POP3 session for messages that it reads ahead, in octets. Default 256 KiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub pop3_read_ahead: u64,
    /// How long a client may take to log in. Default 1m.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub login_timeout: Duration,
    /// Most sessions of one account open at once, over IMAP and POP3. Default 50.
    pub sessions_per_account_max: usize,
    /// Memory for lists of mailboxes that are in use or were lately, in octets; about 72 a
    /// message. Default 256 MiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub views_size_max: u64,
    /// Most folders of an account. Default 5000.
    pub folders_max: usize,
    /// Longest name of a folder with those above it, in octets. Default 1000.
    pub folder_name_max: usize,
    /// Most messages of one APPEND. Default 500.
    pub append_messages_max: usize,
    /// How long a search may look at the contents of messages; past it the client is told that it
    /// costs too much. Default 1m.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub search_time_max: Duration,
    /// Most searches that look at contents at once; one of them at least, and half of them at most,
    /// are for one account. Others wait, and the wait counts. Default 8.
    pub searches_max: usize,
    /// Threads of one search that decode messages. Default 2.
    pub search_threads: usize,
    /// Age at which messages in the Junk folder are removed. Default never.
    #[serde(with = "unit::duration_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub junk_kept: Option<Duration>,
    /// Age at which messages in the Trash folder are removed. Default never.
    #[serde(with = "unit::duration_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub trash_kept: Option<Duration>,
}

impl Default for Mailboxes {
    fn default() -> Self {
        Self {
            imap_timeout: Duration::from_mins(30),
            pop3_timeout: Duration::from_mins(10),
            pop3_session_timeout: Duration::from_hours(24),
            pop3_sessions_per_account_max: 1,
            pop3_login_delay: Duration::ZERO,
            pop3_kept_days: None,
            pop3_read_ahead: 256 << 10,
            login_timeout: Duration::from_mins(1),
            sessions_per_account_max: 50,
            views_size_max: 256 << 20,
            folders_max: 5000,
            folder_name_max: 1000,
            append_messages_max: 500,
            search_time_max: Duration::from_mins(1),
            searches_max: 8,
            search_threads: 2,
            junk_kept: None,
            trash_kept: None,
        }
    }
}
