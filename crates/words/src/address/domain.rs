//! The part of an address behind the `@`: a domain name, or an address literal.
//!
//! Names are kept as A-labels in lower case, so that comparing octets compares domains.
//! Source: RFC 5321 sections 4.1.2 and 4.1.3, RFC 5891 over UTS #46.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::AddressError;

/// The most octets of a domain name without its final dot.
///
/// Source: RFC 5321 section 4.5.3.1.2 has 255 with the length octets of DNS.
const DOMAIN_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// A domain name in A-labels and lower case, or an address literal in brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// Reads a domain name in U-labels or A-labels of any case, or a literal with its brackets.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::At);
        }
        if let Some(rest) = text.strip_prefix('[') {
            return literal(rest.strip_suffix(']').ok_or(AddressError::Literal)?);
        }
        // No name this long has a short A-label form; the bound keeps the mapping cheap.
        if text.len() > 4 * DOMAIN_MAX {
            return Err(AddressError::TooLong);
        }
        let name = if is_plain(text) {
            text.to_ascii_lowercase()
        } else {
            let mapped = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::STD3);
            mapped.or(Err(AddressError::Domain))?.into_owned()
        };
        check(&name)?;
        Ok(Self(name))
    }

    /// The literal of `address`.
    pub fn from_ip(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self(format!("[{v4}]")),
            IpAddr::V6(v6) => Self(format!("[IPv6:{v6}]")),
        }
    }

    /// A-labels, or the literal with its brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The network address of a literal.
    pub fn literal(&self) -> Option<IpAddr> {
        let inner = self.0.strip_prefix('[')?.strip_suffix(']')?;
        match inner.strip_prefix("IPv6:") {
            Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => inner.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        }
    }

    /// The form for people, with U-labels.
    pub fn unicode(&self) -> String {
        match self.literal() {
            Some(_) => self.0.clone(),
            None => idna::domain_to_unicode(&self.0).0,
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// Whether a name has nothing that IDNA would look at.
fn is_plain(name: &str) -> bool {
    name.is_ascii() && !name.as_bytes().windows(4).any(|four| four.eq_ignore_ascii_case(b"xn--"))
}

/// Letters, digits and inner hyphens in labels of 1 to 63; the last one no number, as then it
/// would be an address without its brackets.
fn check(name: &str) -> Result<(), AddressError> {
    if name.len() > DOMAIN_MAX || name.split('.').any(|label| label.len() > LABEL_MAX) {
        return Err(AddressError::TooLong);
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_number = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    if name.split('.').all(is_label) && !name.rsplit('.').next().is_some_and(is_number) {
        Ok(())
    } else {
        Err(AddressError::Domain)
    }
}

fn literal(inner: &str) -> Result<Domain, AddressError> {
    let address = match inner.split_at_checked(5) {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("IPv6:") => {
            v6.parse::<Ipv6Addr>().map(IpAddr::V6)
        }
        _ => inner.parse::<Ipv4Addr>().map(IpAddr::V4),
    };
    address.map(Domain::from_ip).or(Err(AddressError::Literal))
}
