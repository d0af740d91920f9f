//! What follows from where a message is from: mail of strangers is checked before it is taken.
//!
//! Whoever submits, or is in a network of our own, is not checked and waits for no lookup. What
//! could not be found out counts neither for a message nor against it.

use std::ops::Range;

use mailwright_config::{Role, Strictness, Verification};
use mailwright_mailauth::{BodyHash, Facts, Limits, Policy, Record, Spf, Verdicts, Word, results};
use mailwright_store::authentication::{
    self, ArcFound, Authentication, DkimFound, DmarcFound, Published, SpfFound,
};
use mailwright_store::mailbox::JUNK;
use mailwright_store::spool::Class;
use mailwright_store::{Lane, Tx};
use mailwright_words::headers::HeaderBlock;
use mailwright_words::{Recipient, Timestamp};

use crate::accept::Transaction;
use crate::refusal::Refusal;
use crate::target::Target;
use crate::{Client, Intake};

/// Most characters of a text from elsewhere in a reply.
const TOLD_MAX: usize = 150;

/// What is known of where a message is from.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The field that tells the reader, with its CRLF.
    pub(crate) field: String,
    /// What is kept of it.
    pub(crate) found: Box<Authentication>,
}

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
enum Disposition {
    Take,
    Junk,
    Refuse(Failure),
}

/// Why it is refused.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    Dmarc { domain: String, reason: String },
    Spf { domain: String, reason: String },
    Iprev,
}

impl Intake {
    /// Whether messages of a client are checked.
    pub(crate) fn judges(&self, client: &Client) -> bool {
        let settings = self.0.settings.now();
        settings.verification.enabled
            && client.role == Role::Mta
            && client.identity.is_none()
            && !client.is_trusted
            && client.peer.is_some()
            && !self.believes(client)
            && self.0.verifier.now().is_some()
    }

    /// Whether a client is one of our own servers, whose word counts.
    fn believes(&self, client: &Client) -> bool {
        let networks = &self.0.settings.now().verification.skip_from;
        let Some(ip) = client.peer.map(|peer| peer.ip().to_canonical()) else { return false };
        networks.iter().any(|network| network.contains(&ip))
    }

    /// Where a header has fields in our name that others wrote.
    pub(crate) fn forged(&self, client: &Client, block: &HeaderBlock<'_>) -> Vec<Range<usize>> {
        let is_ours = client.role == Role::Lmtp || client.peer.is_none() || self.believes(client);
        if is_ours || client.is_caught() {
            return Vec::new();
        }
        results::forged(block, self.0.settings.now().host.as_str())
    }

    /// Finds out where a message is from, and files it into Junk if that is what follows. `None`
    /// when nothing is checked: inboxes show a message as it came.
    ///
    /// Errors: it is refused for it.
    pub(crate) async fn judge(
        &self,
        block: HeaderBlock<'_>,
        body: Option<BodyHash>,
        transaction: &mut Transaction,
        now: Timestamp,
    ) -> Result<Option<Judged>, Refusal> {
        let (Some(body), Some(peer)) = (body, transaction.client.peer) else { return Ok(None) };
        if transaction.targets.iter().all(is_captured) {
            return Ok(None);
        }
        let Some(verifier) = self.0.verifier.now().as_ref().clone() else { return Ok(None) };
        let settings = self.0.settings.now();
        let rules = &settings.verification;
        let facts = Facts {
            ip: peer.ip().to_canonical(),
            helo: &transaction.client.hello,
            mail_from: &transaction.envelope.from,
            block,
            body: &body,
            host: settings.host.as_str(),
            now,
        };
        let verdicts = verifier.verify(facts, &limits(rules)).await;
        let (disposition, instead) = disposition(&verdicts, rules);
        let mut found = Box::new(found(&verdicts, transaction));
        (found.disposition, found.instead) = (disposition.as_str().to_owned(), instead);
        found.counts = settings.counts_authors;
        let author = found.dmarc.as_ref().map_or("", |dmarc| dmarc.domain.as_str());
        tracing::info!(
            peer = %peer,
            sender = %transaction.envelope.from,
            author,
            dmarc = found.dmarc.as_ref().map_or("none", |dmarc| dmarc.result.as_str()),
            disposition = found.disposition,
            "Message authenticated."
        );
        match disposition {
            Disposition::Refuse(failure) => {
                self.remember(&found, &transaction.targets, now).await;
                return Err(failure.into());
            }
            Disposition::Junk => file_into_junk(&mut transaction.targets),
            Disposition::Take => {}
        }
        let field = results::field(settings.host.as_str(), &verdicts);
        Ok(Some(Judged { field, found }))
    }

