//! The clock of this machine, beside those of time servers and what was written down before.
//!
//! One question over UDP a server (SNTP); where none answers, the dates of web pages. What is
//! claimed is believed only as far as all that answered agree.
//! Source: RFC 5905 section 7.3, RFC 4330 section 5.

mod page;

use std::net::{IpAddr, SocketAddr};

use mailwright_net::dns::Answer;
use mailwright_words::Timestamp;

use super::{Subject, local::span};
use crate::{Check, world::World};

/// The port of time servers.
const PORT: u16 = 123;
/// Servers that are asked.
const SERVERS_MAX: usize = 4;
/// Octets of a packet.
const PACKET: usize = 48;
/// Milliseconds between 1900, where their time begins, and 1970.
const ERA: i64 = 2_208_988_800_000;
/// Milliseconds of an era of 2^32 seconds.
const ERA_LENGTH: i64 = 4_294_967_296_000;
/// Milliseconds that a clock may be off without harm.
const GOOD: u64 = 5_000;
/// Milliseconds from which on others refuse what we date.
const BAD: u64 = 120_000;
/// Milliseconds up to which servers agree.
const AGREE: u64 = 2_000;
/// Milliseconds ahead of the clock that something may have been written.
const SLACK: i64 = 60_000;
/// A moment before this program was written: a clock that shows it was never set.
const LONG_AGO: Timestamp = Timestamp::new(1_735_689_600_000);

const ID: &str = "clock";
const TITLE: &str = "Clock";

pub(super) async fn examine(world: &World, subject: &Subject) -> Check {
    let now = world.clock.now();
    let servers: Vec<&String> = subject.settings.time_servers.iter().take(SERVERS_MAX).collect();
    if servers.is_empty() {
        return alone(subject, now, "").tried("the time against what was written down before");
    }
    let names = servers.iter().map(|server| server.as_str()).collect::<Vec<_>>().join(", ");
    let asked = all(world, &servers, Way::Datagram).await;
    if !asked.found.is_empty() {
        return beside(&asked.found).tried(format!("the time of {names}, over UDP"));
    }
    // Many networks let no such questions out, and web pages have a date, too.
    let pages: Vec<&String> = subject.settings.outbound_domains.iter().take(SERVERS_MAX).collect();
    let dated = all(world, &pages, Way::Page).await;
    let tried = format!("the time of {names}, over UDP, then the dates of web pages");
    match dated.found.as_slice() {
        [] => alone(subject, now, &asked.failed.join("; ")),
        found => beside(found),
    }
    .tried(tried)
}

/// How the time is asked for.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Over UDP.
    Datagram,
    /// From the date of a web page.
    Page,
}

/// What came of asking: how far each is ahead of our clock, and why others told nothing.
struct Asked {
    found: Vec<(i64, String)>,
    failed: Vec<String>,
}

/// Asks all at once, and tells in their order.
async fn all(world: &World, servers: &[&String], way: Way) -> Asked {
    let mut tries = tokio::task::JoinSet::new();
    for (number, server) in servers.iter().copied().cloned().enumerate() {
        let world = world.clone();
        tries.spawn(async move {
            let offset = match way {
                Way::Datagram => ask(&world, &server).await,
                Way::Page => page::ask(&world, &server).await,
            };
            (number, offset, server)
        });
    }
    let mut all = Vec::new();
    while let Some(one) = tries.join_next().await {
        all.extend(one.ok());
    }
    all.sort_by_key(|(number, ..)| *number);
    let mut asked = Asked { found: Vec::new(), failed: Vec::new() };
    for (_, offset, server) in all {
        match offset {
            Ok(offset) => asked.found.push((offset, server)),
            Err(why) => asked.failed.push(format!("{server}: {why}")),
        }
    }
    asked
}

