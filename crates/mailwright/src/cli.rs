//! The command line: what can be said, and nothing of what it does.
//!
//! Scripts rely on these names and forms; a change here is a breaking change.

mod check;
mod doctor;
mod inbox;
mod login;
mod sandbox;
mod send;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::check::{Check, ReportFormat};
pub(crate) use doctor::{CarrierOptions, Doctor, DoctorCommand, Form, HostExam};
pub(crate) use inbox::{InboxCommand, TokenCommand};
pub(crate) use login::{HostOptions, TlsVersion};
pub(crate) use sandbox::{InboxBy, Sandbox};
pub(crate) use send::{Attached, NotifyWhen, RetPart, Send, TlsMode};

/// A mail platform in one binary: server, sending platform, sandbox and doctor.
#[derive(Debug, Parser)]
#[command(name = "mailwright", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Configuration file [default: mailwright.toml in the data folder, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "MAILWRIGHT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Data folder: database, message bodies, keys [default: ./mailwright-data]
    #[arg(long, global = true, value_name = "DIR", env = "MAILWRIGHT_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server until it is told to stop
    Serve,
    /// Catch all mail of a program under test: nothing leaves, and nothing is left behind
    ///
    /// Without --data its messages are in a temporary folder, which goes with it.
    Sandbox(Sandbox),
    /// Write a commented mailwright.toml for a domain, on the real ports
    Init {
        /// The domain whose mail this server is for
        domain: String,
        /// Where to write it; `-` prints it
        #[arg(long, default_value = "mailwright.toml")]
        output: PathBuf,
    },
    /// Check, show or explain the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Put messages from an mbox, a Maildir, .eml files or another server into an account
    Import(Import),
    /// Write an account's messages as a Maildir, mboxes or .eml files
    Export(Export),
    /// Write a consistent copy of all data, while the server runs or not
    Backup {
        /// A new folder, or a file whose name ends in .tar
        target: PathBuf,
    },
    /// Fill an empty data folder from a backup
    Restore {
        /// What `backup` wrote
        source: PathBuf,
        /// Keep UIDVALIDITY: nothing happened since the backup, as in a move to another machine
        #[arg(long)]
        same_uids: bool,
    },
    /// Send a message, or a part of a session, to one host, to try things out
    Send(Box<Send>),
    /// Check messages: how clients show them, what spam filters think, what is wrong with links
    Check(Check),
    /// What is done to a server's data, running or not
    #[command(flatten)]
    Admin(Box<AdminCommand>),
}

/// Commands about the configuration alone.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether the configuration is right
    Check,
    /// Print the configuration in force, defaults included
    Show,
    /// Print the reference of every field
    Docs,
}

/// Commands that need the store: carried out by the running server, or on the opened store.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Domains whose mail is ours
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Accounts: who may log in
    #[command(subcommand)]
    Account(AccountCommand),
    /// Aliases: addresses that lead to other addresses
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Networks that may not connect
    #[command(subcommand)]
    Block(BlockCommand),
    /// Who did what: logins, administration, blocks
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Inboxes: they catch what is sent to them or through them
    #[command(subcommand)]
    Inbox(InboxCommand),
    /// Messages in mailboxes
    #[command(subcommand)]
    Message(MessageCommand),
    /// Mail on its way
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Count what happened to messages, by hour and kind
    Events {
        /// How many hours back, this one included
        #[arg(long, value_name = "NUMBER", default_value_t = 24)]
        hours: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Find out why mail does not arrive
    Doctor(Box<Doctor>),
    /// What other servers report about mail in the name of your domains, and what they are told
    #[command(subcommand)]
    Report(ReportCommand),
    /// Certificates, and their TLSA records
    #[command(subcommand)]
    Tls(TlsCommand),
    /// Take a message from standard input, as programs expect of sendmail
    Sendmail(Sendmail),
    /// Take the messages of an import from standard input
    #[command(hide = true)]
    Take {
        /// The account
        address: String,
        /// Also what was imported before and expunged since
        #[arg(long)]
        again: bool,
    },
    /// Print the messages of an export
    #[command(hide = true)]
    Give {
        /// The account
        address: String,
        /// One folder only
        #[arg(long)]
        folder: Option<String>,
    },
    /// Print a backup as a tar archive
    #[command(hide = true)]
    Snapshot,
}

