//! Whether a port can be reached, and what the ports say together.

use std::net::SocketAddr;

use super::{Seen, Service};
use crate::{Check, Section, Verdict, reach::Reach};

/// The check of one connection. `any_open`: another address of the host takes connections there;
/// `is_asked`: this very port was asked for.
pub(super) fn reached(place: &SocketAddr, reach: &Reach, any_open: bool, is_asked: bool) -> Check {
    const ID: &str = "port.open";
    let title = format!("Connection to {}", place.ip());
    let (found, port) = (reach.words(), place.port());
    let mut check = match reach {
        Reach::Made(..) => Check::right(ID, title, found),
        Reach::Refused => Check::wrong(ID, title, found)
            .means(
                "The host is there and nothing listens on this port; or a firewall says so for \
                    it.",
            )
            .mend(format!(
                "If the host is yours: see that the server runs and listens on port {port} of this \
                 address, not of loopback alone.",
            )),
        Reach::Silent => Check::wrong(ID, title, found)
            .means(
                "Packets are dropped on the way: by a firewall of the host, of this network, or \
                 of the provider. Many providers drop port 25 of their customers.",
            )
            .mend(format!(
                "Try from another network. If it works there, ask your provider to open port \
                 {port}; if not, open it in the firewall of the host.",
            )),
        Reach::NoRoute(_) => Check::wrong(ID, title, found)
            .means("This machine has no way to this address, as when it has no IPv6.")
            .mend(
                "If other addresses of the host work, clients use those; look at the network \
                   here.",
            ),
        Reach::Forbidden => Check::unknown(ID, title, found)
            .means("A rule of this machine stops the connection before it leaves.")
            .mend("Look at the local firewall, or run it elsewhere."),
        Reach::Other(_) => Check::wrong(ID, title, found)
            .means("The connection failed in a way that says nothing of its place.")
            .mend("Try again, and from another network."),
    };
    if any_open && place.ip().is_loopback() && matches!(reach, Reach::Refused) {
        // This machine's own two addresses: one is enough.
        check = Check::right(ID, check.title, check.found);
    } else if check.verdict == Verdict::Wrong && any_open {
        check.verdict = Verdict::Warning;
        if matches!(reach, Reach::NoRoute(_)) {
            // No fault of the host; its clients have other ways.
            check.verdict = Verdict::CannotKnow;
        }
    } else if check.verdict == Verdict::Wrong && !is_asked {
        // Which ports have to be open is judged together.
        check.verdict = Verdict::CannotKnow;
        check = check.mend("\"all ports\" below says whether it has to be open.");
    }
    check.tried(format!("TCP to port {port}"))
}

/// What the ports say together, and which is right for what.
pub(super) fn together(service: Service, seen: &[Seen]) -> Section {
    let mut section = Section::new("all ports");
    let of = |port| seen.iter().find(move |seen| seen.port == port);
    let speaks = |port| of(port).is_some_and(|seen| seen.speaks);
    if !seen.iter().any(|seen| seen.open) {
        section.push(none(service, seen));
        return section;
    }
    match service {
        Service::Smtp => {
            section.push(submission(of(465), of(587), of(2525)));
            section.push(between_servers(of(25), seen));
            section.extend_with(proxy(of(25), seen));
        }
        Service::Imap | Service::Pop3 => {
            let (secure, plain) = if service == Service::Imap { (993, 143) } else { (995, 110) };
            section.push(reading(secure, plain, speaks(secure), of(plain)));
        }
    }
    section
}

impl Section {
    fn extend_with(&mut self, check: Option<Check>) {
        self.checks.extend(check);
    }
}

fn none(service: Service, seen: &[Seen]) -> Check {
    let all_silent = seen.iter().all(|seen| seen.silent);
    let check = Check::wrong("ports", "Ports", "none of them takes a connection");
    if all_silent {
        check.means(
            "The host is down, or a firewall drops everything to it, at its end or at yours.",
        )
    } else {
        check.means(format!("The host is there, and no {} server on it.", service.name()))
    }
    .mend("Try from another network; if it is the same there, look at the host.")
    .tried("a connection to each port")
}

fn submission(implicit: Option<&Seen>, starttls: Option<&Seen>, other: Option<&Seen>) -> Check {
    const ID: &str = "ports.submission";
    const TITLE: &str = "For mail programs";
    let good = |seen: Option<&Seen>| seen.is_some_and(|seen| seen.speaks && seen.secure);
    let check = if good(implicit) {
        Check::right(ID, TITLE, "port 465, TLS from the first octet; the best there is")
    } else if good(starttls) {
        Check::right(ID, TITLE, "port 587 with STARTTLS, set to be required")
    } else if good(other) {
        Check::warning(ID, TITLE, "only port 2525, which no program looks for by itself")
            .means("Ports 465 and 587 are closed here, or blocked on the way.")
            .mend("Open 465 at the host; on the way, ask whoever runs the network.")
    } else if [starttls, other].into_iter().flatten().any(|seen| seen.speaks) {
        Check::wrong(ID, TITLE, "only a port without TLS")
            .means("Passwords and mail can be read on the way.")
            .mend("Switch on TLS at the host; see the checks of the port.")
    } else {
        Check::unknown(ID, TITLE, "neither 465, 587 nor 2525 can be used")
            .means("A host that only takes mail from other servers needs none of them.")
            .mend("If mail programs are to send through this host, open port 465.")
    };
    check.tried("which port a mail program should be set to")
}

