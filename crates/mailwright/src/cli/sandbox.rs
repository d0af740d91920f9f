//! The options of `mailwright sandbox`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

/// How a sandbox runs on its own.
#[derive(Debug, Args)]
pub(crate) struct Sandbox {
    /// Where it takes mail
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1025")]
    pub(crate) smtp: Vec<SocketAddr>,
    /// Where its page and its API are
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8025")]
    pub(crate) http: Vec<SocketAddr>,
    /// Where inboxes can be read over IMAP, with any password
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) imap: Vec<SocketAddr>,
    /// Where inboxes can be read over POP3, with any password
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) pop3: Vec<SocketAddr>,
    /// What names the inbox of a message, the first that gives a name; a message without one goes
    /// to `default`
    #[arg(long, value_enum, value_delimiter = ',', default_value = "user")]
    pub(crate) inbox_by: Vec<InboxBy>,
    /// Offer STARTTLS, with a certificate of its own making
    #[arg(long)]
    pub(crate) tls: bool,
    /// Where it takes mail over TLS from the first octet on, with a certificate of its own making
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) smtps: Vec<SocketAddr>,
    /// A file with the settings of the inbox `default`, as JSON: retention, room, faults
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// Leave the temporary folder where it is
    #[arg(long)]
    pub(crate) keep: bool,
    /// Do not wait for the disk: what was taken outlives the process, but not the machine
    #[arg(long)]
    pub(crate) volatile: bool,
    /// Ask for this password on the page and the API
    #[arg(long, value_name = "PASSWORD", env = "MAILWRIGHT_SANDBOX_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// A name under which the page is reached, besides addresses and localhost
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    /// A host that webhooks may lead to though it is no public one, as app or 10.0.0.0/8
    /// [default: this machine, when the page is on loopback alone]
    #[arg(long, value_name = "HOST")]
    pub(crate) webhook_allow: Vec<mailwright_config::Opened>,
    /// Whom messages may be released to from the page or the API: ann@example.com, example.com,
    /// or *.example.com; without it nothing leaves
    #[arg(long, value_name = "WHO", conflicts_with = "volatile")]
    pub(crate) release_to: Vec<mailwright_config::ReleaseTo>,
    /// The server that takes what is released, as HOST or HOST:PORT [default: as the DNS says]
    #[arg(long, value_name = "SERVER", requires = "release_to")]
    pub(crate) release_via: Option<String>,
    /// The envelope sender of what is released [default: the null one]
    #[arg(long, value_name = "ADDRESS", requires = "release_to")]
    pub(crate) release_from: Option<String>,
}

/// What names the inbox of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum InboxBy {
    /// The name that the client authenticated with
    User,
    /// What stands behind `+` in the recipient's local part
    Tag,
    /// The recipient's domain
    Domain,
}
