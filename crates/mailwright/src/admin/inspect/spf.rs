//! Whether an SPF record lets an address send: its meaning, not its words.
//!
//! It is for people who look at a domain of theirs. What depends on a single message, as macros do,
//! cannot be known here. Lookups are bounded as in the check of a message.
//! Source: RFC 7208 sections 4.6 and 5.

use std::net::IpAddr;
use std::pin::Pin;

use mailwright_net::dns::{Answer, Resolver};

/// Terms that may ask the DNS. Source: RFC 7208 section 4.6.4.
const LOOKUPS_MAX: u32 = 10;
/// Octets of a record that are looked at.
const RECORD_MAX: usize = 4096;

/// What a record says of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Spf {
    /// It may send.
    Pass,
    /// It may not, by this term.
    NotPass(String),
    /// There is no record.
    Missing,
    /// The record is broken.
    Broken(String),
    /// It cannot be known.
    Unknown(String),
}

/// What the SPF record of `domain` says of `address`.
pub(in super::super) async fn evaluate(dns: &dyn Resolver, domain: &str, address: IpAddr) -> Spf {
    Evaluation { dns, address, lookups: 0 }.check(domain.to_owned()).await
}

/// The SPF record of a domain as it stands.
pub(in super::super) async fn record(dns: &dyn Resolver, domain: &str) -> Result<String, Spf> {
    let texts = match dns.txt(domain).await {
        Answer::Found(texts) => texts,
        Answer::NoData | Answer::NoSuchDomain => return Err(Spf::Missing),
        Answer::Temporary(why) => return Err(Spf::Unknown(why)),
    };
    let is_spf = |text: &String| {
        let (version, _) = text.split_once(' ').unwrap_or((text, ""));
        version.eq_ignore_ascii_case("v=spf1")
    };
    let texts = texts.iter().map(|text| String::from_utf8_lossy(text).into_owned());
    let mut found = texts.filter(is_spf);
    match (found.next(), found.next()) {
        (None, _) => Err(Spf::Missing),
        (Some(text), None) if text.len() <= RECORD_MAX => Ok(text),
        (Some(_), None) => Err(Spf::Broken("the record is too long".to_owned())),
        (Some(_), Some(_)) => Err(Spf::Broken("there is more than one record".to_owned())),
    }
}

struct Evaluation<'a> {
    dns: &'a dyn Resolver,
    address: IpAddr,
    lookups: u32,
}

type Later<'a> = Pin<Box<dyn Future<Output = Spf> + Send + 'a>>;

impl Evaluation<'_> {
    fn check(&mut self, domain: String) -> Later<'_> {
        Box::pin(async move {
            let text = match record(self.dns, &domain).await {
                Ok(text) => text,
                Err(end) => return end,
            };
            let mut redirect = None;
            for term in text.split_ascii_whitespace().skip(1) {
                if term.contains('%') {
                    return Spf::Unknown(format!("{term} depends on the message"));
                }
                if let Some((name, value)) = modifier(term) {
                    let is_redirect = name.eq_ignore_ascii_case("redirect");
                    redirect = redirect.or_else(|| is_redirect.then(|| value.to_owned()));
                    continue;
                }
                let (passes, mechanism) = qualified(term);
                match self.matches(mechanism, &domain).await {
                    Ok(true) if passes => return Spf::Pass,
                    Ok(true) => return Spf::NotPass(term.to_owned()),
                    Ok(false) => {}
                    Err(end) => return end,
                }
            }
            let Some(redirect) = redirect else {
                return Spf::NotPass("no term is about it".to_owned());
            };
            match self.count() {
                Ok(()) => self.check(redirect).await,
                Err(end) => end,
            }
        })
    }

    /// Whether a mechanism is about the address.
    async fn matches(&mut self, mechanism: &str, domain: &str) -> Result<bool, Spf> {
        let (name, rest) =
            mechanism.split_at(mechanism.find([':', '/']).unwrap_or(mechanism.len()));
        let argument = rest.strip_prefix(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "all" => Ok(true),
            "ip4" | "ip6" => within(argument, self.address).ok_or_else(|| broken(mechanism)),
            "a" => {
                let (host, prefixes) = target(rest, domain);
                self.count()?;
                self.is_host(&host, prefixes, mechanism).await
            }
            "mx" => {
                let (host, prefixes) = target(rest, domain);
                self.count()?;
                for (_, host) in answered(self.dns.mx(&host).await)?.into_iter().take(10) {
                    if self.is_host(&host, prefixes, mechanism).await? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            "include" => {
                self.count()?;
                match self.check(argument.to_owned()).await {
                    Spf::Pass => Ok(true),
                    Spf::NotPass(_) => Ok(false),
                    Spf::Missing => Err(Spf::Broken(format!("{argument} has no record"))),
                    end => Err(end),
                }
            }
            "exists" => {
                self.count()?;
                Ok(!answered(self.dns.addresses(argument).await)?.is_empty())
            }
            "ptr" => Err(Spf::Unknown("ptr is out of use".to_owned())),
            _ => Err(broken(mechanism)),
        }
    }

    async fn is_host(&self, host: &str, prefixes: &str, term: &str) -> Result<bool, Spf> {
        let prefix = prefix(prefixes, self.address).ok_or_else(|| broken(term))?;
        let found = answered(self.dns.addresses(host).await)?;
        Ok(found.iter().any(|one| is_near(*one, self.address, prefix)))
    }

    fn count(&mut self) -> Result<(), Spf> {
        self.lookups += 1;
        if self.lookups <= LOOKUPS_MAX {
            return Ok(());
        }
        Err(Spf::Broken("more than 10 of its terms ask the DNS".to_owned()))
    }
}

fn broken(term: &str) -> Spf {
    Spf::Broken(format!("{term} makes no sense"))
}

fn answered<T>(answer: Answer<Vec<T>>) -> Result<Vec<T>, Spf> {
    match answer {
        Answer::Found(records) => Ok(records),
        Answer::NoData | Answer::NoSuchDomain => Ok(Vec::new()),
        Answer::Temporary(why) => Err(Spf::Unknown(why)),
    }
}

/// A term of the form `name=value`.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    (!name.contains([':', '/'])).then_some((name, value))
}

