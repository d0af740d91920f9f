//! What is shown and asked for over the web: HTTPS, certificates from an authority, MTA-STS, and
//! reports to other domains.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// The HTTPS listener: MTA-STS policies of our domains, and challenges of an authority. It shows
/// nothing else, and may be open to all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Https {
    /// Addresses and ports it listens on, such as `["[::]:443"]`. Default none.
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<SocketAddr>,
}

/// Certificates from an authority that speaks ACME.
///
/// Source: RFC 8555, RFC 8737.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Acme {
    /// Names of the certificate, the server's own among them. Default none: no authority is asked.
    pub names: Vec<String>,
    /// Whether each of our domains gets a certificate for `mta-sts.` and its name, so that its
    /// policy can be fetched. Default false.
    pub mta_sts: bool,
    /// The authority's directory. Default that of Let's Encrypt.
    pub directory: String,
    /// Where the authority may write to, such as `["mailto:admin@example.com"]`. Default none.
    pub contact: Vec<String>,
    /// Whether you agree to the authority's terms of service; without it nobody is asked. Default
    /// false.
    pub agree_to_terms: bool,
    /// Addresses and ports on which its challenges are answered over HTTP, such as `["[::]:80"]`;
    /// they have to arrive on port 80 there. Default none: they are answered on `https.addresses`,
    /// and have to arrive on port 443 there.
    #[schemars(with = "Vec<String>")]
    pub http_addresses: Vec<SocketAddr>,
    /// Files of authorities, as PEM, that vouch for the directory beside those of Mozilla. Default
    /// none.
    #[schemars(with = "Vec<String>")]
    pub authorities: Vec<PathBuf>,
    /// How long to wait after a failure; each further one doubles it, up to a day. Default 5m.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub retry_first: Duration,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            mta_sts: false,
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            contact: Vec::new(),
            agree_to_terms: false,
            http_addresses: Vec::new(),
            authorities: Vec::new(),
            retry_first: Duration::from_mins(5),
        }
    }
}

/// What an MTA-STS policy asks of those who send to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StsMode {
    /// Nothing any more.
    None,
    /// To report where they could not send safely.
    Testing,
    /// To send safely, or not at all.
    Enforce,
}

/// The MTA-STS policy of our domains, as `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` shows it
/// on the HTTPS listener.
///
/// Source: RFC 8461.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MtaSts {
    /// `"none"`, `"testing"` or `"enforce"`. Default `"testing"`.
    pub mode: StsMode,
    /// Names of the servers that take our mail, or `*.` and a name. Default `server.hostname`.
    pub mx: Vec<String>,
    /// How long others keep the policy. Default 7d.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub max_age: Duration,
}

impl Default for MtaSts {
    fn default() -> Self {
        Self { mode: StsMode::Testing, mx: Vec::new(), max_age: Duration::from_hours(7 * 24) }
    }
}

/// Names below each of our domains, beside those that mail clients and MTA-STS look for. Their
/// records are printed and checked with the others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Subdomains {
    /// Label of the name that reverse-paths are at, such as `"bounces"`: what an account sends to
    /// other servers leaves with a reverse-path below its domain that names the message, and a
    /// report that comes back to it is proven to be about that one. Default none: the reverse-path
    /// stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_path: Option<String>,
    /// Label of a name for links that are counted, such as `"links"`, which leads to this server.
    /// Only its record is printed and checked. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
}

/// Reports to the domains that we exchange mail with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reports {
    /// Address that reports come from, and that answers to them go to, such as
    /// `"reports@example.com"`. Default none: no report is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Name of the organisation that reports. Default `server.hostname`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// Whether domains that ask for it are told each day how safely mail reached them. Default
    /// false.
    ///
    /// Source: RFC 8460.
    pub tls: bool,
    /// Whether domains whose DMARC record asks for it are told each day what came here in their
    /// name, and what was made of it. Default false.
    ///
    /// Source: RFC 9990.
    pub dmarc: bool,
}
