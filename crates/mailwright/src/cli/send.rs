//! The options of `mailwright send`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mailwright_doctor::send::{Phase, Place, Tls};

use super::login::{HostOptions, LoginOptions};

/// A message, or a part of a session, to one host.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 as asked for; 1 files or options; 2 command line; what went \
    wrong: 3 connection, 4 EHLO, 5 TLS, 6 login, 7 MAIL, 8 RCPT, 9 DATA and the message."
)]
pub(crate) struct Send {
    /// The host, with `:PORT` if need be [default: the best MX of the recipients' domain]
    #[arg(long, value_name = "HOST")]
    pub(crate) server: Option<Place>,
    /// The port where the host has none [default: 25, with --lmtp 24, with --tls implicit 465]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// The envelope sender; `<>` is the null reverse-path [default: --user]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<String>,
    /// A recipient
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Vec<String>,
    /// What it is about
    #[arg(long, default_value = "A test message", value_name = "TEXT")]
    pub(crate) subject: String,
    /// A header field, such as 'X-Test: 1'; it takes the place of one of the same name
    #[arg(long, value_name = "FIELD")]
    pub(crate) header: Vec<String>,
    /// What it says; `-` reads standard input
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["body_file", "raw"])]
    pub(crate) body: Option<String>,
    /// Read what it says from a file
    #[arg(long, value_name = "FILE", conflicts_with = "raw")]
    pub(crate) body_file: Option<PathBuf>,
    /// Send a file along
    #[arg(long, value_name = "FILE", conflicts_with = "raw")]
    pub(crate) attach: Vec<PathBuf>,
    /// Send this file as the whole message, header and all; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) raw: Option<PathBuf>,
    /// How much TLS [default: opportunistic, on port 465 implicit]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) tls: Option<TlsMode>,
    /// Send nothing to a host whose certificate is not good
    #[arg(long)]
    pub(crate) tls_verify: bool,
    #[command(flatten)]
    pub(crate) login: LoginOptions,
    #[command(flatten)]
    pub(crate) host: HostOptions,
    /// Speak LMTP
    #[arg(long)]
    pub(crate) lmtp: bool,
    /// Wait for each reply, even where the host offers pipelining
    #[arg(long)]
    pub(crate) no_pipelining: bool,
    /// Use BDAT where the host offers it
    #[arg(long)]
    pub(crate) bdat: bool,
    /// Ask for SMTPUTF8, and write header fields as they are
    #[arg(long)]
    pub(crate) smtputf8: bool,
    /// Reports that are asked for: never, or some of success, failure and delay
    #[arg(long, value_name = "WHEN", value_delimiter = ',', value_enum)]
    pub(crate) notify: Vec<NotifyWhen>,
    /// How much of the message a report brings back
    #[arg(long, value_enum, value_name = "PART")]
    pub(crate) ret: Option<RetPart>,
    /// A name for the transaction, which reports repeat
    #[arg(long, value_name = "TEXT")]
    pub(crate) envid: Option<String>,
    /// End behind this phase, and send nothing
    #[arg(long, value_name = "PHASE", value_enum)]
    pub(crate) quit_after: Option<PhaseName>,
    /// Print what is said, without secrets, to standard error
    #[arg(long)]
    pub(crate) trace: bool,
    /// Print what came of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How much TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsMode {
    /// None, even where it is offered
    None,
    /// STARTTLS, or nothing is sent
    Starttls,
    /// From the first octet
    Implicit,
    /// STARTTLS where it is offered
    Opportunistic,
}

impl From<TlsMode> for Tls {
    fn from(mode: TlsMode) -> Self {
        match mode {
            TlsMode::None => Self::None,
            TlsMode::Starttls => Self::Required,
            TlsMode::Implicit => Self::Implicit,
            TlsMode::Opportunistic => Self::Opportunistic,
        }
    }
}

/// Which outcomes are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NotifyWhen {
    /// None
    Never,
    /// Delivery
    Success,
    /// Failure
    Failure,
    /// Delay
    Delay,
}

/// How much of a message comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RetPart {
    /// All of it
    Full,
    /// Its header
    Hdrs,
}

/// A part of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PhaseName {
    /// The greeting
    Connect,
    /// EHLO
    Ehlo,
    /// STARTTLS and the handshake
    Tls,
    /// The login
    Auth,
    /// MAIL
    Mail,
    /// RCPT
    Rcpt,
    /// DATA; the connection is closed on the host's answer
    Data,
}

impl From<PhaseName> for Phase {
    fn from(name: PhaseName) -> Self {
        match name {
            PhaseName::Connect => Self::Connect,
            PhaseName::Ehlo => Self::Ehlo,
            PhaseName::Tls => Self::Tls,
            PhaseName::Auth => Self::Auth,
            PhaseName::Mail => Self::Mail,
            PhaseName::Rcpt => Self::Rcpt,
            PhaseName::Data => Self::Data,
        }
    }
}
