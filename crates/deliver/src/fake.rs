//! An invented DNS for tests.

use std::collections::HashMap;
use std::net::IpAddr;

use mailwright_net::dns::{Signed, Tlsa};

use crate::mx::{Answer, Names, SignedAnswer};
use crate::outcome::Later;

#[derive(Debug, Default, Clone)]
pub(crate) struct Zone {
    mx: HashMap<String, Vec<(u16, String)>>,
    addresses: HashMap<String, Vec<IpAddr>>,
    tlsa: HashMap<String, Vec<Tlsa>>,
    txt: HashMap<String, Vec<Vec<u8>>>,
    aliases: HashMap<String, String>,
    secure: Vec<String>,
    insecure_ends: Vec<String>,
    temporary: Vec<String>,
    hanging: Vec<String>,
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

    pub(crate) fn alias(mut self, host: &str, end: &str, address: &str) -> Self {
        self.aliases.insert(host.to_owned(), end.to_owned());
        self.address(host, address)
    }

    pub(crate) fn tlsa(mut self, owner: &str, records: &[Tlsa], secure: bool) -> Self {
        self.tlsa.insert(owner.to_owned(), records.to_vec());
        if secure { self.secure(&[owner]) } else { self }
    }

    pub(crate) fn txt(mut self, owner: &str, text: &str) -> Self {
        self.txt.entry(owner.to_owned()).or_default().push(text.as_bytes().to_vec());
        self
    }

    pub(crate) fn secure(mut self, names: &[&str]) -> Self {
        self.secure.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    /// What the alias `name` leads to is not validated.
    pub(crate) fn insecure_end(mut self, name: &str) -> Self {
        self.insecure_ends.push(name.to_owned());
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

    /// A name whose lookup never ends.
    pub(crate) fn hanging(mut self, name: &str) -> Self {
        self.hanging.push(name.to_owned());
        self
    }

    fn has(list: &[String], name: &str) -> bool {
        list.iter().any(|other| other == name)
    }

    fn answer<'a, T: Clone + Send + Sync + 'a>(
        &'a self,
        name: &str,
        found: Option<&'a Vec<T>>,
    ) -> Later<'a, Answer<Vec<T>>> {
        if Self::has(&self.hanging, name) {
            return Box::pin(std::future::pending());
        }
        let answer = match found {
            _ if Self::has(&self.temporary, name) => Answer::Temporary("SERVFAIL".to_owned()),
            Some(records) if !records.is_empty() => Answer::Found(records.clone()),
            _ if self.mx.contains_key(name) || self.addresses.contains_key(name) => Answer::NoData,
            _ => Answer::NoSuchDomain,
        };
        Box::pin(std::future::ready(answer))
    }

    fn signed<'a, T: Clone + Send + Sync + 'a>(
        &'a self,
        name: &'a str,
        found: Option<&'a Vec<T>>,
    ) -> SignedAnswer<'a, T> {
        let is_secure = Self::has(&self.secure, name);
        let secure = is_secure && !Self::has(&self.insecure_ends, name);
        let canonical = self.aliases.get(name).cloned();
        let alias_secure = is_secure && canonical.is_some();
        Box::pin(async move {
            match self.answer(name, found).await {
                Answer::Found(records) => {
                    Answer::Found(Signed { records, secure, canonical, alias_secure })
                }
                Answer::NoData => Answer::NoData,
                Answer::NoSuchDomain => Answer::NoSuchDomain,
                Answer::Temporary(why) => Answer::Temporary(why),
            }
        })
    }
}

impl Names for Zone {
    fn mx<'a>(&'a self, domain: &'a str) -> SignedAnswer<'a, (u16, String)> {
        self.signed(domain, self.mx.get(domain))
    }

    fn addresses<'a>(&'a self, host: &'a str) -> SignedAnswer<'a, IpAddr> {
        self.signed(host, self.addresses.get(host))
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> SignedAnswer<'a, Tlsa> {
        self.signed(name, self.tlsa.get(name))
    }

    fn txt<'a>(&'a self, name: &'a str) -> Later<'a, Answer<Vec<Vec<u8>>>> {
        self.answer(name, self.txt.get(name))
    }
}
