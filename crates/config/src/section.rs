//! The sections about the server itself: its name, log, certificates, authentication, intake.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// Who this server is, and where it keeps its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Name of this server, as it greets and as it says `EHLO`. Default `"localhost"`; others
    /// expect one that DNS resolves to this machine, and back.
    pub hostname: String,
    /// Folder of all that is stored; made when it is not there. Default `"mailwright-data"`.
    #[schemars(with = "String")]
    pub data: PathBuf,
    /// User to become after the ports are open; needs a start as root. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Group to become after the ports are open. Default the group of `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Number of this server among those that share a store, 0 to 255. Default 0.
    pub node: u8,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            data: PathBuf::from("mailwright-data"),
            user: None,
            group: None,
            node: 0,
        }
    }
}

/// The HTTP listener: health, metrics, and settings for mail clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Addresses and ports it listens on; none turns it off. It asks for no password, so keep it
    /// on loopback. Default `["127.0.0.1:10080"]`.
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<SocketAddr>,
    /// Connections at one time, of each address it listens on; others wait. Default 1000.
    pub connections_max: usize,
    /// Connections of one client address at one time; more are turned away. Default 200.
    pub connections_per_address_max: usize,
    /// Most octets of a request's header, at least 8 KiB. Default 64 KiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub header_size_max: u64,
    /// Most fields of a request's header. Default 100.
    pub headers_max: usize,
    /// How long a client may take for a header, and may be silent between two requests. Default 30
    /// seconds.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub header_time_max: Duration,
    /// Most octets of a request's body that is no message. Default 1 MiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub body_size_max: u64,
    /// How long a client may take for a body. Default 5 minutes.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub body_time_max: Duration,
    /// How long a client may take nothing of what it is sent. Default 1 minute.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub write_time_max: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            addresses: vec![SocketAddr::from(([127, 0, 0, 1], 10080))],
            connections_max: 1000,
            connections_per_address_max: 200,
            header_size_max: 64 << 10,
            headers_max: 100,
            header_time_max: Duration::from_secs(30),
            body_size_max: 1 << 20,
            body_time_max: Duration::from_mins(5),
            write_time_max: Duration::from_mins(1),
        }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Which log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Act now, or mail is lost.
    Error,
    /// Look today.
    Warn,
    /// One line for each decision about a message.
    Info,
    /// The protocol lines, without secrets.
    Debug,
    /// Every octet.
    Trace,
}

impl Level {
    /// The word that the log filter knows it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// What is written to the log, which is standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `"text"` for people or `"json"` for programs. Default `"text"`.
    pub format: Format,
    /// `"error"`, `"warn"`, `"info"`, `"debug"` or `"trace"`. Default `"info"`.
    pub level: Level,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Text, level: Level::Info }
    }
}

/// A certificate and its key, both as PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// File of the certificate, followed by those that vouch for it. Has to be set.
    #[schemars(with = "String")]
    pub certificate: PathBuf,
    /// File of the private key. Has to be set.
    #[schemars(with = "String")]
    pub key: PathBuf,
}

/// Certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificates by the server name a client asks for; `"*"` is for clients that ask for none,
    /// or for another. Files are read again on SIGHUP. Default none.
    pub certificates: BTreeMap<String, Certificate>,
    /// Whether a certificate of our own making stands in where none is set. Default true.
    pub self_signed: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificates: BTreeMap::new(), self_signed: true }
    }
}

/// Authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Networks from which a password may come over a plain connection. Default loopback.
    #[serde(with = "unit::networks")]
    #[schemars(with = "Vec<String>")]
    pub plaintext_from: Vec<IpNet>,
    /// Networks that may submit to an MSA listener without a password, from any sender. Default
    /// none.
    #[serde(with = "unit::networks")]
    #[schemars(with = "Vec<String>")]
    pub submit_from: Vec<IpNet>,
    /// Failures of an account or an address after which further ones have to wait. Default 10.
    pub throttle_after: u32,
    /// How long they wait then; each further failure doubles it, up to an hour. Default 5s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub throttle_wait: Duration,
    /// Failed logins, none an hour after the one before it, after which an address may not connect
    /// any more; of IPv6 the /64 that it is in. 0 blocks none. Default 30.
    pub block_after: u32,
    /// Blocked addresses of a /24, of IPv6 a /48, within a day, after which all of it is blocked.
    /// 0 blocks none. Default 4.
    pub block_sites: u32,
    /// How long such a block lasts. Default 1h.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub block_time: Duration,
    /// Networks that are never blocked so. Default loopback.
    #[serde(with = "unit::networks")]
    #[schemars(with = "Vec<String>")]
    pub never_block: Vec<IpNet>,
    /// How long the audit log is kept: logins, administration, blocks. Default 90d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub audit_kept: Duration,
    /// How long a password that was right is remembered, as a keyed hash in memory. Default 5m.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub cache: Duration,
    /// Passwords checked at once; each check takes 19 MiB of memory. Default 2.
    pub checks_max: usize,
}

