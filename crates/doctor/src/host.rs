//! `doctor smtp`, `doctor imap` and `doctor pop3`: a host, seen as a client of it sees it.
//!
//! Nothing is sent: a session goes to `RCPT` at most. Each port is looked at by itself, then the
//! ports together, which tells a blocked port, a proxy and a stripped STARTTLS from a broken host.
//! Source: RFC 5321, RFC 3207, RFC 6409, RFC 8314.

mod banner;
mod old;
mod ports;
mod reading;
mod relay;
mod reverse;
mod smtp;

use std::net::{IpAddr, SocketAddr};

use mailwright_words::{Address, ReversePath};

pub use crate::reach::{NoPlace, Place};

use crate::{
    Check, Credentials, Report, Section,
    reach::{Reach, addresses, reach},
    world::{Stream, World},
};

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Sending.
    Smtp,
    /// Reading, with folders.
    Imap,
    /// Fetching.
    Pop3,
}

impl Service {
    /// The ports that are tried when none is named.
    pub const fn ports(self) -> &'static [u16] {
        match self {
            Self::Smtp => &[25, 465, 587, 2525],
            Self::Imap => &[993, 143],
            Self::Pop3 => &[995, 110],
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "SMTP",
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
        }
    }
}

/// Addresses of one host that are visited.
const PLACES_MAX: usize = 6;

/// Whether a port begins with TLS, as its number says.
const fn begins_with_tls(port: u16) -> bool {
    matches!(port, 465 | 993 | 995)
}

/// What is to be found out.
#[derive(Debug, Clone)]
pub struct Question {
    /// The host.
    pub place: Place,
    /// What is spoken.
    pub service: Service,
    /// The login to try.
    pub credentials: Option<Credentials>,
    /// The envelope to try, with SMTP.
    pub envelope: Option<(ReversePath, Vec<Address>)>,
    /// The name the certificate has to have, instead of the host's.
    pub tls_name: Option<String>,
    /// Whether old TLS is tried, too, and whether it relays: what a host may take for an attack.
    pub thorough: bool,
}

impl Question {
    /// The name that the certificate has to have.
    fn tls_name(&self) -> &str {
        self.tls_name.as_deref().unwrap_or(&self.place.host)
    }
}

/// What one port showed, for the look at all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    port: u16,
    /// A connection was made.
    open: bool,
    /// No answer at all, which is what a firewall looks like.
    silent: bool,
    /// It speaks what it should.
    speaks: bool,
    /// The name in its greeting.
    name: Option<String>,
    /// It is encrypted.
    secure: bool,
    /// It takes logins.
    logins: bool,
    /// A careful client believes its certificate.
    trusted: bool,
    /// The certificates that it showed, as files hold them.
    pem: String,
}

/// Examines a host.
pub async fn examine(world: &World, question: &Question) -> Report {
    let subject = format!("{} {}", question.service.name(), question.place);
    let (found, check) = addresses(world, &question.place.host).await;
    let mut first = Section::new(question.place.host.clone());
    first.push(check);
    if found.is_empty() {
        return Report::new(subject, vec![first], false);
    }
    let wanted = match question.place.port {
        Some(port) => vec![port],
        None => question.service.ports().to_vec(),
    };
    let mut sections = vec![first];
    let mut seen = Vec::new();
    for port in wanted {
        let places: Vec<SocketAddr> = found.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        let (section, one) = at_port(world, question, &places).await;
        sections.push(section);
        seen.push(one);
    }
    if question.place.port.is_none() {
        sections.push(ports::together(question.service, &seen));
    }
    let examined = seen.iter().any(|seen| seen.speaks);
    Report::new(subject, sections, examined)
}

/// One port of all addresses: each is connected to, and the first that is open is examined.
async fn at_port(world: &World, question: &Question, places: &[SocketAddr]) -> (Section, Seen) {
    let port = places.first().map_or(0, SocketAddr::port);
    let mut section = Section::new(format!("port {port}"));
    let mut seen = Seen { port, ..Seen::default() };
    let is_alone = question.place.port.is_some();
    let reached = all(world, places).await;
    let any_open = reached.iter().any(|(_, reach)| reach.is_made());
    let mut open = None;
    for (place, reach) in reached {
        seen.silent |= matches!(reach, Reach::Silent);
        section.push(ports::reached(&place, &reach, any_open, is_alone));
        if let Reach::Made(stream, _) = reach
            && open.is_none()
        {
            open = Some((stream, place));
        }
    }
    if let Some((stream, place)) = open {
        seen.open = true;
        let before = section.checks.len();
        let implicit = begins_with_tls(port);
        let line = Line { world, question, place, implicit, lmtp: false, relays: port == 25 };
        match question.service {
            Service::Smtp => smtp::examine(&line, stream, &mut section, &mut seen).await,
            Service::Imap | Service::Pop3 => {
                reading::examine(&line, stream, &mut section, &mut seen).await;
            }
        }
        if line.relays && question.service == Service::Smtp {
            let names = places.iter().map(SocketAddr::ip);
            section.checks.extend(reverse(world, names, seen.name.as_deref()).await);
        }
        let has_tls = section.checks.iter().skip(before).any(|check| check.id == "tls.version");
        if question.thorough {
            more(&line, has_tls, &mut section, &seen).await;
        }
    }
    (section, seen)
}

