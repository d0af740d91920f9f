//! SPF, DKIM, DMARC and ARC of a message, checked anew, with the reason of each failure.
//!
//! What the DNS says now may not be what it said when the message came: what fails by it counts for
//! nothing where the message is old. Source: RFC 7208, RFC 6376, RFC 9989, RFC 8617.

use std::{sync::Arc, time::Duration};

use mailwright_mailauth::{
    BodyChange, Client, Dkim, Examined, FieldChange, HeaderChange, Letter, Limits, Policy, Signed,
    Spf, Verifier, Word,
};
use mailwright_words::ReversePath;

use super::carrier::Known;
use crate::{Check, Section, Verdict, world::World};

/// An age from which on the DNS may say something else.
const OLD: Duration = Duration::from_hours(7 * 24);

/// What was found out, for the checks of it.
pub(super) struct Proof {
    pub(super) section: Section,
    pub(super) examined: Option<Examined>,
}

pub(super) async fn examine(world: &World, message: &[u8], known: &Known) -> Proof {
    let mut section = Section::new("proofs, checked anew");
    let now = world.clock.now();
    let came = known.came.filter(|came| *came < now).unwrap_or(now);
    let Ok(verifier) = Verifier::new(Arc::clone(&world.resolver)) else {
        section.push(
            Check::unknown("message.spf", "Proofs", "they cannot be checked here")
                .tried("SPF, DKIM, DMARC and ARC")
                .means("This program could not make what checks them.")
                .mend("Try again; if it stays so, it is a fault of ours."),
        );
        return Proof { section, examined: None };
    };
    let carrier = &known.carrier;
    let client = carrier.ip.map(|ip| Client {
        ip: Some(ip),
        helo: carrier.helo.as_deref().unwrap_or_default(),
        mail_from: carrier.from.as_ref(),
    });
    let letter = Letter { message, client, came, host: &world.hostname };
    let limits = Limits { timeout: world.timeout, ..Limits::default() };
    let examined = verifier.examine(letter, &limits).await;
    let is_old = now.since(came) > OLD;
    section.push(aged(spf(&examined, known), is_old));
    if examined.dkim.is_empty() {
        section.push(unsigned());
    }
    for signed in &examined.dkim {
        let check = signature(signed, now > came).tried("the signature, with its key in the DNS");
        let is_of_the_dns = check.id == "message.key";
        section.push(aged(check, is_old && is_of_the_dns));
    }
    section.checks.extend(dmarc(&examined));
    section.checks.extend(arc(&examined));
    section.checks.extend(reverse(&examined).map(|check| aged(check, is_old)));
    Proof { section, examined: Some(examined) }
}

/// What fails by the DNS of today says little of a message of long ago.
fn aged(mut check: Check, is_old: bool) -> Check {
    if is_old && check.verdict > Verdict::CannotKnow {
        check.verdict = Verdict::CannotKnow;
        return check
            .means(
                "The message is old, and the DNS is asked as it is today: what it said then cannot \
                 be known.",
            )
            .mend("Look at what servers found when it came.");
    }
    check
}

fn spf(examined: &Examined, known: &Known) -> Check {
    const ID: &str = "message.spf";
    const TITLE: &str = "SPF";
    let Some(ip) = known.carrier.ip else {
        return Check::unknown(ID, TITLE, "who brought the message is not known")
            .tried("its Received, Received-SPF and Return-Path fields")
            .means("SPF is about the address that a message comes from, which is not in it.")
            .mend("Give what the receiver saw: --ip ADDRESS --from SENDER --helo NAME.");
    };
    let path = known.carrier.from.as_ref();
    let is_null = path == Some(&ReversePath::Null);
    let spf = match (&examined.mail_from, &examined.helo) {
        (Some(spf), _) => spf,
        (None, Some(spf)) if is_null => spf,
        _ => {
            return Check::unknown(ID, TITLE, format!("{ip} is known, the envelope sender is not"))
                .tried("its Return-Path field")
                .means("SPF is about the domain of the envelope sender.")
                .mend("Give it with --from SENDER.");
        }
    };
    let tried = format!("whether {ip} may send for {} ({})", spf.domain, known.source);
    judged_spf(spf, &ip.to_string()).tried(tried)
}

