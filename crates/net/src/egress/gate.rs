//! The gate: which addresses of the web may be asked at all, and at which of a host's addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use mailwright_config::{Egress as Settings, Opened};
use url::{Host, Url};

use super::{EgressError, address};
use crate::dns::{Answer, Resolver};

/// Most octets of an address of the web.
const URL_MAX: usize = 8 << 10;
/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 16;

/// Where a question goes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    /// The host as certificates name it.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_secure: bool,
    /// Whether the configuration opens it by name.
    is_opened: bool,
}

/// Reads an address of the web, as browsers do: odd spellings of IPv4 addresses become addresses.
///
/// Errors: it is none, or is one that is not asked whatever stands behind it.
pub(super) fn target(text: &str, settings: &Settings) -> Result<Target, EgressError> {
    let wrong = |why: &str| EgressError::Address(shortened(text), why.to_owned());
    if text.len() > URL_MAX {
        return Err(wrong("it is too long"));
    }
    let mut url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    let is_secure = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err(wrong("it is no address of the web")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EgressError::Credentials);
    }
    url.set_fragment(None);
    let port = url.port_or_known_default().ok_or_else(|| wrong("it has no port"))?;
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.trim_end_matches('.').is_empty() => {
            name.trim_end_matches('.').to_ascii_lowercase()
        }
        Some(Host::Ipv4(four)) => four.to_string(),
        Some(Host::Ipv6(six)) => six.to_string(),
        _ => return Err(wrong("it has no host")),
    };
    let is_opened = settings
        .allow
        .iter()
        .any(|one| matches!(one, Opened::Host(name, only) if *name == host && fits(*only, port)));
    Ok(Target { url, host, port, is_secure, is_opened })
}

fn fits(only: Option<u16>, port: u16) -> bool {
    only.is_none_or(|only| only == port)
}

impl Target {
    /// The addresses that may be dialled, found once: what is looked at is what is dialled.
    ///
    /// Errors: there are none, or none that may be asked.
    pub(super) async fn addresses(
        &self,
        resolver: &dyn Resolver,
        settings: &Settings,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        let all = self.resolve(resolver).await?;
        let mut refused = None;
        let mut passed = Vec::new();
        for address in all.into_iter().take(ADDRESSES_MAX) {
            match self.admit(address, settings) {
                Ok(()) => passed.push(SocketAddr::new(address, self.port)),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            Some(why) if passed.is_empty() => Err(why),
            _ => Ok(passed),
        }
    }

    async fn resolve(&self, resolver: &dyn Resolver) -> Result<Vec<IpAddr>, EgressError> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![address]);
        }
        // It is this machine, whatever the DNS says. Source: RFC 6761 section 6.3.
        if self.host == "localhost" || self.host.ends_with(".localhost") {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        let host = self.host.clone();
        match resolver.addresses(&self.host).await {
            Answer::Found(found) => Ok(found),
            Answer::NoSuchDomain => {
                Err(EgressError::Name { host, why: "there is no such name".to_owned() })
            }
            Answer::NoData => Err(EgressError::Name { host, why: "it has no address".to_owned() }),
            Answer::Temporary(why) => Err(EgressError::NoDns { host, why }),
        }
    }

    fn admit(&self, address: IpAddr, settings: &Settings) -> Result<(), EgressError> {
        let forbidden = |why| EgressError::Forbidden { host: self.host.clone(), address, why };
        let within = |network: &IpNet| address::layers(address).any(|one| network.contains(&one));
        if settings.deny.iter().any(within) {
            return Err(forbidden(address::Closed::Denied));
        }
        // Opening a network opens none of what is wrapped.
        let bare = address.to_canonical();
        let is_opened = self.is_opened
            || settings.allow.iter().any(|one| {
                matches!(one, Opened::Network(network, only)
                    if network.contains(&bare) && fits(*only, self.port))
            });
        if is_opened {
            return Ok(());
        }
        address::public(address).map_err(forbidden)?;
        if settings.ports.contains(&self.port) { Ok(()) } else { Err(EgressError::Port(self.port)) }
    }

    /// Where a redirect leads.
    ///
    /// Errors: as of [`target`].
    pub(super) fn follow(&self, location: &str, settings: &Settings) -> Result<Self, EgressError> {
        let next = self
            .url
            .join(location)
            .map_err(|error| EgressError::Address(shortened(location), error.to_string()))?;
        target(next.as_str(), settings)
    }

    /// Whether both are the same site to a browser.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }
}

/// An address as an error tells it.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
