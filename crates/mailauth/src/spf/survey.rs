//! What an SPF record costs and allows, whoever the client is: read as a whole, without one.
//!
//! A check of one client stops where it matches; here every term is followed, as a client that
//! matches none makes a receiver do. Names that depend on the client are counted, not followed.
//! Source: RFC 7208 sections 4.6.4 and 5.

use std::pin::Pin;

use mailwright_net::dns::{Answer, Resolver};

use super::macros::Macros;
use super::record::{Directive, Mechanism, Record, is_spf};
use crate::Word;

/// Terms that are followed: what is far over the limit needs no exact number.
const FOLLOWED_MAX: u32 = 40;
/// Hosts of an `mx`. Source: RFC 7208 section 4.6.4.
const HOSTS_MAX: usize = 10;
/// Networks with fewer bits are those of a whole provider, or of everybody.
const WIDE: (u8, u8) = (8, 16);

/// Why receivers find no sense in a record, and so go by none of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// Several records at one name.
    #[error("{domain} has {count} SPF records")]
    Several {
        /// Where.
        domain: String,
        /// How many.
        count: usize,
    },
    /// A term that is none.
    #[error("{domain}: {what}")]
    Malformed {
        /// Where.
        domain: String,
        /// What is wrong.
        what: String,
    },
    /// `include` or `redirect` of a domain without a record.
    #[error("`{term}` leads to {domain}, which has no record")]
    Nothing {
        /// The term's name.
        term: &'static str,
        /// Where it leads.
        domain: String,
    },
    /// A record that includes itself.
    #[error("{domain} includes itself, by way of others or not")]
    Circle {
        /// Whose.
        domain: String,
    },
    /// `mx` of a domain with too many.
    #[error("{domain} has more than 10 MX records")]
    Hosts {
        /// Whose.
        domain: String,
    },
}

/// What was found out about a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The domain's own record, where it has one.
    pub text: Option<String>,
    /// Why receivers go by none of it.
    pub flaws: Vec<Flaw>,
    /// Terms that ask the DNS, those of included records, too.
    pub lookups: u32,
    /// Names that such terms ask for, and that have nothing.
    pub void: Vec<String>,
    /// What becomes of clients that nothing matches; none where the record says nothing.
    pub others: Option<Word>,
    /// Terms behind an `all`, which never count.
    pub unreached: Vec<String>,
    /// Terms that let in networks as large as a provider's.
    pub wide: Vec<String>,
    /// Whether it has `ptr`, which is slow and not to be used.
    pub uses_ptr: bool,
    /// Names that could not be looked up, and why.
    pub unknown: Vec<String>,
}

impl Survey {
    /// Whether it takes more lookups than receivers make.
    pub const fn is_too_long(&self) -> bool {
        self.lookups > super::eval::LOOKUPS_MAX
    }

    /// Whether more names have nothing than receivers bear.
    pub fn is_too_void(&self) -> bool {
        u32::try_from(self.void.len()).unwrap_or(u32::MAX) > super::eval::VOID_LOOKUPS_MAX
    }
}

/// Reads the record of a domain, and those that it leads to.
pub async fn survey(domain: &str, resolver: &dyn Resolver) -> Survey {
    let mut walk = Walk { resolver, survey: Survey::default(), path: Vec::new() };
    walk.survey.others = walk.domain(domain.to_ascii_lowercase(), None).await;
    walk.survey
}

struct Walk<'a> {
    resolver: &'a dyn Resolver,
    survey: Survey,
    /// The domains whose records led here.
    path: Vec<String>,
}

/// What a record inside one says of those whom it does not match.
type Nested<'b> = Pin<Box<dyn Future<Output = Option<Word>> + Send + 'b>>;