impl Default for Auth {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"];
        Self {
            plaintext_from: loopback.iter().filter_map(|net| net.parse().ok()).collect(),
            submit_from: Vec::new(),
            throttle_after: 10,
            throttle_wait: Duration::from_secs(5),
            block_after: 30,
            block_sites: 4,
            block_time: Duration::from_hours(1),
            never_block: loopback.iter().filter_map(|net| net.parse().ok()).collect(),
            audit_kept: Duration::from_hours(90 * 24),
            cache: Duration::from_mins(5),
            checks_max: 2,
        }
    }
}

/// What is done with a CR or LF that stands alone in a message from our own users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BareNewlines {
    /// The message is refused.
    Refuse,
    /// It becomes a CRLF.
    Normalise,
}

/// Where mail to an unknown address of a domain with a catch-all goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CatchAll {
    /// To the catch-all's own mailbox.
    Deliver,
    /// Catch-alls are out of use: the address is refused.
    Refuse,
}

/// What a full mailbox answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OverQuota {
    /// 452 4.2.2: the sender tries again.
    Temporary,
    /// 552 5.2.2: the sender is told at once.
    Permanent,
}

/// What is done with a message as it comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Intake {
    /// Character between an account's name and the detail behind it, as in `ann+lists@example.com`.
    /// Empty turns subaddresses off. Default `"+"`.
    ///
    /// Source: RFC 5233 section 1.
    pub subaddress_separator: String,
    /// Whether mail to a subaddress goes to the folder of that name, when there is one. Default
    /// true.
    pub subaddress_folders: bool,
    /// What an MSA listener does with a CR or LF that stands alone: `"refuse"` or `"normalise"`.
    /// Others always refuse. Default `"refuse"`.
    pub bare_newlines: BareNewlines,
    /// Whether catch-alls are in use: `"deliver"` or `"refuse"`. Default `"deliver"`.
    pub catch_all: CatchAll,
    /// What a full mailbox answers: `"temporary"` or `"permanent"`. Default `"temporary"`.
    pub over_quota: OverQuota,
    /// Domains for which we are a backup MX: their mail is taken for any recipient and relayed to
    /// a better MX. Default none.
    pub backup_domains: Vec<String>,
    /// How long the reverse-path of a forwarded message, which holds that of its first sender,
    /// takes failure reports. Default 21d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub srs_lifetime: Duration,
    /// Shortest time by which delivery may be asked for, as `DELIVERBY` offers it. Default 1m.
    ///
    /// Source: RFC 2852 section 2.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub deliver_by_min: Duration,
    /// Longest time a message of our own users may be held before it is sent, as `FUTURERELEASE`
    /// offers it; `"0s"` offers it not. Default 30d.
    ///
    /// Source: RFC 4865 section 4.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub hold_max: Duration,
    /// Greatest priority that our own users and trusted networks may give a message, from 0 to 9;
    /// others may only give less than 0. Default 9.
    ///
    /// Source: RFC 6710.
    pub priority_max: u8,
    /// Free space of the data folder's disk under which new mail gets 452, in octets; a tenth of
    /// the disk when that is less. Default 5 GiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub free_space_min: u64,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            subaddress_separator: "+".to_owned(),
            subaddress_folders: true,
            bare_newlines: BareNewlines::Refuse,
            catch_all: CatchAll::Deliver,
            over_quota: OverQuota::Temporary,
            backup_domains: Vec::new(),
            srs_lifetime: Duration::from_hours(21 * 24),
            deliver_by_min: Duration::from_mins(1),
            hold_max: Duration::from_hours(30 * 24),
            priority_max: 9,
            free_space_min: 5 << 30,
        }
    }
}
