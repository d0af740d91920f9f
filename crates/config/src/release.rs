//! Whom what an inbox caught may be released to: addresses, domains, all below a domain.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest pattern, in octets.
const TEXT_MAX: usize = 320;

/// An address, or many, that mail may be released to; in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseTo {
    /// One address.
    Address(String),
    /// All addresses of a domain.
    Domain(String),
    /// All addresses of the domains below one.
    Below(String),
}

impl ReleaseTo {
    /// Whether it takes an address, with its domain in A-labels.
    pub fn takes(&self, address: &str) -> bool {
        let address = address.to_lowercase();
        let Some((_, domain)) = address.rsplit_once('@') else { return false };
        match self {
            Self::Address(own) => *own == address,
            Self::Domain(own) => own == domain,
            Self::Below(own) => {
                let parent = domain.strip_suffix(own.as_str());
                parent.is_some_and(|parent| parent.len() > 1 && parent.ends_with('.'))
            }
        }
    }
}

impl FromStr for ReleaseTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        let parts = match (lower.rsplit_once('@'), lower.strip_prefix("*.")) {
            (Some((local, domain)), _) if is_local(local) => {
                Some((Self::Address(lower.clone()), domain))
            }
            (None, Some(parent)) => Some((Self::Below(parent.to_owned()), parent)),
            (None, None) => Some((Self::Domain(lower.clone()), lower.as_str())),
            (Some(_), _) => None,
        };
        let right = parts.filter(|(_, domain)| text.len() <= TEXT_MAX && is_domain(domain));
        right.map(|(pattern, _)| pattern).ok_or_else(|| {
            format!(
                "\"{text}\" is no address and no domain; write \"ann@example.com\", \
                     \"example.com\" or \"*.example.com\"; other than ASCII as xn--"
            )
        })
    }
}

/// Local parts that need no quotes.
fn is_local(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !"\"\\<>@,;".contains(c))
}

/// Names with a dot in them: no mail is released to a whole top-level domain by a slip.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let mut octets = label.bytes();
        !label.is_empty() && octets.all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
    };
    text.contains('.') && text.split('.').all(is_label)
}

impl fmt::Display for ReleaseTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(text) | Self::Domain(text) => f.write_str(text),
            Self::Below(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// Letting go of what an inbox caught. It goes the way of all mail, by `[routes]` and MX.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Release {
    /// Whom caught messages may be released to: `"ann@example.com"`, `"example.com"`, or
    /// `"*.example.com"` for the domains below it. To all others it is impossible. Default none:
    /// nothing leaves.
    #[serde(with = "patterns")]
    #[schemars(with = "Vec<String>")]
    pub to: Vec<ReleaseTo>,
    /// Reverse-path of what is released, for a request that names none; one that it names has to
    /// be among `to`. Default none: the null one, so that no report comes of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Most messages that one request releases. Default 100.
    pub messages_max: usize,
    /// Most addresses that one request releases to. Default 20.
    pub recipients_max: usize,
    /// Most times that one message is released, counted by address. Default 200.
    pub times_max: usize,
}

impl Default for Release {
    fn default() -> Self {
        Self { to: Vec::new(), from: None, messages_max: 100, recipients_max: 20, times_max: 200 }
    }
}

impl Release {
    /// Whether mail may be released to an address, with its domain in A-labels.
    pub fn takes(&self, address: &str) -> bool {
        self.to.iter().any(|pattern| pattern.takes(address))
    }
}

mod patterns {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::ReleaseTo;

    pub(super) fn serialize<S: Serializer>(all: &[ReleaseTo], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D>(from: D) -> Result<Vec<ReleaseTo>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let all = Vec::<String>::deserialize(from)?;
        all.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_what_it_names_and_nothing_that_looks_like_it() {
        for (pattern, address, takes) in [
            ("ann@example.com", "ann@example.com", true),
            ("Ann@Example.com", "ANN@example.com", true),
            ("ann@example.com", "ann+x@example.com", false),
            ("ann@example.com", "bann@example.com", false),
            ("example.com", "ann@example.com", true),
            ("example.com", "ann@EXAMPLE.com", true),
            ("example.com", "ann@sub.example.com", false),
            ("example.com", "ann@notexample.com", false),
            ("example.com", "ann@example.com.evil.test", false),
            ("example.com", "\"x@example.com\"@evil.test", false),
            ("example.com", "ann@[192.0.2.1]", false),
            ("example.com", "example.com", false),
            ("*.example.com", "ann@a.b.example.com", true),
            ("*.example.com", "ann@example.com", false),
            ("*.example.com", "ann@.example.com", false),
            ("*.example.com", "ann@evilexample.com", false),
        ] {
            let read: ReleaseTo = pattern.parse().unwrap();
            assert_eq!(read.takes(address), takes, "{pattern} {address}");
            assert_eq!(read.to_string(), pattern.to_lowercase());
        }
    }

    #[test]
    fn what_is_neither_address_nor_domain_is_no_pattern() {
        for text in [
            "",
            "*",
            "*.",
            "*.com",
            "com",
            "@example.com",
            "a@",
            "a b@example.com",
            "a@b@c.d",
            "[192.0.2.1]",
            "x@[192.0.2.1]",
            "*@example.com.",
            ".example.com",
            "a..b",
            "<a@b.c>",
        ] {
            assert!(text.parse::<ReleaseTo>().is_err(), "{text}");
        }
    }
}