/// What servers say: milliseconds that they are ahead of our clock.
fn beside(found: &[(i64, String)]) -> Check {
    let mut offsets: Vec<i64> = found.iter().map(|(offset, _)| *offset).collect();
    offsets.sort_unstable();
    let (first, last) = (offsets.first().copied(), offsets.last().copied());
    let (first, last) = (first.unwrap_or(0), last.unwrap_or(0));
    let names: Vec<&str> = found.iter().map(|(_, server)| server.as_str()).collect();
    let names = names.join(" and ");
    if last.abs_diff(first) > AGREE {
        let each: Vec<String> =
            found.iter().map(|(offset, server)| format!("{server} {}", told(*offset))).collect();
        return Check::unknown(
            ID,
            TITLE,
            format!("those who were asked disagree: {}", each.join(", ")),
        )
        .means("One of them is wrong, or somebody on the way is; which one cannot be known.")
        .mend("Set `doctor.time_servers` to servers that are well kept.");
    }
    let middle = offsets.get(offsets.len() / 2).copied().unwrap_or(0);
    let found = format!("{} by {names}", told(middle));
    if middle.unsigned_abs() > BAD {
        Check::wrong(ID, TITLE, found)
            .means(
                "Dates of messages and signatures are wrong, certificates seem to begin or end too \
                 early, and retries come at the wrong time.",
            )
            .mend("Switch on time synchronization (systemd-timesyncd, chrony).")
    } else if middle.unsigned_abs() > GOOD {
        Check::warning(ID, TITLE, found)
            .means("It is not kept right; it will be further off in time.")
            .mend("Look at the time synchronization of this machine.")
    } else {
        Check::right(ID, TITLE, found)
    }
}

fn told(offset: i64) -> String {
    let apart = std::time::Duration::from_millis(offset.unsigned_abs());
    let apart = if apart.as_secs() < 5 { format!("{} ms", apart.as_millis()) } else { span(apart) };
    if offset > 0 { format!("{apart} behind") } else { format!("{apart} ahead") }
}

/// What can be told without a server.
fn alone(subject: &Subject, now: Timestamp, why: &str) -> Check {
    let chains = subject.certificates.iter().filter_map(|one| one.chain.as_ref().ok());
    let issued = chains.filter_map(|chain| chain.first()).map(|own| own.begins).max();
    let is_before = |then: Option<Timestamp>| then.filter(|then| then.ms() > now.ms() + SLACK);
    if now < LONG_AGO {
        return Check::wrong(ID, TITLE, format!("it shows {now}"))
            .means(
                "It was never set. No certificate looks valid, and no date of a message is right.",
            )
            .mend("Switch on time synchronization (systemd-timesyncd, chrony).");
    }
    if let Some(newest) = is_before(subject.newest) {
        let behind = span(newest.since(now));
        return Check::wrong(ID, TITLE, format!("{behind} behind what was written before"))
            .means("It was set back. Retries and expiry wait until it is there again.")
            .mend("Look at the time synchronization of this machine.");
    }
    if let Some(issued) = is_before(issued) {
        let behind = span(issued.since(now));
        let found = format!("{behind} before the server's certificate was issued");
        return Check::wrong(ID, TITLE, found)
            .means("The clock is behind, or the certificate was made ahead of its time.")
            .mend("Look at the time synchronization of this machine.");
    }
    let why = if why.is_empty() { "no time server is set" } else { why };
    Check::unknown(ID, TITLE, format!("it shows {now}; {why}"))
        .means("Whether it is right cannot be known without another clock.")
        .mend(
            "`timedatectl` or `chronyc tracking` tells whether it is synchronized; \
             `doctor.time_servers` sets who is asked.",
        )
}

