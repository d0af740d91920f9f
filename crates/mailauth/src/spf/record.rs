//! The text of an SPF record, read as a whole before any of it counts.
//!
//! Source: RFC 7208 sections 4.5, 4.6, 5, 6 and 12.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::macros::{Macros, Malformed, Place};
use crate::Word;

/// A record that is right in form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<Macros>,
    pub(super) exp: Option<Macros>,
}

/// A mechanism, and what follows when it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) word: Word,
    pub(super) mechanism: Mechanism,
    /// As the domain wrote it.
    pub(super) text: String,
}

/// What a client may match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(Macros),
    A(Option<Macros>, Prefixes),
    Mx(Option<Macros>, Prefixes),
    Ptr(Option<Macros>),
    Network(IpAddr, u8),
    Exists(Macros),
}

/// How many bits of an address count, for each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefixes {
    four: u8,
    six: u8,
}

/// A term that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadTerm(String);

impl fmt::Display for BadTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record has the malformed term `{}`", self.0)
    }
}

/// Whether a TXT record is an SPF record.
pub(super) fn is_spf(record: &[u8]) -> bool {
    let Some((version, rest)) = record.split_at_checked(6) else { return false };
    version.eq_ignore_ascii_case(b"v=spf1") && matches!(rest.first(), None | Some(b' '))
}

impl Record {
    /// Reads a record for which [`is_spf`] holds.
    pub(super) fn parse(record: &[u8]) -> Result<Self, BadTerm> {
        let text = std::str::from_utf8(record).ok().filter(|text| text.is_ascii());
        let text = text.ok_or_else(|| BadTerm(String::from_utf8_lossy(record).into_owned()))?;
        let mut parsed = Self { directives: Vec::new(), redirect: None, exp: None };
        for term in text.split(' ').skip(1).filter(|term| !term.is_empty()) {
            parsed.add(term).map_err(|Malformed| BadTerm(term.to_owned()))?;
        }
        Ok(parsed)
    }

    fn add(&mut self, term: &str) -> Result<(), Malformed> {
        let end = term.find([':', '/', '=']).unwrap_or(term.len());
        let (name, rest) = term.split_at_checked(end).ok_or(Malformed)?;
        if let Some(value) = rest.strip_prefix('=') {
            return self.modify(name, value);
        }
        let (word, name) = match name.as_bytes().first() {
            Some(b'-') => (Word::Fail, name.strip_prefix('-')),
            Some(b'~') => (Word::SoftFail, name.strip_prefix('~')),
            Some(b'?') => (Word::Neutral, name.strip_prefix('?')),
            Some(b'+') => (Word::Pass, name.strip_prefix('+')),
            _ => (Word::Pass, Some(name)),
        };
        let name = name.ok_or(Malformed)?.to_ascii_lowercase();
        let mechanism = mechanism(&name, rest)?;
        self.directives.push(Directive { word, mechanism, text: term.to_owned() });
        Ok(())
    }

    fn modify(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        let place = match name.to_ascii_lowercase().as_str() {
            "redirect" => &mut self.redirect,
            "exp" => &mut self.exp,
            other => {
                let inner = |one: u8| one.is_ascii_alphanumeric() || b"-_.".contains(&one);
                let named = other.starts_with(|c: char| c.is_ascii_alphabetic());
                if !named || !other.bytes().all(inner) {
                    return Err(Malformed);
                }
                return Macros::parse(value, Place::Explanation).map(|_| ());
            }
        };
        if place.is_some() {
            return Err(Malformed);
        }
        *place = Some(Macros::parse_domain(value)?);
        Ok(())
    }
}

fn mechanism(name: &str, rest: &str) -> Result<Mechanism, Malformed> {
    let value = || rest.strip_prefix(':').ok_or(Malformed);
    match name {
        "all" if rest.is_empty() => Ok(Mechanism::All),
        "include" => Ok(Mechanism::Include(Macros::parse_domain(value()?)?)),
        "exists" => Ok(Mechanism::Exists(Macros::parse_domain(value()?)?)),
        "ptr" => Ok(Mechanism::Ptr(target(rest)?)),
        "a" | "mx" => {
            let (rest, prefixes) = prefixes(rest)?;
            let target = target(rest)?;
            let make = if name == "a" { Mechanism::A } else { Mechanism::Mx };
            Ok(make(target, prefixes))
        }
        "ip4" => network(value()?, 32, |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)),
        "ip6" => network(value()?, 128, |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)),
        _ => Err(Malformed),
    }
}