/// Whether a term lets send, and its mechanism.
fn qualified(term: &str) -> (bool, &str) {
    match term.strip_prefix(['-', '~', '?']) {
        Some(mechanism) => (false, mechanism),
        None => (true, term.strip_prefix('+').unwrap_or(term)),
    }
}

/// The host of `a` and `mx`, and the lengths of prefixes behind it.
fn target<'a>(rest: &'a str, domain: &str) -> (String, &'a str) {
    let (host, prefixes) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.strip_prefix(':').unwrap_or(domain);
    (host.to_owned(), prefixes)
}

/// The length that counts for `address` in `/24//64`.
fn prefix(prefixes: &str, address: IpAddr) -> Option<u8> {
    let (four, six) = match prefixes.split_once("//") {
        Some((four, six)) => (four, Some(six)),
        None => (prefixes, None),
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let text = if address.is_ipv4() {
        four.strip_prefix('/').filter(|text| !text.is_empty())
    } else {
        six
    };
    text.map_or(Some(most), |text| text.parse().ok().filter(|length| *length <= most))
}

fn within(network: &str, address: IpAddr) -> Option<bool> {
    let (base, length) = match network.split_once('/') {
        Some((base, length)) => (base, Some(length.parse::<u8>().ok()?)),
        None => (network, None),
    };
    let base: IpAddr = base.parse().ok()?;
    let most = if base.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(most);
    (length <= most).then(|| is_near(base, address, length))
}

/// Whether the first `length` bits are the same.
fn is_near(one: IpAddr, other: IpAddr, length: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let rest = one.to_bits() ^ other.to_bits();
            rest.checked_shr(32_u32.saturating_sub(length.into())).unwrap_or(0) == 0
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let rest = one.to_bits() ^ other.to_bits();
            rest.checked_shr(128_u32.saturating_sub(length.into())).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use mailwright_net::dns::Fake;

    use super::*;

    async fn says(text: &str, address: &str) -> Spf {
        let dns = Fake::new();
        dns.add_txt("home.example", text);
        dns.add_mx("home.example", 10, "mx.home.example");
        dns.add_address("mx.home.example", "192.0.2.7".parse().unwrap());
        dns.add_address("mx.home.example", "2001:db8::7".parse().unwrap());
        dns.add_txt("other.example", "v=spf1 ip4:198.51.100.0/24 -all");
        dns.add_txt("loop.example", "v=spf1 include:loop.example -all");
        dns.set_broken("broken.example", true);
        evaluate(&dns, "home.example", address.parse().unwrap()).await
    }

    #[tokio::test]
    async fn records_are_taken_by_their_meaning() {
        for (text, address) in [
            ("v=spf1 mx -all", "192.0.2.7"),
            ("v=spf1 mx -all", "2001:db8::7"),
            ("V=SPF1 +MX ~all", "192.0.2.7"),
            ("v=spf1 a:mx.home.example/24//64 -all", "192.0.2.99"),
            ("v=spf1 a:mx.home.example/24//64 -all", "2001:db8::99"),
            ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.7"),
            ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::1"),
            ("v=spf1 include:other.example -all", "198.51.100.3"),
            ("v=spf1 redirect=other.example", "198.51.100.3"),
            ("v=spf1 exists:mx.home.example -all", "203.0.113.1"),
            ("v=spf1 exp=x.example all", "203.0.113.1"),
            ("v=spf1 ip4:0.0.0.0/0", "203.0.113.1"),
        ] {
            assert_eq!(says(text, address).await, Spf::Pass, "{text} {address}");
        }
        for (text, address, term) in [
            ("v=spf1 mx -all", "192.0.2.8", "-all"),
            ("v=spf1 -ip4:192.0.2.7 +all", "192.0.2.7", "-ip4:192.0.2.7"),
            ("v=spf1 mx ?all", "192.0.2.8", "?all"),
            ("v=spf1 include:other.example", "192.0.2.7", "no term is about it"),
            ("v=spf1 a -all", "192.0.2.7", "-all"),
        ] {
            assert_eq!(says(text, address).await, Spf::NotPass(term.to_owned()), "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_broken_missing_or_unclear_is_told_apart() {
        assert_eq!(says("hello", "192.0.2.7").await, Spf::Missing);
        for text in [
            "v=spf1 include:loop.example -all",
            "v=spf1 include:none.example -all",
            "v=spf1 ip4:192.0.2.0/99 -all",
            "v=spf1 nonsense",
            "v=spf1 a:mx.home.example/x -all",
        ] {
            assert!(matches!(says(text, "192.0.2.9").await, Spf::Broken(_)), "{text}");
        }
        for text in ["v=spf1 include:broken.example", "v=spf1 exists:%{i}.x.example", "v=spf1 ptr"]
        {
            assert!(matches!(says(text, "192.0.2.9").await, Spf::Unknown(_)), "{text}");
        }
    }
}
