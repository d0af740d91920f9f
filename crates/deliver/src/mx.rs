//! Which servers take the mail of a domain, in which order.
//!
//! No answer and a negative answer are different things: the first is temporary, always.
//! Source: RFC 5321 section 5.1, RFC 7505 (null MX).

use std::net::IpAddr;
use std::time::Duration;

use mailwright_net::dns::{Signed, Tlsa};
use mailwright_words::address::Domain;
use mailwright_words::status::Status;

use crate::outcome::{Later, Reason};

/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 5;

/// What the DNS said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// These records.
    Found(T),
    /// The name exists, without such records.
    NoData,
    /// There is no such name.
    NoSuchDomain,
    /// It could not be found out.
    Temporary(String),
}

/// An answer about records that may be signed.
pub type SignedAnswer<'a, T> = Later<'a, Answer<Signed<Vec<T>>>>;

/// Looks names up. Aliases (CNAME) are followed by whoever implements it.
pub trait Names: Send + Sync {
    /// The MX records of a domain: preference and name.
    fn mx<'a>(&'a self, domain: &'a str) -> SignedAnswer<'a, (u16, String)>;

    /// All addresses of a host.
    fn addresses<'a>(&'a self, host: &'a str) -> SignedAnswer<'a, IpAddr>;

    /// The TLSA records of a name such as `_25._tcp.mx.example`.
    fn tlsa<'a>(&'a self, name: &'a str) -> SignedAnswer<'a, Tlsa>;

    /// The TXT records of a name, the strings of each joined.
    fn txt<'a>(&'a self, name: &'a str) -> Later<'a, Answer<Vec<Vec<u8>>>>;
}

/// What a lookup says within `limit`; one that takes longer has failed.
pub(crate) async fn timed<T>(limit: Duration, lookup: Later<'_, Answer<T>>) -> Answer<T> {
    let late = || Answer::Temporary("no answer in time".to_owned());
    tokio::time::timeout(limit, lookup).await.unwrap_or_else(|_| late())
}

/// A server, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name, or its address as text.
    pub name: String,
    /// Its addresses, IPv6 first.
    pub addresses: Vec<IpAddr>,
    /// Whether DNSSEC vouches for it being a server of its domain.
    pub sure: bool,
    /// Names under which its TLSA records are looked for, the best first; none where the way to
    /// them is not validated. Source: RFC 7672 section 2.2.
    pub bases: Vec<String>,
}

impl Server {
    /// A server that goes by its address.
    fn literal(name: &str, address: IpAddr) -> Self {
        Self { name: name.to_owned(), addresses: vec![address], sure: false, bases: Vec::new() }
    }

    /// A server whose name stands in validated records, if `sure`.
    fn named(name: String, found: Signed<Vec<IpAddr>>, sure: bool) -> Self {
        let mut bases = Vec::new();
        if sure && found.secure {
            bases.extend(found.canonical);
        }
        if sure && (found.secure || found.alias_secure) {
            bases.push(name.clone());
        }
        bases.dedup();
        Self { name, addresses: six_first(found.records), sure, bases }
    }
}

/// The names of a domain's servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hosts {
    /// Best first.
    pub(crate) names: Vec<String>,
    /// Whether DNSSEC vouches for them.
    sure: bool,
}

/// How the DNS is asked: with whom, and how long an answer may take.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) names: &'a dyn Names,
    pub(crate) limit: Duration,
}

/// Why a domain has no servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unroutable {
    /// The domain does not exist.
    #[error("domain {0} does not exist")]
    NoSuchDomain(String),
    /// The domain takes no mail: a null MX.
    #[error("domain {0} takes no mail")]
    NullMx(String),
    /// It has neither MX nor address.
    #[error("domain {0} has no mail server")]
    NoServer(String),
    /// None of its servers has an address.
    #[error("no mail server of {0} has an address")]
    NoAddress(String),
    /// We are the best of its servers, and do not know it.
    #[error("mail for {0} loops back to this server")]
    Loop(String),
    /// The DNS gave no answer.
    #[error("domain {0} could not be looked up: {1}")]
    Temporary(String, String),
}

impl Unroutable {
    /// Whether another day may bring another answer.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(..))
    }

    /// What the sender is told.
    pub(crate) fn reason(&self) -> Reason {
        let (code, status) = match self {
            Self::NoSuchDomain(_) => (550, Status::new(5, 1, 2)),
            Self::NullMx(_) => (556, Status::new(5, 1, 10)),
            Self::NoServer(_) | Self::NoAddress(_) => (550, Status::new(5, 4, 4)),
            Self::Loop(_) => (550, Status::new(5, 4, 6)),
            Self::Temporary(..) => (451, Status::new(4, 4, 3)),
        };
        Reason::ours(code, status, self.to_string())
    }
}