    /// Keeps what was found out about a message that is refused, for reports to its domain. Not
    /// being able to is no reason to take it.
    async fn remember(&self, found: &Authentication, targets: &[Target], now: Timestamp) {
        let tenant = targets.iter().find_map(|target| target.tenant).unwrap_or(1);
        let found = found.clone();
        let write = move |tx: &mut Tx<'_>| authentication::append(tx, &found, (tenant, now, None));
        if let Err(error) = self.0.store.write(Lane::Quick, write).await {
            tracing::warn!(%error, "What was found out about a refused message is not kept.");
        }
    }
}

fn limits(rules: &Verification) -> Limits {
    Limits {
        timeout: rules.timeout,
        signatures_max: rules.signatures_max,
        trusted_sealers: rules.trusted_sealers.clone(),
        ..Limits::default()
    }
}

/// What becomes of a message, and why that is not what its domain asks for.
fn disposition(verdicts: &Verdicts, rules: &Verification) -> (Disposition, Option<String>) {
    let take = |why: &str| (Disposition::Take, Some(why.to_owned()));
    let sender = verdicts.mail_from.as_ref().unwrap_or(&verdicts.helo);
    if rules.spf == Strictness::Enforce && sender.word == Word::Fail {
        let (domain, reason) = (plain(&sender.domain), plain(told(sender)));
        return (Disposition::Refuse(Failure::Spf { domain, reason }), None);
    }
    let is_nameless = matches!(verdicts.iprev.word, Word::Fail | Word::PermError);
    if rules.iprev == Strictness::Enforce && is_nameless {
        return (Disposition::Refuse(Failure::Iprev), None);
    }
    let Some(dmarc) = &verdicts.dmarc else { return (Disposition::Take, None) };
    if dmarc.word == Word::PermError && rules.dmarc == Strictness::Enforce {
        // Whose policy counts, it does not let us see; what programs show of it, we cannot know.
        return (Disposition::Junk, None);
    }
    if dmarc.word != Word::Fail {
        return (Disposition::Take, None);
    }
    if dmarc.policy == Policy::None {
        let changed = dmarc.published != Policy::None;
        return (Disposition::Take, changed.then(|| "policy_test_mode".to_owned()));
    }
    if rules.dmarc != Strictness::Enforce {
        return take("local_policy");
    }
    if verdicts.arc.vouched {
        return take("trusted_forwarder");
    }
    let (domain, reason) = (plain(&dmarc.domain), plain(&dmarc.reason));
    match dmarc.policy {
        Policy::Reject => (Disposition::Refuse(Failure::Dmarc { domain, reason }), None),
        Policy::Quarantine | Policy::None => (Disposition::Junk, None),
    }
}

fn told(spf: &Spf) -> &str {
    spf.explanation.as_deref().unwrap_or(&spf.reason)
}

/// Text from elsewhere as a reply may have it: it can neither end the line nor fill it.
fn plain(text: &str) -> String {
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic();
    text.chars().take(TOLD_MAX).map(|c| if is_plain(c) { c } else { '?' }).collect()
}

/// Whether all that a recipient leads to is an inbox.
fn is_captured(target: &Target) -> bool {
    let caught = |(_, class): &(Recipient, Class)| matches!(class, Class::Capture { .. });
    target.onward.is_empty() && !target.direct.is_empty() && target.direct.iter().all(caught)
}

/// Copies here go to Junk; what goes on to others goes on.
fn file_into_junk(targets: &mut [Target]) {
    let direct = targets.iter_mut().flat_map(|target| &mut target.direct);
    for (_, class) in direct {
        if let Class::Local { folder, .. } = class {
            *folder = Some(JUNK.to_owned());
        }
    }
}

fn found(verdicts: &Verdicts, transaction: &Transaction) -> Authentication {
    let spf = |scope: &str, spf: &Spf| SpfFound {
        scope: scope.to_owned(),
        domain: spf.domain.clone(),
        result: spf.word.to_string(),
        reason: spf.reason.clone(),
    };
    let from = transaction.envelope.from.address();
    let to = transaction.targets.first().map(|target| target.recipient.address.domain());
    Authentication {
        ip: verdicts.ip.to_string(),
        helo: transaction.client.hello.clone(),
        mail_from: from.map(|from| from.domain().to_string()).unwrap_or_default(),
        to: to.map(ToString::to_string).unwrap_or_default(),
        spf: std::iter::once(spf("helo", &verdicts.helo))
            .chain(verdicts.mail_from.as_ref().map(|from| spf("mfrom", from)))
            .collect(),
        dkim: verdicts
            .dkim
            .iter()
            .map(|dkim| DkimFound {
                domain: dkim.domain.clone(),
                selector: dkim.selector.clone(),
                result: dkim.word.to_string(),
                reason: dkim.reason.clone(),
            })
            .collect(),
        dmarc: verdicts.dmarc.as_ref().map(|dmarc| DmarcFound {
            domain: dmarc.domain.clone(),
            record_at: dmarc.record_at.clone(),
            policy: dmarc.published.as_str().to_owned(),
            result: dmarc.word.to_string(),
            aligned: dmarc.aligned().map(ToOwned::to_owned),
            dkim_aligned: dmarc.dkim_aligned,
            spf_aligned: dmarc.spf_aligned,
            published: dmarc.record.as_ref().map(published),
            reason: dmarc.reason.clone(),
        }),
        arc: ArcFound {
            result: verdicts.arc.word.to_string(),
            sealers: verdicts.arc.sealers.clone(),
            vouched: verdicts.arc.vouched,
        },
        iprev: verdicts.iprev.word.to_string(),
        disposition: String::new(),
        instead: None,
        counts: false,
    }
}

