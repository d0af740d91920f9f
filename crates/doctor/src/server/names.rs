//! Names: the resolver itself, the host's name and back, the domains' MX.

use std::net::IpAddr;

use mailwright_net::{
    dns::Answer,
    egress::address::{Closed, public},
};

use super::Subject;
use crate::{Check, Section, reach::is_blind, world::World};

/// Domains whose MX is looked at.
const DOMAINS_MAX: usize = 20;
/// Addresses of the host that are looked at.
const ADDRESSES_MAX: usize = 6;
/// Names of a list that are told.
const TOLD_MAX: usize = 5;
/// A name that cannot exist. Source: RFC 6761 section 6.4.
const NOBODY: &str = "mailwright-doctor-asks.invalid";

/// What names came to.
pub(super) struct Names {
    pub(super) section: Section,
    /// The addresses of the host that others reach.
    pub(super) addresses: Vec<IpAddr>,
}

pub(super) async fn examine(world: &World, subject: &Subject) -> Names {
    let mut section = Section::new("names");
    let (lying, bogus) = tokio::join!(liar(world, subject), dnssec(world, subject));
    section.push(lying);
    section.push(bogus);
    let mut addresses = Vec::new();
    if subject.is_public() && subject.hostname.contains('.') {
        let (found, check) = own(world, subject).await;
        section.push(check);
        for address in subject.sources.iter().chain(&found) {
            if is_public(*address) && !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        // Whoever sends through another host is judged by that one's name.
        let seen = if subject.smarthost.is_some() { 0 } else { ADDRESSES_MAX };
        for address in addresses.iter().take(seen) {
            section.push(back(world, *address, &subject.hostname).await);
        }
        for domain in subject.domains.iter().filter(|domain| domain.contains('.')).take(DOMAINS_MAX)
        {
            section.push(mx(world, domain, &subject.hostname, &found).await);
        }
    }
    Names { section, addresses }
}

/// Whether others can have reached this address at all.
fn is_public(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let closed = public(address).err();
    let is_inner = matches!(
        closed,
        Some(Closed::Loopback | Closed::Private | Closed::Shared | Closed::LinkLocal)
    );
    !is_inner && !address.is_unspecified()
}

/// Whether the resolver answers, and says no where there is nothing.
async fn liar(world: &World, subject: &Subject) -> Check {
    const ID: &str = "resolver.answers";
    const TITLE: &str = "Resolver";
    let check = match world.resolver.addresses(NOBODY).await {
        Answer::NoSuchDomain if is_blind(world, &subject.settings.bogus_name).await => {
            Check::wrong(ID, TITLE, "it says of everything that it is not there, even of `com`")
                .means("No mail goes out: every domain seems not to exist, and mail comes back.")
                .mend("Set `dns.servers` to a resolver that knows the Internet's names.")
        }
        Answer::NoSuchDomain => Check::right(
            ID,
            TITLE,
            "it answers, and says no where there is \
                                        nothing",
        ),
        Answer::NoData => Check::right(ID, TITLE, "it answers"),
        Answer::Found(addresses) => {
            let first = addresses.first().map(ToString::to_string).unwrap_or_default();
            Check::wrong(ID, TITLE, format!("it answers {first} for a name that cannot exist"))
                .means(
                    "Some providers lead every mistyped name to a page of theirs. Mail to domains \
                     that do not exist then goes there, and every address looks listed.",
                )
                .mend("Use a resolver of your own, such as unbound, and set `dns.servers`.")
        }
        // Some give no answer to names that cannot exist, and to others do.
        Answer::Temporary(why) if knows_another(world, subject).await => {
            Check::unknown(ID, TITLE, format!("it answers, but not for such a name: {why}"))
                .means("Whether it says no where there is nothing cannot be tried.")
                .mend("Nothing, if mail to mistyped domains comes back at once.")
        }
        Answer::Temporary(why) => Check::wrong(ID, TITLE, format!("it gives no answer: {why}"))
            .means("No mail goes out: no domain can be looked up.")
            .mend("Look at /etc/resolv.conf, or at `dns.servers`, and try one with `dig`."),
    };
    check.tried(format!("the address of {NOBODY}"))
}

/// Whether anything at all can be looked up.
async fn knows_another(world: &World, subject: &Subject) -> bool {
    let name = control(&subject.settings.bogus_name);
    !matches!(world.resolver.addresses(name).await, Answer::Temporary(_))
}

/// The name above the one that is wrong on purpose.
fn control(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, parent)| parent)
}

