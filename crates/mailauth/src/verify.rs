//! All checks of one message, side by side and in a bounded time.
//!
//! Whatever cannot be found out in time is a temporary error, which by itself counts for nothing
//! and against nothing.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc as Shared;
use std::time::Duration;

use mail_auth::common::to_a_label;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{AuthenticatedMessage, MessageAuthenticator};
use mailwright_mime::{Entry, each_address};
use mailwright_net::dns::Resolver;
use mailwright_words::headers::HeaderBlock;
use mailwright_words::{ReversePath, Timestamp};

use crate::body::{BodyHash, header_of};
use crate::dmarc::{Dmarc, Evidence, judge};
use crate::iprev::Iprev;
use crate::keys::Keys;
use crate::name::is_host_name;
use crate::spf::{self, Query, Spf};
use crate::{Arc, Dkim, Word, arc, dkim, iprev};

/// What is known of a message.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Where the client is.
    pub ip: IpAddr,
    /// How it named itself.
    pub helo: &'a str,
    /// The reverse-path.
    pub mail_from: &'a ReversePath,
    /// The header.
    pub block: HeaderBlock<'a>,
    /// The hashes of the body.
    pub body: &'a BodyHash,
    /// Our name.
    pub host: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// How far checks go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long all lookups may take together.
    pub timeout: Duration,
    /// How many signatures are checked.
    pub signatures_max: usize,
    /// How many seals a chain may have.
    pub seals_max: usize,
    /// How many domains of authors are judged.
    pub authors_max: usize,
    /// Whose seals count.
    pub trusted_sealers: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(20),
            signatures_max: 10,
            seals_max: 50,
            authors_max: 4,
            trusted_sealers: Vec::new(),
        }
    }
}

/// What was found out about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// Where the client is.
    pub ip: IpAddr,
    /// SPF of the name that the client gave itself.
    pub helo: Spf,
    /// SPF of the reverse-path; a null path has none.
    pub mail_from: Option<Spf>,
    /// Each signature.
    pub dkim: Vec<Dkim>,
    /// DMARC of the author's domain, the worst one where there are several; none where the message
    /// names no author.
    pub dmarc: Option<Dmarc>,
    /// The chain of those who passed the message on.
    pub arc: Arc,
    /// Whether the client's address has a name that leads back.
    pub iprev: Iprev,
}

/// Checks messages. Clones share the resolver.
#[derive(Clone)]
pub struct Verifier {
    pub(crate) resolver: Shared<dyn Resolver>,
    /// Its own resolver has no servers: every key is looked up before by ours.
    pub(crate) library: MessageAuthenticator,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

/// The library's own resolver, which is never asked, cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("no resolver can be made: {0}")]
pub struct NoResolver(String);

impl Verifier {
    /// Checks that ask `resolver`.
    ///
    /// Errors: [`NoResolver`].
    pub fn new(resolver: Shared<dyn Resolver>) -> Result<Self, NoResolver> {
        let nobody = ResolverConfig::from_name_servers(Vec::new());
        let library = MessageAuthenticator::new(nobody, ResolverOpts::default())
            .map_err(|error| NoResolver(error.to_string()))?;
        Ok(Self { resolver, library })
    }

    /// Checks a message.
    pub async fn verify(&self, facts: Facts<'_>, limits: &Limits) -> Verdicts {
        let header = header_of(&facts.block);
        let message = facts.block.is_plain().then(|| AuthenticatedMessage::parse(&header));
        let message = message.flatten().map(|mut message| {
            facts.body.fill(&mut message);
            message
        });
        // Two rounds of lookups follow each other: what is proved, and what it is worth.
        let limit = limits.timeout / 2;
        let (helo, mail_from, (dkim, arc), iprev) = tokio::join!(
            self.spf_of_helo(facts, limit),
            self.spf_of_sender(facts, limit),
            self.signatures(message.as_ref(), limits, limit),
            self.iprev(facts.ip, limit),
        );
        let sender = mail_from.as_ref().unwrap_or(&helo);
        let evidence = Evidence {
            spf: Some((sender.word, sender.domain.clone())),
            dkim: dkim.iter().map(|one| (one.word, label(&one.domain))).collect(),
        };
        let bounds = (limit, limits.authors_max);
        let dmarc = self.authors(&facts, message.as_ref(), &evidence, bounds).await;
        Verdicts { ip: facts.ip, helo, mail_from, dkim, dmarc, arc, iprev }
    }

    pub(crate) async fn spf_of_helo(&self, facts: Facts<'_>, limit: Duration) -> Spf {
        self.spf(facts, (&label(facts.helo), ""), limit).await
    }

