//! A resolver with records that were given by hand, over another one or over none.
//!
//! What was given is taken before the DNS, type by type. Where nothing was given and nobody is
//! asked, the answer is that it could not be found out, never that there is nothing; but beside a
//! DMARC record that was given, names above and below have none.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use mailwright_config::{GivenRecords, RecordData};

use super::{Answer, Later, Resolver, Srv};

/// Aliases that are followed from one name.
const ALIASES_MAX: usize = 8;
/// Where DMARC records stand. Source: RFC 9989 section 4.
const DMARC: &str = "_dmarc.";

/// Records that were given by hand, over a resolver.
#[derive(Debug, Clone, Default)]
pub struct Given {
    records: HashMap<String, Vec<RecordData>>,
    below: Option<Arc<dyn Resolver>>,
}

impl Given {
    /// The records over `below`; without it nobody else is asked.
    pub fn new(records: &GivenRecords, below: Option<Arc<dyn Resolver>>) -> Self {
        let mut all: HashMap<String, Vec<RecordData>> = HashMap::new();
        for record in records.iter() {
            all.entry(record.name.clone()).or_default().push(record.data.clone());
        }
        Self { records: all, below }
    }

    /// What was given for a name; and the name that its aliases lead to.
    fn given<T>(
        &self,
        name: &str,
        pick: impl Fn(&RecordData) -> Option<T>,
    ) -> Result<Vec<T>, String> {
        let mut name = key(name);
        for _ in 0..ALIASES_MAX {
            let records = self.records.get(&name).map(Vec::as_slice).unwrap_or_default();
            let found: Vec<T> = records.iter().filter_map(&pick).collect();
            if !found.is_empty() {
                return Ok(found);
            }
            let alias = records.iter().find_map(|record| match record {
                RecordData::Cname(target) => Some(target.clone()),
                _ => None,
            });
            match alias {
                Some(target) => name = target,
                None => break,
            }
        }
        Err(name)
    }

    /// Whether a place for a DMARC record is beside one that was given.
    fn is_beside(&self, name: &str) -> bool {
        let Some(domain) = name.strip_prefix(DMARC) else { return false };
        let within = |name: &str, domain: &str| {
            name.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'))
        };
        let mut given = self.records.keys().filter_map(|name| name.strip_prefix(DMARC));
        given.any(|one| within(one, domain) || within(domain, one))
    }

    /// The answer, or who is to be asked for which name.
    fn settled<T>(
        &self,
        found: Result<Vec<T>, String>,
    ) -> Result<Answer<Vec<T>>, (&dyn Resolver, String)> {
        let name = match found {
            Ok(records) => return Ok(Answer::Found(records)),
            Err(name) => name,
        };
        match &self.below {
            Some(below) => Err((&**below, name)),
            None if self.is_beside(&name) => Ok(Answer::NoSuchDomain),
            None => Ok(unasked()),
        }
    }
}

fn unasked<T>() -> Answer<T> {
    Answer::Temporary("the DNS is not asked".to_owned())
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Resolver for Given {
    fn mx<'a>(&'a self, domain: &'a str) -> Later<'a, Vec<(u16, String)>> {
        let found = self.given(domain, |data| match data {
            RecordData::Mx(preference, host) => Some((*preference, host.clone())),
            _ => None,
        });
        Box::pin(async move {
            match self.settled(found) {
                Ok(answer) => answer,
                Err((below, name)) => below.mx(&name).await,
            }
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Later<'a, Vec<IpAddr>> {
        let found = self.given(host, |data| match data {
            RecordData::Address(address) => Some(*address),
            _ => None,
        });
        Box::pin(async move {
            match self.settled(found) {
                Ok(answer) => answer,
                Err((below, name)) => below.addresses(&name).await,
            }
        })
    }

    fn txt<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Vec<u8>>> {
        let found = self.given(name, |data| match data {
            RecordData::Txt(text) => Some(text.as_bytes().to_vec()),
            _ => None,
        });
        Box::pin(async move {
            match self.settled(found) {
                Ok(answer) => answer,
                Err((below, name)) => below.txt(&name).await,
            }
        })
    }

    fn ptr(&self, address: IpAddr) -> Later<'_, Vec<String>> {
        match &self.below {
            Some(below) => below.ptr(address),
            None => Box::pin(std::future::ready(unasked())),
        }
    }

    fn srv<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Srv>> {
        match &self.below {
            Some(below) => below.srv(name),
            None => Box::pin(std::future::ready(unasked())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Fake;

    fn records() -> GivenRecords {
        GivenRecords::parse(
            "s1._domainkey.new.example CNAME s1.dkim.provider.example\n\
             s1.dkim.provider.example TXT v=DKIM1; p=x\n\
             new.example A 192.0.2.1\n\
             _dmarc.new.example TXT v=DMARC1; p=reject\n\
             loop.example CNAME loop.example\n",
        )
        .unwrap()
    }

    #[tokio::test]
    async fn alone_what_was_not_given_is_not_known() {
        let given = Given::new(&records(), None);
        let key = given.txt("S1._domainkey.new.example.").await;
        assert_eq!(key, Answer::Found(vec![b"v=DKIM1; p=x".to_vec()]));
        for name in ["new.example", "other.example", "loop.example", "_dmarc.other.example"] {
            assert!(matches!(given.txt(name).await, Answer::Temporary(_)), "{name}");
        }
        for name in ["_dmarc.example", "_dmarc.a.new.example"] {
            assert_eq!(given.txt(name).await, Answer::NoSuchDomain, "{name}");
        }
        assert!(matches!(given.ptr("192.0.2.1".parse().unwrap()).await, Answer::Temporary(_)));
        assert!(matches!(given.mx("new.example").await, Answer::Temporary(_)));
    }

    #[tokio::test]
    async fn over_the_dns_what_was_given_comes_first() {
        let dns = Fake::new();
        dns.add_address("new.example", "192.0.2.9".parse().unwrap());
        dns.add_txt("new.example", "v=spf1 -all");
        let given = Given::new(&records(), Some(Arc::new(dns)));
        let found = given.addresses("new.example").await;
        assert_eq!(found, Answer::Found(vec!["192.0.2.1".parse().unwrap()]));
        assert_eq!(given.txt("new.example").await, Answer::Found(vec![b"v=spf1 -all".to_vec()]));
        assert_eq!(given.txt("_dmarc.example").await, Answer::NoSuchDomain);
    }
}
