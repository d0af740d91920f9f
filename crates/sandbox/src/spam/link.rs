//! Rules about where links lead, and how they hide it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::{Rule, rule};
use crate::facts::Facts;
use crate::links::{LinkFault, Source, Url, lint, site};

/// Services that shorten addresses.
const SHORT: &[&str] = &[
    "bit.ly",
    "tinyurl.com",
    "t.co",
    "goo.gl",
    "ow.ly",
    "is.gd",
    "buff.ly",
    "rebrand.ly",
    "cutt.ly",
    "shorturl.at",
    "tiny.cc",
    "rb.gy",
    "t.ly",
    "v.gd",
];
/// Top-level domains that lists see far more spam of than mail.
const CHEAP: &[&str] = &[
    "top", "xyz", "click", "link", "work", "loan", "win", "bid", "date", "icu", "cam", "rest",
    "buzz", "monster", "cyou", "sbs", "cfd", "tk", "ml", "ga", "cf", "gq", "zip", "mov",
];

pub(super) const RULES: &[Rule] = &[
    rule(
        "NORMAL_HTTP_TO_IP",
        0.8,
        |f| webs(f).any(|url| is_address(&url.host) || is_number(&url.host)),
        "A link leads to a bare address; use a name.",
    ),
    rule(
        "NUMERIC_HTTP_ADDR",
        1.2,
        |f| webs(f).any(|url| is_number(&url.host)),
        "A link writes an address as one number, as phishing does.",
    ),
    rule(
        "HTTPS_IP_MISMATCH",
        1.6,
        |f| {
            f.links.iter().any(|link| {
                link.text.to_ascii_lowercase().starts_with("https://")
                    && Url::parse(&link.url).is_some_and(|url| is_address(&url.host))
            })
        },
        "A text shows a secure address, and the link leads to a bare one.",
    ),
    rule(
        "HTTP_ESCAPED_HOST",
        1.1,
        |f| webs(f).any(|url| url.host.contains('%')),
        "The host of a link is written in escapes.",
    ),
    rule(
        "HTTP_EXCESSIVE_ESCAPES",
        0.1,
        |f| webs(f).any(|url| is_escaped(&url.host) || is_escaped(url.rest)),
        "A link writes plain letters or digits as escapes.",
    ),
    rule(
        "URI_USER",
        0.8,
        |f| webs(f).any(|url| url.user.is_some()),
        "A link has a name before its host, which looks like the host.",
    ),
    rule(
        "WEIRD_PORT",
        0.5,
        |f| webs(f).any(|url| url.port.is_some_and(|port| !matches!(port, "" | "80" | "443"))),
        "A link leads to an unusual port.",
    ),
    rule(
        "URI_SHORTENER",
        1.0,
        |f| webs(f).any(|url| SHORT.contains(&url.host.trim_start_matches("www."))),
        "A link was shortened; filters and readers cannot see where it leads.",
    ),
    rule(
        "URI_OTHER_TARGET",
        1.5,
        |f| {
            lint(&f.links, &f.anchors, &f.part_ids)
                .iter()
                .any(|finding| finding.fault == LinkFault::OtherTarget)
        },
        "The text of a link names one site, and it leads to another.",
    ),
    rule(
        "URI_DATA",
        1.4,
        |f| f.links.iter().any(|link| link.source.is_followed() && starts(&link.url, "data:")),
        "A link holds a page in itself, as phishing does.",
    ),
    rule(
        "URI_SCRIPT",
        2.5,
        |f| {
            f.links
                .iter()
                .any(|link| starts(&link.url, "javascript:") || starts(&link.url, "vbscript:"))
        },
        "A link runs a script.",
    ),
    rule(
        "URI_PUNYCODE",
        0.6,
        |f| {
            webs(f).any(|url| {
                url.host.split('.').any(|label| label.starts_with("xn--")) || !url.host.is_ascii()
            })
        },
        "A link leads to a name with letters past ASCII, which may look like another name.",
    ),
    rule(
        "URI_CHEAP_TLD",
        0.8,
        |f| webs(f).any(|url| CHEAP.contains(&url.host.rsplit('.').next().unwrap_or_default())),
        "A link leads below a top-level domain that is known for spam.",
    ),
    rule(
        "URI_HEX",
        0.8,
        |f| {
            webs(f).any(|url| {
                let label = url.host.split('.').next().unwrap_or_default();
                label.len() >= 10
                    && label.chars().all(|c| c.is_ascii_hexdigit())
                    && label.chars().any(|c| c.is_ascii_digit())
            })
        },
        "The host of a link is a long hexadecimal number.",
    ),
    rule(
        "SPOOF_COM2OTH",
        1.8,
        |f| {
            webs(f).any(|url| {
                let own = site(&url.host);
                let before = url.host.strip_suffix(own).unwrap_or_default();
                before.split('.').rev().skip(1).any(|label| label == "com")
            })
        },
        "A host has .com in its middle, to look like another one.",
    ),
    rule(
        "URI_MANY_SITES",
        0.6,
        |f| {
            let sites: BTreeSet<String> =
                followed(f).map(|url| site(&url.host).to_owned()).collect();
            sites.len() > 8
        },
        "Links lead to more than eight sites.",
    ),
    rule(
        "URI_NONE_OF_OWN_SITE",
        0.3,
        |f| {
            let own = site(f.author_domain()).to_owned();
            let mut links = followed(f).peekable();
            !own.is_empty() && links.peek().is_some() && !links.any(|url| site(&url.host) == own)
        },
        "No link leads to the site of the author's domain.",
    ),
    rule(
        "URI_PLACEHOLDER",
        0.8,
        |f| f.links.iter().any(|link| crate::links::placeholder(&link.url).is_some()),
        "A variable of the template was left in a link.",
    ),
];

/// The web addresses of all links.
fn webs<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = Url<'f>> {
    facts.links.iter().filter_map(|link| Url::parse(&link.url)).filter(Url::is_web)
}

/// Those that a reader follows.
fn followed<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = Url<'f>> {
    let links = facts
        .links
        .iter()
        .filter(|link| matches!(link.source, Source::Anchor | Source::Area | Source::Text));
    links
        .filter_map(|link| Url::parse(&link.url))
        .filter(|url| url.is_web() && !url.host.is_empty())
}

/// Whether a letter or digit is written as an escape.
fn is_escaped(text: &str) -> bool {
    text.match_indices('%').take(2000).any(|(at, _)| {
        let code = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        code.is_some_and(|code| code.is_ascii_alphanumeric())
    })
}

fn is_address(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok() || host.starts_with('[')
}

/// `3232235777`, `0x7f.1`, `0300.0250.1.1`: addresses that only programs read.
fn is_number(host: &str) -> bool {
    let is_digits = |part: &str| {
        let hex = part.strip_prefix("0x");
        !part.is_empty()
            && (part.chars().all(|c| c.is_ascii_digit())
                || hex.is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit())))
    };
    !host.is_empty() && host.split('.').all(is_digits) && host.parse::<Ipv4Addr>().is_err()
}

fn starts(url: &str, prefix: &str) -> bool {
    url.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}
