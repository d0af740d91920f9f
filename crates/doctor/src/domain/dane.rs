//! TLSA records of the hosts: whether senders can go by them, and whether the hosts match.
//!
//! Source: RFC 7672 sections 2 and 3, RFC 7671 section 8.

use mailwright_net::{
    dns::{Answer, Tlsa},
    tls::Pins,
};

use super::Exchange;
use crate::{Check, world::World};

/// Usage: the server itself.
const SERVER: u8 = 3;

/// The records of one host.
pub(super) struct Pinned {
    pub(super) host: String,
    pub(super) checks: Vec<Check>,
    /// Those that senders go by, where there are some.
    pub(super) records: Vec<Tlsa>,
}

pub(super) async fn examine(world: &World, hosts: &[Exchange]) -> Vec<Pinned> {
    let mut all = Vec::new();
    for host in hosts {
        all.push(one(world, host).await);
    }
    all
}

async fn one(world: &World, host: &Exchange) -> Pinned {
    const ID: &str = "dane.records";
    let name = format!("_25._tcp.{}", host.name);
    let title = format!("DANE of {}", host.name);
    let mut pinned = Pinned { host: host.name.clone(), checks: Vec::new(), records: Vec::new() };
    let check = match world.resolver.tlsa(&name).await {
        Answer::NoData | Answer::NoSuchDomain => Check::right(ID, title, "none"),
        Answer::Temporary(why) => Check::unknown(ID, title, format!("no answer: {why}"))
            .means("Careful senders send nothing to a host whose TLSA records cannot be had.")
            .mend("If it stays so from elsewhere, the name servers or signatures are broken."),
        Answer::Found(found) => {
            let told: Vec<String> = found.records.iter().map(short).collect();
            let told = told.join(", ");
            if Pins::new(found.records.clone(), Vec::new()).is_none() {
                Check::wrong(ID, title, format!("{told}: none that is for mail"))
                    .means("Only usages 3 and 2 count for mail, with a digest of the right length.")
                    .mend("Set `3 1 1` and the SHA-256 of the host's key.")
            } else if !found.secure || !host.secure {
                unsigned(title, &told)
            } else {
                pinned.records = found.records;
                Check::right(ID, title, told)
            }
        }
    };
    pinned.checks.push(check.tried(format!("the TLSA records of {name}")));
    pinned
}

/// Without signatures nobody goes by them; whether there are some is for a resolver to say that
/// looks at them.
fn unsigned(title: String, told: &str) -> Check {
    Check::unknown("dane.records", title, format!("{told}; not known to be signed"))
        .means(
            "They count only where DNSSEC signs them, the addresses and the MX records. This \
             program checks signatures where `dns.dnssec` is on.",
        )
        .mend("If it is on, the zone is not signed: sign it, or take the records out.")
}

/// Usage, selector, matching, and the first octets.
fn short(record: &Tlsa) -> String {
    let text = record.to_string();
    match text.char_indices().nth(18) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Whether what a host shows is what its records say. `chain` is in DER, its own first.
pub(super) fn matched(pinned: &Pinned, chain: &[Vec<u8>]) -> Option<Check> {
    const ID: &str = "dane.match";
    let pins = |records: Vec<Tlsa>| Pins::new(records, Vec::new());
    let own = chain.first()?;
    let of_server: Vec<Tlsa> =
        pinned.records.iter().filter(|one| one.usage == SERVER).cloned().collect();
    // Those of an authority are looked for in all of the chain.
    let of_authority = pinned.records.iter().filter(|one| one.usage != SERVER);
    let of_authority: Vec<Tlsa> =
        of_authority.map(|one| Tlsa { usage: SERVER, ..one.clone() }).collect();
    let count = of_server.len() + of_authority.len();
    if count == 0 {
        return None;
    }
    let hit = pins(of_server).is_some_and(|pins| pins.server(own).is_some())
        || pins(of_authority)
            .is_some_and(|pins| chain.iter().any(|shown| pins.server(shown).is_some()));
    let title = format!("DANE of {}", pinned.host);
    let check = if hit {
        let next = if count == 1 { "; no record waits for the next key" } else { "" };
        Check::right(ID, title, format!("the certificate matches{next}"))
    } else {
        Check::wrong(ID, title, "no record matches the certificate that the host shows")
            .means("Senders that go by DANE send it nothing; their mail waits, then comes back.")
            .mend(
                "Set the record of the present key now. For the next one: publish its record, wait \
                 for the time to live, then change the key.",
            )
    };
    Some(check.tried("the certificate on port 25 against the TLSA records"))
}
