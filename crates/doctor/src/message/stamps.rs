//! What servers wrote down of what they found: the word of whoever wrote it.
//!
//! Source: RFC 8601 section 2.

use mailwright_words::HeaderBlock;

use crate::{Check, Section};

/// Stamps that are looked at.
const FIELDS_MAX: usize = 20;

/// `Authentication-Results`, newest first.
pub(super) fn examine(message: &[u8]) -> Section {
    let mut section = Section::new("what servers found");
    let block = HeaderBlock::new(message);
    let named = |name: &str| name.eq_ignore_ascii_case("Authentication-Results");
    for field in block.fields().filter(|field| named(field.name)).take(FIELDS_MAX) {
        let text = field.text();
        let mut parts = text.split(';').map(str::trim);
        let who = parts.next().and_then(|first| first.split_whitespace().next()).unwrap_or("?");
        section.checks.extend(parts.filter_map(|part| stamp(who, part)));
    }
    section
}

/// One result, such as `dkim=fail (body hash) header.d=example.com`.
fn stamp(who: &str, part: &str) -> Option<Check> {
    const ID: &str = "message.stamp";
    let (method, rest) = part.split_once('=')?;
    let method = method.trim().split('/').next()?.to_ascii_lowercase();
    let result: String =
        rest.trim_start().chars().take_while(char::is_ascii_alphanumeric).collect();
    let (means, mend) = match method.as_str() {
        "spf" => (
            "The host that handed it over may not send for the domain of its envelope sender.",
            "Add the host to the SPF record of that domain; mail that is forwarded fails by \
             nature.",
        ),
        "dkim" => (
            "A signature does not fit: the message was changed on the way, or the key is another.",
            "Lists and filters that change a message break signatures; what is checked anew \
             says how.",
        ),
        "dmarc" => (
            "Neither SPF nor DKIM passed for the domain in From.",
            "Sign with the domain in From; that holds when mail is forwarded, too.",
        ),
        "arc" => (
            "The chain of forwarders that vouch for it is broken.",
            "The last forwarder has to see to it.",
        ),
        _ => return None,
    };
    let (title, found) = (method.to_ascii_uppercase(), format!("{who} says {part}"));
    let check = match result.as_str() {
        "pass" => Check::right(ID, title, found),
        "fail" | "permerror" => Check::wrong(ID, title, found).means(means).mend(mend),
        "none" if method == "arc" => return None,
        "temperror" => Check::unknown(ID, title, found)
            .means("A name server failed while it was looked at; it says nothing of the message.")
            .mend("The checks below look at it anew."),
        _ => Check::warning(ID, title, found).means(means).mend(mend),
    };
    Some(check.tried("its Authentication-Results field"))
}
