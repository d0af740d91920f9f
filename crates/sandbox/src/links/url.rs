//! The parts of an address that checks look at.
//!
//! It takes an address apart and judges nothing; nothing is dialled.
//! Source: RFC 3986 sections 3 and 5.2.

use std::fmt::Write as _;

/// An address taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url<'a> {
    /// The scheme in lower case.
    pub scheme: String,
    /// What stands before an `@` in the authority.
    pub user: Option<&'a str>,
    /// The host in lower case, brackets kept; empty where there is none.
    pub host: String,
    /// The port, where one stands.
    pub port: Option<&'a str>,
    /// All behind the authority, or behind the scheme where there is none.
    pub rest: &'a str,
}

impl<'a> Url<'a> {
    /// Takes an address apart; nothing where it has no scheme.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(':')?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(is_word) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let Some(behind) = rest.strip_prefix("//") else {
            return Some(Self { scheme, user: None, host: String::new(), port: None, rest });
        };
        let end = behind.find(['/', '?', '#', '\\']).unwrap_or(behind.len());
        let (authority, rest) = behind.split_at_checked(end)?;
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let after_bracket = place.rfind(']').map_or(0, |at| at + 1);
        let colon = place.get(after_bracket..).and_then(|tail| tail.rfind(':'));
        let (host, port) = match colon.and_then(|at| place.split_at_checked(after_bracket + at)) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => (place, None),
        };
        Some(Self { scheme, user, host: host.to_lowercase(), port, rest })
    }

    /// Whether it is fetched by HTTP.
    pub fn is_web(&self) -> bool {
        matches!(self.scheme.as_str(), "http" | "https")
    }

    /// The path, without query and fragment.
    pub fn path(&self) -> &'a str {
        self.rest.split(['?', '#']).next().unwrap_or_default()
    }

    /// The address that a reference found here leads to.
    pub fn join(&self, reference: &str) -> String {
        let reference = reference.trim();
        if Url::parse(reference).is_some() {
            return reference.to_owned();
        }
        let mut base = format!("{}:", self.scheme);
        if reference.starts_with("//") {
            return format!("{base}{reference}");
        }
        write!(base, "//{}", self.host).unwrap_or_default();
        if let Some(port) = self.port {
            write!(base, ":{port}").unwrap_or_default();
        }
        if reference.starts_with('/') {
            return format!("{base}{}", flat(reference));
        }
        if reference.starts_with('?') {
            return format!("{base}{}{reference}", self.path());
        }
        let folder = self.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{base}{}", flat(&format!("{folder}/{reference}")))
    }
}

/// A path without `.` and `..`; what follows it stays.
fn flat(path: &str) -> String {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let (path, rest) = path.split_at_checked(end).unwrap_or((path, ""));
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            ".." => {
                kept.pop();
            }
            "." => {}
            _ => {
                kept.push(part);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}{rest}", kept.join("/"))
}

/// The host of a web address in lower case.
pub fn host_of(text: &str) -> Option<String> {
    Url::parse(text).filter(|url| url.is_web() && !url.host.is_empty()).map(|url| url.host)
}

/// The domain that was registered, by the public suffix list: that of `a.shop.co.uk` is
/// `shop.co.uk`. An address, and a name that nobody could register, stands for itself.
pub fn site(host: &str) -> &str {
    let host = host.trim_end_matches('.');
    if host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() {
        return host;
    }
    psl::domain_str(host).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_parts() {
        let url = Url::parse("HTTPS://me:x@Shop.Example:8443/a/b?c#d").unwrap();
        let parts = (url.scheme.as_str(), url.user, url.host.as_str(), url.port, url.rest);
        assert_eq!(parts, ("https", Some("me:x"), "shop.example", Some("8443"), "/a/b?c#d"));
        let url = Url::parse("http://[::1]:80").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("[::1]", Some("80")));
        let url = Url::parse("mailto:a@b").unwrap();
        assert_eq!((url.host.as_str(), url.rest), ("", "a@b"));
        for none in ["", "/a", "a b:c", "#x", "1a:b"] {
            assert!(Url::parse(none).is_none(), "{none}");
        }
    }

    #[test]
    fn references_lead_where_browsers_go() {
        let base = Url::parse("http://h:1/a/b?c").unwrap();
        for (reference, expected) in [
            ("https://x/y", "https://x/y"),
            ("//x/y", "http://x/y"),
            ("/d/../e", "http://h:1/e"),
            ("?q", "http://h:1/a/b?q"),
            ("d", "http://h:1/a/d"),
            ("../d", "http://h:1/d"),
            ("..", "http://h:1/"),
        ] {
            assert_eq!(base.join(reference), expected);
        }
    }

    #[test]
    fn hosts_belong_to_sites() {
        for (host, expected) in [
            ("a.b.example", "b.example"),
            ("example", "example"),
            ("www.shop.co.uk", "shop.co.uk"),
            ("shop.co.uk", "shop.co.uk"),
            ("a.shop.de", "shop.de"),
            ("www.shop.kawasaki.jp", "www.shop.kawasaki.jp"),
            ("ann.github.io", "ann.github.io"),
            ("a.b.test.", "b.test"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("", ""),
        ] {
            assert_eq!(site(host), expected);
        }
    }
}
