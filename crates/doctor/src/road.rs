//! `doctor deliver`: the road of a message to an address, up to `RCPT`; nothing is sent.
//!
//! It goes as the queue would: by the route of the domain, else by its MX records, host by host
//! until one gives its word. What the policies of domains make of it is `deliver`'s to say.
//! Source: RFC 5321 section 5.1, RFC 7505.

use std::net::SocketAddr;

use mailwright_config::{Config, Host, Protocol, TlsNeed};
use mailwright_net::dns::Answer;
use mailwright_sasl::Secret;
use mailwright_words::{Address, ReversePath};

use crate::{
    Check, Credentials, Report, Scheme, Section, Verdict,
    host::{Question, Service, as_server},
    reach::{Place, Reach, addresses, blind, is_blind, reach},
    world::World,
};

/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;

/// A host on the road.
struct Hop {
    place: Place,
    implicit_tls: bool,
    lmtp: bool,
    need: TlsNeed,
    login: Option<Credentials>,
}

/// What a host came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// It would take the message.
    Taken,
    /// It would not now, and may at another try.
    Later,
    /// It would not.
    Refused,
    /// It did not come to that; the next host is asked.
    None,
}

/// Goes the road to `to`.
pub async fn examine(world: &World, config: &Config, from: &ReversePath, to: &Address) -> Report {
    let subject = format!("the road to {to}");
    let domain = to.domain().to_string();
    let mut way = Section::new(format!("the servers of {domain}"));
    let hops = hops(world, config, &domain, &mut way).await;
    let mut sections = vec![way];
    let mut last = Word::None;
    for hop in hops.iter().take(config.relay.hosts_max.max(1)) {
        let (section, word) = at(world, hop, from, to).await;
        sections.push(section);
        last = word;
        if word != Word::None {
            break;
        }
    }
    let no_answer = sections.iter().flat_map(Section::all).any(|check| check.id == "road.unknown");
    if !hops.is_empty() {
        sections.push(end(last, to));
    }
    Report::new(subject, sections, !no_answer)
}

/// The hosts to try, in their order.
async fn hops(world: &World, config: &Config, domain: &str, section: &mut Section) -> Vec<Hop> {
    let route = config.route(domain);
    if let Some(route) = route.filter(|route| !route.hosts.is_empty()) {
        let hops: Vec<Hop> = route.hosts.iter().map(set).collect();
        let list: Vec<String> = hops.iter().map(|hop| hop.place.to_string()).collect();
        let found = format!("set by a route: {}", list.join(", "));
        section.push(Check::right("road.route", "Route", found).tried(
            "the routes of the \
                                        configuration",
        ));
        return hops;
    }
    let need = route.and_then(|route| route.tls).unwrap_or(config.relay.tls);
    let hosts = mx(world, domain, section).await;
    let port = Some(config.relay.port);
    let hop = |host| Hop {
        place: Place { host, port },
        implicit_tls: false,
        lmtp: false,
        need,
        login: None,
    };
    hosts.into_iter().map(hop).collect()
}

/// A host that was set.
fn set(host: &Host) -> Hop {
    let login = host.user.as_ref().zip(host.password.as_ref());
    Hop {
        place: Place { host: host.host.clone(), port: Some(host.port()) },
        implicit_tls: host.implicit_tls,
        lmtp: host.protocol == Protocol::Lmtp,
        need: host.tls,
        login: login.map(|(user, password)| Credentials {
            user: user.clone(),
            password: Secret::new(password.expose()),
            scheme: Scheme::Best,
            anywhere: false,
        }),
    }
}

/// The hosts of a domain by its MX records, best first.
async fn mx(world: &World, domain: &str, section: &mut Section) -> Vec<String> {
    const ID: &str = "road.mx";
    const TITLE: &str = "MX";
    let tried = format!("the MX records of {domain}");
    let (hosts, check) = match world.resolver.mx(domain).await {
        Answer::Found(mut records) => {
            records.sort();
            let list: Vec<String> =
                records.iter().map(|(rank, host)| format!("{rank} {host}")).collect();
            let hosts: Vec<String> =
                records.into_iter().map(|(_, host)| host).filter(|host| host != ".").collect();
            let check = if hosts.is_empty() {
                Check::wrong(ID, TITLE, "a null MX: the domain takes no mail")
                    .means("Its owner says so in the DNS; every server gives up at once.")
                    .mend("Look at the spelling of the domain.")
            } else if hosts.first().is_some_and(|host| host.eq_ignore_ascii_case(&world.hostname)) {
                Check::wrong(ID, TITLE, format!("{}: the best one is this host", list.join(", ")))
                    .means(
                        "Mail for it comes here, and is not to be relayed: it would go in a \
                            circle.",
                    )
                    .mend("`mailwright domain add`, if it is a domain of yours; else mend its MX.")
            } else {
                Check::right(ID, TITLE, list.join(", "))
            };
            (hosts, check)
        }
        Answer::NoData => {
            let check = Check::right(ID, TITLE, "none; the domain's own address is tried");
            (vec![domain.to_owned()], check)
        }
        Answer::NoSuchDomain if is_blind(world, domain).await => {
            (Vec::new(), blind("road.unknown", TITLE))
        }
        Answer::NoSuchDomain => {
            let check = Check::wrong(ID, TITLE, "there is no such domain")
                .means("Every server gives up at once.")
                .mend("Look at the spelling of the domain.");
            (Vec::new(), check)
        }
        Answer::Temporary(why) => {
            let check = Check::unknown("road.unknown", TITLE, format!("no answer: {why}"))
                .means("Mail waits, and is tried again.")
                .mend("`mailwright doctor` looks at the resolver; if it is sound, theirs is not.");
            (Vec::new(), check)
        }
    };
    section.push(check.tried(tried));
    hosts
}

