//! What a mail client finds here, read off the listeners: its protocols and ports.

use crate::{Config, Listener, Role};

/// What a mail client uses a port for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceKind {
    /// Reading, with folders.
    Imap,
    /// Fetching.
    Pop3,
    /// Sending.
    Submission,
}

/// A port as a mail client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// What for.
    pub kind: ServiceKind,
    /// Whether TLS begins with the first octet; else the client asks for it.
    pub implicit_tls: bool,
    /// The port.
    pub port: u16,
}

impl Service {
    /// The port that a client tries when it is told nothing. Source: RFC 8314 section 7.
    pub const fn standard_port(kind: ServiceKind, implicit_tls: bool) -> u16 {
        match (kind, implicit_tls) {
            (ServiceKind::Imap, true) => 993,
            (ServiceKind::Imap, false) => 143,
            (ServiceKind::Pop3, true) => 995,
            (ServiceKind::Pop3, false) => 110,
            (ServiceKind::Submission, true) => 465,
            (ServiceKind::Submission, false) => 587,
        }
    }
}

/// What a service is sorted by: its kind, then the better one first.
type Rank = (ServiceKind, bool, bool, bool, u16);

impl Config {
    /// What a mail client finds here: of each kind the best port with TLS from the first octet,
    /// then the best without. A port that other machines reach is better than one on loopback,
    /// then the standard port, then a low one.
    pub fn services(&self) -> Vec<Service> {
        let mut found: Vec<(Rank, Service)> = self
            .listeners
            .values()
            .filter_map(|listener| {
                let kind = kind(listener.role)?;
                Some(ports(listener).map(move |(port, reached)| {
                    let implicit_tls = listener.implicit_tls;
                    let standard = port == Service::standard_port(kind, implicit_tls);
                    let rank = (kind, !implicit_tls, !reached, !standard, port);
                    (rank, Service { kind, implicit_tls, port })
                }))
            })
            .flatten()
            .collect();
        found.sort_by_key(|(rank, _)| *rank);
        found.dedup_by_key(|(_, service)| (service.kind, service.implicit_tls));
        found.into_iter().map(|(_, service)| service).collect()
    }
}

const fn kind(role: Role) -> Option<ServiceKind> {
    match role {
        Role::Imap => Some(ServiceKind::Imap),
        Role::Pop3 => Some(ServiceKind::Pop3),
        Role::Msa => Some(ServiceKind::Submission),
        Role::Mta | Role::Lmtp | Role::Sandbox => None,
    }
}

/// The ports of a listener, and whether other machines reach them.
fn ports(listener: &Listener) -> impl Iterator<Item = (u16, bool)> {
    let public = listener.public_port;
    listener.addresses.iter().map(move |address| match public {
        Some(port) => (port, true),
        None => (address.port(), !address.ip().to_canonical().is_loopback()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(kind: ServiceKind, implicit_tls: bool, port: u16) -> Service {
        Service { kind, implicit_tls, port }
    }

    #[test]
    fn a_client_is_told_the_best_port_of_each_kind() {
        let mut config = Config::default();
        config.listeners.clear();
        for (name, role, address, implicit_tls, public_port) in [
            ("mta", Role::Mta, "[::]:25", false, None),
            ("a", Role::Msa, "[::]:2525", false, None),
            ("b", Role::Msa, "[::]:587", false, None),
            ("c", Role::Msa, "127.0.0.1:465", true, None),
            ("d", Role::Msa, "[::]:1465", true, None),
            ("e", Role::Pop3, "127.0.0.1:10995", true, Some(995)),
            ("f", Role::Imap, "127.0.0.1:10143", false, None),
        ] {
            let listener = Listener::new(role, vec![address.parse().unwrap()]);
            let listener = Listener { implicit_tls, public_port, ..listener };
            config.listeners.insert(name.to_owned(), listener);
        }
        assert_eq!(
            config.services(),
            [
                service(ServiceKind::Imap, false, 10143),
                service(ServiceKind::Pop3, true, 995),
                service(ServiceKind::Submission, true, 1465),
                service(ServiceKind::Submission, false, 587),
            ]
        );
    }
}
