//! The options of `mailwright doctor`.

use clap::{Args, Subcommand};
use mailwright_doctor::send::Place;

use super::login::{HostOptions, LoginOptions};

/// Find out why mail does not arrive: without a command, this server is examined.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing is wrong, 1 something is, 2 it could not be examined.",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Doctor {
    /// What to examine
    #[command(subcommand)]
    pub(crate) command: Option<DoctorCommand>,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// Commands that look for faults.
#[derive(Debug, Subcommand)]
pub(crate) enum DoctorCommand {
    /// Examine a host that takes mail: ports, greeting, TLS, login, envelope; nothing is sent
    Smtp {
        #[command(flatten)]
        host: HostExam,
        /// Try this envelope sender; `<>` is the null reverse-path
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
        /// Try this recipient
        #[arg(long, value_name = "ADDRESS")]
        to: Vec<String>,
    },
    /// Examine a host that mail is read from by IMAP
    Imap(HostExam),
    /// Examine a host that mail is fetched from by POP3
    Pop3(HostExam),
    /// Look at what the world sees of a domain: MX, SPF, DKIM, DMARC, MTA-STS, DANE, and its hosts
    Domain {
        /// The domain
        name: String,
        /// The name of a DKIM key, as `s=` in DKIM-Signature has it
        #[arg(long, value_name = "NAME")]
        selector: Vec<String>,
        /// Look at its records alone, and visit no host
        #[arg(long)]
        records_only: bool,
        /// Try old versions of TLS, weak ciphers, and relaying, too, which hosts may take for an
        /// attack
        #[arg(long, conflicts_with = "records_only")]
        thorough: bool,
        #[command(flatten)]
        host: HostOptions,
        #[command(flatten)]
        form: Form,
    },
    /// Go the road of a message to an address, up to RCPT; nothing is sent
    Deliver {
        /// The recipient
        address: String,
        /// The envelope sender; `<>` is the null reverse-path [default: postmaster of this host]
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
        #[command(flatten)]
        host: HostOptions,
        #[command(flatten)]
        form: Form,
    },
    /// Examine a message: its form, hops, stamps and signatures; of one of ours every event, too
    Message {
        /// A file, `-` for standard input, or the id of a message in a mailbox or in the queue
        #[arg(value_name = "FILE|ID")]
        what: String,
        #[command(flatten)]
        carrier: CarrierOptions,
        #[command(flatten)]
        form: Form,
    },
    /// Explain a reply, such as one in a log or a report
    Code {
        /// The reply; `-` reads standard input
        #[arg(required = true, value_name = "REPLY")]
        text: Vec<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Check all rows and bodies; exits with 1 when something is wrong
    Store {
        /// Mend what can be computed anew, and render messages of older versions
        #[arg(long)]
        mend: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Who brought a message; what is not given is read from its Received and Return-Path fields.
#[derive(Debug, Clone, Args)]
pub(crate) struct CarrierOptions {
    /// The address that handed it to the receiver, which SPF is about
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<std::net::IpAddr>,
    /// The envelope sender; `<>` is the null reverse-path
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<String>,
    /// The name that it gave in EHLO
    #[arg(long, value_name = "NAME")]
    pub(crate) helo: Option<String>,
}

/// A host, and how it is examined.
#[derive(Debug, Args)]
pub(crate) struct HostExam {
    /// The host; without `:PORT` the usual ports are tried
    pub(crate) place: Place,
    /// Try old versions of TLS, weak ciphers, and on port 25 relaying, too, which hosts may take
    /// for an attack; nothing is sent
    #[arg(long)]
    pub(crate) thorough: bool,
    #[command(flatten)]
    pub(crate) login: LoginOptions,
    #[command(flatten)]
    pub(crate) host: HostOptions,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// How an examination is told.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Form {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// All of every check, and what was said on the wire
    #[arg(long, short)]
    pub(crate) verbose: bool,
}
