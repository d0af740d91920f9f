//! The DNS records that a domain should have: for its mail, for what it sends to be believed, and
//! for its users' mail clients.
//!
//! A service that is not here is said to be absent, so that no client goes looking for it. Reports
//! about a message and its envelope go to the domain itself, so its SPF record is that of its
//! return path, too, unless that has a name of its own. Pure. Source: RFC 5321, 6186, 6376, 7208,
//! 7672, 8314, 8460, 8461, 9989.

use std::fmt::Write as _;
use std::net::IpAddr;

use mailwright_config::{Service, ServiceKind, Subdomains};
use mailwright_directory::Key;

/// Octets of one string of a TXT record.
const STRING_MAX: usize = 255;

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Mx,
    Spf,
    HostSpf,
    Dkim,
    Dmarc,
    TlsRpt,
    MtaSts,
    MtaStsHost,
    Tlsa,
    ReturnPath,
    Tracking,
    Srv,
    Autoconfig,
    Autodiscover,
}

impl Purpose {
    /// As lists show it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Mx => "MX",
            Self::Spf => "SPF",
            Self::HostSpf => "SPF of the host",
            Self::Dkim => "DKIM",
            Self::Dmarc => "DMARC",
            Self::TlsRpt => "TLS-RPT",
            Self::MtaSts => "MTA-STS",
            Self::MtaStsHost => "MTA-STS host",
            Self::Tlsa => "DANE",
            Self::ReturnPath => "return path",
            Self::Tracking => "tracking",
            Self::Srv => "service",
            Self::Autoconfig => "autoconfig",
            Self::Autodiscover => "autodiscover",
        }
    }

    /// Why it matters.
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Mx => "without it no other server knows where the domain's mail goes",
            Self::Spf => "without it large providers take mail of the domain for forged",
            Self::HostSpf => "reports, which have no sender, are judged by the host's own name",
            Self::Dkim => "without it a signature cannot be checked, and counts for nothing",
            Self::Dmarc => "Gmail, Yahoo and Microsoft refuse bulk mail of a domain without it",
            Self::TlsRpt => "with it others report when they cannot encrypt mail to the domain",
            Self::MtaSts => "with it others refuse to send to the domain without encryption",
            Self::MtaStsHost => "others read the domain's MTA-STS policy from this host",
            Self::Tlsa => "with it, and DNSSEC, nobody can stand between other servers and us",
            Self::ReturnPath => "without it others cannot tell what became of the domain's mail",
            Self::Tracking => "with it links that are counted have the domain's own name",
            Self::Srv => "mail clients find the servers by it",
            Self::Autoconfig | Self::Autodiscover => "mail clients set themselves up by it",
        }
    }

    /// Whether something is wrong while it is missing; others are of use, and no more.
    pub(super) const fn is_needed(self) -> bool {
        matches!(self, Self::Mx | Self::Spf | Self::Dkim | Self::Dmarc | Self::ReturnPath)
    }
}

/// A record of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// What it is for.
    pub(super) purpose: Purpose,
    /// Its owner, with the last dot.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: &'static str,
    /// Its data; a text without its quotes.
    pub(super) data: String,
}

impl Record {
    /// Whether it belongs into the zone of `domain`.
    pub(super) fn is_below(&self, domain: &str) -> bool {
        let above = self.name.trim_end_matches('.').strip_suffix(domain);
        above.is_some_and(|labels| labels.is_empty() || labels.ends_with('.'))
    }

    /// The line of a zone file.
    pub(super) fn zone(&self) -> String {
        let data = if self.kind == "TXT" { strings(&self.data) } else { self.data.clone() };
        format!("{} IN {} {data}", self.name, self.kind)
    }
}

/// A text as the strings of a TXT record. Source: RFC 1035 sections 3.3.14 and 5.1.
fn strings(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let cut = rest.floor_char_boundary(STRING_MAX);
        let (string, further) = rest.split_at_checked(cut).unwrap_or((rest, ""));
        out.push('"');
        for letter in string.chars() {
            if matches!(letter, '"' | '\\') {
                out.push('\\');
            }
            out.push(letter);
        }
        out.push('"');
        if further.is_empty() {
            return out;
        }
        out.push(' ');
        rest = further;
    }
}

