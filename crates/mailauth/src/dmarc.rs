//! DMARC: whether what was proved is about the domain that a reader sees.
//!
//! Ours but for the addresses of a record: several records at one name count as none, each domain
//! of a From with several is judged, and every lookup goes through our resolver. The tree
//! walk takes the place of a list of public suffixes. Source: RFC 9989.

mod destination;
mod published;
mod text;
mod walk;

use mailwright_net::dns::{Answer, Resolver};

use crate::Word;
use text::Text;
use walk::Walker;

pub use destination::{Destination, destinations};
pub use published::{Publication, Published, published};

/// What a domain wants done with mail that is not proved to be its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// Nothing.
    None,
    /// It is to be treated as suspicious.
    Quarantine,
    /// It is to be refused.
    Reject,
}

impl Policy {
    /// As a record has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// What a record says, for those who hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What is to be done with mail of the domain that fails.
    pub policy: Policy,
    /// And with mail of domains below it.
    pub below: Policy,
    /// And with mail of domains below it that do not exist.
    pub missing: Policy,
    /// Whether signatures have to be of the very same domain.
    pub strict_dkim: bool,
    /// Whether reverse-paths have to be.
    pub strict_spf: bool,
    /// Whether the domain only tries it out.
    pub testing: bool,
}

impl Record {
    fn of(text: &Text, [policy, below, missing]: [Policy; 3]) -> Self {
        let Text { strict_dkim, strict_spf, testing, .. } = *text;
        Self { policy, below, missing, strict_dkim, strict_spf, testing }
    }
}

/// How one author's domain came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dmarc {
    /// The result.
    pub word: Word,
    /// The author's domain.
    pub domain: String,
    /// Where the record is.
    pub record_at: Option<String>,
    /// What the record says for this domain, before `t=y` takes it back.
    pub published: Policy,
    /// What is to be done if it fails.
    pub policy: Policy,
    /// All that the record says.
    pub record: Option<Record>,
    /// Whether a right signature was aligned.
    pub dkim_aligned: bool,
    /// Whether SPF was right and aligned.
    pub spf_aligned: bool,
    /// Why.
    pub reason: String,
}

impl Dmarc {
    pub(crate) fn of(word: Word, domain: &str, reason: impl Into<String>) -> Self {
        Self {
            word,
            domain: domain.to_owned(),
            record_at: None,
            published: Policy::None,
            policy: Policy::None,
            record: None,
            dkim_aligned: false,
            spf_aligned: false,
            reason: reason.into(),
        }
    }

    /// What was aligned: `dkim` or `spf`, the first of both where both were.
    pub const fn aligned(&self) -> Option<&'static str> {
        match (self.dkim_aligned, self.spf_aligned) {
            (true, _) => Some("dkim"),
            (false, true) => Some("spf"),
            (false, false) => None,
        }
    }

    /// Whether this one weighs more than another against the message.
    pub(crate) fn is_worse_than(&self, other: &Self) -> bool {
        let weight = |one: &Self| match one.word {
            Word::Fail => (3, one.policy),
            Word::TempError => (2, Policy::None),
            Word::PermError => (1, Policy::None),
            _ => (0, Policy::None),
        };
        weight(self) > weight(other)
    }
}

/// What the other checks proved: a domain each, with its result.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub(crate) spf: Option<(Word, String)>,
    pub(crate) dkim: Vec<(Word, String)>,
}

/// Judges an author's domain by the evidence.
pub(crate) async fn judge(author: &str, evidence: &Evidence, resolver: &dyn Resolver) -> Dmarc {
    let mut walker = Walker::new(resolver);
    match found(author, &mut walker).await {
        Err(why) => Dmarc::of(Word::TempError, author, why),
        Ok(None) => Dmarc::of(Word::None, author, "the domain has no policy"),
        Ok(Some(found)) => align(author, found, evidence, &mut walker).await,
    }
}

/// The policy that applies to a domain.
struct Found {
    record: Record,
    at: String,
    organization: String,
    published: Policy,
}

/// Finds the record that applies. Source: RFC 9989 section 4.10.1.
async fn found(author: &str, walker: &mut Walker<'_>) -> Result<Option<Found>, String> {
    let walk = walker.walk(author).await?;
    let organization = walk::organization(&walk, author);
    let own = walk.iter().find(|(name, _)| name == author);
    let inherited = || walk.iter().find(|(name, _)| *name == organization).or_else(|| walk.last());
    let Some((at, text)) = own.or_else(inherited) else { return Ok(None) };
    let Some(requests) = text.requests else { return Ok(None) };
    let record = Record::of(text, requests);
    let published = match own {
        Some(_) => record.policy,
        None if record.missing == record.below => record.below,
        None => match walker.resolver().ipv4(author).await {
            Answer::NoSuchDomain => record.missing,
            Answer::Temporary(why) => return Err(format!("{author}: {why}")),
            Answer::Found(_) | Answer::NoData => record.below,
        },
    };
    Ok(Some(Found { record, at: at.clone(), organization, published }))
}

/// Source: RFC 9989 sections 4.4 and 5.3.
async fn align(author: &str, found: Found, evidence: &Evidence, walker: &mut Walker<'_>) -> Dmarc {
    let Found { record, at, organization, published } = found;
    // In testing, what is asked for is one step less. Source: RFC 9989 section 4.7.
    let policy = match (record.testing, published) {
        (true, Policy::Reject) => Policy::Quarantine,
        (true, _) => Policy::None,
        (false, policy) => policy,
    };
    let (strict_dkim, strict_spf) = (record.strict_dkim, record.strict_spf);
    let mut dmarc = Dmarc {
        record_at: Some(at),
        published,
        policy,
        record: Some(record),
        ..Dmarc::of(Word::Fail, author, "nothing aligned with it is proved")
    };
    let mut unsure = None;
    let signed = evidence.dkim.iter().map(|(word, domain)| (true, *word, domain, strict_dkim));
    let sent = evidence.spf.iter().map(|(word, domain)| (false, *word, domain, strict_spf));
    for (is_dkim, word, domain, is_strict) in signed.chain(sent) {
        let is_known = if is_dkim { dmarc.dkim_aligned } else { dmarc.spf_aligned };
        if is_known || !matches!(word, Word::Pass | Word::TempError) {
            continue;
        }
        match walker.are_aligned(domain, author, &organization, is_strict).await {
            Ok(false) => {}
            Ok(true) if word != Word::Pass => {
                let kind = if is_dkim { "dkim" } else { "spf" };
                unsure = Some(format!("{kind} of {domain} could not be checked"));
            }
            Ok(true) if is_dkim => dmarc.dkim_aligned = true,
            Ok(true) => dmarc.spf_aligned = true,
            Err(why) => unsure = Some(why),
        }
    }
    if dmarc.aligned().is_some() {
        (dmarc.word, dmarc.reason) = (Word::Pass, String::new());
    } else if let Some(why) = unsure {
        (dmarc.word, dmarc.reason) = (Word::TempError, why);
    }
    dmarc
}

#[cfg(test)]
mod tests;
