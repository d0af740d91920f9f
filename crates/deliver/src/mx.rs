//! Which servers take the mail of a domain, in which order.
//!
//! No answer and a negative answer are different things: the first is temporary, always.
//! Source: RFC 5321 section 5.1, RFC 7505 (null MX).

use std::net::IpAddr;

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

/// Looks names up. Aliases (CNAME) are followed by whoever implements it.
pub trait Names: Send + Sync {
    /// The MX records of a domain: preference and name.
    fn mx<'a>(&'a self, domain: &'a str) -> Later<'a, Answer<Vec<(u16, String)>>>;

    /// All addresses of a host.
    fn addresses<'a>(&'a self, host: &'a str) -> Later<'a, Answer<Vec<IpAddr>>>;
}

/// A server, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name, or its address as text.
    pub name: String,
    /// Its addresses, IPv6 first.
    pub addresses: Vec<IpAddr>,
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
    names: &dyn Names,
    domain: &Domain,
    own: &str,
    hosts_max: usize,
    random: &mut (dyn FnMut() -> u32 + Send),
) -> Result<Vec<Server>, Unroutable> {
    if let Some(address) = domain.literal() {
        return Ok(vec![Server { name: domain.as_str().to_owned(), addresses: vec![address] }]);
    }
    let hosts = hosts(names, domain.as_str(), own, random).await?;
    let mut servers = Vec::new();
    let mut trouble = None;
    for name in hosts.into_iter().take(hosts_max.max(1)) {
        match names.addresses(&name).await {
            Answer::Found(addresses) if !addresses.is_empty() => {
                servers.push(Server { name, addresses: six_first(addresses) });
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

/// The addresses of a server given by name or address.
///
/// Errors: [`Unroutable`].
pub(crate) async fn named(names: &dyn Names, host: &str) -> Result<Server, Unroutable> {
    let name = host.to_owned();
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        return Ok(Server { name, addresses: vec![address] });
    }
    match names.addresses(host).await {
        Answer::Found(addresses) if !addresses.is_empty() => {
            Ok(Server { name, addresses: six_first(addresses) })
        }
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
    names: &dyn Names,
    domain: &str,
    own: &str,
    random: &mut (dyn FnMut() -> u32 + Send),
) -> Result<Vec<String>, Unroutable> {
    let named = domain.to_owned();
    let records = match names.mx(domain).await {
        Answer::Found(records) if !records.is_empty() => records,
        Answer::Found(_) | Answer::NoData => return implicit(names, named).await,
        Answer::NoSuchDomain => return Err(Unroutable::NoSuchDomain(named)),
        Answer::Temporary(why) => return Err(Unroutable::Temporary(named, why)),
    };
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
    let mut hosts: Vec<String> = Vec::new();
    for (_, _, host) in ranked {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Ok(hosts)
}

/// A domain without MX is its own server when it has an address.
async fn implicit(names: &dyn Names, domain: String) -> Result<Vec<String>, Unroutable> {
    match names.addresses(&domain).await {
        Answer::Found(addresses) if !addresses.is_empty() => Ok(vec![domain]),
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
