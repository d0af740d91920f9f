//! What the sessions of one listener share.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mailwright_config::{BareNewlines, Config, Listener, Role};
use mailwright_directory::{Connection, Directory};
use mailwright_intake::Intake;
use mailwright_net::{Clock, dns::Resolver};
use mailwright_sasl::ChannelBinding;
use mailwright_smtp::server::{self, FutureRelease, Settings};
use mailwright_words::{AddressError, Domain, Timestamp};

use super::anyone;

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
    /// The DNS, where lists in it are asked.
    pub(super) dns: Option<Arc<dyn Resolver>>,
    /// Without what may change while the server runs: mechanisms, load, the time.
    settings: Settings,
    /// Sessions that are open.
    sessions: AtomicUsize,
    /// From how many on there are too many for comfort.
    sessions_comfortable: usize,
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
        let sessions = AtomicUsize::new(0);
        let percent = usize::from(config.limits.overload_percent);
        let sessions_comfortable = config.sessions_max(listener).saturating_mul(percent) / 100;
        Ok(Self {
            name,
            role,
            config,
            directory,
            intake,
            clock,
            dns: None,
            settings,
            sessions,
            sessions_comfortable,
        })
    }

    /// Asks the lists of the configuration in this DNS.
    #[must_use]
    pub fn with_dns(mut self, dns: Arc<dyn Resolver>) -> Self {
        self.dns = Some(dns);
        self
    }

    /// The rules of a session that begins now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        let mut settings = self.settings.clone();
        if self.role == Role::Msa {
            settings.auth = self.mechanisms();
            settings.future_release = self.future_release();
        }
        if self.role == Role::Sandbox {
            settings.auth = anyone::MECHANISMS.map(str::to_owned).into();
        }
        if self.is_overloaded() {
            settings.errors_max = settings.errors_max.min(ERRORS_FORGIVEN);
        }
        Arc::new(settings)
    }

    /// How far ahead a message may be held, to the second.
    fn future_release(&self) -> Option<FutureRelease> {
        let longest = Some(self.config.intake.hold_max).filter(|longest| !longest.is_zero())?;
        let longest = Duration::from_secs(longest.as_secs());
        let now = self.clock.now().ms();
        Some(FutureRelease { longest, latest: Timestamp::new(now - now % 1000).plus(longest) })
    }

    /// Whether most of the sessions that may be open are.
    pub(super) fn is_overloaded(&self) -> bool {
        self.sessions.load(Ordering::Relaxed) > self.sessions_comfortable
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

/// Errors that a session gets away with while there are too many.
const ERRORS_FORGIVEN: u32 = 1;

/// A session's place among those of its door, given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Door>);

impl Place {
    pub(super) fn take(door: &Arc<Door>) -> Self {
        door.sessions.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(door))
    }

    /// Whether others wait for it, or soon will.
    pub(super) fn is_scarce(&self) -> bool {
        self.0.is_overloaded()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

fn settings(listener: &Listener, config: &Config, hostname: Domain, tls: bool) -> Option<Settings> {
    let role = match listener.role {
        Role::Mta => server::Role::Mta,
        Role::Msa | Role::Sandbox => server::Role::Msa,
        Role::Lmtp => server::Role::Lmtp,
        Role::Imap | Role::Pop3 => return None,
    };
    let takes_any = matches!(listener.role, Role::Msa | Role::Sandbox);
    let normalise = takes_any && config.intake.bare_newlines == BareNewlines::Normalise;
    let count = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    Some(Settings {
        tls: tls && !listener.implicit_tls,
        message_size_max: config.message_size_max(listener),
        // The session counts the CRLF, the configuration does not.
        message_line_max: usize::try_from(config.limits.line_max)
            .unwrap_or(usize::MAX)
            .saturating_add(2),
        recipients_max: config.recipients_max(listener),
        transactions_max: Some(count(config.limits.messages_max)),
        binary_mime: true,
        transcript_max: if listener.role == Role::Sandbox {
            usize::try_from(config.sandbox.conversation_max).unwrap_or(usize::MAX)
        } else {
            0
        },
        deliver_by: (listener.role != Role::Lmtp).then_some(config.intake.deliver_by_min),
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
