//! Where the mail of a domain goes.
//!
//! Source: RFC 5321 section 5.1, RFC 2181 section 10.3, RFC 7505.

use std::{collections::HashSet, net::IpAddr};

use mailwright_net::{
    dns::{Answer, Signed},
    egress::address::{Closed, public},
};

use super::Exchange;
use crate::{
    Check, Section, Verdict,
    reach::{blind, is_blind},
    world::World,
};

/// Hosts that are looked at.
const HOSTS_MAX: usize = 10;

/// What was found of the way to a domain.
pub(super) struct Road {
    pub(super) section: Section,
    pub(super) hosts: Vec<Exchange>,
    /// Whether the domain is there.
    pub(super) exists: bool,
    /// Whether the DNS answers for it at all.
    pub(super) is_known: bool,
    /// Whether it takes mail at all.
    pub(super) takes_mail: bool,
}

const ID: &str = "mx.records";
const TITLE: &str = "MX";

pub(super) async fn examine(world: &World, domain: &str) -> Road {
    let tried = format!("the MX records of {domain}");
    let mut road = Road {
        section: Section::new("where its mail goes"),
        hosts: Vec::new(),
        exists: true,
        is_known: true,
        takes_mail: false,
    };
    let records = match world.resolver.signed_mx(domain).await {
        Answer::Found(records) => records,
        Answer::NoData => return without(world, domain, road).await,
        Answer::NoSuchDomain if is_blind(world, domain).await => {
            (road.exists, road.is_known) = (false, false);
            road.section.push(blind(ID, TITLE).tried(tried));
            return road;
        }
        Answer::NoSuchDomain => {
            road.exists = false;
            road.section.push(
                Check::wrong(ID, TITLE, "there is no such domain")
                    .tried(tried)
                    .means("No mail can go there, and mail that comes from there is refused.")
                    .mend("Look at the spelling; if it is yours, see that it is registered."),
            );
            return road;
        }
        Answer::Temporary(why) => {
            (road.exists, road.is_known) = (false, false);
            road.section.push(
                Check::unknown(ID, TITLE, format!("no answer: {why}"))
                    .tried(tried)
                    .means("The resolver here failed, or the domain's name servers or signatures.")
                    .mend(
                        "`mailwright doctor` looks at the resolver; if it is sound, theirs is not.",
                    ),
            );
            return road;
        }
    };
    let Signed { mut records, secure, .. } = records;
    records.sort();
    let (check, names) = read(&records, secure);
    road.section.push(check.tried(tried));
    road.section.checks.extend(double(&records));
    road.takes_mail = !names.is_empty();
    let mut looks = Vec::new();
    for name in names.into_iter().take(HOSTS_MAX) {
        looks.push(host(world, name, secure).await);
    }
    let any_good = looks.iter().any(|(_, exchange)| exchange.is_some());
    for (mut check, exchange) in looks {
        if any_good && check.verdict == Verdict::Wrong {
            // Others take the mail.
            check.verdict = Verdict::Warning;
        }
        road.section.push(check);
        road.hosts.extend(exchange);
    }
    road
}

/// A domain without MX records is its own host.
async fn without(world: &World, domain: &str, mut road: Road) -> Road {
    let tried = format!("the MX records of {domain}, then its own addresses");
    let check = match world.resolver.addresses(domain).await {
        Answer::Found(addresses) => {
            let check = Check::warning(ID, TITLE, "none; mail goes to the domain's own address")
                .means("Senders fall back to that, and some do not: often it is a web server's.")
                .mend("Add an MX record that names the mail server; `0 .` if it takes no mail.");
            road.takes_mail = true;
            road.hosts.push(Exchange { name: domain.to_owned(), addresses, secure: false });
            check
        }
        Answer::NoSuchDomain | Answer::NoData => {
            Check::warning(ID, TITLE, "none, and the domain has no address")
                .means("No mail can go there, and receivers refuse what seems to come from there.")
                .mend("Add an MX record; `0 .` says that the domain takes no mail on purpose.")
        }
        Answer::Temporary(why) => {
            Check::unknown(ID, TITLE, format!("none; whether it has an address: {why}"))
                .means("The resolver here failed, or the domain's name servers.")
                .mend("Try again later.")
        }
    };
    road.section.push(check.tried(tried));
    road
}

