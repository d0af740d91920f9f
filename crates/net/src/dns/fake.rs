//! A resolver that tests fill.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use super::{Answer, Later, Resolver, Signed, Srv, Tlsa};

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
    tlsa: Vec<Tlsa>,
    alias: Option<String>,
    broken: bool,
    secure: bool,
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

    /// Adds a TLSA record; `name` is all of it, such as `_25._tcp.mx.example`.
    pub fn add_tlsa(&self, name: &str, tlsa: Tlsa) {
        self.change(name, |entry| entry.tlsa.push(tlsa));
    }

    /// Says that a name is an alias of another; what it has has to be added all the same.
    pub fn set_alias(&self, name: &str, target: &str) {
        self.change(name, |entry| entry.alias = Some(target.to_owned()));
    }

    /// Says that what is known of this name is validated.
    pub fn set_secure(&self, name: &str) {
        self.change(name, |entry| entry.secure = true);
    }

    /// Makes each question about this name fail, or no longer.
    pub fn set_broken(&self, name: &str, broken: bool) {
        self.change(name, |entry| entry.broken = broken);
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Entry)) {
        let mut zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        change(zone.entry(key(name)).or_default());
    }

    fn signed<T: Send + 'static>(
        &self,
        name: &str,
        part: impl FnOnce(Entry) -> Vec<T>,
    ) -> Later<'static, Signed<Vec<T>>> {
        let zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = zone.get(&key(name)).cloned().unwrap_or_default();
        drop(zone);
        let (secure, canonical) = (entry.secure, entry.alias);
        let answer = self.answer(name, part);
        Box::pin(async move {
            answer.await.map(|records| Signed { secure, canonical, ..Signed::insecure(records) })
        })
    }

    fn answer<T: Send + 'static>(
        &self,
        name: &str,
        part: impl FnOnce(Entry) -> Vec<T>,
    ) -> Later<'static, Vec<T>> {
        let zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = zone.get(&key(name)).cloned();
        // What is above all that is known is there, too; and `com`, where anything is.
        let (name, top) = (key(name), format!(".{}", key(name)));
        let is_top =
            !name.contains('.') && zone.keys().any(|known| name == "com" || known.ends_with(&top));
        drop(zone);
        let answer = match entry {
            None if is_top => Answer::NoData,
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

    fn signed_mx<'a>(&'a self, domain: &'a str) -> Later<'a, Signed<Vec<(u16, String)>>> {
        self.signed(domain, |entry| entry.mx)
    }

    fn signed_addresses<'a>(&'a self, host: &'a str) -> Later<'a, Signed<Vec<IpAddr>>> {
        self.signed(host, |entry| entry.addresses)
    }

    fn tlsa<'a>(&'a self, name: &'a str) -> Later<'a, Signed<Vec<Tlsa>>> {
        self.signed(name, |entry| entry.tlsa)
    }
}
