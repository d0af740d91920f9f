//! The DNS records that a domain should have for its users' mail clients.
//!
//! A service that is not here is said to be absent, so that no client goes looking for it.
//! Source: RFC 6186 section 3, RFC 8314 section 5.1.

use mailwright_config::{Service, ServiceKind};

/// A record of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Its owner, with the last dot.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: &'static str,
    /// Its data.
    pub(super) data: String,
}

impl Record {
    /// The line of a zone file.
    pub(super) fn zone(&self) -> String {
        format!("{} IN {} {}", self.name, self.kind, self.data)
    }
}

/// The labels of services, the best first: TLS from the first octet before STARTTLS, folders
/// before a mere inbox. Clients try low priorities first.
const LABELS: [(&str, ServiceKind, bool, u16); 6] = [
    ("_submissions", ServiceKind::Submission, true, 0),
    ("_submission", ServiceKind::Submission, false, 10),
    ("_imaps", ServiceKind::Imap, true, 0),
    ("_imap", ServiceKind::Imap, false, 10),
    ("_pop3s", ServiceKind::Pop3, true, 20),
    ("_pop3", ServiceKind::Pop3, false, 30),
];

/// The SRV records of `domain`, whose mail clients connect to `hostname`.
pub(super) fn srv(domain: &str, hostname: &str, services: &[Service]) -> Vec<Record> {
    let record = |(label, kind, implicit_tls, priority): (&str, ServiceKind, bool, u16)| {
        let found = services
            .iter()
            .find(|service| service.kind == kind && service.implicit_tls == implicit_tls);
        let data = match found {
            Some(service) => format!("{priority} 1 {} {hostname}.", service.port),
            None => "0 0 0 .".to_owned(),
        };
        Record { name: format!("{label}._tcp.{domain}."), kind: "SRV", data }
    };
    LABELS.into_iter().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_named_and_what_is_not_is_said_to_be_absent() {
        let services = [
            Service { kind: ServiceKind::Imap, implicit_tls: true, port: 993 },
            Service { kind: ServiceKind::Submission, implicit_tls: false, port: 2587 },
        ];
        let lines: Vec<String> =
            srv("home.example", "mx.home.example", &services).iter().map(Record::zone).collect();
        assert_eq!(
            lines,
            [
                "_submissions._tcp.home.example. IN SRV 0 0 0 .",
                "_submission._tcp.home.example. IN SRV 10 1 2587 mx.home.example.",
                "_imaps._tcp.home.example. IN SRV 0 1 993 mx.home.example.",
                "_imap._tcp.home.example. IN SRV 0 0 0 .",
                "_pop3s._tcp.home.example. IN SRV 0 0 0 .",
                "_pop3._tcp.home.example. IN SRV 0 0 0 .",
            ]
        );
    }
}
