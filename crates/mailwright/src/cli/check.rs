//! The options of `mailwright check`.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

/// What is checked, and when that fails.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 no condition holds, 1 one does, 2 nothing could be checked.")]
pub(crate) struct Check {
    /// Messages in files; `-` is standard input
    #[arg(required_unless_present_any = ["inbox", "rules"], value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// All messages of an inbox of a running sandbox, up to a thousand
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    pub(crate) inbox: Option<String>,
    /// Only those messages of the inbox, in its search language
    #[arg(long, value_name = "QUERY", requires = "inbox")]
    pub(crate) query: Option<String>,
    /// Where the sandbox is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8025")]
    pub(crate) server: String,
    /// The sandbox's password
    #[arg(long, value_name = "TOKEN", env = "MAILWRIGHT_SANDBOX_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Ask whether links work, and the DNS for SPF, DKIM, DMARC and the lists that `[checks]`
    /// names; `[egress]` says who may be asked. Links that unsubscribe are never asked for
    #[arg(long)]
    pub(crate) online: bool,
    /// The address that will send, for SPF and lists
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<IpAddr>,
    /// How the server that sends will name itself
    #[arg(long, value_name = "NAME")]
    pub(crate) helo: Option<String>,
    /// The reverse-path; empty for a bounce. The author's address without it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<String>,
    /// A file of DNS records that are taken for published, as `mailwright domain records` prints
    /// them; `-` is standard input. SPF, DKIM and DMARC are judged by them without the DNS, too
    #[arg(long, value_name = "FILE")]
    pub(crate) records: Option<PathBuf>,
    /// Fail when one of these holds, such as `html<90,spam>3,links.broken>0`
    #[arg(long, value_name = "CONDITIONS", default_value = "")]
    pub(crate) fail_on: String,
    /// Whose clients count: `current`, `all`, or shares such as `gmail.*=60,outlook.windows=20`
    #[arg(long, value_name = "CLIENTS", default_value = "current")]
    pub(crate) clients: String,
    /// How the report is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ReportFormat,
    /// As JSON: the same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Print all rules instead of checking anything
    #[arg(long)]
    pub(crate) rules: bool,
}

/// A form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Text,
    /// An array of objects
    Json,
    /// XML that build servers show as tests
    Junit,
    /// SARIF 2.1.0, which code hosts show beside the lines
    Sarif,
}