fn judged_spf(spf: &Spf, ip: &str) -> Check {
    const ID: &str = "message.spf";
    const TITLE: &str = "SPF";
    let domain = &spf.domain;
    let why = if spf.reason.is_empty() { String::new() } else { format!(" ({})", spf.reason) };
    let said =
        spf.explanation.as_ref().map(|text| format!("; it says: {text}")).unwrap_or_default();
    let add = format!("Add {ip} to the SPF record of {domain}, if it is to send for it.");
    match spf.word {
        Word::Pass => Check::right(ID, TITLE, format!("{ip} may send for {domain}{why}")),
        Word::None => Check::warning(ID, TITLE, format!("{domain} has no record"))
            .means("Anybody may send for this domain; large providers want a record.")
            .mend("Publish one: `mailwright domain records` writes it for a domain of yours."),
        Word::Fail => {
            let found = format!("{ip} may not send for {domain}{why}{said}");
            Check::wrong(ID, TITLE, found)
                .means(
                    "The domain says so in the DNS. Mail that is forwarded fails by nature; then \
                     the signature has to do.",
                )
                .mend(add)
        }
        Word::SoftFail => {
            Check::warning(ID, TITLE, format!("{domain} does not think so of {ip}{why}"))
                .means("Receivers take it for suspicious, as mail that is forwarded is, too.")
                .mend(add)
        }
        Word::Neutral | Word::Policy => {
            Check::warning(ID, TITLE, format!("{domain} does not say{why}"))
                .means("It counts as if there were no record.")
                .mend(add)
        }
        Word::PermError => {
            Check::wrong(ID, TITLE, format!("the record of {domain} cannot be used{why}"))
                .means("Receivers take a record that is wrong for none, or refuse the message.")
                .mend("Mend the record: one alone, at most 10 terms that ask the DNS.")
        }
        Word::TempError => Check::unknown(ID, TITLE, format!("the DNS gives no answer{why}"))
            .means("The name servers of the domain failed; mail is deferred for it.")
            .mend("Try again later."),
    }
}

fn unsigned() -> Check {
    Check::warning("message.signature", "DKIM", "there is no signature")
        .tried("its DKIM-Signature fields")
        .means("Large providers want one; without it, mail that is forwarded fails DMARC.")
        .mend("Sign with the domain in From.")
}

fn signature(signed: &Signed, has_ended: bool) -> Check {
    let Signed { dkim, change, ends } = signed;
    let title = match dkim.domain.as_str() {
        "" => "Signature".to_owned(),
        domain => format!("Signature of {domain}"),
    };
    let id = if dkim.reason.starts_with("its key") { "message.key" } else { "message.signature" };
    let key = format!("{}._domainkey.{}", dkim.selector, dkim.domain);
    match dkim.word {
        Word::Pass => {
            let since = ends.filter(|_| has_ended).map(|ends| format!("; good until {ends}"));
            let found = format!("it fits ({}){}", dkim.algorithm, since.unwrap_or_default());
            Check::right(id, title, found)
        }
        Word::Fail => match change {
            Some(change) => changed(dkim, &title, (&change.body, &change.header)),
            None => Check::wrong(id, title, dkim.reason.clone())
                .means("The signature counts for nothing.")
                .mend("Compare the message with what was sent, from the hop of the signer on."),
        },
        Word::TempError => Check::unknown(id, title, format!("{} ({key})", dkim.reason))
            .means("The name servers of the signer failed; it says nothing of the message.")
            .mend("Try again later."),
        Word::Neutral => Check::warning(id, title, dkim.reason.clone())
            .means("Anybody may add to such a message; it counts for nothing here.")
            .mend("Have the signer leave l= out."),
        _ if id == "message.key" => Check::wrong(id, title, format!("{} ({key})", dkim.reason))
            .means("The signature cannot be checked, and counts for nothing.")
            .mend("Publish the key that the signer has, of 2048 bits; or sign with one that is."),
        _ => Check::wrong(id, title, dkim.reason.clone())
            .means("Such a signature counts for nothing.")
            .mend("Have the signer use rsa-sha256 or ed25519-sha256, and cover From."),
    }
}

