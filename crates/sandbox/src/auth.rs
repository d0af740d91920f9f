//! Where a message is from, as it would come out: what is wrong with SPF, DKIM and DMARC, and
//! whether unsubscribing with one click works.
//!
//! What could not be found out is said to be unknown, and neither good nor bad.
//! Source: RFC 7208, RFC 6376, RFC 9989, RFC 8058.

use crate::facts::Facts;
use crate::structure::Level;
use crate::verdict::{Auth, Dkim, Dmarc, Spf, Word};

/// A rule about where a message is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthRule {
    /// Its name.
    pub name: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What is wrong, and what to do.
    pub explanation: &'static str,
}

/// A rule that is not kept, and what of the message is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthFinding {
    /// The rule.
    pub rule: AuthRule,
    /// What was found.
    pub detail: String,
}

/// How unsubscribing with one click stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneClick {
    /// It works, by the header and its signature.
    Works,
    /// `List-Unsubscribe-Post` is missing, or says something else.
    NoPost,
    /// `List-Unsubscribe` has no https address.
    NoHttps,
    /// No good signature covers both fields.
    Unsigned,
    /// The signature that covers them could not be checked, for this reason.
    Unknown(String),
}

impl OneClick {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::NoPost => "no-post",
            Self::NoHttps => "no-https",
            Self::Unsigned => "unsigned",
            Self::Unknown(_) => "unknown",
        }
    }
}

const fn rule(name: &'static str, level: Level, explanation: &'static str) -> AuthRule {
    AuthRule { name, level, explanation }
}

const SPF_FAIL: AuthRule = rule(
    "spf-fail",
    Level::Error,
    "The domain's SPF record does not let this address send; add it there.",
);
const SPF_SOFT: AuthRule = rule(
    "spf-soft",
    Level::Warning,
    "The domain's SPF record does not stand by this address; add it there.",
);
const SPF_NONE: AuthRule =
    rule("spf-none", Level::Warning, "The domain has no SPF record; large providers demand one.");
const SPF_ERROR: AuthRule =
    rule("spf-error", Level::Error, "The domain's SPF record makes no sense.");
const DKIM_NONE: AuthRule =
    rule("dkim-none", Level::Warning, "The message is not signed; large providers demand it.");
const DKIM_BAD: AuthRule =
    rule("dkim-bad", Level::Error, "A signature does not hold; it counts for nothing.");
const DMARC_FAIL: AuthRule = rule(
    "dmarc-fail",
    Level::Error,
    "Neither SPF nor DKIM proves the author's domain, whose policy says what becomes of that.",
);
const DMARC_NONE: AuthRule = rule(
    "dmarc-none",
    Level::Warning,
    "The author's domain has no DMARC policy; large providers demand one.",
);
const DMARC_ERROR: AuthRule =
    rule("dmarc-error", Level::Error, "The DMARC record of the author's domain makes no sense.");
const CLICK_POST: AuthRule = rule(
    "one-click-missing",
    Level::Warning,
    "Add List-Unsubscribe-Post: List-Unsubscribe=One-Click; large providers demand it of mailings.",
);
const CLICK_HTTPS: AuthRule = rule(
    "one-click-no-https",
    Level::Error,
    "One click needs an https address in List-Unsubscribe.",
);
const CLICK_UNSIGNED: AuthRule = rule(
    "one-click-unsigned",
    Level::Error,
    "A good signature has to cover List-Unsubscribe and List-Unsubscribe-Post, or nobody offers \
     the click.",
);
const UNKNOWN: AuthRule = rule(
    "auth-unknown",
    Level::Note,
    "It could not be found out, which says nothing for the message or against it.",
);

/// All rules, in the order of reference and reports.
pub const RULES: [AuthRule; 13] = [
    SPF_FAIL,
    SPF_SOFT,
    SPF_NONE,
    SPF_ERROR,
    DKIM_NONE,
    DKIM_BAD,
    DMARC_FAIL,
    DMARC_NONE,
    DMARC_ERROR,
    CLICK_POST,
    CLICK_HTTPS,
    CLICK_UNSIGNED,
    UNKNOWN,
];

