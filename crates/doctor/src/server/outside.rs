//! Whether mail can leave: port 25 of other people's servers, or the smarthost.

use std::net::SocketAddr;

use mailwright_net::dns::Answer;
use tokio::{io::AsyncReadExt as _, time::timeout};

use super::Subject;
use crate::{
    Check, Section,
    reach::{Reach, addresses, reach},
    world::World,
};

/// Domains that are tried.
const DOMAINS_MAX: usize = 5;
/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;
/// Octets of a greeting that are read.
const GREETING_BYTES: usize = 512;

pub(super) async fn examine(world: &World, subject: &Subject) -> Section {
    let mut section = Section::new("the way out");
    if let Some(place) = &subject.smarthost {
        let title = format!("Smarthost {place}");
        let port = place.port.unwrap_or(25);
        let tried = tries(world, &place.host, port).await;
        section.push(judge("out.smarthost", title, &tried, port));
        return section;
    }
    let mut all = Vec::new();
    for domain in subject.settings.outbound_domains.iter().take(DOMAINS_MAX) {
        if let Answer::Found(mut records) = world.resolver.mx(domain).await {
            records.sort();
            if let Some((_, host)) = records.first() {
                all.extend(tries(world, host, 25).await);
            }
        } else {
            all.push(Tried { what: format!("the MX of {domain}"), came: Came::NoName });
        }
    }
    if !all.is_empty() {
        section.push(judge("out.port25", "Port 25 outwards".to_owned(), &all, 25));
    }
    section
}

/// One connection.
struct Tried {
    what: String,
    came: Came,
}

/// What came of it.
enum Came {
    Greeting,
    TurnedAway(String),
    Mute,
    Failed(Reach),
    NoName,
}

async fn tries(world: &World, host: &str, port: u16) -> Vec<Tried> {
    let (mut found, _) = addresses(world, host).await;
    // Both families, few of each.
    found.sort_by_key(std::net::IpAddr::is_ipv4);
    found.dedup_by_key(|address| address.is_ipv4());
    found.truncate(ADDRESSES_MAX);
    if found.is_empty() {
        return vec![Tried { what: host.to_owned(), came: Came::NoName }];
    }
    let mut all = Vec::new();
    for address in found {
        let place = SocketAddr::new(address, port);
        let came = match reach(world, place).await {
            Reach::Made(mut stream, _) => {
                let mut piece = [0; GREETING_BYTES];
                let read = timeout(world.timeout, stream.read(&mut piece)).await;
                let count = read.ok().and_then(Result::ok).unwrap_or(0);
                let line = String::from_utf8_lossy(piece.get(..count).unwrap_or_default());
                let line = line.lines().next().unwrap_or_default().to_owned();
                match line.get(..3) {
                    Some("220") => Came::Greeting,
                    Some(_) => Came::TurnedAway(line),
                    None => Came::Mute,
                }
            }
            other => Came::Failed(other),
        };
        all.push(Tried { what: format!("{host} at {place}"), came });
    }
    all
}

fn judge(id: &'static str, title: String, all: &[Tried], port: u16) -> Check {
    let tried: Vec<&str> = all.iter().map(|one| one.what.as_str()).collect();
    let tried = tried.join(", ");
    let greeted = all.iter().any(|one| matches!(one.came, Came::Greeting));
    let words = |one: &Tried| {
        let came = match &one.came {
            Came::Greeting => "greets".to_owned(),
            Came::TurnedAway(line) => format!("says {line:?}"),
            Came::Mute => "says nothing".to_owned(),
            Came::Failed(reach) => reach.words(),
            Came::NoName => "has no address".to_owned(),
        };
        format!("{}: {came}", one.what)
    };
    let found = all.iter().map(words).collect::<Vec<_>>().join("; ");
    let turned_away = all.iter().find_map(|one| match &one.came {
        Came::TurnedAway(line) => Some(line.clone()),
        _ => None,
    });
    let check = if greeted && turned_away.is_none() {
        Check::right(id, title, found)
    } else if let Some(line) = turned_away {
        let (means, mend) = crate::code::told(&line);
        let check =
            if greeted { Check::warning(id, title, found) } else { Check::wrong(id, title, found) };
        check.means(means).mend(mend)
    } else if all.iter().all(|one| matches!(one.came, Came::NoName)) {
        Check::unknown(id, title, found)
            .means("No host to try could be found.")
            .mend("See the check of the resolver; `doctor.outbound_domains` sets what is tried.")
    } else {
        Check::wrong(id, title, found)
            .means(format!(
                "No mail goes out. Most providers block port {port} of homes and of new \
                 customers; a firewall of yours may, too."
            ))
            .mend(
                "Ask your provider to open port 25 outwards, or send through a smarthost: a route \
                 for `*` with port 587 or 465.",
            )
    };
    check.tried(tried)
}