fn between_servers(smtp: Option<&Seen>, seen: &[Seen]) -> Check {
    const ID: &str = "ports.relay";
    const TITLE: &str = "Between servers";
    let others_open = seen.iter().any(|seen| seen.port != 25 && seen.open);
    let check = match smtp {
        Some(seen) if seen.speaks => Check::right(ID, TITLE, "port 25"),
        Some(seen) if seen.silent && others_open => Check::warning(
            ID,
            TITLE,
            "port 25 gets no answer, while other ports do",
        )
        .means(
            "Port 25 is blocked on the way, most likely by the provider of this network, as is \
                     usual for homes and many clouds. Mail programs do not need it; a server here \
                     cannot send or cannot be sent to.",
        )
        .mend("For a server: ask the provider to open port 25, or send through a smarthost."),
        _ => Check::unknown(ID, TITLE, "port 25 cannot be used")
            .means("A host that only takes mail from its users does not need it; an MX does.")
            .mend("If this host is an MX, open port 25."),
    };
    check.tried("the port of other mail servers")
}

/// Something that answers on port 25 in the host's place.
fn proxy(smtp: Option<&Seen>, seen: &[Seen]) -> Option<Check> {
    let own = smtp?.name.as_deref().filter(|name| name.contains('.'))?;
    let other = seen
        .iter()
        .filter(|seen| seen.port != 25 && seen.speaks)
        .find_map(|seen| seen.name.as_deref().filter(|name| name.contains('.')))?;
    if site(own) == site(other) {
        return None;
    }
    let found = format!("port 25 greets as {own}, another port as {other}");
    Some(
        Check::warning("ports.proxy", "Same host everywhere", found)
            .tried("the names in the greetings")
            .means(
                "Something in this network may answer port 25 in the host's place, as some \
                 providers and hotels do; or the host has two servers with names of their own.",
            )
            .mend("Look at the certificate on port 25, and try from another network."),
    )
}

/// The last two labels of a name.
fn site(name: &str) -> String {
    let labels: Vec<&str> = name.trim_end_matches('.').rsplit('.').take(2).collect();
    labels.join(".").to_ascii_lowercase()
}

fn reading(secure: u16, plain: u16, secure_speaks: bool, other: Option<&Seen>) -> Check {
    const ID: &str = "ports.reading";
    const TITLE: &str = "For mail programs";
    let check = if secure_speaks {
        Check::right(ID, TITLE, format!("port {secure}, TLS from the first octet"))
    } else if other.is_some_and(|seen| seen.speaks && seen.secure) {
        Check::warning(ID, TITLE, format!("port {plain} with STARTTLS, set to be required"))
            .means(format!("Port {secure} is the better one: nobody can take the TLS out of it."))
            .mend(format!("Open port {secure} at the host."))
    } else {
        Check::wrong(ID, TITLE, format!("only port {plain}, without TLS"))
            .means("Passwords and mail can be read on the way.")
            .mend(format!("Switch on TLS at the host, best on port {secure}."))
    };
    check.tried("which port a mail program should be set to")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(port: u16, name: &str) -> Seen {
        Seen {
            port,
            open: true,
            speaks: true,
            secure: true,
            name: Some(name.to_owned()),
            ..Seen::default()
        }
    }

    fn speaking(service: Service, seen: &[Seen]) -> Vec<(&'static str, Verdict)> {
        let section = together(service, seen);
        let loud = section.checks.iter().filter(|check| check.verdict != Verdict::Right);
        loud.map(|check| (check.id, check.verdict)).collect()
    }

    #[test]
    fn a_host_with_all_its_ports_is_silent_and_each_lack_speaks() {
        let all =
            || vec![seen(25, "mx.a.example"), seen(465, "mx.a.example"), seen(587, "x.a.example")];
        assert_eq!(speaking(Service::Smtp, &all()), []);
        let mut blocked = all();
        blocked[0] = Seen { port: 25, silent: true, ..Seen::default() };
        assert_eq!(speaking(Service::Smtp, &blocked), [("ports.relay", Verdict::Warning)]);
        let mut proxied = all();
        proxied[0].name = Some("proxy.isp.example".to_owned());
        assert_eq!(speaking(Service::Smtp, &proxied), [("ports.proxy", Verdict::Warning)]);
        let mut plain = all();
        plain.remove(1);
        plain[1].secure = false;
        assert_eq!(speaking(Service::Smtp, &plain), [("ports.submission", Verdict::Wrong)]);
        let down: Vec<Seen> =
            [25, 465].map(|port| Seen { port, silent: true, ..Seen::default() }).to_vec();
        assert_eq!(speaking(Service::Smtp, &down), [("ports", Verdict::Wrong)]);
        assert_eq!(speaking(Service::Imap, &[seen(993, "i.a.example")]), []);
        assert_eq!(
            speaking(Service::Pop3, &[seen(110, "p.a.example")]),
            [("ports.reading", Verdict::Warning)]
        );
    }
}
