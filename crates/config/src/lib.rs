//! The configuration: types with their documentation and defaults, loading, checking.
//!
//! [`Config::default`] is the first-run setting: loopback only, the real ports plus 10000. A file
//! lies over it, the environment (`MAILWRIGHT_*`) over the file, flags over all. The reference page
//! is made from the doc comments here, so a comment is the manual. Domains, accounts, aliases and
//! credentials are not configuration: they live in the store.

mod check;
mod checks;
mod dkim;
mod docs;
mod doctor;
mod door;
mod egress;
mod fault;
mod init;
mod limit;
mod listener;
mod live;
mod load;
mod mailbox;
mod pattern;
mod problem;
mod publish;
mod queue;
mod records;
mod relay;
mod release;
mod reload;
mod sandbox;
mod section;
mod service;
mod unit;
mod verification;
mod webhook;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use checks::Checks;
pub use dkim::Dkim;
pub use docs::docs;
pub use doctor::Doctor;
pub use door::{DnsList, Door, ListAction, Submission};
pub use egress::{Egress, Opened};
pub use fault::{BreakTls, Fault, InboxSettings, Phase, Rate};
pub use init::init;
pub use limit::{Limits, Timeouts};
pub use listener::{Listener, Role};
pub use live::Live;
pub use load::{Source, load, notify_socket, show};
pub use mailbox::Mailboxes;
pub use pattern::{ReplyAction, ReplyRule};
pub use problem::Problem;
pub use publish::{Acme, Https, MtaSts, Reports, StsMode, Subdomains};
pub use queue::{Queue, Storage};
pub use records::{GivenRecord, GivenRecords, RecordData};
pub use relay::{Dns, Host, Protocol, Provider, Relay, Route, TlsNeed};
pub use release::{Release, ReleaseTo};
pub use reload::Reload;
pub use sandbox::{InboxBy, Sandbox};
pub use section::{
    Auth, BareNewlines, CatchAll, Certificate, Format, Http, Intake, Level, Log, OverQuota, Server,
    Tls,
};
pub use service::{Service, ServiceKind};
pub use unit::Secret;
pub use verification::{Strictness, Verification};
pub use webhook::Webhooks;

/// Everything that can be set, by section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who this server is, and where it keeps its data.
    pub server: Server,
    /// The HTTP listener: health and metrics.
    pub http: Http,
    /// The HTTPS listener: MTA-STS policies, and challenges of an authority.
    pub https: Https,
    /// What is written to the log.
    pub log: Log,
    /// Limits of sessions and messages.
    pub limits: Limits,
    /// How long each side of a session may take.
    pub timeouts: Timeouts,
    /// Certificates.
    pub tls: Tls,
    /// Certificates from an authority that speaks ACME.
    pub acme: Acme,
    /// The MTA-STS policy of our domains.
    pub mta_sts: MtaSts,
    /// Names below each of our domains.
    pub subdomains: Subdomains,
    /// Authentication.
    pub auth: Auth,
    /// What is done with a message as it comes in.
    pub intake: Intake,
    /// Who is let in by MTA listeners.
    pub door: Door,
    /// How much an account may send.
    pub submission: Submission,
    /// How mail from strangers is judged.
    pub verification: Verification,
    /// How messages leave.
    pub relay: Relay,
    /// How messages of ours are signed.
    pub dkim: Dkim,
    /// How names are looked up.
    pub dns: Dns,
    /// Reports to the domains that we exchange mail with.
    pub reports: Reports,
    /// When and how often deliveries are tried.
    pub queue: Queue,
    /// How messages are stored.
    pub storage: Storage,
    /// Reading mailboxes: IMAP and POP3.
    pub mailboxes: Mailboxes,
    /// What `mailwright doctor` looks at beyond this machine, and what it finds old.
    pub doctor: Doctor,
    /// The sandbox: inboxes that catch mail.
    pub sandbox: Sandbox,
    /// What the checks of a message ask beyond it.
    pub checks: Checks,
    /// What is asked over the web in the name of a message.
    pub egress: Egress,
    /// Ports that take or show mail, by a name of your choice. A file that has one
    /// `[listeners.NAME]` has to have all: they take the place of the default ones.
    pub listeners: BTreeMap<String, Listener>,
    /// Next hops by recipient domain; `*.example.com` stands for all below it, `*` for all.
    pub routes: BTreeMap<String, Route>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            http: Http::default(),
            https: Https::default(),
            log: Log::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            tls: Tls::default(),
            acme: Acme::default(),
            mta_sts: MtaSts::default(),
            subdomains: Subdomains::default(),
            auth: Auth::default(),
            intake: Intake::default(),
            door: Door::default(),
            submission: Submission::default(),
            verification: Verification::default(),
            relay: Relay::default(),
            dkim: Dkim::default(),
            dns: Dns::default(),
            reports: Reports::default(),
            queue: Queue::default(),
            storage: Storage::default(),
            mailboxes: Mailboxes::default(),
            doctor: Doctor::default(),
            sandbox: Sandbox::default(),
            checks: Checks::default(),
            egress: Egress::default(),
            listeners: listener::first_run(),
            routes: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Largest message `listener` takes, in octets.
    pub fn message_size_max(&self, listener: &Listener) -> u64 {
        listener.message_size_max.unwrap_or(self.limits.message_size_max)
    }

    /// Most recipients `listener` takes for one message.
    pub fn recipients_max(&self, listener: &Listener) -> usize {
        listener.recipients_max.unwrap_or(self.limits.recipients_max)
    }

    /// Most sessions open at once on `listener`.
    pub fn sessions_max(&self, listener: &Listener) -> usize {
        listener.sessions_max.unwrap_or(self.limits.sessions_max)
    }

    /// Most sessions open at once from one address on `listener`.
    pub fn sessions_per_address_max(&self, listener: &Listener) -> usize {
        listener.sessions_per_address_max.unwrap_or(self.limits.sessions_per_address_max)
    }

    /// The route of mail to `domain`, the closest one that is set.
    pub fn route(&self, domain: &str) -> Option<&Route> {
        let domain = domain.to_ascii_lowercase();
        let mut rest = domain.as_str();
        if let Some(route) = self.routes.get(rest) {
            return Some(route);
        }
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(route) = self.routes.get(&format!("*.{parent}")) {
                return Some(route);
            }
            rest = parent;
        }
        self.routes.get("*")
    }
}