impl Walk<'_> {
    /// Reads one record; it calls itself for those that it leads to. `term` is what led here.
    fn domain(&mut self, domain: String, term: Option<&'static str>) -> Nested<'_> {
        Box::pin(async move {
            if self.path.contains(&domain) {
                self.survey.flaws.push(Flaw::Circle { domain });
                return None;
            }
            let record = self.record(&domain, term).await?;
            self.path.push(domain.clone());
            let others = self.terms(&record, &domain).await;
            self.path.pop();
            others
        })
    }

    async fn record(&mut self, domain: &str, term: Option<&'static str>) -> Option<Record> {
        let texts = match self.resolver.txt(domain).await {
            Answer::Found(texts) => texts,
            Answer::Temporary(why) => {
                self.survey.unknown.push(format!("{domain}: {why}"));
                return None;
            }
            Answer::NoSuchDomain | Answer::NoData => Vec::new(),
        };
        let records: Vec<&Vec<u8>> = texts.iter().filter(|text| is_spf(text)).collect();
        let domain = domain.to_owned();
        let record = match (records.as_slice(), term) {
            ([], None) => return None,
            ([], Some(term)) => {
                self.survey.flaws.push(Flaw::Nothing { term, domain });
                return None;
            }
            ([record], _) => *record,
            (more, _) => {
                self.survey.flaws.push(Flaw::Several { domain, count: more.len() });
                return None;
            }
        };
        if term.is_none() {
            self.survey.text = Some(String::from_utf8_lossy(record).into_owned());
        }
        let read = Record::parse(record);
        read.map_err(|bad| {
            self.survey.flaws.push(Flaw::Malformed { domain, what: bad.to_string() });
        })
        .ok()
    }

    async fn terms(&mut self, record: &Record, domain: &str) -> Option<Word> {
        let is_own = self.path.len() == 1;
        let mut directives = record.directives.iter();
        while let Some(directive) = directives.next() {
            if directive.mechanism == Mechanism::All {
                if is_own {
                    self.survey.unreached = directives.map(|one| one.text.clone()).collect();
                }
                return Some(directive.word);
            }
            self.directive(directive, domain).await;
        }
        let target = record.redirect.as_ref()?;
        self.survey.lookups += 1;
        let target = target.plain()?;
        if self.survey.lookups > FOLLOWED_MAX {
            None
        } else {
            self.domain(target, Some("redirect")).await
        }
    }

    async fn directive(&mut self, directive: &Directive, domain: &str) {
        let text = &directive.text;
        let own = |target: &Option<Macros>| match target {
            None => Some(domain.to_owned()),
            Some(target) => target.plain(),
        };
        let name = match &directive.mechanism {
            Mechanism::All => return,
            Mechanism::Network(network, bits) => {
                let least = if network.is_ipv4() { WIDE.0 } else { WIDE.1 };
                if *bits < least && directive.word == Word::Pass {
                    self.survey.wide.push(text.clone());
                }
                return;
            }
            Mechanism::Include(target) | Mechanism::Exists(target) => target.plain(),
            Mechanism::A(target, _) | Mechanism::Mx(target, _) | Mechanism::Ptr(target) => {
                own(target)
            }
        };
        self.survey.lookups += 1;
        // What is named by the client cannot be followed without one.
        let Some(name) = name.filter(|_| self.survey.lookups <= FOLLOWED_MAX) else { return };
        match &directive.mechanism {
            Mechanism::Include(_) => drop(self.domain(name, Some("include")).await),
            Mechanism::A(..) => {
                let found = self.resolver.addresses(&name).await;
                self.count(found, &name);
            }
            Mechanism::Exists(_) => {
                let found = self.resolver.ipv4(&name).await;
                self.count(found, &name);
            }
            Mechanism::Mx(..) => {
                let found = self.resolver.mx(&name).await;
                if self.count(found, &name) > HOSTS_MAX {
                    self.survey.flaws.push(Flaw::Hosts { domain: name });
                }
            }
            Mechanism::Ptr(_) => self.survey.uses_ptr |= self.path.len() == 1,
            Mechanism::All | Mechanism::Network(..) => {}
        }
    }

    /// How much an answer has; one that has nothing is noted.
    fn count<T>(&mut self, answer: Answer<Vec<T>>, name: &str) -> usize {
        match answer {
            Answer::Found(found) => return found.len(),
            Answer::NoSuchDomain | Answer::NoData => self.survey.void.push(name.to_owned()),
            Answer::Temporary(why) => self.survey.unknown.push(format!("{name}: {why}")),
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use mailwright_net::dns::Fake;

    use super::*;

    fn zone() -> Fake {
        let zone = Fake::new();
        zone.add_address("mail.example", "192.0.2.1".parse().unwrap());
        zone.add_mx("mail.example", 10, "mail.example");
        zone.add_txt("net.example", "v=spf1 ip4:192.0.2.0/24 a:mail.example ?all");
        zone.add_txt("loop.example", "v=spf1 include:back.example -all");
        zone.add_txt("back.example", "v=spf1 include:loop.example -all");
        zone.set_broken("late.example", true);
        zone
    }

    async fn read(record: &str) -> Survey {
        let zone = zone();
        zone.add_txt("own.example", record);
        survey("own.example", &zone).await
    }

    #[tokio::test]
    async fn terms_that_ask_are_counted_and_followed() {
        for (record, lookups, others) in [
            ("v=spf1 ip4:192.0.2.1 -all", 0, Some(Word::Fail)),
            ("v=spf1 include:net.example ~all", 2, Some(Word::SoftFail)),
            (
                "v=spf1 a:mail.example mx:mail.example ptr exists:%{i}.x.example -all",
                4,
                Some(Word::Fail),
            ),
            ("v=spf1 redirect=net.example", 2, Some(Word::Neutral)),
            ("v=spf1 a:mail.example", 1, None),
            ("v=spf1 +all a:mail.example", 0, Some(Word::Pass)),
        ] {
            let found = read(record).await;
            assert_eq!((found.lookups, found.others), (lookups, others), "{record}");
            assert_eq!((&found.flaws[..], &found.void[..]), (&[][..], &[][..]), "{record}");
            assert_eq!(found.text.as_deref(), Some(record));
        }
        let many = format!("v=spf1{} -all", " a:mail.example".repeat(11));
        assert!(read(&many).await.is_too_long());
        let many = format!("v=spf1{} -all", " a:mail.example".repeat(10));
        assert!(!read(&many).await.is_too_long());
        let many = format!("v=spf1{} -all", " include:net.example".repeat(500));
        let found = read(&many).await;
        assert!(
            found.is_too_long() && found.lookups < 1000,
            "it comes to an end: {}",
            found.lookups
        );
    }

    #[tokio::test]
    async fn each_flaw_is_told() {
        let flaw = |text: &str| text.to_owned();
        for (record, expected) in [
            ("v=spf1 include:none.example -all", flaw("`include` leads to none.example")),
            ("v=spf1 redirect=none.example", flaw("`redirect` leads to none.example")),
            ("v=spf1 include:loop.example -all", flaw("loop.example includes itself")),
            ("v=spf1 ip4:mail.example -all", flaw("malformed term `ip4:mail.example`")),
        ] {
            let flaws = read(record).await.flaws;
            assert!(flaws.iter().any(|flaw| flaw.to_string().contains(&expected)), "{flaws:?}");
        }
        let zone = zone();
        zone.add_txt("own.example", "v=spf1 -all");
        zone.add_txt("own.example", "v=spf1 mx -all");
        let found = survey("own.example", &zone).await;
        assert_eq!(found.flaws, [Flaw::Several { domain: "own.example".to_owned(), count: 2 }]);
        assert_eq!(survey("none.example", &zone).await, Survey::default());
    }

    #[tokio::test]
    async fn what_is_wide_void_or_never_reached_is_noted() {
        let found = read("v=spf1 a:x.example mx:y.example a:z.example -all a:mail.example").await;
        assert_eq!(found.void, ["x.example", "y.example", "z.example"]);
        assert!(found.is_too_void());
        assert_eq!(found.unreached, ["a:mail.example"]);
        let found =
            read("v=spf1 ip4:192.0.2.0/7 -ip4:192.0.0.0/1 ip6:2001::/15 ip4:10.0.0.0/8 -all").await;
        assert_eq!(found.wide, ["ip4:192.0.2.0/7", "ip6:2001::/15"]);
        let found = read("v=spf1 include:late.example a:late.example ptr -all").await;
        assert_eq!(found.unknown.len(), 2);
        assert!(found.uses_ptr && found.void.is_empty() && found.flaws.is_empty());
    }
}
