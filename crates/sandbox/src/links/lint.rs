//! What is wrong with links by their look alone; nothing is fetched.

use std::collections::{BTreeMap, BTreeSet};

use super::extract::{Link, Source};
use super::url::{Url, host_of, site};

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkFault {
    /// It points nowhere.
    Empty,
    /// A variable of a template was left in.
    Placeholder,
    /// It leads to the developer's own machine or network.
    Local,
    /// It leads to a test system.
    Staging,
    /// It leads to a domain that is for examples.
    Example,
    /// It is not encrypted.
    PlainHttp,
    /// What the reader sees names another site.
    OtherTarget,
    /// It runs a script.
    Script,
    /// It leads to a path with no host, which in mail is nowhere.
    Relative,
    /// It is no correct address of a mailbox, or telephone number.
    Malformed,
    /// Nothing in the message has the name it leads to.
    NoAnchor,
    /// No part of the message has the identifier it shows.
    NoPart,
    /// The same target is linked with several texts, or many times.
    Repeated,
}

impl LinkFault {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Empty,
        Self::Placeholder,
        Self::Local,
        Self::Staging,
        Self::Example,
        Self::PlainHttp,
        Self::OtherTarget,
        Self::Script,
        Self::Relative,
        Self::Malformed,
        Self::NoAnchor,
        Self::NoPart,
        Self::Repeated,
    ];

    /// The name of the check, as reports have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "link-empty",
            Self::Placeholder => "link-placeholder",
            Self::Local => "link-local",
            Self::Staging => "link-staging",
            Self::Example => "link-example",
            Self::PlainHttp => "link-plain-http",
            Self::OtherTarget => "link-other-target",
            Self::Script => "link-script",
            Self::Relative => "link-relative",
            Self::Malformed => "link-malformed",
            Self::NoAnchor => "link-no-anchor",
            Self::NoPart => "link-no-part",
            Self::Repeated => "link-repeated",
        }
    }

    /// What is wrong, and what to do.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Empty => "The link has no target; give it one, or take it out.",
            Self::Placeholder => "A variable was not filled in; look at the template and its data.",
            Self::Local => "The target is on your own machine or network; readers cannot reach it.",
            Self::Staging => {
                "The target looks like a test system; readers should get the real one."
            }
            Self::Example => "The domain is reserved for examples; nobody answers there.",
            Self::PlainHttp => {
                "The link is not encrypted; use https, which filters and readers trust."
            }
            Self::OtherTarget => {
                "The text names one site, the link leads to another; that is how phishing looks."
            }
            Self::Script => "Scripts do not run in mail; use an address.",
            Self::Relative => "Mail has no base address; write the whole one, with its host.",
            Self::Malformed => "The address is not written as its scheme demands.",
            Self::NoAnchor => "No element has this id or name; the link goes nowhere.",
            Self::NoPart => "No part has this Content-ID; the image stays empty.",
            Self::Repeated => "The same target is linked very often; one or two links are enough.",
        }
    }

    /// Whether the link does not work for a reader.
    pub const fn is_broken(self) -> bool {
        !matches!(self, Self::PlainHttp | Self::OtherTarget | Self::Repeated)
    }
}

/// A fault of one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFinding {
    /// What is wrong.
    pub fault: LinkFault,
    /// The link's place in the list.
    pub link: usize,
    /// What of it is meant.
    pub detail: String,
}

/// How often one target may be linked.
const REPEATED_MAX: usize = 10;

/// The faults of links, in the order of the links.
///
/// `anchors` are the names and ids of the HTML, `parts` the identifiers of the parts, without `<>`.
pub fn lint(
    links: &[Link],
    anchors: &BTreeSet<String>,
    parts: &BTreeSet<String>,
) -> Vec<LinkFinding> {
    let mut findings = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, link) in links.iter().enumerate() {
        let mut add = |fault, detail: &str| {
            findings.push(LinkFinding { fault, link: place, detail: detail.to_owned() });
        };
        if let Some((fault, detail)) = target(link, anchors, parts) {
            add(fault, &detail);
        }
        if let Some(named) = other_target(link) {
            add(LinkFault::OtherTarget, &named);
        }
        let count = seen.entry(link.url.as_str()).or_default();
        *count += 1;
        if *count == REPEATED_MAX + 1 && link.source.is_followed() && !link.url.starts_with('#') {
            add(LinkFault::Repeated, &link.url);
        }
    }
    findings
}

type Fault = Option<(LinkFault, String)>;