/// What is wrong with where a message is from.
pub fn findings(auth: &Auth, one_click: Option<&OneClick>) -> Vec<AuthFinding> {
    let mut all = Vec::new();
    all.extend(auth.spf.as_ref().and_then(of_spf));
    if auth.dkim.is_empty() {
        all.push(AuthFinding { rule: DKIM_NONE, detail: String::new() });
    }
    all.extend(auth.dkim.iter().filter_map(of_dkim));
    all.extend(auth.dmarc.as_ref().and_then(of_dmarc));
    all.extend(one_click.and_then(of_click));
    all
}

fn of_spf(spf: &Spf) -> Option<AuthFinding> {
    let rule = match spf.word {
        Word::Pass => return None,
        Word::Fail | Word::Policy => SPF_FAIL,
        Word::SoftFail | Word::Neutral => SPF_SOFT,
        Word::None => SPF_NONE,
        Word::PermError => SPF_ERROR,
        Word::TempError => UNKNOWN,
    };
    Some(AuthFinding { rule, detail: told("SPF", &spf.domain, spf.word, &spf.reason) })
}

fn of_dkim(dkim: &Dkim) -> Option<AuthFinding> {
    let rule = match dkim.word {
        Word::Pass => return None,
        Word::TempError => UNKNOWN,
        _ => DKIM_BAD,
    };
    let name = if dkim.domain.is_empty() {
        "a malformed signature".to_owned()
    } else {
        format!("{} with key {}", dkim.domain, dkim.selector)
    };
    Some(AuthFinding { rule, detail: told("DKIM", &name, dkim.word, &dkim.reason) })
}

fn of_dmarc(dmarc: &Dmarc) -> Option<AuthFinding> {
    let rule = match dmarc.word {
        Word::Pass => return None,
        Word::None => DMARC_NONE,
        Word::PermError => DMARC_ERROR,
        Word::TempError => UNKNOWN,
        _ => DMARC_FAIL,
    };
    let mut detail = told("DMARC", &dmarc.domain, dmarc.word, &dmarc.reason);
    if dmarc.word == Word::Fail {
        detail.extend(["; the policy is ", dmarc.policy.as_str()]);
    }
    Some(AuthFinding { rule, detail })
}

fn of_click(one_click: &OneClick) -> Option<AuthFinding> {
    let (rule, detail) = match one_click {
        OneClick::Works => return None,
        OneClick::NoPost => (CLICK_POST, String::new()),
        OneClick::NoHttps => (CLICK_HTTPS, String::new()),
        OneClick::Unsigned => (CLICK_UNSIGNED, String::new()),
        OneClick::Unknown(why) => (UNKNOWN, format!("one click: {why}")),
    };
    Some(AuthFinding { rule, detail })
}

/// A result in words, such as `SPF of shop.eu: fail, -all`.
pub fn told(what: &str, domain: &str, word: Word, reason: &str) -> String {
    let word = if word == Word::TempError { "not known" } else { word.as_str() };
    let reason = if reason.is_empty() { String::new() } else { format!(", {reason}") };
    format!("{what} of {domain}: {word}{reason}")
}

/// How unsubscribing with one click stands; nothing for a message without `List-Unsubscribe`.
///
/// Source: RFC 8058 sections 3.1 and 4.
pub fn one_click(facts: &Facts<'_>, auth: &Auth) -> Option<OneClick> {
    if !facts.has("list-unsubscribe") {
        return None;
    }
    let post = facts.value("list-unsubscribe-post").trim();
    if !post.eq_ignore_ascii_case("List-Unsubscribe=One-Click") {
        return Some(OneClick::NoPost);
    }
    let is_https = |target: &String| {
        target.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
    };
    if !facts.unsubscribes().iter().any(is_https) {
        return Some(OneClick::NoHttps);
    }
    let covers = |dkim: &&Dkim| {
        let mut names = ["list-unsubscribe", "list-unsubscribe-post"].into_iter();
        names.all(|name| dkim.covers.iter().any(|one| one == name))
    };
    let covering: Vec<&Dkim> = auth.dkim.iter().filter(covers).collect();
    if covering.iter().any(|dkim| dkim.word == Word::Pass) {
        return Some(OneClick::Works);
    }
    let unknown = covering.iter().find(|dkim| dkim.word == Word::TempError);
    Some(unknown.map_or(OneClick::Unsigned, |dkim| OneClick::Unknown(dkim.reason.clone())))
}