/// Whether a wrong signature is found out.
async fn dnssec(world: &World, subject: &Subject) -> Check {
    const ID: &str = "resolver.dnssec";
    const TITLE: &str = "DNSSEC";
    let name = &subject.settings.bogus_name;
    let control = control(name);
    let tried = format!("{name}, whose signature is wrong on purpose, and {control}");
    let (bogus, sound) =
        tokio::join!(world.resolver.addresses(name), world.resolver.addresses(control));
    let check = match (bogus, sound) {
        (Answer::Temporary(_), Answer::Temporary(why)) => {
            Check::unknown(ID, TITLE, format!("nothing can be looked up: {why}"))
                .means("Without answers, signatures cannot be judged.")
                .mend("See the check of the resolver.")
        }
        (Answer::Temporary(_), _) => Check::right(ID, TITLE, "a wrong signature is found out"),
        (Answer::Found(_), _) if subject.checks_dnssec => {
            Check::wrong(ID, TITLE, "a wrong signature is taken, though `dns.dnssec` is on")
                .means("DANE is worth nothing: whoever can forge the DNS can forge certificates.")
                .mend("Use a resolver that passes signatures on; some strip them.")
        }
        (Answer::Found(_), _) => Check::right(ID, TITLE, "signatures are not checked (dns.dnssec)"),
        (Answer::NoSuchDomain | Answer::NoData, _) => {
            Check::unknown(ID, TITLE, format!("{name} is not there"))
                .means("Whether wrong signatures are found out cannot be tried without it.")
                .mend("Set `doctor.bogus_name` to a name whose signature is wrong.")
        }
    };
    check.tried(tried)
}

/// The addresses of the host's own name.
async fn own(world: &World, subject: &Subject) -> (Vec<IpAddr>, Check) {
    let (found, check) = crate::reach::addresses(world, &subject.hostname).await;
    (found, Check { id: "server.address", title: "Address of the host".to_owned(), ..check })
}

/// The name of an address, and whether it leads back. Source: RFC 1912 section 2.1.
async fn back(world: &World, address: IpAddr, hostname: &str) -> Check {
    const ID: &str = "server.ptr";
    let title = format!("Name of {address}");
    let mend = format!(
        "Whoever gave you the address sets its PTR record to {hostname}; the name has to have the \
         address, too."
    );
    let means = "Many servers refuse mail from an address whose name does not lead back to it, \
                 Gmail and Microsoft among them.";
    let check = match world.resolver.ptr(address).await {
        Answer::Found(names) => {
            let list = few(&names);
            if names.iter().any(|name| name.eq_ignore_ascii_case(hostname)) {
                Check::right(ID, title, list)
            } else if leads_back(world, &names, address).await {
                Check::warning(ID, title, format!("{list}, while EHLO says {hostname}"))
                    .means("Most servers take it; some want both names to be the same.")
                    .mend(mend)
            } else {
                Check::wrong(ID, title, format!("{list}, which does not lead back"))
                    .means(means)
                    .mend(mend)
            }
        }
        Answer::NoSuchDomain | Answer::NoData => {
            Check::wrong(ID, title, "it has none").means(means).mend(mend)
        }
        Answer::Temporary(why) => Check::unknown(
            ID,
            title,
            format!(
                "the DNS gives no answer: \
                                        {why}"
            ),
        )
        .means("The name servers of the address's owner failed; to others it has no name, too.")
        .mend("Try again later; if it stays so, tell whoever gave you the address."),
    };
    check.tried(format!("the PTR record of {address}"))
}

/// The first of a list, as whoever wrote it may have written many.
fn few(names: &[String]) -> String {
    let more = names.len().saturating_sub(TOLD_MAX);
    let first = names.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

async fn leads_back(world: &World, names: &[String], address: IpAddr) -> bool {
    for name in names.iter().take(3) {
        if let Answer::Found(found) = world.resolver.addresses(name).await
            && found.contains(&address)
        {
            return true;
        }
    }
    false
}

/// Whether the mail of a domain of ours comes here.
async fn mx(world: &World, domain: &str, hostname: &str, own: &[IpAddr]) -> Check {
    const ID: &str = "domain.mx";
    let title = format!("MX of {domain}");
    let mend = format!("Add `{domain}. MX 10 {hostname}.` to its zone.");
    let check = match world.resolver.mx(domain).await {
        Answer::Found(mut records) => {
            records.sort();
            let list: Vec<String> = records
                .iter()
                .map(|(rank, host)| {
                    format!(
                        "{rank} \
                                        {host}"
                    )
                })
                .collect();
            let found = few(&list);
            if leads_here(world, &records, hostname, own).await {
                Check::right(ID, title, found)
            } else {
                Check::warning(ID, title, format!("{found}; none of them is this host"))
                    .means(
                        "Mail for this domain goes elsewhere; it may be meant so, as with a \
                            filter.",
                    )
                    .mend(mend)
            }
        }
        Answer::NoData => Check::warning(ID, title, "there is none")
            .means("Servers then try the address of the domain itself.")
            .mend(mend),
        Answer::NoSuchDomain => Check::wrong(ID, title, "the domain does not exist")
            .means("Nobody can send to it, and mail from it is refused.")
            .mend("Register it, or take it out with `mailwright domain remove`."),
        Answer::Temporary(why) => Check::unknown(
            ID,
            title,
            format!(
                "the DNS gives no answer: \
                                        {why}"
            ),
        )
        .means("The name servers of the domain failed.")
        .mend("Look at them; mail to the domain waits meanwhile."),
    };
    check.tried(format!("the MX records of {domain}"))
}

async fn leads_here(
    world: &World,
    records: &[(u16, String)],
    hostname: &str,
    own: &[IpAddr],
) -> bool {
    for (_, host) in records.iter().take(5) {
        if host.eq_ignore_ascii_case(hostname) {
            return true;
        }
        if let Answer::Found(found) = world.resolver.addresses(host).await
            && found.iter().any(|address| own.contains(address))
        {
            return true;
        }
    }
    false
}