/// What the records say, and the hosts that can be gone to.
fn read(records: &[(u16, String)], secure: bool) -> (Check, Vec<String>) {
    let list: Vec<String> = records.iter().map(|(rank, host)| format!("{rank} {host}")).collect();
    let list = list.join(", ");
    let is_null = |(_, host): &(u16, String)| host == ".";
    if records.iter().all(is_null) {
        let found = "a null MX: it takes no mail, and says so";
        return (Check::right(ID, TITLE, found), Vec::new());
    }
    let mut seen = HashSet::new();
    let names = records.iter().map(|(_, host)| host).filter(|host| seen.insert(host.as_str()));
    let (addresses, names): (Vec<_>, Vec<_>) =
        names.filter(|host| *host != ".").cloned().partition(|host| host.parse::<IpAddr>().is_ok());
    let check = if records.iter().any(is_null) {
        Check::wrong(ID, TITLE, format!("{list}: a null MX among others"))
            .means("It says that the domain takes no mail; what senders make of both is open.")
            .mend("Take the record with `.` away, or all others.")
    } else if addresses.is_empty() {
        let signed = if secure { "; signed" } else { "" };
        Check::right(ID, TITLE, format!("{list}{signed}"))
    } else {
        Check::wrong(ID, TITLE, format!("{list}: an address in place of a name"))
            .means("An MX record names a host; senders look the address up as a name, in vain.")
            .mend("Give the host a name, and name that.")
    };
    (check, names)
}

/// The same host twice.
fn double(records: &[(u16, String)]) -> Option<Check> {
    let mut seen = HashSet::new();
    let (_, twice) = records.iter().find(|(_, host)| !seen.insert(host.to_ascii_lowercase()))?;
    Some(
        Check::warning("mx.double", TITLE, format!("{twice} is there twice"))
            .tried("whether each host is named once")
            .means("It is no second host: when it is down, senders try it again in vain.")
            .mend("Take one of the records away."),
    )
}

/// One host, and where it is.
async fn host(world: &World, name: String, secure: bool) -> (Check, Option<Exchange>) {
    const ID: &str = "mx.host";
    let tried = format!("the DNS for AAAA and A of {name}");
    let (check, found) = match world.resolver.signed_addresses(&name).await {
        Answer::Found(Signed { records, secure, canonical, .. }) => {
            let check = placed(&name, &records, canonical);
            (check, Some((records, secure)))
        }
        Answer::NoSuchDomain | Answer::NoData => {
            let check = Check::wrong(ID, name.clone(), "it has no address")
                .means("Nobody can connect to it; senders go to the next host, or wait.")
                .mend("Add its A or AAAA record, or take it out of the MX records.");
            (check, None)
        }
        Answer::Temporary(why) => {
            let check = Check::unknown(ID, name.clone(), format!("no answer: {why}"))
                .means("The resolver here failed, or the name servers of that host.")
                .mend("Try again later; mail waits in the meantime.");
            (check, None)
        }
    };
    let exchange =
        found.map(|(addresses, signed)| Exchange { name, addresses, secure: secure && signed });
    (check.tried(tried), exchange)
}

fn placed(name: &str, addresses: &[IpAddr], canonical: Option<String>) -> Check {
    const ID: &str = "mx.host";
    let told: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let told = told.join(", ");
    if let Some(canonical) = canonical {
        return Check::warning(ID, name, format!("an alias of {canonical}: {told}"))
            .means(
                "An MX record is not to name an alias: some servers do not follow it, and TLS \
                    and DANE then ask for two names.",
            )
            .mend(format!("Name {canonical} in the MX record, or give {name} its own addresses."));
    }
    let closed = addresses.iter().find_map(|address| Some((address, public(*address).err()?)));
    match closed {
        Some((address, Closed::Loopback)) => {
            Check::warning(ID, name, format!("{told}: {address} is everybody's own machine"))
                .means("Whoever sends there connects to itself.")
                .mend("Set the address that others reach it at.")
        }
        Some((address, Closed::Private | Closed::Shared | Closed::LinkLocal)) => {
            Check::unknown(ID, name, format!("{told}: {address} is of a private network"))
                .means("Others cannot reach it; unless they are told another address than we are.")
                .mend("Ask a resolver outside of this network what it says.")
        }
        _ if addresses.iter().all(IpAddr::is_ipv4) => {
            Check::right(ID, name, format!("{told}; none of IPv6"))
        }
        _ => Check::right(ID, name, told),
    }
}