fn target(link: &Link, anchors: &BTreeSet<String>, parts: &BTreeSet<String>) -> Fault {
    let text = link.url.as_str();
    let fault = |fault: LinkFault, detail: &str| Some((fault, detail.to_owned()));
    if text.is_empty() || text == "#" {
        return fault(LinkFault::Empty, text);
    }
    if let Some(variable) = placeholder(text) {
        return fault(LinkFault::Placeholder, variable);
    }
    if let Some(name) = text.strip_prefix('#') {
        return if anchors.contains(name) || name == "top" {
            None
        } else {
            fault(LinkFault::NoAnchor, name)
        };
    }
    let Some(url) = Url::parse(text) else {
        if text.starts_with("//") {
            return fault(LinkFault::PlainHttp, text);
        }
        return fault(LinkFault::Relative, text);
    };
    match url.scheme.as_str() {
        "http" | "https" => web(&url),
        "javascript" | "vbscript" => fault(LinkFault::Script, text),
        "file" => fault(LinkFault::Local, text),
        "cid" => {
            let id = percent_decoded(url.rest);
            if parts.contains(&id) { None } else { fault(LinkFault::NoPart, &id) }
        }
        "mailto" if !is_mailto(url.rest) => fault(LinkFault::Malformed, text),
        "tel" if !is_telephone(url.rest) => fault(LinkFault::Malformed, text),
        "sms" if !is_sms(url.rest) => fault(LinkFault::Malformed, text),
        _ => None,
    }
}

fn web(url: &Url<'_>) -> Fault {
    let host = url.host.trim_end_matches('.');
    let fault = |fault: LinkFault| Some((fault, url.host.clone()));
    if host.is_empty() || host.contains(' ') {
        return fault(LinkFault::Malformed);
    }
    if is_local(host) {
        return fault(LinkFault::Local);
    }
    if is_example(host) {
        return fault(LinkFault::Example);
    }
    let test = ["staging", "stage", "test", "dev", "qa", "uat", "preprod", "sandbox", "ngrok"];
    let mut labels = host.split(['.', '-']).rev().skip(1);
    if labels.any(|label| test.contains(&label)) || host.ends_with(".ngrok-free.app") {
        return fault(LinkFault::Staging);
    }
    if url.scheme == "http" { fault(LinkFault::PlainHttp) } else { None }
}

/// The variable of a template that was left in a text.
pub(crate) fn placeholder(text: &str) -> Option<&str> {
    let pairs = [("{{", "}}"), ("{%", "%}"), ("${", "}"), ("<%", "%>"), ("[[", "]]"), ("*|", "|*")];
    let between = pairs.into_iter().find_map(|(open, close)| {
        let start = text.find(open)?;
        let rest = text.get(start..)?;
        let end = rest.find(close)? + close.len();
        rest.get(..end.min(80))
    });
    between.or_else(|| {
        // `%recipient%`, `%recipient.name%`; not `%20`.
        let start = text.find('%')?;
        let mut rest = text.get(start..)?;
        loop {
            let inner = rest.strip_prefix('%')?;
            let end = inner.find('%')?;
            let name = inner.get(..end)?;
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            let is_hex =
                name.get(..2).is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
            let is_name = name.len() > 2 && name.chars().all(is_word);
            if is_name && !is_hex && name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return rest.get(..end + 2);
            }
            rest = inner.get(end..)?;
        }
    })
}

/// Whether a host is on the developer's machine or in a private network, by its name.
fn is_local(host: &str) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = plain.parse::<std::net::IpAddr>() {
        return match address {
            std::net::IpAddr::V4(v4) => {
                v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()
            }
            std::net::IpAddr::V6(v6) => {
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
            }
        };
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    !host.contains('.') || matches!(last, "localhost" | "local" | "internal" | "lan" | "home")
}

/// Whether a domain is for examples. Source: RFC 2606.
fn is_example(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    matches!(last, "example" | "invalid" | "test")
        || matches!(site(host), "example.com" | "example.org" | "example.net")
}

/// The host that a link's text names, where it is another site than the link's.
fn other_target(link: &Link) -> Option<String> {
    if link.source != Source::Anchor {
        return None;
    }
    let host = host_of(&link.url)?;
    let shown = link.text.trim();
    let first = shown.split_whitespace().next().filter(|word| *word == shown)?;
    let named = if let Some(named) = host_of(first) {
        named
    } else {
        let name = first.split(['/', '?', '#']).next().unwrap_or_default();
        let is_host = name.contains('.')
            && !name.contains('@')
            && name.split('.').all(|label| !label.is_empty() && is_label(label))
            && name.rsplit('.').next().is_some_and(is_top);
        is_host.then(|| name.to_lowercase())?
    };
    (site(&named) != site(&host)).then_some(named)
}

fn is_label(label: &str) -> bool {
    label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

fn is_top(label: &str) -> bool {
    label.len() >= 2 && label.chars().all(char::is_alphabetic)
}

/// Source: RFC 6068 section 2.
fn is_mailto(rest: &str) -> bool {
    let (to, fields) = rest.split_once('?').unwrap_or((rest, ""));
    let to = percent_decoded(to);
    let is_address = |text: &str| {
        let text = text.trim();
        let two = text.rsplit_once('@');
        two.is_some_and(|(local, domain)| {
            !local.is_empty()
                && !local.contains(char::is_whitespace)
                && domain.split('.').all(|label| !label.is_empty() && is_label(label))
        })
    };
    let names_fields = fields.is_empty() || fields.split('&').all(|field| field.contains('='));
    let has_to = fields.split('&').any(|field| field.to_ascii_lowercase().starts_with("to="));
    names_fields && ((to.is_empty() && has_to) || to.split(',').all(is_address)) && !rest.is_empty()
}

/// Source: RFC 3966 section 3.
fn is_telephone(rest: &str) -> bool {
    let number = rest.split([';', '?']).next().unwrap_or_default();
    let number = percent_decoded(number);
    let is_part =
        |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '(' | ')' | '*' | '#');
    let is_plus_first = !number.get(1..).is_some_and(|tail| tail.contains('+'));
    number.chars().filter(char::is_ascii_digit).count() >= 3
        && number.chars().all(is_part)
        && is_plus_first
}

