//! Names: a resolver with three-way answers, so that no answer is never taken for a negative one.

mod fake;
mod given;
pub mod list;
mod proof;
mod signed;
mod system;

pub use fake::Fake;
pub use given::Given;
pub use hickory_resolver::net::NetError as SystemError;
pub use signed::{Signed, Tlsa};
pub use system::System;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::Pin,
};

/// What a resolver's method gives.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 'a>>;

/// What the DNS said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// These records; at least one.
    Found(T),
    /// There is no such name.
    NoSuchDomain,
    /// The name exists, without such records.
    NoData,
    /// It could not be found out, for this reason.
    Temporary(String),
}

impl<T> Answer<T> {
    /// The same answer, its records changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Found(records) => Answer::Found(change(records)),
            Self::NoSuchDomain => Answer::NoSuchDomain,
            Self::NoData => Answer::NoData,
            Self::Temporary(why) => Answer::Temporary(why),
        }
    }
}

/// Where a service is. Source: RFC 2782.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones are tried first.
    pub priority: u16,
    /// How often it is chosen among those of its priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host, without its last dot; `.` says that there is no such service.
    pub target: String,
}

impl fmt::Display for Srv {
    /// As it stands in a zone file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.target == "." { "" } else { "." };
        write!(f, "{} {} {} {}{dot}", self.priority, self.weight, self.port, self.target)
    }
}

/// Looks names up; aliases are followed. A name is absolute, with its last dot or without.
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// The MX records: preference and name, the name `.` for a null MX (RFC 7505).
    fn mx<'a>(&'a self, domain: &'a str) -> Later<'a, Vec<(u16, String)>>;

    /// All addresses, IPv6 first.
    fn addresses<'a>(&'a self, host: &'a str) -> Later<'a, Vec<IpAddr>>;

    /// The TXT records, the strings of each joined.
    fn txt<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Vec<u8>>>;

    /// The names of an address.
    fn ptr(&self, address: IpAddr) -> Later<'_, Vec<String>>;

    /// The SRV records of a name such as `_imaps._tcp.example.com`.
    fn srv<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Srv>>;

    /// The IPv4 addresses.
    fn ipv4<'a>(&'a self, host: &'a str) -> Later<'a, Vec<Ipv4Addr>> {
        Box::pin(async move {
            of_family(self.addresses(host).await, |ip| match ip {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            })
        })
    }

    /// The IPv6 addresses.
    fn ipv6<'a>(&'a self, host: &'a str) -> Later<'a, Vec<Ipv6Addr>> {
        Box::pin(async move {
            of_family(self.addresses(host).await, |ip| match ip {
                IpAddr::V6(ip) => Some(ip),
                IpAddr::V4(_) => None,
            })
        })
    }

    /// The MX records, with what DNSSEC says of them.
    fn signed_mx<'a>(&'a self, domain: &'a str) -> Later<'a, Signed<Vec<(u16, String)>>> {
        Box::pin(async move { self.mx(domain).await.map(Signed::insecure) })
    }

    /// All addresses, with what DNSSEC says of them.
    fn signed_addresses<'a>(&'a self, host: &'a str) -> Later<'a, Signed<Vec<IpAddr>>> {
        Box::pin(async move { self.addresses(host).await.map(Signed::insecure) })
    }

    /// The TLSA records of a name such as `_25._tcp.mx.example`.
    fn tlsa<'a>(&'a self, _name: &'a str) -> Later<'a, Signed<Vec<Tlsa>>> {
        Box::pin(std::future::ready(Answer::NoData))
    }
}

fn of_family<T>(all: Answer<Vec<IpAddr>>, pick: impl Fn(IpAddr) -> Option<T>) -> Answer<Vec<T>> {
    match all {
        Answer::Found(all) => {
            let picked: Vec<T> = all.into_iter().filter_map(pick).collect();
            if picked.is_empty() { Answer::NoData } else { Answer::Found(picked) }
        }
        Answer::NoSuchDomain => Answer::NoSuchDomain,
        Answer::NoData => Answer::NoData,
        Answer::Temporary(why) => Answer::Temporary(why),
    }
}
