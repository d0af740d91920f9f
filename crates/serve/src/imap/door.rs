//! What the IMAP sessions of one listener share.

use std::sync::Arc;

use mailwright_config::{Config, Listener};
use mailwright_directory::Directory;
use mailwright_imap::Settings;
use mailwright_net::Clock;
use mailwright_store::{Store, mailbox::Limits};

use crate::{Shared, peer};

/// What the IMAP sessions of one listener share.
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
    /// The door of the listener called `name`; with `tls` it offers STARTTLS. All doors of a
    /// server share `shared`.
    pub fn new(
        (name, listener): (&str, &Listener),
        config: Arc<Config>,
        (directory, store, shared): (Directory, Store, Shared),
        clock: Arc<dyn Clock>,
        tls: bool,
    ) -> Self {
        let limits = &config.limits;
        let mailboxes = &config.mailboxes;
        let count = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let settings = Settings {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tls: tls && !listener.implicit_tls,
            append_size_max: config.message_size_max(listener),
            append_messages_max: mailboxes.append_messages_max,
            login_failures_max: count(limits.auth_failures_max),
            errors_max: count(limits.errors_max),
            folders_max: mailboxes.folders_max.saturating_mul(3),
            early_timeout: mailboxes.login_timeout,
            timeout: mailboxes.imap_timeout,
            literal_timeout: config.timeouts.body,
            ..Settings::new(config.server.hostname.clone())
        };
        Self { name: name.to_owned(), config, directory, store, clock, shared, settings }
    }

    /// The rules of a session that begins now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        let auth = peer::mechanisms(&self.directory, &self.config);
        Arc::new(Settings { auth, ..self.settings.clone() })
    }

    /// The limits of an account's folders.
    pub(super) fn limits(&self) -> Limits {
        let mailboxes = &self.config.mailboxes;
        Limits { folders_max: mailboxes.folders_max, name_max: mailboxes.folder_name_max }
    }
}
