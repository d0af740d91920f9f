//! Rules about what SPF, DKIM, DMARC and lists say; where nobody asked them, none holds.

use super::{Rule, rule};
use crate::facts::Facts;
use crate::links::site;
use crate::verdict::{Dmarc, Spf};

pub(super) const RULES: &[Rule] = &[
    rule(
        "SPF_PASS",
        -0.1,
        |f| spf(f) == Some(Spf::Pass),
        "The client may send for the domain (SPF).",
    ),
    rule(
        "SPF_FAIL",
        0.9,
        |f| spf(f) == Some(Spf::Fail),
        "The client may not send for the domain (SPF); add it to the record.",
    ),
    rule(
        "SPF_SOFTFAIL",
        0.7,
        |f| spf(f) == Some(Spf::SoftFail),
        "The client should not send for the domain (SPF); add it to the record.",
    ),
    rule(
        "SPF_NEUTRAL",
        0.6,
        |f| spf(f) == Some(Spf::Neutral),
        "The domain does not say who sends for it.",
    ),
    rule("SPF_NONE", 0.4, |f| spf(f) == Some(Spf::None), "The domain has no SPF record."),
    rule(
        "SPF_PERMERROR",
        0.8,
        |f| spf(f) == Some(Spf::PermError),
        "The SPF record makes no sense.",
    ),
    rule(
        "DKIM_SIGNED",
        0.1,
        |f| f.context.verdicts.dkim.as_ref().is_some_and(|all| !all.is_empty()),
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
            f.context
                .verdicts
                .dkim
                .as_ref()
                .is_some_and(|all| !all.is_empty() && all.iter().all(|one| one.result.is_err()))
        },
        "The message is signed, yet no signature is good.",
    ),
    rule(
        "DKIM_NONE",
        0.4,
        |f| f.context.verdicts.dkim.as_ref().is_some_and(Vec::is_empty),
        "The message is not signed (DKIM); large providers demand it.",
    ),
    rule(
        "DMARC_PASS",
        -0.1,
        |f| f.context.verdicts.dmarc == Some(Dmarc::Pass),
        "The author's domain is proven (DMARC).",
    ),
    rule(
        "DMARC_REJECT",
        1.8,
        |f| dmarc(f) == Some("reject"),
        "The author's domain is not proven, and asks that such mail be rejected.",
    ),
    rule(
        "DMARC_QUAR",
        1.2,
        |f| dmarc(f) == Some("quarantine"),
        "The author's domain is not proven, and asks that such mail be put aside.",
    ),
    rule(
        "DMARC_NONE",
        0.6,
        |f| dmarc(f) == Some("none"),
        "The author's domain is not proven (DMARC).",
    ),
    rule(
        "DMARC_MISSING",
        0.3,
        |f| f.context.verdicts.dmarc == Some(Dmarc::None),
        "The author's domain has no DMARC policy; large providers demand one.",
    ),
    rule("RCVD_LISTED", 2.5, |f| listed(f, true), "The address that sends is on a blocklist."),
    rule("URIBL_LISTED", 2.5, |f| listed(f, false), "A domain of the message is on a blocklist."),
];

fn spf(facts: &Facts<'_>) -> Option<Spf> {
    facts.context.verdicts.spf
}

fn dkim(facts: &Facts<'_>, is_domain: impl Fn(&str) -> bool) -> bool {
    let all = facts.context.verdicts.dkim.iter().flatten();
    all.filter(|one| one.result.is_ok()).any(|one| is_domain(&one.domain))
}

fn dmarc<'f>(facts: &'f Facts<'_>) -> Option<&'f str> {
    match &facts.context.verdicts.dmarc {
        Some(Dmarc::Fail(policy)) => Some(policy),
        _ => None,
    }
}

fn listed(facts: &Facts<'_>, is_address: bool) -> bool {
    facts.context.verdicts.listings.iter().flatten().any(|one| one.is_address == is_address)
}