/// How far a server is ahead of our clock, in milliseconds.
async fn ask(world: &World, server: &str) -> Result<i64, String> {
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().unwrap_or(PORT)),
        _ => (server, PORT),
    };
    let address = match host.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => match world.resolver.addresses(host).await {
            Answer::Found(found) => *found
                .iter()
                .find(|address| address.is_ipv4())
                .or_else(|| found.first())
                .ok_or("no address")?,
            Answer::NoSuchDomain | Answer::NoData => return Err("no such name".to_owned()),
            Answer::Temporary(why) => return Err(why),
        },
    };
    let nonce = getrandom::u64().map_err(|error| error.to_string())?.to_be_bytes();
    let mut packet = [0; PACKET];
    // Version 4, from a client; a nonce takes the place of our time.
    if let Some(first) = packet.first_mut() {
        *first = 0x23;
    }
    if let Some(place) = packet.last_chunk_mut::<8>() {
        *place = nonce;
    }
    let place = SocketAddr::new(address, port);
    let before = world.clock.now().ms();
    let answer = world.network.ask(place, packet.to_vec(), world.timeout).await;
    let after = world.clock.now().ms();
    let answer = answer.map_err(|error| match error.kind() {
        std::io::ErrorKind::TimedOut => "no answer".to_owned(),
        std::io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        _ => error.to_string(),
    })?;
    let (came, left) = read(&answer, nonce)?;
    Ok(i64::midpoint(came - before, left - after))
}

/// When a server got our question and sent its answer, in milliseconds since 1970.
fn read(answer: &[u8], nonce: [u8; 8]) -> Result<(i64, i64), String> {
    let eight = |at: usize| answer.get(at..at + 8).and_then(|piece| piece.first_chunk::<8>());
    let (Some(origin), Some(came), Some(left)) = (eight(24), eight(32), eight(40)) else {
        return Err("what came back is no time".to_owned());
    };
    let (first, stratum) = (answer.first().copied().unwrap_or(0), answer.get(1).copied());
    if *origin != nonce || first & 7 != 4 {
        return Err("what came back is no answer to our question".to_owned());
    }
    match stratum.unwrap_or(0) {
        0 => {
            let word = String::from_utf8_lossy(answer.get(12..16).unwrap_or_default()).into_owned();
            return Err(format!("it wants no questions now ({})", word.trim_matches('\0')));
        }
        1..=15 if first >> 6 != 3 && *left != [0; 8] => {}
        _ => return Err("it says that it does not know the time".to_owned()),
    }
    Ok((milliseconds(*came), milliseconds(*left)))
}

/// Of their time: seconds since 1900 and parts of one, in an era that ends in 2036.
fn milliseconds(octets: [u8; 8]) -> i64 {
    let number = u64::from_be_bytes(octets);
    let seconds = i64::try_from(number >> 32).unwrap_or(0);
    let parts = i64::try_from(((number & 0xffff_ffff) * 1000) >> 32).unwrap_or(0);
    let era = if seconds < 0x8000_0000 { ERA_LENGTH } else { 0 };
    seconds * 1000 + parts + era - ERA
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(change: impl Fn(&mut [u8])) -> Vec<u8> {
        let mut packet = vec![0; 48];
        packet[0] = 0x24;
        packet[1] = 2;
        packet[24..32].copy_from_slice(&[7; 8]);
        // 2026-11-24T06:15:37.5Z
        let seconds = u32::try_from((1_795_500_937_500 + ERA) / 1000).unwrap();
        for at in [32, 40] {
            packet[at..at + 4].copy_from_slice(&seconds.to_be_bytes());
            packet[at + 4] = 0x80;
        }
        change(&mut packet);
        packet
    }

    #[test]
    fn an_answer_is_read_and_what_is_none_is_not() {
        let at = 1_795_500_937_500;
        assert_eq!(read(&answer(|_| {}), [7; 8]), Ok((at, at)));
        for (what, packet) in [
            ("another question's", answer(|packet| packet[24] = 8)),
            ("a client's", answer(|packet| packet[0] = 0x23)),
            ("a refusal", answer(|packet| packet[1] = 0)),
            ("not synchronized", answer(|packet| packet[0] = 0xe4)),
            ("too far from a clock", answer(|packet| packet[1] = 16)),
            ("without a time", answer(|packet| packet[40..48].fill(0))),
            ("short", answer(|_| {})[..47].to_vec()),
            ("nothing", Vec::new()),
        ] {
            assert!(read(&packet, [7; 8]).is_err(), "{what}");
        }
        // The next era begins in 2036.
        assert_eq!(milliseconds([0, 0, 0, 1, 0, 0, 0, 0]), 2_085_978_497_000);
    }
}