/// Commands about certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum TlsCommand {
    /// Print the certificates of an authority, and the TLSA records to publish
    Show,
    /// Ask for the next certificate with the next key, once its TLSA record is published
    Roll {
        /// Do not look whether the record is published
        #[arg(long)]
        force: bool,
    },
}

/// A way to keep messages in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Many messages in a file, each behind a line `From `
    Mbox,
    /// A file for each message, with subfolders as in Maildir++
    Maildir,
    /// A file for each message, in folders named as the account's
    Eml,
}

/// Where messages come from, and where they go.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The account
    pub(crate) address: String,
    /// An mbox, a Maildir, an .eml file, a folder of mboxes or .eml files, or another server:
    /// `imaps://USER@HOST`, `imap://USER@HOST` for STARTTLS, each with `/FOLDER` for one folder
    pub(crate) source: PathBuf,
    /// What the source is [default: what it looks like]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// The folder that gets the messages, or under which the source's folders are made
    #[arg(long, default_value = "INBOX")]
    pub(crate) folder: String,
    /// Bring back what was imported before and expunged since
    #[arg(long)]
    pub(crate) again: bool,
    /// Read the password at the other server from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// A PEM file with an authority to believe about the other server's name
    #[arg(long, value_name = "FILE")]
    pub(crate) authority: Option<PathBuf>,
}

/// Which messages are written, and how.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The account
    pub(crate) address: String,
    /// A new folder
    pub(crate) target: PathBuf,
    /// How they are written
    #[arg(long, value_enum, default_value = "maildir")]
    pub(crate) format: Format,
    /// One folder only
    #[arg(long)]
    pub(crate) folder: Option<String>,
}