    pub(crate) async fn spf_of_sender(&self, facts: Facts<'_>, limit: Duration) -> Option<Spf> {
        let address = facts.mail_from.address()?;
        let domain = label(address.domain().as_str());
        Some(self.spf(facts, (&domain, address.local()), limit).await)
    }

    async fn spf(&self, facts: Facts<'_>, of: (&str, &str), limit: Duration) -> Spf {
        let (domain, local) = of;
        let (ip, helo, host, seconds) = (facts.ip, facts.helo, facts.host, facts.now.ms() / 1000);
        let query = Query { ip, domain, local, helo, host, seconds };
        let check = spf::check(query, &*self.resolver);
        let late = |_| Spf::of(Word::TempError, domain, LATE);
        tokio::time::timeout(limit, check).await.unwrap_or_else(late)
    }

    pub(crate) async fn iprev(&self, ip: IpAddr, limit: Duration) -> Iprev {
        let check = iprev::check(ip, &*self.resolver);
        let late = |_| Iprev::new(Word::TempError, None, LATE);
        tokio::time::timeout(limit, check).await.unwrap_or_else(late)
    }

    /// The signatures and the chain, whose keys are looked up together.
    async fn signatures(
        &self,
        message: Option<&AuthenticatedMessage<'_>>,
        limits: &Limits,
        limit: Duration,
    ) -> (Vec<Dkim>, Arc) {
        let Some(message) = message else {
            return (Vec::new(), Arc::new(Word::None, ""));
        };
        let most = limits.signatures_max;
        let mut names = dkim::key_names(message, most);
        names.extend(arc::key_names(message, limits.seals_max));
        let keys = Keys::look_up(names, &self.resolver, limit).await;
        let trusted = &limits.trusted_sealers;
        let dkim = dkim::verify(message, &keys, most, &self.library).await;
        let arc = arc::verify(message, (&keys, limits.seals_max), trusted, &self.library).await;
        (dkim, arc)
    }

    /// Judges each author's domain; the worst one counts. A permanent error is a message of which
    /// it is not clear who wrote it.
    ///
    /// Source: RFC 9989 section 5.3.1.
    pub(crate) async fn authors(
        &self,
        facts: &Facts<'_>,
        message: Option<&AuthenticatedMessage<'_>>,
        evidence: &Evidence,
        (limit, authors_max): (Duration, usize),
    ) -> Option<Dmarc> {
        let Some(message) = message else {
            let why = "the header has line ends that not all read alike";
            return Some(Dmarc::of(Word::PermError, "", why));
        };
        let domains = authors(message);
        if domains.is_empty() {
            let fields = facts.block.count("From");
            let why = "From has no address";
            return (fields > 0).then(|| Dmarc::of(Word::PermError, "", why));
        }
        if domains.iter().any(|domain| !is_host_name(domain)) {
            let why = "From has a domain that is no name";
            return Some(Dmarc::of(Word::PermError, "", why));
        }
        if domains.len() > authors_max {
            let why = format!("From has more than {authors_max} domains");
            return Some(Dmarc::of(Word::PermError, "", why));
        }
        // Each has a share of its own: one that hangs hides no other.
        let limit = limit / u32::try_from(domains.len()).unwrap_or(u32::MAX);
        let mut worst: Option<Dmarc> = None;
        for domain in &domains {
            let judged = judge(domain, evidence, &*self.resolver);
            let late = |_| Dmarc::of(Word::TempError, domain, LATE);
            let one = tokio::time::timeout(limit, judged).await.unwrap_or_else(late);
            if worst.as_ref().is_none_or(|worst| one.is_worse_than(worst)) {
                worst = Some(one);
            }
        }
        worst
    }
}

const LATE: &str = "no answer in time";

/// The domains of the authors, each once. Programs read odd lists differently: what the library
/// makes of one counts, and what a reader of ours is shown.
pub(crate) fn authors(message: &AuthenticatedMessage<'_>) -> Vec<String> {
    let mut domains: Vec<String> = Vec::new();
    let mut add = |domain: &str| {
        let domain = label(domain.trim());
        if !domain.is_empty() && !domains.contains(&domain) {
            domains.push(domain);
        }
    };
    for address in &message.from {
        if let Some((_, domain)) = address.rsplit_once('@') {
            add(domain);
        }
    }
    for (_, value) in message.headers.iter().filter(|(name, _)| is_from(name)) {
        each_address(value, |entry| {
            if let Entry::Mailbox(mailbox) = entry {
                add(&String::from_utf8_lossy(mailbox.domain));
            }
        });
    }
    domains
}

fn is_from(name: &[u8]) -> bool {
    name.trim_ascii().eq_ignore_ascii_case(b"From")
}

/// A domain as it is asked for.
pub(crate) fn label(domain: &str) -> String {
    to_a_label(domain.trim_end_matches('.')).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