/// One host: each address until one is open, then the session.
async fn at(world: &World, hop: &Hop, from: &ReversePath, to: &Address) -> (Section, Word) {
    let mut section = Section::new(hop.place.to_string());
    let (found, check) = addresses(world, &hop.place.host).await;
    section.push(check);
    let port = hop.place.port.unwrap_or(25);
    let mut open = None;
    for address in found.into_iter().take(ADDRESSES_MAX) {
        let place = SocketAddr::new(address, port);
        match reach(world, place).await {
            Reach::Made(stream, took) => {
                let found = format!("connected in {} ms", took.as_millis());
                section.push(Check::right("road.connect", address.to_string(), found));
                open = Some((place, stream));
                break;
            }
            other => section.push(
                Check::warning("road.connect", address.to_string(), other.words())
                    .tried(format!("TCP to port {port}"))
                    .means(
                        "The next address, then the next host is tried; with none left, mail \
                            waits.",
                    )
                    .mend(
                        "If no host at all answers, see `mailwright doctor` for port 25 \
                           outwards.",
                    ),
            ),
        }
    }
    let Some(open) = open else { return (section, Word::None) };
    let question = Question {
        place: hop.place.clone(),
        service: Service::Smtp,
        credentials: hop.login.clone(),
        envelope: Some((from.clone(), vec![to.clone()])),
        tls_name: None,
        thorough: false,
    };
    let flags = (hop.implicit_tls, hop.lmtp);
    let (secure, trusted) = as_server(world, &question, open, flags, &mut section).await;
    let demand = demand(hop.need, secure, trusted);
    let is_held_up = demand.verdict == Verdict::Wrong;
    section.push(demand);
    let word = match section.all().filter(|check| check.id.starts_with("smtp.")).last() {
        _ if is_held_up => Word::None,
        Some(last) if last.id == "smtp.rcpt" && last.verdict == Verdict::Right => Word::Taken,
        Some(last) if ["smtp.rcpt", "smtp.mail"].contains(&last.id) => match last.verdict {
            Verdict::Warning => Word::Later,
            _ => Word::Refused,
        },
        _ => Word::None,
    };
    (section, word)
}

/// Whether the connection is what the route asks for.
fn demand(need: TlsNeed, secure: bool, trusted: bool) -> Check {
    const ID: &str = "road.tls";
    const TITLE: &str = "TLS asked for";
    let needs_any = !matches!(need, TlsNeed::None | TlsNeed::Opportunistic);
    let needs_trust = need == TlsNeed::Verified;
    let has = match (secure, trusted) {
        (true, true) => "encrypted, with a certificate that is good",
        (true, false) => "encrypted, with any certificate",
        (false, _) => "not encrypted",
    };
    let check = if (needs_any && !secure) || (needs_trust && !trusted) {
        Check::wrong(ID, TITLE, format!("more than there is: {has}"))
            .means("The message is not sent over such a connection; it waits.")
            .mend("Have the host mended, or set `tls` of the route lower.")
    } else {
        Check::right(ID, TITLE, has)
    };
    check.tried("`tls` of the route, or `relay.tls`")
}

/// Where the road ends.
fn end(word: Word, to: &Address) -> Section {
    const ID: &str = "road.end";
    const TITLE: &str = "The end of the road";
    let mut section = Section::new("");
    let check = match word {
        Word::Taken => Check::right(
            ID,
            TITLE,
            format!(
                "a message to {to} would be taken up to \
                                        here"
            ),
        )
        .means("The message itself may still be refused, for what it holds."),
        Word::Later => Check::warning(ID, TITLE, format!("{to} is put off for now"))
            .means("The message would wait in the queue, and be tried again.")
            .mend("Nothing, if it is taken then; many servers put off what they see first."),
        Word::Refused => Check::wrong(ID, TITLE, format!("{to} is refused"))
            .means("The reply above says why.")
            .mend("What to do stands beside it."),
        Word::None => Check::wrong(ID, TITLE, "no host gave its word")
            .means("The message would wait in the queue, and be tried again.")
            .mend("The checks above say where each host came to an end."),
    };
    section.push(check.tried("the road up to RCPT; nothing was sent"));
    section
}