/// What was done to a signed message.
fn changed(dkim: &Dkim, title: &str, (body, header): (&BodyChange, &HeaderChange)) -> Check {
    let mut found = match header {
        HeaderChange::Kept | HeaderChange::NoKey => Vec::new(),
        HeaderChange::Changed(fields) | HeaderChange::Copied(fields) => {
            fields.iter().map(|FieldChange { name, what }| format!("{name} {what}")).collect()
        }
        HeaderChange::Unknown { there, missing } => {
            let gone = format!(", or one of {} was taken out", missing.join(", "));
            let gone = if missing.is_empty() { "" } else { &gone };
            vec![format!("one of {} was changed{gone}", there.join(", "))]
        }
        HeaderChange::OtherKey => vec![format!(
            "it was made with another key than the one at {}._domainkey.{}, or was damaged",
            dkim.selector, dkim.domain
        )],
    };
    match body {
        BodyChange::Kept => found.push("the body is as it was signed".to_owned()),
        BodyChange::Added { lines: (first, last), of, text } => {
            found.push(format!("lines {first} to {last} of {of} were added to the body: {text:?}"));
        }
        BodyChange::Rewritten { what, has_more } => {
            let more = if *has_more { ", and lines were added behind it" } else { "" };
            found.push(format!("the body {what}{more}"));
        }
        BodyChange::Unknown => found.push("the body was changed".to_owned()),
    }
    if matches!(header, HeaderChange::Kept) {
        found.push("the signed fields are as they were".to_owned());
    }
    let (means, mend) = if matches!(header, HeaderChange::OtherKey) {
        (
            "The signer's private key and the published one do not belong together, or the \
             signature itself was damaged on the way.",
            "Publish the key that belongs to the one that signs, under its selector.",
        )
    } else {
        (
            "Whoever changed it after it was signed broke the signature: a list, a filter, a \
             gateway, or a program that signs too early.",
            "Have it leave the message alone, or sign after the change; a list signs anew with its \
             own domain and seals with ARC.",
        )
    };
    Check::wrong("message.signature", title, found.join("; ")).means(means).mend(mend)
}

/// Which alignment missed, and what the author's domain wants done.
fn dmarc(examined: &Examined) -> Option<Check> {
    const ID: &str = "message.dmarc";
    const TITLE: &str = "DMARC";
    let dmarc = examined.dmarc.as_ref()?;
    let domain = &dmarc.domain;
    let at = dmarc.record_at.as_deref().unwrap_or(domain);
    let tried = format!("the policy of {at} against what was proved");
    let check = match dmarc.word {
        Word::Pass => {
            let by =
                dmarc.aligned().map_or("", |by| if by == "dkim" { "a signature" } else { "SPF" });
            let found = format!("{domain} is proved by {by} (p={})", dmarc.published.as_str());
            Check::right(ID, TITLE, found)
        }
        Word::None => Check::warning(ID, TITLE, format!("{domain} has no policy"))
            .means("Anybody may write in its name; large providers want one, p=none at least.")
            .mend(format!("Publish `v=DMARC1; p=none; rua=mailto:..` at _dmarc.{domain}.")),
        Word::TempError => Check::unknown(ID, TITLE, dmarc.reason.clone())
            .means("A name server failed; receivers defer the message or take it.")
            .mend("Try again later."),
        Word::Fail => failed(examined, dmarc.policy, domain),
        _ => Check::wrong(ID, TITLE, dmarc.reason.clone())
            .means("There is no one domain whose policy counts; many refuse such a message.")
            .mend("Write one From field with one address."),
    };
    Some(check.tried(tried))
}

