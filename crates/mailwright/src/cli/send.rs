//! The options of `mailwright send`.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use mailwright_doctor::send::{Phase, Place, ProxyVersion, Tls};

use super::login::{HostOptions, LoginOptions, local};

/// A message, or a part of a session, to one host.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 as asked for; 1 files or options; 2 command line; what went \
    wrong: 3 connection, 4 EHLO, 5 TLS, 6 login, 7 MAIL, 8 RCPT, 9 DATA and the message, \
    10 XCLIENT."
)]
pub(crate) struct Send {
    /// The host, with `:PORT` if need be [default: the best MX of the recipients' domain]
    #[arg(long, value_name = "HOST")]
    pub(crate) server: Option<Place>,
    /// The best MX of this domain, whoever the recipients are
    #[arg(long, value_name = "DOMAIN", conflicts_with = "server")]
    pub(crate) mx: Option<String>,
    /// A socket of this machine instead of a host
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "mx"])]
    pub(crate) socket: Option<PathBuf>,
    /// A command of the shell instead of a host: its input and output are the connection
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["server", "mx", "socket"])]
    pub(crate) pipe: Option<String>,
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
    /// The same as HTML, from a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["raw", "template"])]
    pub(crate) html: Option<PathBuf>,
    /// Send a file along; `;type=text/x-log` and `;name=other.log` behind it say what it is
    #[arg(long, value_name = "FILE", conflicts_with_all = ["raw", "template"])]
    pub(crate) attach: Vec<Attached>,
    /// Send this file as the whole message, header and all; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) raw: Option<PathBuf>,
    /// As --raw, with `{{from}}`, `{{to}}`, `{{subject}}`, `{{date}}`, `{{id}}` and `{{body}}`
    /// replaced in it
    #[arg(long, value_name = "FILE", conflicts_with = "raw")]
    pub(crate) template: Option<PathBuf>,
    /// Print the message, and send nothing
    #[arg(long)]
    pub(crate) dump: bool,
    /// How much TLS [default: opportunistic, on port 465 implicit]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) tls: Option<TlsMode>,
    /// Send nothing to a host whose certificate is not good
    #[arg(long)]
    pub(crate) tls_verify: bool,
    /// Write the certificates that the host shows to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) login: LoginOptions,
    /// Go on without a login where the host offers none that fits
    #[arg(long, requires = "user")]
    pub(crate) auth_optional: bool,
    #[command(flatten)]
    pub(crate) host: HostOptions,
    /// Come in the name of this client, with a PROXY header, as a load balancer does
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = local)]
    pub(crate) proxy: Option<SocketAddr>,
    /// What that client connected to [default: the host]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = local, requires = "proxy")]
    pub(crate) proxy_to: Option<SocketAddr>,
    /// The form of the header
    #[arg(long, value_name = "VERSION", value_enum, default_value = "2", requires = "proxy")]
    pub(crate) proxy_version: ProxyForm,
    /// Tell a host that trusts us of another client, such as 'NAME=mx.example ADDR=192.0.2.1'
    #[arg(long, value_name = "ATTRIBUTES", value_parser = attributes)]
    pub(crate) xclient: Vec<String>,
    /// Say XCLIENT in front of TLS, instead of behind it
    #[arg(long, requires = "xclient")]
    pub(crate) xclient_before_tls: bool,
    /// Go on where the host does not offer XCLIENT, or refuses it
    #[arg(long, requires = "xclient")]
    pub(crate) xclient_optional: bool,
    /// Speak LMTP
    #[arg(long)]
    pub(crate) lmtp: bool,
    /// Say HELO, and use no extension
    #[arg(long, conflicts_with = "lmtp")]
    pub(crate) no_extensions: bool,
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
    /// End behind this phase; before `message` nothing is sent
    #[arg(long, value_name = "PHASE", value_enum)]
    pub(crate) quit_after: Option<PhaseName>,
    /// As --quit-after, and hang up without a word
    #[arg(long, value_name = "PHASE", value_enum, conflicts_with = "quit_after")]
    pub(crate) drop_after: Option<PhaseName>,
    /// As --drop-after, and do not even wait for the answer to the command of that phase
    #[arg(
        long = "drop-after-send",
        value_name = "PHASE",
        value_enum,
        conflicts_with_all = ["quit_after", "drop_after"]
    )]
    pub(crate) drop_unread: Option<PhaseName>,
    /// Print what is said, without secrets, to standard error
    #[arg(long)]
    pub(crate) trace: bool,
    /// As --trace, with the seconds since the start in front of each line
    #[arg(long)]
    pub(crate) trace_time: bool,
    /// Print what came of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A file that is sent along, and what was said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attached {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it is, such as `text/plain`; by the end of its name where that is not said.
    pub(crate) kind: Option<String>,
    /// The name that is told.
    pub(crate) name: Option<String>,
}