#[cfg(test)]
pub(crate) mod tests {
    use mailwright_net::dns::Fake;

    use super::*;
    use crate::fake::{self, Script, Seal};

    const ANSWERS: &[(&str, &str)] = &[
        ("EHLO", "250-mx.far.example\r\n250 STARTTLS"),
        ("tls EHLO", "250 mx.far.example"),
        ("STARTTLS", "220 Go"),
        ("MAIL", "250 2.1.0 Ok"),
        ("RCPT TO:<ann@", "250 2.1.5 Ok"),
        ("RCPT", "550 5.1.1 No such mailbox"),
        ("QUIT", "221 Bye"),
    ];

    fn zone() -> Fake {
        let zone = Fake::new();
        zone.add_mx("far.example", 10, "down.far.example");
        zone.add_mx("far.example", 20, "mx.far.example");
        zone.add_address("down.far.example", "192.0.2.9".parse().unwrap());
        zone.add_address("mx.far.example", "192.0.2.1".parse().unwrap());
        zone.add_mx("only.example", 10, "mx.far.example");
        zone.add_mx("null.example", 0, ".");
        zone.add_mx("own.example", 5, "doctor.example");
        zone.set_broken("broken.example", true);
        zone
    }

    pub(crate) async fn go(to: &str, script: Script, config: &Config) -> Report {
        let seal = Seal::new(&["mx.far.example"]);
        let script = script.with_tls(&seal.acceptor);
        let hosts = vec![("192.0.2.1:25", fake::Host::Plays(script))];
        let world = fake::world(hosts, zone(), Some(&seal));
        let from = ReversePath::parse("me@doctor.example").unwrap();
        examine(&world, config, &from, &Address::parse(to).unwrap()).await
    }

    fn loud(report: &Report) -> Vec<(&'static str, Verdict)> {
        let loud = report.checks().filter(|check| check.verdict != Verdict::Right);
        loud.map(|check| (check.id, check.verdict)).collect()
    }

    pub(crate) fn sound() -> Script {
        Script::new("220 mx.far.example ESMTP", ANSWERS)
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_host_is_asked_where_the_first_is_down() {
        let config = Config::default();
        let report = go("ann@far.example", sound(), &config).await;
        assert_eq!(loud(&report), [("road.connect", Verdict::Warning)], "{}", report.text(true));
        assert_eq!(report.exit_code(), 0);
        let text = report.text(true);
        assert!(text.contains("C: RCPT TO:<ann@far.example>") && !text.contains("C: DATA"));
    }

    #[tokio::test(start_paused = true)]
    async fn each_end_of_the_road_is_told_apart() {
        use Verdict::{CannotKnow, Warning, Wrong};
        let config = Config::default();
        let down = ("road.connect", Warning);
        let strict = Config {
            relay: mailwright_config::Relay { tls: TlsNeed::Verified, ..config.relay.clone() },
            ..config.clone()
        };
        let plain = || sound().with("EHLO", "250 mx.far.example").with("STARTTLS", "502 No");
        for (to, script, config, expected) in [
            (
                "ann@far.example",
                sound().with("RCPT TO:<ann@", "450 4.2.0 Greylisted"),
                &config,
                vec![down, ("smtp.rcpt", Warning), ("road.end", Warning)],
            ),
            (
                "eve@far.example",
                sound(),
                &config,
                vec![down, ("smtp.rcpt", Wrong), ("road.end", Wrong)],
            ),
            ("ann@far.example", sound(), &strict, vec![down]),
            ("ann@far.example", plain(), &config, vec![down, ("smtp.starttls", Warning)]),
            (
                "ann@far.example",
                plain(),
                &strict,
                vec![down, ("smtp.starttls", Warning), ("road.tls", Wrong), ("road.end", Wrong)],
            ),
            ("ann@null.example", sound(), &config, vec![("road.mx", Wrong)]),
            ("ann@none.example", sound(), &config, vec![("road.mx", Wrong)]),
            ("ann@broken.example", sound(), &config, vec![("road.unknown", CannotKnow)]),
        ] {
            let report = go(to, script, config).await;
            assert_eq!(loud(&report), expected, "{to}\n{}", report.text(true));
        }
        let report = go("ann@own.example", sound(), &config).await;
        assert_eq!(loud(&report).first(), Some(&("road.mx", Wrong)));
        assert_eq!(go("ann@broken.example", sound(), &config).await.exit_code(), 2);
    }
}
