//! Who may send for a domain, by its addresses.
//!
//! Source: RFC 7208.

use mailwright_mailauth::{
    Word,
    spf::{Survey, survey},
};

use super::Question;
use crate::{Check, world::World};

pub(super) async fn examine(world: &World, question: &Question, takes_mail: bool) -> Vec<Check> {
    let domain = &question.domain;
    let found = survey(domain, &*world.resolver).await;
    let tried = format!("the TXT records of {domain}, and those that they lead to");
    let Some(text) = found.text.clone().filter(|_| found.flaws.is_empty()) else {
        return vec![unread(&found, takes_mail).tried(tried)];
    };
    let mut checks = vec![if found.unknown.is_empty() {
        Check::right("spf.record", "SPF", text).tried(tried)
    } else {
        Check::unknown("spf.record", "SPF", format!("{text} ({})", found.unknown.join(", ")))
            .tried(tried)
            .means("Receivers that get no answer either put the mail off.")
            .mend("Look whether the domains that it names are there.")
    }];
    checks.push(lookups(&found));
    checks.push(void(&found));
    checks.push(others(&found));
    checks.push(terms(&found));
    checks
}

fn unread(found: &Survey, takes_mail: bool) -> Check {
    const ID: &str = "spf.record";
    const TITLE: &str = "SPF";
    if let Some(flaw) = found.flaws.first() {
        return Check::wrong(ID, TITLE, flaw.to_string())
            .means("Receivers go by none of it (`permerror`), and many refuse the mail.")
            .mend(
                "Keep one record, and in it only what is there: take out what leads nowhere. \
                 Several services are joined in one record, not in several.",
            );
    }
    if let Some(why) = found.unknown.first() {
        return Check::unknown(ID, TITLE, format!("no answer: {why}"))
            .means("The resolver here failed, or the domain's name servers.")
            .mend("Try again later.");
    }
    let mend = if takes_mail {
        "Add a TXT record such as `v=spf1 mx -all`, with all that send for the domain."
    } else {
        "Add the TXT record `v=spf1 -all`: nobody sends for it."
    };
    Check::warning(ID, TITLE, "none")
        .means("Anybody may use the domain as sender; large receivers refuse mail without it.")
        .mend(mend)
}

fn lookups(found: &Survey) -> Check {
    const ID: &str = "spf.lookups";
    const TITLE: &str = "SPF: lookups";
    let count = found.lookups;
    let check = if found.is_too_long() {
        let count = if count > 40 { "more than 40".to_owned() } else { count.to_string() };
        Check::wrong(ID, TITLE, format!("{count} of at most 10"))
            .means(
                "Receivers give up at the eleventh (`permerror`): whoever sends from what comes \
                 behind it is refused, and some receivers count all at once.",
            )
            .mend("Take out services that no longer send, `mx` and `a` that are addresses anyway.")
    } else {
        Check::right(ID, TITLE, format!("{count} of at most 10"))
    };
    check.tried("terms that ask the DNS: include, a, mx, ptr, exists, redirect")
}

fn void(found: &Survey) -> Check {
    const ID: &str = "spf.void";
    const TITLE: &str = "SPF: names that lead nowhere";
    let names = found.void.join(", ");
    let check = if found.is_too_void() {
        Check::wrong(ID, TITLE, names)
            .means("Receivers give up at the third (`permerror`), and go by none of the record.")
            .mend("Take these terms out.")
    } else if found.void.is_empty() {
        Check::right(ID, TITLE, "none")
    } else {
        Check::warning(ID, TITLE, names)
            .means("They let nobody in, and with three of them receivers give up on the record.")
            .mend("Take these terms out.")
    };
    check.tried("whether each name that it asks for has an answer")
}

fn others(found: &Survey) -> Check {
    const ID: &str = "spf.others";
    const TITLE: &str = "SPF: everybody else";
    const MEND: &str = "End it in `-all`, or in `~all` while it is being tried out.";
    let check = match found.others {
        Some(Word::Fail) => Check::right(ID, TITLE, "may not send (-all)"),
        Some(Word::SoftFail) => Check::right(ID, TITLE, "is taken for forged (~all)"),
        Some(Word::Pass) => Check::wrong(ID, TITLE, "may send (+all)")
            .means("Anybody may send in the domain's name, and it is even proved by SPF.")
            .mend(MEND),
        // The record that it leads to could not be looked up.
        None if !found.unknown.is_empty() => Check::unknown(ID, TITLE, "not known now")
            .means("A record that it leads to gives no answer.")
            .mend("Try again later."),
        _ => Check::warning(ID, TITLE, "nothing is said of it")
            .means("Mail from anywhere is neither proved nor refused: the record protects nothing.")
            .mend(MEND),
    };
    check.tried("`all` at its end")
}

/// What is better not there.
fn terms(found: &Survey) -> Check {
    const ID: &str = "spf.terms";
    const TITLE: &str = "SPF: terms";
    let check = if !found.wide.is_empty() {
        Check::warning(ID, TITLE, format!("{}: a very large network", found.wide.join(" ")))
            .means("Millions of strangers may send in the domain's name.")
            .mend("Name the addresses of your own servers alone.")
    } else if !found.unreached.is_empty() {
        Check::warning(ID, TITLE, format!("behind `all`: {}", found.unreached.join(" ")))
            .means("Nothing behind `all` is ever looked at: whoever is named there may not send.")
            .mend("Move `all` to the end.")
    } else if found.uses_ptr {
        Check::warning(ID, TITLE, "ptr")
            .means("It is slow, large receivers leave it out, and it is not to be used any more.")
            .mend("Name the addresses of your servers instead.")
    } else {
        Check::right(ID, TITLE, "none that should not be there")
    };
    check.tried("`ptr`, networks of everybody, and terms behind `all`")
}
