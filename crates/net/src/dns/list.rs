//! Lists in the DNS of addresses and domains: what is asked, and what an answer means.
//!
//! An answer about the question itself, such as that of a list which does not answer public
//! resolvers, is no listing. Whether a list can be relied on is told by its own test entries.
//! Source: RFC 5782.

use std::net::{IpAddr, Ipv4Addr};

use super::{Answer, Resolver};

/// What a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListKind {
    /// Addresses of clients.
    Addresses,
    /// Domains.
    Domains,
}

impl ListKind {
    /// Pairs of an entry that every list of the kind has and one that none has.
    ///
    /// Of domains, one large list has an entry of its own. Source: RFC 5782 section 5.
    const fn tests(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Addresses => &[("2.0.0.127", "1.0.0.127")],
            Self::Domains => &[("test", "invalid"), ("dbltest.com", "invalid")],
        }
    }
}

/// What a list says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListWord {
    /// It has it, with these codes.
    Listed(Vec<Ipv4Addr>),
    /// It does not have it.
    Free,
    /// An answer that is about the question: the list does not answer us.
    Refused(Ipv4Addr),
    /// There is no answer, for this reason.
    Silent(String),
}

impl ListWord {
    /// What an answer means. Addresses outside of 127.0.0.0/8 mean nothing.
    pub fn of(answer: Answer<Vec<IpAddr>>) -> Self {
        let addresses = match answer {
            Answer::Found(addresses) => addresses,
            Answer::NoSuchDomain | Answer::NoData => return Self::Free,
            Answer::Temporary(why) => return Self::Silent(why),
        };
        let codes = addresses.into_iter().filter_map(|address| match address {
            IpAddr::V4(four) if four.is_loopback() => Some(four),
            _ => None,
        });
        let codes: Vec<Ipv4Addr> = codes.collect();
        match codes.iter().find(|code| is_error(**code)) {
            Some(code) => Self::Refused(*code),
            None if codes.is_empty() => Self::Free,
            None => Self::Listed(codes),
        }
    }
}

/// Whether a code says that the list refuses to answer us.
fn is_error(code: Ipv4Addr) -> bool {
    matches!(code.octets(), [127, 255, 255, _] | [127, 0, 1, 255])
}

/// Why a list cannot be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsound {
    /// What was asked to find out.
    pub tried: String,
    /// Why.
    pub why: String,
}

/// Asks a list about one of its names.
pub async fn ask(resolver: &dyn Resolver, name: &str) -> ListWord {
    ListWord::of(resolver.addresses(name).await)
}

/// What a list says for an entry, where it says something.
pub async fn reason(resolver: &dyn Resolver, name: &str) -> Option<String> {
    match resolver.txt(name).await {
        Answer::Found(texts) => {
            texts.first().map(|text| String::from_utf8_lossy(text).into_owned())
        }
        _ => None,
    }
}

/// Finds out whether a list knows its own test entry, and not everybody.
///
/// Errors: [`Unsound`], after which nothing that the list says can be relied on.
pub async fn sound(resolver: &dyn Resolver, zone: &str, kind: ListKind) -> Result<(), Unsound> {
    let mut result = Ok(());
    for (listed, free) in kind.tests() {
        let (listed, free) = (format!("{listed}.{zone}"), format!("{free}.{zone}"));
        let why = match tokio::join!(ask(resolver, &listed), ask(resolver, &free)) {
            (ListWord::Refused(code), _) | (_, ListWord::Refused(code)) => {
                format!("it refuses the question ({code})")
            }
            (ListWord::Silent(why), _) | (_, ListWord::Silent(why)) => {
                format!("it gives no answer: {why}")
            }
            (ListWord::Free, _) => "it does not know its own test entry".to_owned(),
            (_, ListWord::Listed(_)) => "it lists everything".to_owned(),
            (ListWord::Listed(_), ListWord::Free) => return Ok(()),
        };
        result = Err(Unsound { tried: format!("{listed} and {free}"), why });
    }
    result
}

/// The name of a client in a zone. Source: RFC 5782 sections 2.1 and 2.4.
pub fn of_address(client: IpAddr, zone: &str) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.{zone}")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().fold(String::new(), |text, octet| {
                format!("{text}{:x}.{:x}.", octet & 15, octet >> 4)
            });
            format!("{nibbles}{zone}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Fake;

    #[test]
    fn a_client_has_a_name_in_a_zone() {
        let name = |client: &str, zone| of_address(client.parse().unwrap(), zone);
        assert_eq!(name("192.0.2.7", "z.example"), "7.2.0.192.z.example");
        assert_eq!(name("::ffff:192.0.2.7", "z"), "7.2.0.192.z");
        let wanted = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.z";
        assert_eq!(name("2001:db8:1:2:3:4:567:89ab", "z"), wanted);
    }

    #[test]
    fn answers_about_the_question_are_no_listings() {
        for (code, word) in [
            ("127.0.0.2", "listed"),
            ("127.0.1.2", "listed"),
            ("127.255.255.254", "refused"),
            ("127.255.255.252", "refused"),
            ("127.0.1.255", "refused"),
            ("192.0.2.1", "free"),
            ("::1", "free"),
        ] {
            let found = match ListWord::of(Answer::Found(vec![code.parse().unwrap()])) {
                ListWord::Listed(_) => "listed",
                ListWord::Refused(_) => "refused",
                ListWord::Free => "free",
                ListWord::Silent(_) => "silent",
            };
            assert_eq!(found, word, "{code}");
        }
    }

    #[tokio::test]
    async fn a_list_is_relied_on_by_its_own_entries() {
        let two: IpAddr = "127.0.0.2".parse().unwrap();
        let dns = Fake::new();
        for name in
            ["2.0.0.127.good", "2.0.0.127.all", "1.0.0.127.all", "test.words", "dbltest.com.large"]
        {
            dns.add_address(name, two);
        }
        dns.add_address("2.0.0.127.public", "127.255.255.254".parse().unwrap());
        dns.set_broken("2.0.0.127.broken", true);
        for (zone, kind, why) in [
            ("good", ListKind::Addresses, None),
            ("all", ListKind::Addresses, Some("it lists everything")),
            ("dead", ListKind::Addresses, Some("it does not know its own test entry")),
            ("public", ListKind::Addresses, Some("it refuses the question (127.255.255.254)")),
            ("broken", ListKind::Addresses, Some("it gives no answer: server failure")),
            ("words", ListKind::Domains, None),
            ("large", ListKind::Domains, None),
            ("good", ListKind::Domains, Some("it does not know its own test entry")),
        ] {
            let found = sound(&dns, zone, kind).await;
            assert_eq!(found.err().map(|one| one.why).as_deref(), why, "{zone}");
        }
    }
}