fn published(record: &Record) -> Published {
    Published {
        p: record.policy.as_str().to_owned(),
        sp: record.below.as_str().to_owned(),
        np: record.missing.as_str().to_owned(),
        strict_dkim: record.strict_dkim,
        strict_spf: record.strict_spf,
        testing: record.testing,
    }
}

impl Disposition {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Take => "none",
            Self::Junk => "quarantine",
            Self::Refuse(_) => "reject",
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Dmarc { domain, reason } => Self::Dmarc { domain, reason },
            Failure::Spf { domain, reason } => Self::Spf { domain, reason },
            Failure::Iprev => Self::Iprev,
        }
    }
}

#[cfg(test)]
mod tests {
    use mailwright_mailauth::{Arc, Dmarc, Iprev};

    use super::*;

    /// A message whose DMARC says `word`, under a policy that was published and one that counts.
    fn verdicts(word: Word, published: Policy, policy: Policy) -> Verdicts {
        Verdicts {
            ip: [192, 0, 2, 1].into(),
            helo: Spf::of(Word::None, "client.example", ""),
            mail_from: Some(Spf::of(Word::Fail, "bank.example", "not listed\r\n250 ok")),
            dkim: Vec::new(),
            dmarc: Some(Dmarc {
                word,
                domain: "bank.example".to_owned(),
                record_at: Some("bank.example".to_owned()),
                published,
                policy,
                record: None,
                dkim_aligned: false,
                spf_aligned: false,
                reason: "nothing is aligned".to_owned(),
            }),
            arc: Arc {
                word: Word::None,
                sealers: Vec::new(),
                vouched: false,
                reason: String::new(),
            },
            iprev: Iprev { word: Word::Fail, name: None, reason: String::new() },
        }
    }

    fn outcome(verdicts: &Verdicts, rules: &Verification) -> (&'static str, Option<String>) {
        let (disposition, instead) = disposition(verdicts, rules);
        (disposition.as_str(), instead)
    }

    #[test]
    fn the_authors_domain_says_what_becomes_of_a_message() {
        let rules = Verification::default();
        for (word, published, policy, done, instead) in [
            (Word::Pass, Policy::Reject, Policy::Reject, "none", None),
            (Word::Fail, Policy::Reject, Policy::Reject, "reject", None),
            (Word::Fail, Policy::Quarantine, Policy::Quarantine, "quarantine", None),
            (Word::Fail, Policy::None, Policy::None, "none", None),
            (Word::Fail, Policy::Quarantine, Policy::None, "none", Some("policy_test_mode")),
            (Word::TempError, Policy::Reject, Policy::Reject, "none", None),
            (Word::PermError, Policy::None, Policy::None, "quarantine", None),
        ] {
            let found = outcome(&verdicts(word, published, policy), &rules);
            assert_eq!(found, (done, instead.map(str::to_owned)), "{word} {policy:?}");
        }
    }

    #[test]
    fn who_runs_the_server_may_be_milder_and_stricter() {
        let failed = verdicts(Word::Fail, Policy::Reject, Policy::Reject);
        let mild = Verification { dmarc: Strictness::Report, ..Verification::default() };
        assert_eq!(outcome(&failed, &mild), ("none", Some("local_policy".to_owned())));
        let unclear = verdicts(Word::PermError, Policy::None, Policy::None);
        assert_eq!(outcome(&unclear, &mild), ("none", None));
        let mut vouched = failed.clone();
        vouched.arc.vouched = true;
        let found = outcome(&vouched, &Verification::default());
        assert_eq!(found, ("none", Some("trusted_forwarder".to_owned())));
        let passed = verdicts(Word::Pass, Policy::None, Policy::None);
        for (rules, status) in [
            (Verification { spf: Strictness::Enforce, ..mild.clone() }, "5.7.23"),
            (Verification { iprev: Strictness::Enforce, ..mild.clone() }, "5.7.25"),
        ] {
            let (found, _) = disposition(&passed, &rules);
            let Disposition::Refuse(failure) = found else { panic!("{found:?}") };
            let reply = Refusal::from(failure).reply().to_string();
            assert!(reply.starts_with("550 ") && reply.contains(status), "{reply}");
            assert!(!reply.contains('\n'), "{reply}");
        }
    }
}
