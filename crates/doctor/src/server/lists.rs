//! Blocklists: each is tested by its own entries first, so that one that is dead, refuses the
//! question or lists everybody raises no false alarm.
//!
//! Source: RFC 5782 sections 2.1, 2.4 and 5; 127.255.255.x and 127.0.1.255 are errors, not
//! listings.

use std::net::{IpAddr, Ipv4Addr};

use mailwright_net::dns::Answer;

use super::Subject;
use crate::{Check, Section, world::World};

/// Addresses and domains that are looked up in each list.
const ASKED_MAX: usize = 20;

pub(super) async fn examine(world: &World, subject: &Subject, addresses: &[IpAddr]) -> Section {
    let mut section = Section::new("blocklists");
    for list in &subject.settings.address_lists {
        section.checks.extend(of_addresses(world, list, addresses).await);
    }
    let mut domains: Vec<&str> = subject.domains.iter().map(String::as_str).collect();
    domains.push(&subject.hostname);
    domains.retain(|domain| domain.contains('.'));
    for list in &subject.settings.domain_lists {
        section.checks.extend(of_domains(world, list, &domains).await);
    }
    section
}

async fn of_addresses(world: &World, list: &str, addresses: &[IpAddr]) -> Vec<Check> {
    let tests = (format!("2.0.0.127.{list}"), format!("1.0.0.127.{list}"));
    if let Err(check) = sound(world, list, &tests).await {
        return vec![check];
    }
    if addresses.is_empty() {
        return vec![
            Check::unknown("list.address", list, "no address to look up")
                .tried("the addresses of the host's name, and those it sends from")
                .means("The host's name has no public address, and none is set to send from.")
                .mend("Set `relay.source_ipv4`, or give the name its address."),
        ];
    }
    let mut checks = Vec::new();
    for address in addresses.iter().take(ASKED_MAX) {
        let asked = format!("{}.{list}", reversed(*address));
        checks.push(look(world, list, &asked, &address.to_string()).await);
    }
    checks
}

async fn of_domains(world: &World, list: &str, domains: &[&str]) -> Vec<Check> {
    // The entry of the RFC, and the one of a large list that has its own.
    let mut result = Ok(());
    for test in ["test", "dbltest.com"] {
        let tests = (format!("{test}.{list}"), format!("invalid.{list}"));
        result = sound(world, list, &tests).await;
        if result.is_ok() {
            break;
        }
    }
    if let Err(check) = result {
        return vec![check];
    }
    let mut checks = Vec::new();
    for domain in domains.iter().take(ASKED_MAX) {
        checks.push(look(world, list, &format!("{domain}.{list}"), domain).await);
    }
    checks
}

/// What a list says of a name.
enum Word {
    Listed(Vec<Ipv4Addr>),
    Not,
    /// An answer that is about the question.
    Refused(Ipv4Addr),
    Silent(String),
}

async fn ask(world: &World, name: &str) -> Word {
    match world.resolver.addresses(name).await {
        Answer::NoSuchDomain | Answer::NoData => Word::Not,
        Answer::Temporary(why) => Word::Silent(why),
        Answer::Found(found) => {
            let codes: Vec<Ipv4Addr> = found
                .into_iter()
                .filter_map(|address| match address {
                    IpAddr::V4(four) if four.octets().first() == Some(&127) => Some(four),
                    _ => None,
                })
                .collect();
            match codes.iter().find(|code| is_error(**code)) {
                Some(code) => Word::Refused(*code),
                None if codes.is_empty() => Word::Not,
                None => Word::Listed(codes),
            }
        }
    }
}

fn is_error(code: Ipv4Addr) -> bool {
    matches!(code.octets(), [127, 255, 255, _] | [127, 0, 1, 255])
}

/// Whether a list knows its own test entry, and not everybody.
async fn sound(world: &World, list: &str, tests: &(String, String)) -> Result<(), Check> {
    let (listed, free) = tokio::join!(ask(world, &tests.0), ask(world, &tests.1));
    let found = match (listed, free) {
        (Word::Refused(code), _) | (_, Word::Refused(code)) => {
            format!("it refuses the question ({code})")
        }
        (Word::Silent(why), _) => format!("it gives no answer: {why}"),
        (Word::Not, _) => "it does not know its own test entry".to_owned(),
        (_, Word::Listed(_)) => "it lists everything".to_owned(),
        (Word::Listed(_), _) => return Ok(()),
    };
    Err(Check::unknown("list.sound", list, found)
        .tried(format!("{} and {}", tests.0, tests.1))
        .means("Nothing this list says about you can be relied on now, good or bad.")
        .mend(
            "Ask it through a resolver of your own: large lists refuse public ones. If it was \
             given up, take it out of `doctor.address_lists` or `doctor.domain_lists`.",
        ))
}

async fn look(world: &World, list: &str, asked: &str, who: &str) -> Check {
    let title = format!("{who} at {list}");
    let check = match ask(world, asked).await {
        Word::Not => Check::right("list.entry", title, "not listed"),
        Word::Listed(codes) => {
            let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
            let reason = match world.resolver.txt(asked).await {
                Answer::Found(texts) => {
                    texts.first().map(|text| String::from_utf8_lossy(text).into_owned())
                }
                _ => None,
            };
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            Check::wrong("list.entry", title, format!("listed ({}){reason}", codes.join(", ")))
                .means("Servers that use this list refuse your mail, or take it for spam.")
                .mend(
                    "Find what was sent and stop it; then ask for removal where the list says. \
                     Asking first brings the entry back.",
                )
        }
        Word::Refused(code) => {
            Check::unknown("list.entry", title, format!("it refuses the question ({code})"))
                .means("It is no listing: the list answers nobody who asks this way.")
                .mend("Ask it through a resolver of your own, or as its terms say.")
        }
        Word::Silent(why) => {
            Check::unknown("list.entry", title, format!("it gives no answer: {why}"))
                .means("Whether it lists you cannot be known now.")
                .mend("Try again later.")
        }
    };
    check.tried(asked)
}

/// An address as lists have it. Source: RFC 5782 sections 2.1 and 2.4.
fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(six) => {
            let nibbles = six.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_turned_around() {
        assert_eq!(reversed("192.0.2.99".parse().unwrap()), "99.2.0.192");
        assert_eq!(
            reversed("2001:db8:1:2:3:4:567:89ab".parse().unwrap()),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
        );
    }

    #[test]
    fn answers_about_the_question_are_no_listings() {
        for (code, error) in [
            ("127.0.0.2", false),
            ("127.0.1.2", false),
            ("127.255.255.252", true),
            ("127.255.255.254", true),
            ("127.0.1.255", true),
        ] {
            assert_eq!(is_error(code.parse().unwrap()), error, "{code}");
        }
    }
}