/// What the records of a domain are made of.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    /// The domain.
    pub(super) domain: &'a str,
    /// The name of this server.
    pub(super) hostname: &'a str,
    /// What mail clients find here.
    pub(super) services: &'a [Service],
    /// The domain's keys.
    pub(super) keys: &'a [Key],
    /// Addresses that connections to other servers come from, where they are set.
    pub(super) sources: &'a [IpAddr],
    /// What DANE wants of our certificate: that in use, then the one that comes after it.
    pub(super) tlsa: &'a [String],
    /// Whether signatures in the DNS are checked.
    pub(super) validates: bool,
    /// Which MTA-STS policy is published; none where none is.
    pub(super) policy_id: Option<&'a str>,
    /// Labels of names below the domain.
    pub(super) subdomains: &'a Subdomains,
}

/// Every record to set, the most important first.
pub(super) fn all(facts: &Facts<'_>) -> Vec<Record> {
    let Facts { domain, hostname, .. } = facts;
    let record = |purpose, name: String, kind, data: String| Record { purpose, name, kind, data };
    let text = |purpose, name, data| record(purpose, name, "TXT", data);
    let ours = || format!("{hostname}.");
    let mut all = vec![
        record(Purpose::Mx, format!("{domain}."), "MX", format!("10 {hostname}.")),
        text(Purpose::Spf, format!("{domain}."), spf("mx", facts.sources)),
    ];
    if !hostname.eq_ignore_ascii_case(domain) {
        all.push(text(Purpose::HostSpf, ours(), spf("a", facts.sources)));
    }
    all.extend(facts.keys.iter().map(|key| text(Purpose::Dkim, key.name(), key.record.clone())));
    let postmaster = format!("mailto:postmaster@{domain}");
    let dmarc = format!("v=DMARC1; p=none; rua={postmaster}");
    all.push(text(Purpose::Dmarc, format!("_dmarc.{domain}."), dmarc));
    let report = format!("v=TLSRPTv1; rua={postmaster}");
    all.push(text(Purpose::TlsRpt, format!("_smtp._tls.{domain}."), report));
    if let Some(id) = facts.policy_id {
        let policy = format!("v=STSv1; id={id}");
        all.push(text(Purpose::MtaSts, format!("_mta-sts.{domain}."), policy));
        all.push(record(Purpose::MtaStsHost, format!("mta-sts.{domain}."), "CNAME", ours()));
    }
    for data in facts.tlsa {
        let name = format!("_25._tcp.{hostname}.");
        all.push(record(Purpose::Tlsa, name, "TLSA", data.clone()));
    }
    if let Some(label) = &facts.subdomains.return_path {
        let name = || format!("{label}.{domain}.");
        all.push(record(Purpose::ReturnPath, name(), "MX", format!("10 {hostname}.")));
        all.push(text(Purpose::ReturnPath, name(), spf("mx", facts.sources)));
    }
    if let Some(label) = &facts.subdomains.tracking {
        all.push(record(Purpose::Tracking, format!("{label}.{domain}."), "CNAME", ours()));
    }
    all.extend(srv(domain, hostname, facts.services));
    all.push(record(Purpose::Autoconfig, format!("autoconfig.{domain}."), "CNAME", ours()));
    all.push(record(Purpose::Autodiscover, format!("autodiscover.{domain}."), "CNAME", ours()));
    all
}

/// Lets those send that `who` stands for, and what connects from `sources`.
fn spf(who: &str, sources: &[IpAddr]) -> String {
    let mut text = format!("v=spf1 {who}");
    for source in sources {
        let kind = if source.is_ipv4() { "ip4" } else { "ip6" };
        // Writing to a String does not fail.
        write!(text, " {kind}:{source}").unwrap_or_default();
    }
    text.push_str(" -all");
    text
}

/// The labels of services, the best first: TLS from the first octet before STARTTLS, folders
/// before a mere inbox. Clients try low priorities first.
const LABELS: [(&str, ServiceKind, bool, u16); 6] = [
    ("_submissions", ServiceKind::Submission, true, 0),
    ("_submission", ServiceKind::Submission, false, 10),
    ("_imaps", ServiceKind::Imap, true, 0),
    ("_imap", ServiceKind::Imap, false, 10),
    ("_pop3s", ServiceKind::Pop3, true, 20),
    ("_pop3", ServiceKind::Pop3, false, 30),
];

