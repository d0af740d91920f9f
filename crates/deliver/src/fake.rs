//! An invented DNS for tests.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::mx::{Answer, Names};
use crate::outcome::Later;

#[derive(Debug, Default, Clone)]
pub(crate) struct Zone {
    mx: HashMap<String, Vec<(u16, String)>>,
    addresses: HashMap<String, Vec<IpAddr>>,
    temporary: Vec<String>,
}

impl Zone {
    pub(crate) fn mx(mut self, domain: &str, records: &[(u16, &str)]) -> Self {
        let records = records.iter().map(|(rank, host)| (*rank, (*host).to_owned())).collect();
        self.mx.insert(domain.to_owned(), records);
        self
    }

    pub(crate) fn address(mut self, host: &str, address: &str) -> Self {
        self.addresses.entry(host.to_owned()).or_default().push(address.parse().unwrap());
        self
    }

    pub(crate) fn no_data(mut self, host: &str) -> Self {
        self.addresses.insert(host.to_owned(), Vec::new());
        self
    }

    pub(crate) fn temporary(mut self, name: &str) -> Self {
        self.temporary.push(name.to_owned());
        self
    }

    fn answer<T: Clone>(&self, name: &str, found: Option<&Vec<T>>) -> Answer<Vec<T>> {
        if self.temporary.iter().any(|other| other == name) {
            return Answer::Temporary("SERVFAIL".to_owned());
        }
        match found {
            Some(records) if !records.is_empty() => Answer::Found(records.clone()),
            _ if self.mx.contains_key(name) || self.addresses.contains_key(name) => Answer::NoData,
            _ => Answer::NoSuchDomain,
        }
    }
}

impl Names for Zone {
    fn mx<'a>(&'a self, domain: &'a str) -> Later<'a, Answer<Vec<(u16, String)>>> {
        Box::pin(async move { self.answer(domain, self.mx.get(domain)) })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Later<'a, Answer<Vec<IpAddr>>> {
        Box::pin(async move { self.answer(host, self.addresses.get(host)) })
    }
}
