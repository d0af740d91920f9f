//! What the POP3 sessions of one listener share.

use std::{net::IpAddr, sync::Arc};

use mailwright_config::{Config, Listener};
use mailwright_directory::{Connection, Directory};
use mailwright_net::Clock;
use mailwright_pop3::Settings;
use mailwright_sasl::ChannelBinding;
use mailwright_store::Store;

use crate::Shared;

/// What the POP3 sessions of one listener share.
#[derive(Debug)]
pub struct Door {
    pub(super) name: String,
    pub(super) config: Arc<Config>,
    pub(super) directory: Directory,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shared: Shared,
    /// Without the mechanisms, which may change while the server runs.
    settings: Settings,
}

impl Door {
    /// The door of the listener called `name`; with `tls` it offers STLS. All doors of a server
    /// share `shared`.
    pub fn new(
        (name, listener): (&str, &Listener),
        config: Arc<Config>,
        (directory, store): (Directory, Store),
        (clock, shared): (Arc<dyn Clock>, Shared),
        tls: bool,
    ) -> Self {
        let count = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let mailboxes = &config.mailboxes;
        let settings = Settings {
            tls: tls && !listener.implicit_tls,
            login_delay: mailboxes.pop3_login_delay,
            keep_days: mailboxes.pop3_kept_days,
            errors_max: count(config.limits.errors_max),
            login_timeout: mailboxes.login_timeout,
            idle_timeout: mailboxes.pop3_timeout,
            ..Settings::new(config.server.hostname.clone())
        };
        Self { name: name.to_owned(), config, directory, store, clock, shared, settings }
    }

    /// The rules of a session that begins now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        let mut settings = self.settings.clone();
        // All mechanisms; the session itself offers those that fit its connection.
        let best = Connection {
            address: IpAddr::from([127, 0, 0, 1]),
            hostname: self.config.server.hostname.clone(),
            is_tls: true,
            is_trusted: true,
            binding: ChannelBinding { exporter: Some(Vec::new()), server_end_point: None },
        };
        settings.auth = self.directory.mechanisms(&best).iter().map(ToString::to_string).collect();
        Arc::new(settings)
    }

    /// Whether a password may come from there over a plain connection.
    pub(super) fn takes_plaintext_from(&self, address: IpAddr) -> bool {
        let networks = &self.config.auth.plaintext_from;
        networks.iter().any(|network| network.contains(&address.to_canonical()))
    }
}
