//! What of the configuration acceptance goes by.

use std::time::Duration;

use mailwright_config::{
    Config, Door, InboxBy, Limits, OverQuota, Release, Submission, Verification,
};
use mailwright_words::{AddressError, Domain};

/// What of the configuration acceptance goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name, in trace fields and new identifiers.
    pub host: Domain,
    /// Limits of messages.
    pub limits: Limits,
    /// Whether the owner of a full mailbox gets 452 for it, else 552.
    pub over_quota_temporary: bool,
    /// Whether a subaddress asks for the folder of its name.
    pub subaddress_folders: bool,
    /// Free octets of the disk under which nothing is taken; a tenth of the disk if that is less.
    pub free_space_min: u64,
    /// Who is let in.
    pub door: Door,
    /// How much an account may send.
    pub submission: Submission,
    /// Greatest priority that those who may submit can give a message.
    pub priority_max: i8,
    /// How mail from strangers is judged.
    pub verification: Verification,
    /// Whether authors' domains are told what was seen of them.
    pub counts_authors: bool,
    /// How long a message is tried.
    pub lifetime: Duration,
    /// How long a report is tried.
    pub report_lifetime: Duration,
    /// What names the inbox that catches a message.
    pub inbox_by: Vec<InboxBy>,
    /// Refusals of sandbox listeners that are remembered.
    pub refusals_max: usize,
    /// Letting go of what was caught.
    pub release: Release,
    /// Between a local part and the detail behind it.
    pub separator: Option<char>,
}

impl Settings {
    /// Those of a configuration.
    ///
    /// Errors: the host's name is no domain.
    pub fn of(config: &Config) -> Result<Self, AddressError> {
        Ok(Self {
            host: Domain::parse(&config.server.hostname)?,
            limits: config.limits.clone(),
            over_quota_temporary: config.intake.over_quota == OverQuota::Temporary,
            subaddress_folders: config.intake.subaddress_folders,
            free_space_min: config.intake.free_space_min,
            door: config.door.clone(),
            submission: config.submission.clone(),
            priority_max: i8::try_from(config.intake.priority_max).unwrap_or(0),
            verification: config.verification.clone(),
            counts_authors: config.reports.dmarc,
            lifetime: config.queue.lifetime,
            report_lifetime: config.queue.report_lifetime,
            inbox_by: config.sandbox.inbox_by.clone(),
            refusals_max: config.sandbox.refusals_max,
            release: config.sandbox.release.clone(),
            separator: config.intake.subaddress_separator.chars().next(),
        })
    }
}
