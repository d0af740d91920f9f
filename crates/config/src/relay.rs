//! How messages leave: relay, routes by domain, DNS.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit::{self, Secret};

/// How messages leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Relay {
    /// Port of servers found through DNS. Default 25; another is of use in tests only.
    pub port: u16,
    /// How much TLS servers found through DNS have to take: `"none"`, `"opportunistic"`,
    /// `"required"`, `"verified"`, `"dane"` or `"dane-only"`. What a domain publishes about itself
    /// (DANE, then MTA-STS) raises it, unless it is `"none"`. Default `"opportunistic"`.
    ///
    /// Source: RFC 7435, RFC 7672, RFC 8461.
    pub tls: TlsNeed,
    /// Whether the MTA-STS policies of domains are asked for and kept to. Default true.
    ///
    /// Source: RFC 8461.
    pub mta_sts: bool,
    /// Files of authorities, as PEM, that are believed beside those of Mozilla. Default none.
    #[schemars(with = "Vec<String>")]
    pub authorities: Vec<PathBuf>,
    /// How long one lookup about a destination may take: its servers, an address, a TLSA record.
    /// Default 30s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub lookup_timeout: Duration,
    /// How long it may take to fetch an MTA-STS policy. Default 1m.
    ///
    /// Source: RFC 8461 section 3.3.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub policy_timeout: Duration,
    /// Address to connect from, over IPv4. Default the system's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub source_ipv4: Option<IpAddr>,
    /// Address to connect from, over IPv6. Default the system's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub source_ipv6: Option<IpAddr>,
    /// How long a connection may take to be made. Default 30s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// How long a server may take for an answer to a command. Default 5m.
    ///
    /// Source: RFC 5321 section 4.5.3.2.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub command_timeout: Duration,
    /// How long a server may take for an answer to the end of a message. Default 10m.
    ///
    /// Source: RFC 5321 section 4.5.3.2.6.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub final_timeout: Duration,
    /// How long one attempt at a message may take, over all servers of its destination, up to the
    /// end of the message: the reply to that is waited for in any case. Default 30m.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub attempt_timeout: Duration,
    /// Most connections at once to one address that was found through DNS, however many domains it
    /// serves. Default 50.
    pub connections_per_address_max: usize,
    /// Messages after which a connection is closed. Default 100.
    pub messages_per_connection_max: usize,
    /// How long a connection without work stays open. Default 2s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub idle_timeout: Duration,
    /// How old a connection may become. Default 5m.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub connection_age_max: Duration,
    /// Most recipients in one transaction. Default 100.
    ///
    /// Source: RFC 5321 section 4.5.3.1.8.
    pub recipients_max: usize,
    /// Most servers of a domain that one attempt tries. Default 5.
    pub hosts_max: usize,
    /// Limits by provider, named by the end of its servers' names: all domains whose mail its
    /// servers take share them. A file that has one has to have all. Default limits for
    /// `"google.com"`, `"protection.outlook.com"`, `"olc.protection.outlook.com"`,
    /// `"yahoodns.net"` and `"icloud.com"`.
    pub providers: BTreeMap<String, Provider>,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            port: 25,
            tls: TlsNeed::Opportunistic,
            mta_sts: true,
            authorities: Vec::new(),
            lookup_timeout: Duration::from_secs(30),
            policy_timeout: Duration::from_mins(1),
            source_ipv4: None,
            source_ipv6: None,
            connect_timeout: Duration::from_secs(30),
            command_timeout: Duration::from_mins(5),
            final_timeout: Duration::from_mins(10),
            attempt_timeout: Duration::from_mins(30),
            connections_per_address_max: 50,
            messages_per_connection_max: 100,
            idle_timeout: Duration::from_secs(2),
            connection_age_max: Duration::from_mins(5),
            recipients_max: 100,
            hosts_max: 5,
            providers: providers(),
        }
    }
}

impl Relay {
    /// The provider that runs `host`: the longest name that it ends with.
    pub fn provider(&self, host: &str) -> Option<(&str, &Provider)> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let mut rest = Some(host.as_str());
        while let Some(name) = rest {
            if let Some((name, provider)) = self.providers.get_key_value(name) {
                return Some((name, provider));
            }
            rest = name.split_once('.').map(|(_, parent)| parent);
        }
        None
    }
}

/// What a provider takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Provider {
    /// Most connections at once, over all of its servers. Default as `queue.connections_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<usize>,
    /// Messages after which a connection is closed. Default as
    /// `relay.messages_per_connection_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_connection_max: Option<usize>,
    /// Most messages a minute. Default no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_minute: Option<u32>,
}

/// Providers that are known to take less than others, or that have very many domains.
fn providers() -> BTreeMap<String, Provider> {
    [
        ("google.com", 20, 50),
        ("protection.outlook.com", 20, 50),
        ("olc.protection.outlook.com", 10, 20),
        ("yahoodns.net", 5, 20),
        ("icloud.com", 5, 20),
    ]
    .into_iter()
    .map(|(name, connections, messages)| {
        let provider = Provider {
            connections_max: Some(connections),
            messages_per_connection_max: Some(messages),
            messages_per_minute: None,
        };
        (name.to_owned(), provider)
    })
    .collect()
}