fn failed(examined: &Examined, policy: Policy, domain: &str) -> Check {
    const ID: &str = "message.dmarc";
    const TITLE: &str = "DMARC";
    let mut missed = Vec::new();
    match &examined.mail_from {
        Some(spf) if spf.word == Word::Pass => {
            missed.push(format!("SPF passed for {}, which is another domain", spf.domain));
        }
        Some(spf) => missed.push(format!("SPF of {} is {}", spf.domain, spf.word)),
        None => {}
    }
    for Signed { dkim, .. } in &examined.dkim {
        missed.push(match dkim.word {
            Word::Pass => format!("the signature is of {}, another domain", dkim.domain),
            _ => format!("the signature of {} does not count", dkim.domain),
        });
    }
    if examined.dkim.is_empty() {
        missed.push("there is no signature".to_owned());
    }
    let found = format!("nothing proves {domain}: {}", missed.join("; "));
    if examined.mail_from.is_none() {
        return Check::unknown(ID, TITLE, format!("{found}; SPF is not known"))
            .means("SPF might still prove it, if it passed for the domain in From.")
            .mend("Give what the receiver saw: --ip, --from, --helo.");
    }
    let (means, is_bad) = match policy {
        Policy::Reject => ("The domain asks receivers to refuse such a message (p=reject).", true),
        Policy::Quarantine => {
            ("The domain asks receivers to put it among spam (p=quarantine).", true)
        }
        Policy::None => (
            "The domain asks for nothing (p=none), so it is taken; large providers still think \
             little of it.",
            false,
        ),
    };
    let check =
        if is_bad { Check::wrong(ID, TITLE, found) } else { Check::warning(ID, TITLE, found) };
    check.means(means).mend(format!(
        "Sign with {domain}, or use an envelope sender of it that SPF passes for. A signature \
         survives forwarding, SPF does not."
    ))
}

fn arc(examined: &Examined) -> Option<Check> {
    const ID: &str = "message.arc";
    const TITLE: &str = "ARC";
    let arc = &examined.arc;
    let who = arc.sealers.join(", ");
    let check = match arc.word {
        Word::None => return None,
        Word::Pass => Check::right(ID, TITLE, format!("the seals of {who} fit")),
        Word::TempError => Check::unknown(ID, TITLE, arc.reason.clone())
            .means("A name server failed; it says nothing of the chain.")
            .mend("Try again later."),
        _ => {
            let of = if who.is_empty() { String::new() } else { format!(" of {who}") };
            Check::warning(ID, TITLE, format!("the chain{of} is broken: {}", arc.reason))
                .means("No receiver takes the word of its forwarders.")
                .mend("The last forwarder changed it after it had sealed, or lost its key.")
        }
    };
    Some(check.tried("each seal, with its key in the DNS"))
}

/// The name of the address it came from.
fn reverse(examined: &Examined) -> Option<Check> {
    const ID: &str = "message.iprev";
    const TITLE: &str = "Name of its address";
    let iprev = examined.iprev.as_ref()?;
    let name = iprev.name.as_deref().unwrap_or("none");
    let check = match iprev.word {
        Word::Pass => Check::right(ID, TITLE, name.to_owned()),
        Word::TempError => Check::unknown(ID, TITLE, iprev.reason.clone())
            .means("A name server failed; it says nothing of the address.")
            .mend("Try again later."),
        _ => Check::warning(ID, TITLE, format!("{name}: {}", iprev.reason))
            .means("Gmail and others refuse mail from addresses whose name does not lead back.")
            .mend("Whoever owns the address sets its PTR record; the name leads back to it."),
    };
    Some(check.tried("its PTR record, and where that leads"))
}
