//! What vouches for a message: the stamps of servers that looked, and the signatures it carries.
//!
//! Source: RFC 8601 section 2, RFC 6376 section 3.5, RFC 8301 (what is too weak).

use mailwright_net::dns::Answer;
use mailwright_words::HeaderBlock;

use super::{author, domain_of};
use crate::{Check, Section, world::World};

/// Stamps and signatures that are looked at.
const FIELDS_MAX: usize = 20;

/// `Authentication-Results`, newest first.
pub(super) fn stamps(message: &[u8]) -> Section {
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
            "Lists and filters that change a message break signatures; see the signatures below.",
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
            .means("A name server failed while it was looked at; it says nothing of the message."),
        _ => Check::warning(ID, title, found).means(means).mend(mend),
    };
    Some(check.tried("its Authentication-Results field"))
}

/// The signatures: whose, of what, and whether their keys are there.
pub(super) async fn signatures(world: &World, message: &[u8]) -> Section {
    const ID: &str = "message.signature";
    let mut section = Section::new("signatures");
    let block = HeaderBlock::new(message);
    let domain = author(&block).and_then(|author| domain_of(&author)).unwrap_or_default();
    let named = |name: &str| name.eq_ignore_ascii_case("DKIM-Signature");
    let mut is_aligned = false;
    for field in block.fields().filter(|field| named(field.name)).take(FIELDS_MAX) {
        let text = field.text();
        let tags = Tags(&text);
        let signer = tags.value("d").to_ascii_lowercase();
        is_aligned |= aligned(&signer, &domain);
        section.push(signature(&tags, &signer));
        section.push(key(world, &tags, &signer).await);
    }
    if section.checks.is_empty() {
        section.push(
            Check::warning(ID, "DKIM", "none")
                .means("Large providers want one; without it, mail that is forwarded fails DMARC.")
                .mend("Sign with the domain in From."),
        );
    } else if !is_aligned && !domain.is_empty() {
        section.push(
            Check::warning("message.alignment", "Alignment", format!("none is of {domain}"))
                .means("DMARC counts only a signature of the domain in From.")
                .mend("Sign with that domain, too."),
        );
    }
    section
}

struct Tags<'a>(&'a str);

impl Tags<'_> {
    /// The value of a tag, without blanks; empty where it is missing.
    fn value(&self, name: &str) -> String {
        let tags = self.0.split(';').filter_map(|tag| tag.split_once('='));
        let found = tags.into_iter().find(|(tag, _)| tag.trim() == name);
        found.map(|(_, value)| value.split_whitespace().collect()).unwrap_or_default()
    }
}

/// Whether two domains are of one owner, as far as can be told without a list of suffixes.
fn aligned(signer: &str, author: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_suffix(outer).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    signer.contains('.') && (within(signer, author) || within(author, signer))
}

fn signature(tags: &Tags<'_>, signer: &str) -> Check {
    const ID: &str = "message.signature";
    let title = format!("Signature of {signer}");
    let covered = tags.value("h").to_ascii_lowercase();
    let covers_from = covered.split(':').any(|name| name == "from");
    let algorithm = tags.value("a");
    let check = if !covers_from {
        Check::wrong(ID, title, "it does not cover From")
            .means("Such a signature is void.")
            .mend("Have the signer cover From, To, Subject and Date.")
    } else if algorithm.eq_ignore_ascii_case("rsa-sha1") {
        Check::wrong(ID, title, "it is made with SHA-1")
            .means("Nobody accepts SHA-1 any more.")
            .mend("Have the signer use rsa-sha256 or ed25519-sha256.")
    } else if !tags.value("l").is_empty() {
        Check::warning(ID, title, "it covers a part of the body alone (l=)")
            .means("Anybody may add to the message; many count such a signature for nothing.")
            .mend("Have the signer leave l= out.")
    } else {
        let found = format!("{algorithm}, {}", tags.value("c"));
        Check::right(ID, title, found.trim_end_matches([',', ' ']).to_owned())
    };
    check.tried("its DKIM-Signature field")
}

async fn key(world: &World, tags: &Tags<'_>, signer: &str) -> Check {
    const ID: &str = "message.key";
    let name = format!("{}._domainkey.{signer}", tags.value("s"));
    let title = format!("Key {name}");
    let check = match world.resolver.txt(&name).await {
        Answer::Found(texts) => {
            let joined: Vec<String> = texts
                .iter()
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .filter(|text| text.contains("p="))
                .collect();
            match joined.as_slice() {
                [] => Check::wrong(ID, title, "a record that is no key")
                    .means("The signature cannot be checked, and counts for nothing.")
                    .mend("Publish the key that the signer has."),
                [only] if Tags(only).value("p").is_empty() => {
                    Check::wrong(ID, title, "it was taken back (p= is empty)")
                        .means("The signature counts for nothing.")
                        .mend("Sign with a key that is published.")
                }
                [_] => Check::right(ID, title, "it is there"),
                _ => Check::warning(ID, title, "there are several")
                    .means("Which one is taken is left to chance.")
                    .mend("Publish one key a selector."),
            }
        }
        Answer::NoSuchDomain | Answer::NoData => Check::wrong(ID, title, "it is not in the DNS")
            .means("The signature cannot be checked, and counts for nothing.")
            .mend("Publish the key, or sign with one that is; old messages outlive their keys."),
        Answer::Temporary(why) => {
            Check::unknown(ID, title, format!("the DNS gives no answer: {why}"))
        }
    };
    check.tried("the TXT record")
}