/// The domain-spec behind a colon, where there is one.
fn target(rest: &str) -> Result<Option<Macros>, Malformed> {
    match rest.strip_prefix(':') {
        Some(domain) => Macros::parse_domain(domain).map(Some),
        None if rest.is_empty() => Ok(None),
        None => Err(Malformed),
    }
}

fn network(
    text: &str,
    longest: u8,
    address: impl Fn(&str) -> Option<IpAddr>,
) -> Result<Mechanism, Malformed> {
    let (text, prefix) = match text.split_once('/') {
        Some((text, digits)) => (text, prefix(digits, longest)?),
        None => (text, longest),
    };
    address(text).map(|ip| Mechanism::Network(ip, prefix)).ok_or(Malformed)
}

/// Takes `/24`, `//64` or `/24//64` off the end.
fn prefixes(text: &str) -> Result<(&str, Prefixes), Malformed> {
    let (text, six) = match text.rsplit_once("//") {
        Some((before, digits)) if is_number(digits) => (before, prefix(digits, 128)?),
        _ => (text, 128),
    };
    let (text, four) = match text.rsplit_once('/') {
        Some((before, digits)) if is_number(digits) => (before, prefix(digits, 32)?),
        _ => (text, 32),
    };
    Ok((text, Prefixes { four, six }))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit())
}

fn prefix(digits: &str, longest: u8) -> Result<u8, Malformed> {
    let plain = is_number(digits) && (digits == "0" || !digits.starts_with('0'));
    let number = digits.parse().ok().filter(|number| plain && *number <= longest);
    number.ok_or(Malformed)
}

impl Prefixes {
    /// Whether two addresses of one family agree as far as it matters.
    pub(super) fn cover(self, one: IpAddr, other: IpAddr) -> bool {
        match one {
            IpAddr::V4(_) => agree(one, other, self.four),
            IpAddr::V6(_) => agree(one, other, self.six),
        }
    }
}

/// Whether the first `bits` of two addresses of one family are the same.
pub(super) fn agree(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let shift = 32_u32.saturating_sub(u32::from(bits));
            (one.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let shift = 128_u32.saturating_sub(u32::from(bits));
            (one.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_version_makes_an_spf_record() {
        for (text, expected) in [
            ("v=spf1", true),
            ("V=SPF1 -all", true),
            ("v=spf10", false),
            ("v=spf", false),
            (" v=spf1", false),
            ("v=spf1\t-all", false),
        ] {
            assert_eq!(is_spf(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn terms_are_read_or_refused() {
        for good in [
            "v=spf1 +a mx/24 a:x.example//64 mx:x.example/0//0 ptr ptr:x.example -all ",
            "v=spf1 IP4:192.0.2.0/24 ip6:2001:db8::/32 exists:%{i}.x.example ?include:y.example",
            "v=spf1 redirect=x.example exp=y.example moo.cow=%{d} r.1=",
            "v=spf1  a:a/b.example/24",
        ] {
            assert!(Record::parse(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "v=spf1 all:x",
            "v=spf1 ip4:192.0.2.0/33",
            "v=spf1 ip4:192.0.2",
            "v=spf1 a/024",
            "v=spf1 redirect=a.example redirect=b.example",
            "v=spf1 -redirect=a.example",
            "v=spf1 moo",
            "v=spf1 a/",
            "v=spf1 a//129",
            "v=spf1 include",
            "v=spf1 =x",
            "v=spf1 a:\u{e9}.example",
            "v=spf1 1x=y",
            "v=spf1 ptr/24",
            "v=spf1 exp=%{c}",
        ] {
            assert!(Record::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn prefixes_of_any_length_compare() {
        let v4 = |text: &str| IpAddr::V4(text.parse().unwrap());
        assert!(agree(v4("192.0.2.1"), v4("10.0.0.1"), 0));
        assert!(agree(v4("192.0.2.1"), v4("192.0.2.255"), 24));
        assert!(!agree(v4("192.0.2.1"), v4("192.0.3.1"), 24));
        assert!(!agree(v4("192.0.2.1"), "::ffff:192.0.2.1".parse().unwrap(), 0));
    }
}
