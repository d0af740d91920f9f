//! Blocklists: each is tested by its own entries first, so that one that is dead, refuses the
//! question or lists everybody raises no false alarm.
//!
//! Source: RFC 5782.

use std::net::IpAddr;

use mailwright_net::dns::list::{self, ListKind, ListWord, Unsound};

use super::Subject;
use crate::{Check, Section, world::World};

/// Addresses and domains that are looked up in each list.
const ASKED_MAX: usize = 20;

pub(super) async fn examine(world: &World, subject: &Subject, addresses: &[IpAddr]) -> Section {
    let mut domains: Vec<&str> = subject.domains.iter().map(String::as_str).collect();
    domains.push(&subject.hostname);
    domains.retain(|domain| domain.contains('.'));
    let settings = &subject.settings;
    listed(world, (&settings.address_lists, &settings.domain_lists), addresses, &domains).await
}

/// Whether addresses and domains are on lists of each kind.
pub(crate) async fn listed(
    world: &World,
    (address_lists, domain_lists): (&[String], &[String]),
    addresses: &[IpAddr],
    domains: &[&str],
) -> Section {
    let mut section = Section::new("blocklists");
    for list in address_lists {
        section.checks.extend(of_addresses(world, list, addresses).await);
    }
    for list in domain_lists {
        section.checks.extend(of_domains(world, list, domains).await);
    }
    section
}

async fn of_addresses(world: &World, zone: &str, addresses: &[IpAddr]) -> Vec<Check> {
    if let Err(check) = sound(world, zone, ListKind::Addresses).await {
        return vec![check];
    }
    if addresses.is_empty() {
        return vec![
            Check::unknown("list.address", zone, "no address to look up")
                .tried("the addresses of the host's name, and those it sends from")
                .means("The host's name has no public address, and none is set to send from.")
                .mend("Set `relay.source_ipv4`, or give the name its address."),
        ];
    }
    let mut checks = Vec::new();
    for address in addresses.iter().take(ASKED_MAX) {
        let asked = list::of_address(*address, zone);
        checks.push(look(world, zone, &asked, &address.to_string()).await);
    }
    checks
}

async fn of_domains(world: &World, zone: &str, domains: &[&str]) -> Vec<Check> {
    if let Err(check) = sound(world, zone, ListKind::Domains).await {
        return vec![check];
    }
    let mut checks = Vec::new();
    for domain in domains.iter().take(ASKED_MAX) {
        checks.push(look(world, zone, &format!("{domain}.{zone}"), domain).await);
    }
    checks
}

/// Whether a list knows its own test entry, and not everybody.
async fn sound(world: &World, zone: &str, kind: ListKind) -> Result<(), Check> {
    list::sound(&*world.resolver, zone, kind).await.map_err(|Unsound { tried, why }| {
        Check::unknown("list.sound", zone, why)
            .tried(tried)
            .means("Nothing this list says about you can be relied on now, good or bad.")
            .mend(
                "Ask it through a resolver of your own: large lists refuse public ones. If it was \
                 given up, take it out of `doctor.address_lists` or `doctor.domain_lists`.",
            )
    })
}

async fn look(world: &World, zone: &str, asked: &str, who: &str) -> Check {
    let title = format!("{who} at {zone}");
    let check = match list::ask(&*world.resolver, asked).await {
        ListWord::Free => Check::right("list.entry", title, "not listed"),
        ListWord::Listed(codes) => {
            let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
            let reason = list::reason(&*world.resolver, asked).await;
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            Check::wrong("list.entry", title, format!("listed ({}){reason}", codes.join(", ")))
                .means("Servers that use this list refuse your mail, or take it for spam.")
                .mend(
                    "Find what was sent and stop it; then ask for removal where the list says. \
                     Asking first brings the entry back.",
                )
        }
        ListWord::Refused(code) => {
            Check::unknown("list.entry", title, format!("it refuses the question ({code})"))
                .means("It is no listing: the list answers nobody who asks this way.")
                .mend("Ask it through a resolver of your own, or as its terms say.")
        }
        ListWord::Silent(why) => {
            Check::unknown("list.entry", title, format!("it gives no answer: {why}"))
                .means("Whether it lists you cannot be known now.")
                .mend("Try again later.")
        }
    };
    check.tried(asked)
}
