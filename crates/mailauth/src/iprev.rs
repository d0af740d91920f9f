//! iprev: whether the name of an address leads back to it.
//!
//! Source: RFC 8601 section 3.

use std::net::IpAddr;

use mailwright_net::dns::{Answer, Resolver};

use crate::Word;

/// How many names of an address are tried.
const NAMES_MAX: usize = 5;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iprev {
    /// The result.
    pub word: Word,
    /// The name that led back, or the first that did not.
    pub name: Option<String>,
    /// Why.
    pub reason: String,
}

impl Iprev {
    pub(crate) fn new(word: Word, name: Option<String>, reason: impl Into<String>) -> Self {
        Self { word, name, reason: reason.into() }
    }
}

/// Looks the names of a client up, and where they lead.
pub(crate) async fn check(ip: IpAddr, resolver: &dyn Resolver) -> Iprev {
    let ip = ip.to_canonical();
    let names = match resolver.ptr(ip).await {
        Answer::Found(names) => names,
        Answer::NoSuchDomain | Answer::NoData => {
            return Iprev::new(Word::PermError, None, "the address has no name");
        }
        Answer::Temporary(why) => return Iprev::new(Word::TempError, None, why),
    };
    let mut unsure = None;
    for name in names.iter().take(NAMES_MAX) {
        match resolver.addresses(name).await {
            Answer::Found(addresses) if addresses.contains(&ip) => {
                return Iprev::new(Word::Pass, Some(name.clone()), "");
            }
            Answer::Temporary(why) => unsure = Some((name.clone(), why)),
            _ => {}
        }
    }
    if let Some((name, why)) = unsure {
        return Iprev::new(Word::TempError, Some(name), why);
    }
    Iprev::new(Word::Fail, names.into_iter().next(), "its name does not lead back")
}

#[cfg(test)]
mod tests {
    use mailwright_net::dns::Fake;

    use super::*;

    #[tokio::test]
    async fn each_way_it_ends_is_told_apart() {
        let dns = Fake::new();
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        dns.add_ptr(ip("192.0.2.1"), "a.example");
        dns.add_address("a.example", ip("192.0.2.1"));
        dns.add_ptr(ip("192.0.2.2"), "a.example");
        dns.add_ptr(ip("192.0.2.3"), "broken.example");
        dns.set_broken("broken.example", true);
        dns.set_broken("192.0.2.5", true);
        for (address, word) in [
            ("192.0.2.1", Word::Pass),
            ("::ffff:192.0.2.1", Word::Pass),
            ("192.0.2.2", Word::Fail),
            ("192.0.2.3", Word::TempError),
            ("192.0.2.4", Word::PermError),
            ("192.0.2.5", Word::TempError),
        ] {
            assert_eq!(check(ip(address), &dns).await.word, word, "{address}");
        }
    }
}
