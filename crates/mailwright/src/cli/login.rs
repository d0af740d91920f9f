//! The options of commands that log in at a host.

use std::{
    io::BufRead,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use mailwright_doctor::{Credentials, Scheme};
use mailwright_sasl::{Mechanism, Secret};

use crate::Failure;

/// Longest password file that is read, in octets.
const PASSWORD_MAX: u64 = 4096;

/// Who we are at the host, and how we prove it.
#[derive(Debug, Args)]
pub(crate) struct LoginOptions {
    /// Log in by this name
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long, requires = "user", conflicts_with = "password_file")]
    pub(crate) password_stdin: bool,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
    /// The password; better one of the ways above, as other users see command lines
    #[arg(long, value_name = "TEXT", env = "MAILWRIGHT_PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
    /// The mechanism, such as PLAIN or SCRAM-SHA-256 [default: the strongest there is]
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    pub(crate) auth: Option<Mechanism>,
    /// Log in even where others could read the password, or where the certificate is not good
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// Whom to believe, and how long to wait.
#[derive(Debug, Args)]
pub(crate) struct HostOptions {
    /// Also believe the authorities in this PEM file
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Vec<PathBuf>,
    /// The name that the certificate has to have [default: the host's]
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_name: Option<String>,
    /// The name that is sent in the handshake (SNI); an empty one sends none
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_sni: Option<String>,
    /// Speak only this version of TLS
    #[arg(long, value_name = "VERSION", value_enum)]
    pub(crate) tls_version: Option<TlsVersion>,
    /// Offer only these ciphers, such as `TLS_AES_128_GCM_SHA256`
    #[arg(long, value_name = "CIPHER", value_delimiter = ',')]
    pub(crate) tls_cipher: Vec<String>,
    /// Show this certificate to hosts that ask for one
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of that certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Our name in EHLO [default: server.hostname]
    #[arg(long, value_name = "NAME")]
    pub(crate) ehlo: Option<String>,
    /// Connect from this address of this machine, with `:PORT` if need be
    #[arg(long, value_name = "ADDRESS", value_parser = local)]
    pub(crate) local: Option<SocketAddr>,
    /// Only addresses of IPv4
    #[arg(long, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Only addresses of IPv6
    #[arg(long)]
    pub(crate) ipv6: bool,
    /// How long the host may take for a connection and for each reply, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsVersion {
    /// TLS 1.2
    #[value(name = "1.2")]
    Tls12,
    /// TLS 1.3
    #[value(name = "1.3")]
    Tls13,
}

/// An address, with any port where none is named.
pub(super) fn local(text: &str) -> Result<SocketAddr, String> {
    let bare = || text.parse().map(|address: IpAddr| SocketAddr::new(address, 0)).ok();
    let whole = || text.parse().ok();
    bare().or_else(whole).ok_or_else(|| "an address, with `:PORT` if need be".to_owned())
}

fn mechanism(text: &str) -> Result<Mechanism, String> {
    text.parse().map_err(|unknown: mailwright_sasl::Unknown| {
        let known = Mechanism::ALL.map(Mechanism::name);
        format!("{unknown}; known are {}", known.join(", "))
    })
}

impl LoginOptions {
    /// The login that was asked for.
    ///
    /// Errors: the password cannot be read, or is missing.
    pub(crate) fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        let Some(user) = &self.user else { return Ok(None) };
        let password = match (&self.password_file, &self.password) {
            _ if self.password_stdin => first_line(std::io::stdin().lock(), "standard input")?,
            (Some(path), _) => {
                let name = path.display().to_string();
                let file = std::fs::File::open(path)
                    .map_err(|error| Failure::of(&format!("cannot open {name}"), &error))?;
                first_line(std::io::BufReader::new(file), &name)?
            }
            (None, Some(password)) => password.clone(),
            (None, None) => {
                return Err(Failure::new(
                    "there is no password: use --password-stdin, --password-file or \
                     MAILWRIGHT_PASSWORD",
                ));
            }
        };
        Ok(Some(Credentials {
            user: user.clone(),
            password: Secret::new(password),
            scheme: self.auth.map_or(Scheme::Best, Scheme::Only),
            anywhere: self.insecure,
        }))
    }
}

fn first_line(input: impl BufRead, name: &str) -> Result<String, Failure> {
    let mut line = String::new();
    input
        .take(PASSWORD_MAX)
        .read_line(&mut line)
        .map_err(|error| Failure::of(&format!("cannot read {name}"), &error))?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(Failure::new(format!("{name} holds no password")));
    }
    Ok(line.to_owned())
}