/// What a host may take for an attack.
async fn more(line: &Line<'_>, has_tls: bool, section: &mut Section, seen: &Seen) {
    if has_tls {
        section.checks.extend(old::examine(line).await);
    }
    if line.relays && line.question.service == Service::Smtp && seen.speaks {
        section.checks.extend(relay::check(line, seen.name.as_deref()).await);
    }
}

/// The names of the addresses that other servers see.
async fn reverse(
    world: &World,
    addresses: impl Iterator<Item = IpAddr>,
    said: Option<&str>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    for address in addresses {
        checks.extend(reverse::check(world, address, said).await);
    }
    checks
}

/// What a visit to one port of a host showed.
pub(crate) struct Visited {
    pub(crate) section: Section,
    /// One of its addresses takes connections.
    pub(crate) is_open: bool,
    /// None of them answers at all.
    pub(crate) is_silent: bool,
    /// The certificates that it showed, as files hold them.
    pub(crate) pem: String,
}

/// Visits the port that `question` names, at these addresses of the host.
pub(crate) async fn at(world: &World, question: &Question, addresses: &[IpAddr]) -> Visited {
    let port = question.place.port.unwrap_or(25);
    let family = addresses.iter().filter(|address| world.family.has(**address));
    let places: Vec<SocketAddr> =
        family.map(|address| SocketAddr::new(*address, port)).take(PLACES_MAX).collect();
    let (section, seen) = at_port(world, question, &places).await;
    let silent = section.checks.iter().filter(|check| check.id == "port.open");
    let is_silent = !seen.open && silent.count() > 0 && seen.silent;
    Visited { section, is_open: seen.open, is_silent, pem: seen.pem }
}

/// Connects to all at once, and tells in their order.
async fn all(world: &World, places: &[SocketAddr]) -> Vec<(SocketAddr, Reach)> {
    let mut tries = tokio::task::JoinSet::new();
    for (index, place) in places.iter().copied().enumerate() {
        let world = world.clone();
        tries.spawn(async move { (index, place, reach(&world, place).await) });
    }
    let mut done = Vec::new();
    while let Some(one) = tries.join_next().await {
        done.extend(one.ok());
    }
    done.sort_by_key(|(index, ..)| *index);
    done.into_iter().map(|(_, place, reach)| (place, reach)).collect()
}

/// What another server finds at one place: whether it is encrypted, and believed.
pub(crate) async fn as_server(
    world: &World,
    question: &Question,
    (place, stream): (SocketAddr, Stream),
    (implicit, lmtp): (bool, bool),
    section: &mut Section,
) -> (bool, bool) {
    let line = Line { world, question, place, implicit, lmtp, relays: true };
    let mut seen = Seen { port: place.port(), ..Seen::default() };
    smtp::examine(&line, stream, section, &mut seen).await;
    (seen.secure, seen.trusted)
}

/// What a look at one port of one address needs.
struct Line<'a> {
    world: &'a World,
    question: &'a Question,
    place: SocketAddr,
    /// TLS begins with the first octet.
    implicit: bool,
    /// LMTP is spoken.
    lmtp: bool,
    /// Servers come here, not mail programs.
    relays: bool,
}

impl Line<'_> {
    /// Another connection to the same place.
    async fn again(&self) -> Option<Stream> {
        match reach(self.world, self.place).await {
            Reach::Made(stream, _) => Some(stream),
            _ => None,
        }
    }

    /// Whether clients of this port turn away from a certificate that they do not believe.
    fn is_strict(&self) -> bool {
        !self.relays || self.question.service != Service::Smtp
    }

    /// Whether TLS works from the first octet, on a connection of its own.
    async fn speaks_tls(&self) -> bool {
        let Some(stream) = self.again().await else { return false };
        let shake = self.world.inspector.shake(stream, self.question.tls_name());
        matches!(tokio::time::timeout(self.world.timeout, shake).await, Ok(Ok(_)))
    }
}

/// The check of a login.
fn login_check(mechanism: &str, result: Result<(), &str>) -> Check {
    const ID: &str = "login";
    const TITLE: &str = "Login";
    match result {
        Ok(()) => Check::right(ID, TITLE, format!("{mechanism} works")),
        Err(reply) => Check::wrong(ID, TITLE, format!("{mechanism} was refused: {reply}"))
            .means(
                "Name or password is wrong for this host; or it wants a password made for one \
                 program, or lets this account in by other mechanisms only.",
            )
            .mend(
                "Look whether the name is the whole address. Read the reply; `mailwright doctor \
                 code` explains it.",
            ),
    }
    .tried(format!("AUTH {mechanism}"))
}

#[cfg(test)]
pub(crate) mod tests;
