//! Rules about what SPF, DKIM, DMARC and lists say; where nobody asked them, none holds.

use super::{Rule, rule};
use crate::facts::Facts;
use crate::links::site;
use crate::verdict::{Dkim, ListKind, Policy, Word};

pub(super) const RULES: &[Rule] = &[
    rule(
        "SPF_PASS",
        -0.1,
        |f| spf(f) == Some(Word::Pass),
        "The client may send for the domain (SPF).",
    ),
    rule(
        "SPF_FAIL",
        0.9,
        |f| spf(f) == Some(Word::Fail),
        "The client may not send for the domain (SPF); add it to the record.",
    ),
    rule(
        "SPF_SOFTFAIL",
        0.7,
        |f| spf(f) == Some(Word::SoftFail),
        "The client should not send for the domain (SPF); add it to the record.",
    ),
    rule(
        "SPF_NEUTRAL",
        0.6,
        |f| spf(f) == Some(Word::Neutral),
        "The domain does not say who sends for it.",
    ),
    rule("SPF_NONE", 0.4, |f| spf(f) == Some(Word::None), "The domain has no SPF record."),
    rule(
        "SPF_PERMERROR",
        0.8,
        |f| spf(f) == Some(Word::PermError),
        "The SPF record makes no sense.",
    ),
    rule(
        "DKIM_SIGNED",
        0.1,
        |f| signatures(f).is_some_and(|all| !all.is_empty()),
        "The message is signed; by itself that says nothing.",
    ),
    rule("DKIM_VALID", -0.1, |f| dkim(f, |_| true), "A signature is good."),
    rule(
        "DKIM_VALID_AU",
        -0.1,
        |f| dkim(f, |domain| site(domain) == site(f.author_domain())),
        "A signature of the author's domain is good.",
    ),
    rule(
        "DKIM_INVALID",
        0.6,
        |f| {
            let all = signatures(f).unwrap_or_default();
            !all.is_empty()
                && all.iter().all(|one| !matches!(one.word, Word::Pass | Word::TempError))
        },
        "The message is signed, yet no signature is good.",
    ),
    rule(
        "DKIM_NONE",
        0.4,
        |f| signatures(f).is_some_and(<[Dkim]>::is_empty),
        "The message is not signed (DKIM); large providers demand it.",
    ),
    rule(
        "DMARC_PASS",
        -0.1,
        |f| dmarc(f) == Some((Word::Pass, Policy::None)),
        "The author's domain is proven (DMARC).",
    ),
    rule(
        "DMARC_REJECT",
        1.8,
        |f| dmarc(f) == Some((Word::Fail, Policy::Reject)),
        "The author's domain is not proven, and asks that such mail be rejected.",
    ),
    rule(
        "DMARC_QUAR",
        1.2,
        |f| dmarc(f) == Some((Word::Fail, Policy::Quarantine)),
        "The author's domain is not proven, and asks that such mail be put aside.",
    ),
    rule(
        "DMARC_NONE",
        0.6,
        |f| dmarc(f) == Some((Word::Fail, Policy::None)),
        "The author's domain is not proven (DMARC).",
    ),
    rule(
        "DMARC_MISSING",
        0.3,
        |f| dmarc(f) == Some((Word::None, Policy::None)),
        "The author's domain has no DMARC policy; large providers demand one.",
    ),
    rule(
        "RCVD_LISTED",
        2.5,
        |f| listed(f, ListKind::Addresses),
        "The address that sends is on a blocklist.",
    ),
    rule(
        "URIBL_LISTED",
        2.5,
        |f| listed(f, ListKind::Domains),
        "A domain of the message is on a blocklist.",
    ),
];

fn spf(facts: &Facts<'_>) -> Option<Word> {
    facts.context.verdicts.auth.as_ref()?.spf.as_ref().map(|spf| spf.word)
}

fn signatures<'f>(facts: &'f Facts<'_>) -> Option<&'f [Dkim]> {
    facts.context.verdicts.auth.as_ref().map(|auth| auth.dkim.as_slice())
}

fn dkim(facts: &Facts<'_>, is_domain: impl Fn(&str) -> bool) -> bool {
    let all = signatures(facts).unwrap_or_default();
    all.iter().any(|one| one.word == Word::Pass && is_domain(&one.domain))
}

/// The result, and what is to be done where it is a failure.
fn dmarc(facts: &Facts<'_>) -> Option<(Word, Policy)> {
    let dmarc = facts.context.verdicts.auth.as_ref()?.dmarc.as_ref()?;
    let policy = if dmarc.word == Word::Fail { dmarc.policy } else { Policy::None };
    Some((dmarc.word, policy))
}

fn listed(facts: &Facts<'_>, kind: ListKind) -> bool {
    facts.context.verdicts.listed().any(|(list, _)| list.kind == kind)
}