/// The SRV records of `domain`, whose mail clients connect to `hostname`.
fn srv(domain: &str, hostname: &str, services: &[Service]) -> Vec<Record> {
    let record = |(label, kind, implicit_tls, priority): (&str, ServiceKind, bool, u16)| {
        let found = services
            .iter()
            .find(|service| service.kind == kind && service.implicit_tls == implicit_tls);
        let data = match found {
            Some(service) => format!("{priority} 1 {} {hostname}.", service.port),
            None => "0 0 0 .".to_owned(),
        };
        let name = format!("{label}._tcp.{domain}.");
        Record { purpose: Purpose::Srv, name, kind: "SRV", data }
    };
    LABELS.into_iter().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_named_and_what_is_not_is_said_to_be_absent() {
        let services = [
            Service { kind: ServiceKind::Imap, implicit_tls: true, port: 993 },
            Service { kind: ServiceKind::Submission, implicit_tls: false, port: 2587 },
        ];
        let lines: Vec<String> =
            srv("home.example", "mx.home.example", &services).iter().map(Record::zone).collect();
        assert_eq!(
            lines,
            [
                "_submissions._tcp.home.example. IN SRV 0 0 0 .",
                "_submission._tcp.home.example. IN SRV 10 1 2587 mx.home.example.",
                "_imaps._tcp.home.example. IN SRV 0 1 993 mx.home.example.",
                "_imap._tcp.home.example. IN SRV 0 0 0 .",
                "_pop3s._tcp.home.example. IN SRV 0 0 0 .",
                "_pop3._tcp.home.example. IN SRV 0 0 0 .",
            ]
        );
    }

    #[test]
    fn long_texts_are_cut_into_strings() {
        let text = format!("{}\"\\", "x".repeat(300));
        let zone = strings(&text);
        let parts: Vec<&str> = zone.split("\" \"").collect();
        assert_eq!(parts[0].len(), 256, "{zone}");
        assert!(parts[1].ends_with("x\\\"\\\\\""), "{zone}");
        assert_eq!(strings(""), "\"\"");
    }

    #[test]
    fn a_domain_has_its_records() {
        let sources = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let facts = Facts {
            domain: "home.example",
            hostname: "mx.home.example",
            services: &[],
            keys: &[],
            sources: &sources,
            tlsa: &["3 1 1 ab01".to_owned(), "3 1 1 cd02".to_owned()],
            validates: true,
            policy_id: Some("0a1b"),
            subdomains: &Subdomains {
                return_path: Some("bounces".to_owned()),
                tracking: Some("links".to_owned()),
            },
        };
        let lines: Vec<String> = all(&facts).iter().map(Record::zone).collect();
        for line in [
            "home.example. IN MX 10 mx.home.example.",
            "home.example. IN TXT \"v=spf1 mx ip4:192.0.2.7 ip6:2001:db8::7 -all\"",
            "mx.home.example. IN TXT \"v=spf1 a ip4:192.0.2.7 ip6:2001:db8::7 -all\"",
            "_25._tcp.mx.home.example. IN TLSA 3 1 1 ab01",
            "_25._tcp.mx.home.example. IN TLSA 3 1 1 cd02",
            "_mta-sts.home.example. IN TXT \"v=STSv1; id=0a1b\"",
            "autoconfig.home.example. IN CNAME mx.home.example.",
            "bounces.home.example. IN MX 10 mx.home.example.",
            "bounces.home.example. IN TXT \"v=spf1 mx ip4:192.0.2.7 ip6:2001:db8::7 -all\"",
            "links.home.example. IN CNAME mx.home.example.",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line} in {lines:#?}");
        }
        let below = |domain| all(&facts).iter().filter(|one| one.is_below(domain)).count();
        assert_eq!((below("home.example"), below("ome.example")), (lines.len(), 0));
        assert_eq!(below("mx.home.example"), 3);
        let none = Subdomains::default();
        let apex = Facts { hostname: "home.example", subdomains: &none, ..facts };
        let all = all(&apex);
        assert_eq!(all.iter().filter(|one| one.data.starts_with("v=spf1")).count(), 1);
    }
}