/// How much TLS a delivery needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsNeed {
    /// STARTTLS is not used, even when offered.
    None,
    /// STARTTLS is used when offered, with any certificate.
    #[default]
    Opportunistic,
    /// TLS is needed, with any certificate.
    Required,
    /// TLS is needed, with a certificate of the host's name from a known authority.
    Verified,
    /// As DANE says where the domain publishes it; else opportunistic. MTA-STS is left aside.
    Dane,
    /// As DANE says; where it says nothing, mail waits.
    DaneOnly,
    /// TLS is needed, with one of the certificates or keys listed beside it.
    Fingerprint,
}

impl TlsNeed {
    /// Whether it goes by TLSA records, for which signatures in the DNS have to be checked.
    pub const fn is_dane(self) -> bool {
        matches!(self, Self::Dane | Self::DaneOnly)
    }

    /// Whether it makes sure who the host is, so that a password may go there.
    pub const fn is_authenticated(self) -> bool {
        matches!(self, Self::Verified | Self::DaneOnly | Self::Fingerprint)
    }
}

/// The octets of a SHA-256 written as 64 hexadecimal digits, with or without colons.
pub(crate) fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|octet| *octet != b':').collect();
    let mut digest = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (octet, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *octet = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

/// What is spoken with a next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// SMTP.
    #[default]
    Smtp,
    /// LMTP, which answers for each recipient.
    Lmtp,
}

/// A server that is given by name or address instead of being found through MX.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Name or address of the server. Has to be set.
    #[expect(clippy::struct_field_names, reason = "it reads well in the file")]
    pub host: String,
    /// Port of the server. Default 25 with SMTP, 24 with LMTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What is spoken there: `"smtp"` or `"lmtp"`. Default `"smtp"`.
    #[serde(default)]
    pub protocol: Protocol,
    /// Whether TLS is needed: `"none"`, `"opportunistic"`, `"required"`, `"verified"`, `"dane"`,
    /// `"dane-only"` or `"fingerprint"`. Default `"opportunistic"`. A password is only sent when it
    /// is `"verified"`, `"dane-only"` or `"fingerprint"`, or to loopback.
    #[serde(default)]
    pub tls: TlsNeed,
    /// SHA-256 of certificates or public keys that the server may have, as hexadecimal digits, for
    /// `"fingerprint"`. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
    /// Whether TLS begins with the first octet, as on port 465. Default false.
    #[serde(default)]
    pub implicit_tls: bool,
    /// Name to log in with. Default none: no login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Password to log in with. Better kept in the environment than in the file. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

impl Host {
    /// The digests of `fingerprints`.
    pub fn digests(&self) -> Vec<[u8; 32]> {
        self.fingerprints.iter().filter_map(|text| fingerprint(text)).collect()
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.protocol {
            Protocol::Smtp => 25,
            Protocol::Lmtp => 24,
        })
    }
}

/// The way of mail to a domain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Servers tried in this order: the next one when those before are down. Default none: servers
    /// are found through MX.
    pub hosts: Vec<Host>,
    /// Servers tried when those found through MX, or all of `hosts`, are down. Default none.
    pub backup: Vec<Host>,
    /// How much TLS the servers found through MX have to take. Default as `relay.tls`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsNeed>,
    /// SHA-256 of certificates or public keys that the servers found through MX may have, as
    /// hexadecimal digits, for `"fingerprint"`. Default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
    /// Most connections at once. Default as `queue.connections_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<usize>,
}

impl Route {
    /// The digests of `fingerprints`.
    pub fn digests(&self) -> Vec<[u8; 32]> {
        self.fingerprints.iter().filter_map(|text| fingerprint(text)).collect()
    }
}

/// How names are looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Servers to ask, such as `["127.0.0.1:53"]`. Default none: those of `/etc/resolv.conf`.
    #[schemars(with = "Vec<String>")]
    pub servers: Vec<SocketAddr>,
    /// How long one question may take. Default 5s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How often a question is asked again. Default 2.
    pub attempts: usize,
    /// Answers kept in memory. Default 10000.
    pub cache_size: usize,
    /// Whether signatures are checked; a bogus answer is then a temporary failure. DANE needs it,
    /// and it needs servers that pass signatures on, best one on this machine. Default false.
    ///
    /// Source: RFC 4035 section 5, RFC 7672.
    pub dnssec: bool,
    /// File of DNSKEY records to trust in place of the root's own. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub trust_anchors: Option<PathBuf>,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(5),
            attempts: 2,
            cache_size: 10_000,
            dnssec: false,
            trust_anchors: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_sixty_four_digits() {
        let digest = fingerprint(&"aB".repeat(32)).unwrap();
        assert_eq!(digest, [0xab; 32]);
        assert_eq!(fingerprint(&vec!["ab"; 32].join(":")), Some(digest));
        for text in
            ["", "ab", &"ab".repeat(33), &"zz".repeat(32), &"+a".repeat(32), &"é".repeat(32)]
        {
            assert_eq!(fingerprint(text), None, "{text}");
        }
    }

    #[test]
    fn the_longest_name_wins() {
        let relay = Relay::default();
        let name = |host| relay.provider(host).map(|(name, _)| name);
        assert_eq!(name("gmail-smtp-in.l.Google.com."), Some("google.com"));
        assert_eq!(name("x.mail.protection.outlook.com"), Some("protection.outlook.com"));
        assert_eq!(name("x.olc.protection.outlook.com"), Some("olc.protection.outlook.com"));
        assert_eq!(name("notgoogle.com"), None);
        assert_eq!(name("mx.example"), None);
    }
}
