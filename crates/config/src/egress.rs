//! What may be asked over the web in the name of a message: where to, and how much of it.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit;

/// Hosts of one's own that may be asked although they are no public ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A host by its name, wherever that leads; on one port, or on any.
    Host(String, Option<u16>),
    /// All addresses of a network; on one port, or on any.
    Network(IpNet, Option<u16>),
}

impl FromStr for Opened {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network, None));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.into(), None));
        }
        if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
            return Ok(Self::Network(socket.ip().into(), Some(socket.port())));
        }
        let (host, port) = match text.split_once(':') {
            None => (text, None),
            Some((host, port)) => (host, Some(port.parse().ok().ok_or_else(|| wrong(text))?)),
        };
        let is_label = |label: &str| {
            let mut octets = label.bytes();
            !label.is_empty() && octets.all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
        };
        // A name that ends in a number is an address, oddly written.
        let is_number = host.rsplit('.').next().is_some_and(|last| {
            let hexadecimal = last.strip_prefix("0x").unwrap_or(last);
            !last.is_empty() && (last.bytes().all(|c| c.is_ascii_digit()) || hexadecimal != last)
        });
        if is_number || !host.split('.').all(is_label) {
            return Err(wrong(text));
        }
        Ok(Self::Host(host.to_ascii_lowercase(), port))
    }
}

fn wrong(text: &str) -> String {
    format!("\"{text}\" is no host; write \"localhost:3000\", \"app\" or \"10.0.0.0/8\"")
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, None) => f.write_str(host),
            Self::Host(host, Some(port)) => write!(f, "{host}:{port}"),
            Self::Network(network, None) => network.fmt(f),
            Self::Network(network, Some(port)) => {
                std::net::SocketAddr::new(network.addr(), *port).fmt(f)
            }
        }
    }
}

/// Questions over the web that messages give rise to: whether links work, pictures that are
/// fetched when somebody asks for them. Only public addresses are asked, unless opened here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// Hosts and networks of one's own that may be asked, too, such as
    /// `["localhost:3000", "app", "10.0.0.0/8"]`; without a port, on any. Default none.
    #[serde(with = "opened")]
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<Opened>,
    /// Networks that are never asked, whatever `allow` says; public ones of one's own, or a
    /// prefix of one's own for NAT64. Default none.
    #[serde(with = "unit::networks")]
    #[schemars(with = "Vec<String>")]
    pub deny: Vec<IpNet>,
    /// Ports that are asked. Default `[80, 443]`.
    pub ports: Vec<u16>,
    /// How long an answer may take, its redirects included. Default 15s.
    #[serde(with = "unit::duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Redirects that are followed. Default 5.
    pub redirects_max: usize,
    /// Largest answer that is taken, in octets, also of what it is unpacked. Default 5 MiB.
    #[serde(with = "unit::size")]
    #[schemars(with = "String")]
    pub size_max: u64,
    /// Questions under way at one time. Default 8.
    pub at_once: usize,
    /// Links of a message that are asked for. Default 200.
    pub links_max: usize,
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
            ports: vec![80, 443],
            timeout: Duration::from_secs(15),
            redirects_max: 5,
            size_max: 5 << 20,
            at_once: 8,
            links_max: 200,
        }
    }
}

pub(crate) mod opened {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Opened;

    pub(crate) fn serialize<S: Serializer>(all: &[Opened], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Opened>, D::Error> {
        let all = Vec::<String>::deserialize(from)?;
        all.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_networks_are_written_as_they_are_read() {
        for text in
            ["localhost:3000", "app", "10.0.0.0/8", "127.0.0.1/32", "[::1]:8080", "fc00::/7"]
        {
            assert_eq!(text.parse::<Opened>().unwrap().to_string(), text);
        }
        let one: Opened = "127.0.0.1:80".parse().unwrap();
        assert!(matches!(one, Opened::Network(_, Some(80))));
        for bad in ["", ":80", "a b", "http://app", "app:port", "127.1", "0x7f000001", "a..b"] {
            assert!(bad.parse::<Opened>().is_err(), "{bad}");
        }
    }
}