/// Source: RFC 5724 section 2.2.
fn is_sms(rest: &str) -> bool {
    let numbers = rest.trim_start_matches('/').split(['?', '&']).next().unwrap_or_default();
    numbers.is_empty() || numbers.split(',').all(is_telephone)
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let mut digit = || ahead.next().and_then(|digit| char::from(digit).to_digit(16));
        if byte == b'%'
            && let (Some(high), Some(low)) = (digit(), digit())
        {
            out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
            bytes = ahead;
        } else {
            out.push(byte);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(url: &str, text: &str) -> Vec<LinkFault> {
        let link = Link {
            url: url.to_owned(),
            source: Source::Anchor,
            at: 0,
            text: text.to_owned(),
            has_image: false,
        };
        let names = |name: &str| BTreeSet::from([name.to_owned()]);
        lint(&[link], &names("here"), &names("logo@a")).into_iter().map(|f| f.fault).collect()
    }

    #[test]
    fn each_fault_has_a_link_with_it_and_one_without() {
        for (fault, bad, good) in [
            (LinkFault::Empty, "#", "https://shop.eu"),
            (LinkFault::Placeholder, "https://shop.eu/{{ id }}", "https://shop.eu/%7Bid%7D%20"),
            (
                LinkFault::Placeholder,
                "https://shop.eu/%recipient_id%",
                "https://shop.eu/?a=%20b%20",
            ),
            (LinkFault::Placeholder, "*|UNSUB|*", "https://shop.eu/*a*"),
            (LinkFault::Local, "http://localhost:3000/", "https://localhost.shop.eu/"),
            (LinkFault::Local, "https://192.168.1.2/", "https://193.168.1.2/"),
            (LinkFault::Local, "https://[fd00::1]/", "https://[2606:4700::1]/"),
            (LinkFault::Staging, "https://staging.shop.eu/", "https://backstaging.shop.eu/"),
            (LinkFault::Example, "https://www.example.com/", "https://myexample.com/"),
            (LinkFault::PlainHttp, "http://shop.eu/", "https://shop.eu/http:"),
            (LinkFault::Script, "javascript:void(0)", "https://shop.eu/javascript:"),
            (LinkFault::Relative, "/about", "https://shop.eu/about"),
            (LinkFault::Malformed, "mailto:ann", "mailto:ann@shop.eu?subject=a"),
            (LinkFault::Malformed, "mailto:a b@shop.eu", "mailto:?to=a@shop.eu"),
            (LinkFault::Malformed, "tel:call-me", "tel:+49-30-123456"),
            (LinkFault::Malformed, "sms:hello", "sms:+4930123456?body=hi"),
            (LinkFault::NoAnchor, "#there", "#here"),
            (LinkFault::NoPart, "cid:none@a", "cid:logo%40a"),
        ] {
            assert_eq!(faults(bad, ""), [fault], "{bad}");
            assert_eq!(faults(good, ""), [], "{good}");
        }
    }

    #[test]
    fn a_text_that_names_another_site_is_found() {
        let other = [LinkFault::OtherTarget];
        assert_eq!(faults("https://evil.eu/x", "https://bank.eu/login"), other);
        assert_eq!(faults("https://evil.eu/x", "www.bank.eu"), other);
        for fine in
            ["bank.evil.eu", "Our shop.", "https://www.evil.eu/", "report.", "1.5", "a@b.eu"]
        {
            assert_eq!(faults("https://evil.eu/x", fine), [], "{fine}");
        }
    }

    #[test]
    fn a_target_that_is_linked_all_over_is_told_once() {
        let link = Link {
            url: "https://shop.eu".to_owned(),
            source: Source::Anchor,
            at: 0,
            text: String::new(),
            has_image: false,
        };
        let found = lint(&vec![link; 40], &BTreeSet::new(), &BTreeSet::new());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].fault, LinkFault::Repeated);
    }

    #[test]
    fn every_fault_is_explained_under_a_name_of_its_own() {
        use LinkFault as F;
        let all = [
            F::Empty,
            F::Placeholder,
            F::Local,
            F::Staging,
            F::Example,
            F::PlainHttp,
            F::OtherTarget,
            F::Script,
            F::Relative,
            F::Malformed,
            F::NoAnchor,
            F::NoPart,
            F::Repeated,
        ];
        let names: BTreeSet<&str> = all.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|fault| fault.explanation().ends_with('.')));
    }
}
