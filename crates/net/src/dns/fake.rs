//! A resolver that tests fill.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use super::{Answer, Later, Resolver, Srv};

/// Answers what it was told; any other name does not exist.
#[derive(Debug, Default)]
pub struct Fake {
    zone: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    mx: Vec<(u16, String)>,
    addresses: Vec<IpAddr>,
    txt: Vec<Vec<u8>>,
    ptr: Vec<String>,
    srv: Vec<Srv>,
    broken: bool,
}

impl Fake {
    /// An empty world.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an MX record.
    pub fn add_mx(&self, domain: &str, preference: u16, host: &str) {
        self.change(domain, |entry| entry.mx.push((preference, host.to_owned())));
    }

    /// Adds an address.
    pub fn add_address(&self, host: &str, address: IpAddr) {
        self.change(host, |entry| entry.addresses.push(address));
    }

    /// Adds a TXT record.
    pub fn add_txt(&self, name: &str, text: &str) {
        self.change(name, |entry| entry.txt.push(text.as_bytes().to_vec()));
    }

    /// Adds the name of an address.
    pub fn add_ptr(&self, address: IpAddr, name: &str) {
        self.change(&address.to_string(), |entry| entry.ptr.push(name.to_owned()));
    }

    /// Adds an SRV record; `name` is all of it, such as `_imaps._tcp.example.com`.
    pub fn add_srv(&self, name: &str, srv: Srv) {
        self.change(name, |entry| entry.srv.push(srv));
    }

    /// Makes each question about this name fail, or no longer.
    pub fn set_broken(&self, name: &str, broken: bool) {
        self.change(name, |entry| entry.broken = broken);
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Entry)) {
        let mut zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        change(zone.entry(key(name)).or_default());
    }

    fn answer<T: Send + 'static>(
        &self,
        name: &str,
        part: impl FnOnce(Entry) -> Vec<T>,
    ) -> Later<'static, Vec<T>> {
        let zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = zone.get(&key(name)).cloned();
        drop(zone);
        let answer = match entry {
            None => Answer::NoSuchDomain,
            Some(entry) if entry.broken => Answer::Temporary("server failure".to_owned()),
            Some(entry) => {
                let records = part(entry);
                if records.is_empty() { Answer::NoData } else { Answer::Found(records) }
            }
        };
        Box::pin(std::future::ready(answer))
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Resolver for Fake {
    fn mx<'a>(&'a self, domain: &'a str) -> Later<'a, Vec<(u16, String)>> {
        self.answer(domain, |entry| entry.mx)
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Later<'a, Vec<IpAddr>> {
        self.answer(host, |entry| entry.addresses)
    }

    fn txt<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Vec<u8>>> {
        self.answer(name, |entry| entry.txt)
    }

    fn srv<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Srv>> {
        self.answer(name, |entry| entry.srv)
    }

    fn ptr(&self, address: IpAddr) -> Later<'_, Vec<String>> {
        self.answer(&address.to_string(), |entry| entry.ptr)
    }
}