/// Commands about domains.
#[derive(Debug, Subcommand)]
pub(crate) enum DomainCommand {
    /// Take mail for a domain
    Add {
        /// Its name
        name: String,
        /// Take and relay its mail while its own server is away, as a backup MX
        #[arg(long)]
        backup: bool,
        /// Where mail for unknown addresses of the domain goes
        #[arg(long, value_name = "ADDRESS")]
        catch_all: Option<String>,
    },
    /// Make new keys for a domain; they sign once their records can be found
    Rotate {
        /// The domain
        name: String,
        /// Let the keys that wait sign now, without a look whether their records are there
        #[arg(long)]
        activate: bool,
    },
    /// Take over a key that a domain has from elsewhere, as PEM from standard input
    ImportKey {
        /// The domain
        name: String,
        /// The name of its record below _domainkey
        selector: String,
    },
    /// List the keys of a domain, and what each is used for
    Keys {
        /// The domain
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List the domains
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print every DNS record that a domain should have
    Records {
        /// The domain
        name: String,
        /// As lines of a zone file
        #[arg(long, conflicts_with = "json")]
        zone: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Look the records of a domain up; exits with 1 when one is not right
    Check {
        /// The domain
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take no more mail for a domain
    Remove {
        /// Its name
        name: String,
    },
}

/// Commands about accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account; its domain must be one of ours
    Add {
        /// Its address, which is also its login name
        address: String,
        /// Read the password (or, with --hash, its hash) from standard input
        #[arg(long)]
        password_stdin: bool,
        /// What is read is a hash: {BLF-CRYPT}, {SHA512-CRYPT} or {ARGON2ID}
        #[arg(long, requires = "password_stdin")]
        hash: bool,
        /// Most octets its mailboxes may hold
        #[arg(long, value_name = "OCTETS")]
        quota: Option<u64>,
    },
    /// List the accounts
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Set a new password, read from standard input
    Password {
        /// The account
        address: String,
        /// Read the password (or, with --hash, its hash) from standard input
        #[arg(long, required = true)]
        password_stdin: bool,
        /// What is read is a hash: {BLF-CRYPT}, {SHA512-CRYPT} or {ARGON2ID}
        #[arg(long)]
        hash: bool,
    },
    /// Delete an account and all of its mail
    Remove {
        /// The account
        address: String,
    },
    /// Passwords for single programs
    #[command(subcommand)]
    AppPassword(AppPasswordCommand),
}

/// Commands about app passwords.
#[derive(Debug, Subcommand)]
pub(crate) enum AppPasswordCommand {
    /// Make one, and print it once
    Add {
        /// The account
        address: String,
        /// What it is for
        name: String,
        /// Keep it readable, as CRAM-MD5 needs it: who reads the database can then log in with it
        #[arg(long)]
        cram_md5: bool,
    },
    /// List them with their last use
    List {
        /// The account
        address: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make one worthless
    Revoke {
        /// The account
        address: String,
        /// What it was for
        name: String,
    },
}

/// Commands about aliases.
#[derive(Debug, Subcommand)]
pub(crate) enum AliasCommand {
    /// Make an address lead to others
    Add {
        /// The alias
        address: String,
        /// `alias` passes the message on, `list` and `forward` make a new one with a sender of ours
        #[arg(long, default_value = "alias", value_name = "KIND")]
        kind: String,
        /// Where its mail goes
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// List the aliases
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an alias
    Remove {
        /// The alias
        address: String,
    },
}

/// Commands about blocked networks.
#[derive(Debug, Subcommand)]
pub(crate) enum BlockCommand {
    /// List the blocked networks
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let nobody of a network connect
    Add {
        /// Its address, with a length for more than one, as 192.0.2.0/24
        network: String,
        /// For how many hours [default: for ever]
        #[arg(long)]
        hours: Option<u32>,
        /// Why
        #[arg(long, default_value = "by hand")]
        reason: String,
    },
    /// Let a network connect again
    Remove {
        /// The network, as the list has it
        network: String,
    },
}

/// Commands about the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List what was done, the newest first
    List {
        /// One kind only: `login`, `login_failed`, `blocked`, `admin` or `over_limit`
        #[arg(long)]
        kind: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Commands about the reports of other servers.
#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// List reports, the newest first
    List {
        /// One kind only: `dmarc`, how messages passed DMARC, or `tls`, how sessions were encrypted
        #[arg(long)]
        kind: Option<String>,
        /// One domain only
        #[arg(long)]
        domain: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a report tells: who sent in your domain's name, and what came of it
    Show {
        /// Its number, as the list has it
        id: i64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a report from standard input: XML, JSON, packed or not, or the message it came in
    Import,
    /// Send the reports to other domains that are due, without waiting for the hour
    Send {
        /// Also what this day has brought so far
        #[arg(long)]
        today: bool,
    },
}

/// Commands about messages in mailboxes.
#[derive(Debug, Subcommand)]
pub(crate) enum MessageCommand {
    /// List the messages of an account
    List {
        /// The account
        address: String,
        /// One folder only
        #[arg(long)]
        folder: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one message
    Show {
        /// Its id
        id: String,
        /// The copy, byte for byte
        #[arg(long)]
        raw: bool,
    },
}

/// Commands about the queue.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List what is on its way
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a recipient with each attempt and the last conversation
    Show {
        /// The recipient's or the message's id
        id: String,
    },
    /// Try again now
    Retry {
        /// The recipient's or the message's id
        id: String,
    },
    /// Do not try until released
    Hold {
        /// The recipient's or the message's id
        id: String,
    },
    /// Let go on what was held
    Release {
        /// The recipient's or the message's id
        id: String,
    },
    /// Take out of the queue, with no report to the sender
    Delete {
        /// The recipient's or the message's id
        id: String,
    },
}

/// The options of sendmail that programs use.
#[derive(Debug, Args)]
pub(crate) struct Sendmail {
    /// Take the recipients from To, Cc and Bcc
    #[arg(short = 't')]
    pub(crate) from_headers: bool,
    /// The envelope sender
    #[arg(short = 'f', value_name = "ADDRESS")]
    pub(crate) sender: Option<String>,
    /// A line with a single dot does not end the message
    #[arg(short = 'i')]
    pub(crate) ignore_dots: bool,
    /// The sender's full name, for a From that is missing
    #[arg(short = 'F', value_name = "NAME")]
    pub(crate) full_name: Option<String>,
    /// Other options of sendmail, accepted and of no effect (-oi is -i)
    #[arg(short = 'o', value_name = "OPTION")]
    pub(crate) options: Vec<String>,
    /// Hand the message to this SMTP server, as HOST or HOST:PORT, such as that of a sandbox; no
    /// data folder is needed then
    #[arg(short = 'S', long = "smtp", value_name = "SERVER", env = "MAILWRIGHT_SENDMAIL_SMTP")]
    pub(crate) smtp: Option<mailwright_doctor::send::Place>,
    /// Who gets it
    pub(crate) recipients: Vec<String>,
}