/// Finds the servers of `domain`, best first, at most `hosts_max`; `random` decides among equals.
///
/// `own` is our name in the MX records: it and what is no better than it is left out, so that a
/// backup server never sends to itself or sideways. Source: RFC 5321 section 5.1.
///
/// Errors: [`Unroutable`].
pub(crate) async fn servers(
    asking: Asking<'_>,
    domain: &Domain,
    own: &str,
    hosts_max: usize,
    random: &mut (dyn FnMut() -> u32 + Send),
) -> Result<Vec<Server>, Unroutable> {
    if let Some(address) = domain.literal() {
        return Ok(vec![Server::literal(domain.as_str(), address)]);
    }
    let Hosts { names, sure } = hosts(asking, domain.as_str(), own, random).await?;
    let mut servers = Vec::new();
    let mut trouble = None;
    for name in names.into_iter().take(hosts_max.max(1)) {
        match timed(asking.limit, asking.names.addresses(&name)).await {
            Answer::Found(found) if !found.records.is_empty() => {
                servers.push(Server::named(name, found, sure));
            }
            Answer::Temporary(why) => trouble = Some(why),
            Answer::Found(_) | Answer::NoData | Answer::NoSuchDomain => {}
        }
    }
    let domain = domain.as_str().to_owned();
    match trouble {
        _ if !servers.is_empty() => Ok(servers),
        Some(why) => Err(Unroutable::Temporary(domain, why)),
        None => Err(Unroutable::NoAddress(domain)),
    }
}

/// The addresses of a server given by name or address. The operator vouches for it.
///
/// Errors: [`Unroutable`].
pub(crate) async fn named(asking: Asking<'_>, host: &str) -> Result<Server, Unroutable> {
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        return Ok(Server { sure: true, ..Server::literal(host, address) });
    }
    let name = host.to_owned();
    match timed(asking.limit, asking.names.addresses(host)).await {
        Answer::Found(found) if !found.records.is_empty() => Ok(Server::named(name, found, true)),
        Answer::Temporary(why) => Err(Unroutable::Temporary(name, why)),
        // A next hop is set by the operator: that its name is gone is a fault of ours, and ours
        // are temporary.
        Answer::Found(_) | Answer::NoData | Answer::NoSuchDomain => {
            Err(Unroutable::Temporary(name, "it has no address".to_owned()))
        }
    }
}

/// The names of a domain's servers, best first.
///
/// Errors: [`Unroutable`].
pub(crate) async fn hosts(
    asking: Asking<'_>,
    domain: &str,
    own: &str,
    random: &mut (dyn FnMut() -> u32 + Send),
) -> Result<Hosts, Unroutable> {
    let named = domain.to_owned();
    let found = match timed(asking.limit, asking.names.mx(domain)).await {
        Answer::Found(found) if !found.records.is_empty() => found,
        Answer::Found(_) | Answer::NoData => return implicit(asking, named).await,
        Answer::NoSuchDomain => return Err(Unroutable::NoSuchDomain(named)),
        Answer::Temporary(why) => return Err(Unroutable::Temporary(named, why)),
    };
    let (records, sure) = (found.records, found.secure);
    let name = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    if records.iter().all(|(_, host)| name(host).is_empty()) {
        return Err(Unroutable::NullMx(named));
    }
    let own = name(own);
    let ours = records.iter().filter(|(_, host)| name(host) == own).map(|record| record.0).min();
    let mut ranked: Vec<(u16, u32, String)> = records
        .iter()
        .map(|(preference, host)| (*preference, random(), name(host)))
        .filter(|(preference, _, host)| {
            !host.is_empty() && ours.is_none_or(|ours| *preference < ours)
        })
        .collect();
    if ranked.is_empty() {
        return Err(Unroutable::Loop(named));
    }
    ranked.sort();
    let mut names: Vec<String> = Vec::new();
    for (_, _, host) in ranked {
        if !names.contains(&host) {
            names.push(host);
        }
    }
    Ok(Hosts { names, sure })
}

/// A domain without MX is its own server when it has an address.
async fn implicit(asking: Asking<'_>, domain: String) -> Result<Hosts, Unroutable> {
    match timed(asking.limit, asking.names.addresses(&domain)).await {
        Answer::Found(found) if !found.records.is_empty() => {
            let sure = found.secure || found.alias_secure;
            Ok(Hosts { names: vec![domain], sure })
        }
        Answer::Found(_) | Answer::NoData => Err(Unroutable::NoServer(domain)),
        Answer::NoSuchDomain => Err(Unroutable::NoSuchDomain(domain)),
        Answer::Temporary(why) => Err(Unroutable::Temporary(domain, why)),
    }
}

/// At most five addresses, IPv6 first, both families among them where there are two.
fn six_first(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (mut four, mut six): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.into_iter().partition(IpAddr::is_ipv4);
    four.dedup();
    six.dedup();
    six.truncate(ADDRESSES_MAX - four.len().min(ADDRESSES_MAX / 2));
    four.truncate(ADDRESSES_MAX - six.len());
    six.extend(four);
    six
}

#[cfg(test)]
mod tests;