impl FromStr for Attached {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut rest, mut kind, mut name) = (text, None, None);
        while let Some((front, last)) = rest.rsplit_once(';') {
            match last.split_once('=') {
                Some(("type", value)) if is_kind(value) => kind = Some(value.to_owned()),
                Some(("type", value)) => return Err(format!("{value:?} is no MIME type")),
                Some(("name", value)) if !value.is_empty() => name = Some(value.to_owned()),
                // A semicolon of the file's own name.
                _ => break,
            }
            rest = front;
        }
        Ok(Self { path: PathBuf::from(rest), kind, name })
    }
}

/// Source: RFC 2045 section 5.1.
fn is_kind(text: &str) -> bool {
    let is_token = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !text.is_empty() && text.bytes().all(fits)
    };
    text.split_once('/').is_some_and(|(kind, rest)| is_token(kind) && is_token(rest))
}

/// What `XCLIENT` says has to stay on its line.
fn attributes(text: &str) -> Result<String, String> {
    let is_fit = text.contains('=') && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    is_fit.then(|| text.to_owned()).ok_or_else(|| "attributes look like NAME=VALUE".to_owned())
}

/// The form of a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyForm {
    /// A line of text
    #[value(name = "1")]
    One,
    /// Octets
    #[value(name = "2")]
    Two,
}

impl From<ProxyForm> for ProxyVersion {
    fn from(form: ProxyForm) -> Self {
        match form {
            ProxyForm::One => Self::One,
            ProxyForm::Two => Self::Two,
        }
    }
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
    /// XCLIENT
    Xclient,
    /// The login
    Auth,
    /// MAIL
    Mail,
    /// RCPT
    Rcpt,
    /// DATA; the connection is closed on the host's answer
    Data,
    /// The whole message
    #[value(alias = "dot")]
    Message,
}

impl From<PhaseName> for Phase {
    fn from(name: PhaseName) -> Self {
        match name {
            PhaseName::Connect => Self::Connect,
            PhaseName::Ehlo => Self::Ehlo,
            PhaseName::Tls => Self::Tls,
            PhaseName::Xclient => Self::Xclient,
            PhaseName::Auth => Self::Auth,
            PhaseName::Mail => Self::Mail,
            PhaseName::Rcpt => Self::Rcpt,
            PhaseName::Data => Self::Data,
            PhaseName::Message => Self::Message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is_behind_semicolons() {
        let read = |text: &str| {
            let Attached { path, kind, name } = text.parse().unwrap();
            (path.display().to_string(), kind, name)
        };
        let own = |text: &str| Some(text.to_owned());
        assert_eq!(read("a;b.log"), ("a;b.log".to_owned(), None, None));
        let whole = ("a.log".to_owned(), own("text/x-log"), own("b c.log"));
        assert_eq!(read("a.log;type=text/x-log;name=b c.log"), whole);
        assert_eq!(read("a.log;name=b c.log;type=text/x-log"), whole);
        assert_eq!(read("a;name="), ("a;name=".to_owned(), None, None));
        for bad in ["a;type=text", "a;type=text/plain\r\nX: y", "a;type=/"] {
            assert!(bad.parse::<Attached>().is_err(), "{bad}");
        }
    }

    #[test]
    fn attributes_cannot_smuggle_a_command() {
        assert!(attributes("NAME=mx.example ADDR=192.0.2.1").is_ok());
        for bad in ["NAME=x\r\nRSET", "NAME", ""] {
            assert!(attributes(bad).is_err(), "{bad:?}");
        }
    }
}
