//! What the POP3 sessions of one listener share.

use std::sync::Arc;

use mailwright_config::{Config, Listener};
use mailwright_directory::Directory;
use mailwright_net::Clock;
use mailwright_pop3::Settings;
use mailwright_store::Store;

use crate::{Shared, peer};

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
        settings.auth = peer::mechanisms(&self.directory, &self.config);
        Arc::new(settings)
    }
}
