//! What the large providers demand of those who send much, and how it stands.
//!
//! What only they know, such as how often their users complain, is said to be so.

use super::{Finding, Senders, State};
use crate::admin::records::Purpose;

/// How a demand stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Met {
    Yes,
    No,
    Unknown,
}

impl Met {
    pub(in super::super) const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "met",
            Self::No => "not met",
            Self::Unknown => "cannot know",
        }
    }
}

/// A demand of providers.
#[derive(Debug, Clone)]
pub(in super::super) struct Demand {
    /// What they want.
    pub(in super::super) what: &'static str,
    /// Who.
    pub(in super::super) who: &'static [&'static str],
    /// How it stands.
    pub(in super::super) met: Met,
    /// What speaks for that.
    pub(in super::super) because: String,
}

const ALL: &[&str] = &["Gmail", "Yahoo", "Microsoft"];

/// Every demand, with how it stands. `encrypts` says whether we use TLS where others offer it,
/// `signs` whether we sign at all.
pub(in super::super) fn demands(
    findings: &[Finding],
    senders: &Senders,
    (encrypts, signs): (bool, bool),
) -> Vec<Demand> {
    let of = |purpose| summed(findings, purpose);
    let (spf, dkim, dmarc) = (of(Purpose::Spf), of(Purpose::Dkim), of(Purpose::Dmarc));
    let dkim = if signs { dkim } else { (Met::No, "dkim.sign is false".to_owned()) };
    let aligned = match (spf.0, dkim.0) {
        (Met::Yes, Met::Yes) => (Met::Yes, "by SPF and DKIM".to_owned()),
        (Met::Yes, _) => (Met::Yes, "by SPF alone, which a forward breaks".to_owned()),
        (_, Met::Yes) => (Met::Yes, "by DKIM alone".to_owned()),
        (Met::No, Met::No) => (Met::No, "neither SPF nor DKIM speaks for the domain".to_owned()),
        _ => (Met::Unknown, String::new()),
    };
    let tls = if encrypts { Met::Yes } else { Met::No };
    let ours = |text: &str| (Met::Yes, text.to_owned());
    let theirs = |text: &str| (Met::Unknown, text.to_owned());
    let demand = |what, who, (met, because)| Demand { what, who, met, because };
    vec![
        demand("SPF passes for what we send from", ALL, spf),
        demand("a DKIM signature of the domain, by a key of 2048 bits or Ed25519", ALL, dkim),
        demand("a DMARC record, of any policy", ALL, dmarc),
        demand("From in line with SPF or DKIM", ALL, aligned),
        demand("the sending addresses have names that lead back to them", ALL, named(senders)),
        demand("mail is encrypted on its way", ALL, (tls, "relay.tls".to_owned())),
        demand(
            "messages have the form of RFC 5322, with Date and Message-ID",
            ALL,
            ours("submission adds what is missing"),
        ),
        demand(
            "marketing mail is left by one click: List-Unsubscribe and List-Unsubscribe-Post",
            ALL,
            theirs("it is for the sender to add; our signature covers both"),
        ),
        demand(
            "less than 0.3 % of mail is reported as spam, better 0.1 %",
            &["Gmail", "Yahoo"],
            theirs("see Gmail's Postmaster Tools and Yahoo's Sender Hub"),
        ),
        demand(
            "addresses that do not exist are not written to again",
            &["Microsoft"],
            theirs("see SNDS; bounces tell which they are"),
        ),
    ]
}

/// The worst of what was found for a purpose.
fn summed(findings: &[Finding], purpose: Purpose) -> (Met, String) {
    let of = || findings.iter().filter(|finding| finding.record.purpose == purpose);
    let told = |finding: &Finding| {
        let name = finding.record.name.trim_end_matches('.');
        format!("{name}: {}", finding.state.as_str())
    };
    let is_bad = |finding: &&Finding| matches!(finding.state, State::Wrong | State::Missing);
    if let Some(bad) = of().find(is_bad) {
        return (Met::No, told(bad));
    }
    if let Some(unknown) = of().find(|finding| finding.state == State::Unknown) {
        return (Met::Unknown, told(unknown));
    }
    match of().next() {
        Some(right) => (Met::Yes, told(right)),
        None => (Met::No, "there is none".to_owned()),
    }
}

fn named(senders: &Senders) -> (Met, String) {
    if let Some(why) = &senders.unknown {
        return (Met::Unknown, why.clone());
    }
    if !senders.nameless.is_empty() {
        return (Met::No, senders.nameless.join(", "));
    }
    if !senders.unclear.is_empty() {
        return (Met::Unknown, senders.unclear.join(", "));
    }
    let addresses = senders.addresses.iter().map(ToString::to_string);
    (Met::Yes, addresses.collect::<Vec<_>>().join(", "))
}
