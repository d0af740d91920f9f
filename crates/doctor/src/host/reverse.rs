//! The name of a host's address, and whether it leads back.
//!
//! A host that only takes mail needs none: whether it sends from that address, too, cannot be known
//! from here. What it calls itself may be another name, as with large providers.
//! Source: RFC 8601 section 3, RFC 1912 section 2.1.

use std::net::IpAddr;

use mailwright_net::{
    dns::Answer,
    egress::address::{Closed, public},
};

use crate::{Check, world::World};

/// Names of an address that are looked at.
const NAMES_MAX: usize = 10;

/// The check of one address; none where nobody else sees it. `said` is what the host calls itself.
pub(super) async fn check(world: &World, address: IpAddr, said: Option<&str>) -> Option<Check> {
    const ID: &str = "smtp.reverse";
    let title = format!("Name of {address}");
    let closed = public(address).err();
    if matches!(
        closed,
        Some(Closed::Loopback | Closed::Private | Closed::Shared | Closed::LinkLocal)
    ) {
        return None;
    }
    let names = match world.resolver.ptr(address).await {
        Answer::Found(names) => names,
        Answer::NoData | Answer::NoSuchDomain => Vec::new(),
        Answer::Temporary(why) => {
            return Some(
                Check::unknown(ID, title, format!("no answer: {why}"))
                    .tried(format!("the PTR record of {address}"))
                    .means("The resolver here failed, or the name servers of the network.")
                    .mend("Try again later."),
            );
        }
    };
    let mut back = None;
    for name in names.iter().take(NAMES_MAX) {
        if let Answer::Found(found) = world.resolver.addresses(name).await
            && found.contains(&address)
        {
            back = Some(name);
            break;
        }
    }
    let check = match (back, names.first()) {
        (Some(name), _) => Check::right(ID, title, told(name, said)),
        (None, None) => lacking(title, "none".to_owned()),
        (None, Some(name)) => lacking(title, format!("{name}, which does not lead back")),
    };
    Some(check.tried(format!("the PTR record of {address}, and the addresses of the name")))
}

fn told(name: &str, said: Option<&str>) -> String {
    match said {
        Some(said) if !said.eq_ignore_ascii_case(name) => {
            format!("{name}, which leads back; the host calls itself {said}")
        }
        _ => format!("{name}, which leads back"),
    }
}

fn lacking(title: String, found: String) -> Check {
    Check::unknown("smtp.reverse", title, found)
        .means(
            "Whether the host sends from this address cannot be known from here; if so, large \
             receivers refuse what it sends, by IPv6 above all.",
        )
        .mend("Have whoever runs the network set the PTR record to the host's name.")
}
