//! Keys that a domain signs with.
//!
//! Their names are in signatures alone: which there are cannot be asked for. Source: RFC 6376
//! section 3.6, RFC 8301 section 3.2, RFC 8020.

use mailwright_mailauth::{PublicKey, public_key};
use mailwright_net::dns::Answer;

use super::Question;
use crate::{Check, world::World};

/// Names that are looked up.
const SELECTORS_MAX: usize = 20;
/// Bits that an RSA key of today has.
const BITS: usize = 2048;

pub(super) async fn examine(world: &World, question: &Question) -> Vec<Check> {
    if question.selectors.is_empty() {
        return vec![names(world, &question.domain).await];
    }
    let mut checks = Vec::new();
    for selector in question.selectors.iter().take(SELECTORS_MAX) {
        checks.push(key(world, &question.domain, selector).await);
    }
    checks
}

/// Whether there can be any.
async fn names(world: &World, domain: &str) -> Check {
    const ID: &str = "dkim.names";
    const TITLE: &str = "DKIM";
    let name = format!("_domainkey.{domain}");
    let check = match world.resolver.txt(&name).await {
        Answer::Found(_) | Answer::NoData => {
            Check::right(ID, TITLE, "there are keys; --selector looks at one")
        }
        Answer::NoSuchDomain => Check::unknown(ID, TITLE, "there seems to be no key")
            .means("Nothing is below that name; or the domain's name servers say so wrongly.")
            .mend("--selector asks for one: it is `s=` in DKIM-Signature of a message of yours."),
        Answer::Temporary(why) => Check::unknown(ID, TITLE, format!("no answer: {why}"))
            .means("The resolver here failed, or the domain's name servers.")
            .mend("Try again later."),
    };
    check.tried(format!("whether anything is below {name}"))
}

async fn key(world: &World, domain: &str, selector: &str) -> Check {
    const ID: &str = "dkim.key";
    let title = format!("DKIM key {selector}");
    let name = format!("{selector}._domainkey.{domain}");
    let check = match world.resolver.txt(&name).await {
        Answer::Found(texts) => {
            let keys: Vec<_> = texts.iter().filter_map(|text| public_key(text)).collect();
            match keys.as_slice() {
                [] => nothing(title, "no record of a key"),
                [Ok(key)] => judged(title, key),
                [Err(why)] => Check::wrong(ID, title, why.clone())
                    .means("Signatures with it cannot be checked, and count for nothing.")
                    .mend("Set the record anew, as the signer prints it, in one piece."),
                more => Check::wrong(ID, title, format!("{} records", more.len()))
                    .means("Which of them counts is open; some receivers take none.")
                    .mend("Keep the one that the signer has; for a new key take a new selector."),
            }
        }
        Answer::NoSuchDomain | Answer::NoData => nothing(title, "none"),
        Answer::Temporary(why) => Check::unknown(ID, title, format!("no answer: {why}"))
            .means("The resolver here failed, or the domain's name servers.")
            .mend("Try again later."),
    };
    check.tried(format!("the TXT record of {name}"))
}

fn nothing(title: String, found: &str) -> Check {
    Check::wrong("dkim.key", title, found)
        .means("Signatures with this selector cannot be checked, and count for nothing.")
        .mend("Set the record that the signer prints; `mailwright domain records` does for ours.")
}

fn judged(title: String, key: &PublicKey) -> Check {
    const ID: &str = "dkim.key";
    const NEW: &str = "Make a new key of 2048 bits under a new selector, and sign with that.";
    let found = format!("{} of {} bits", key.algorithm, key.bits);
    if key.is_revoked {
        return Check::warning(ID, title, "taken back (an empty p=)")
            .means("What is still signed with it counts as not signed.")
            .mend("Nothing, if nobody signs with it any more.");
    }
    if let Some(why) = &key.unfit {
        return Check::wrong(ID, title, format!("{found}: {why}"))
            .means("Receivers do not go by signatures with it.")
            .mend(NEW);
    }
    if key.algorithm == "rsa" && key.bits < BITS {
        return Check::warning(ID, title, found)
            .means("It is shorter than what is asked for today; some receivers say so in reports.")
            .mend(NEW);
    }
    if key.is_testing {
        return Check::warning(ID, title, format!("{found}, only to try it out (t=y)"))
            .means("Receivers take what is signed with it as if it were not signed.")
            .mend("Take `t=y` out of the record.");
    }
    Check::right(ID, title, found)
}
