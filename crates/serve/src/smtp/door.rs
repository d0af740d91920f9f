//! What the sessions of one listener share.

use std::{net::IpAddr, sync::Arc};

use mailwright_config::{BareNewlines, Config, Listener, Role};
use mailwright_directory::{Connection, Directory};
use mailwright_intake::Intake;
use mailwright_net::Clock;
use mailwright_sasl::ChannelBinding;
use mailwright_smtp::server::{self, Settings};
use mailwright_words::{AddressError, Domain};

/// Why a listener gets no door.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The server's name is no domain.
    #[error("server.hostname: {0}")]
    Hostname(#[from] AddressError),
    /// The listener's role is not one of SMTP or LMTP.
    #[error("the role of the listener is not mta, msa or lmtp")]
    Role,
}

/// What the sessions of one listener share.
#[derive(Debug)]
pub struct Door {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) config: Arc<Config>,
    pub(super) directory: Directory,
    pub(super) intake: Intake,
    pub(super) clock: Arc<dyn Clock>,
    /// Without the mechanisms, which may change while the server runs.
    settings: Settings,
}

impl Door {
    /// The door of the listener called `name`; with `tls` it offers STARTTLS.
    ///
    /// Errors: [`DoorError`].
    pub fn new(
        (name, listener): (&str, &Listener),
        config: Arc<Config>,
        (directory, intake): (Directory, Intake),
        clock: Arc<dyn Clock>,
        tls: bool,
    ) -> Result<Self, DoorError> {
        let hostname = Domain::parse(&config.server.hostname)?;
        let settings = settings(listener, &config, hostname, tls).ok_or(DoorError::Role)?;
        let (name, role) = (name.to_owned(), listener.role);
        Ok(Self { name, role, config, directory, intake, clock, settings })
    }

    /// The rules of a session that begins now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        let mut settings = self.settings.clone();
        if self.role == Role::Msa {
            settings.auth = self.mechanisms();
        }
        Arc::new(settings)
    }

    /// All mechanisms; the session itself offers those that fit its connection.
    fn mechanisms(&self) -> Vec<String> {
        let best = Connection {
            address: IpAddr::from([127, 0, 0, 1]),
            hostname: self.config.server.hostname.clone(),
            is_tls: true,
            is_trusted: true,
            binding: ChannelBinding { exporter: Some(Vec::new()), server_end_point: None },
        };
        self.directory.mechanisms(&best).iter().map(ToString::to_string).collect()
    }

    /// Whether a password may come from there over a plain connection.
    pub(super) fn takes_plaintext_from(&self, address: IpAddr) -> bool {
        let networks = &self.config.auth.plaintext_from;
        networks.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Whether a client there may submit without a password.
    pub(super) fn takes_submission_from(&self, address: IpAddr) -> bool {
        let networks = &self.config.auth.submit_from;
        networks.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Largest message taken, in octets.
    pub(super) const fn message_size_max(&self) -> u64 {
        self.settings.message_size_max
    }

    /// Most recipients of a message.
    pub(super) const fn recipients_max(&self) -> usize {
        self.settings.recipients_max
    }
}

fn settings(listener: &Listener, config: &Config, hostname: Domain, tls: bool) -> Option<Settings> {
    let role = match listener.role {
        Role::Mta => server::Role::Mta,
        Role::Msa => server::Role::Msa,
        Role::Lmtp => server::Role::Lmtp,
        Role::Imap | Role::Pop3 => return None,
    };
    let normalise =
        listener.role == Role::Msa && config.intake.bare_newlines == BareNewlines::Normalise;
    let count = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    Some(Settings {
        tls: tls && !listener.implicit_tls,
        message_size_max: config.message_size_max(listener),
        // The session counts the CRLF, the configuration does not.
        message_line_max: usize::try_from(config.limits.line_max)
            .unwrap_or(usize::MAX)
            .saturating_add(2),
        recipients_max: config.recipients_max(listener),
        errors_max: count(config.limits.errors_max),
        commands_max: count(config.limits.commands_max),
        bare_newlines: if normalise {
            server::BareNewlines::Normalise
        } else {
            server::BareNewlines::Refuse
        },
        command_timeout: config.timeouts.command,
        body_timeout: config.timeouts.body,
        ..Settings::new(role, hostname)
    })
}
