//! How long failed logins have to wait: by account name and by client address.
//!
//! A name counts whether it exists or not, so that a wait says nothing of it. A client that logged
//! in before does not wait for what others do to its account. Memory is bounded by two generations
//! of entries: when the young one is full, the old one is forgotten. Time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mailwright_config::Live;
use mailwright_words::Timestamp;

/// The longest wait, and the quiet time after which failures are forgotten.
const LONGEST: Duration = Duration::from_hours(1);
/// Entries of one generation.
const GENERATION_MAX: usize = 32_768;

/// Counts failures and says who has to wait.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Failures that are free, and the first wait.
    rule: Live<(u32, Duration)>,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    failures: Generations<Subject, Failures>,
    /// When a login of a client was last told.
    familiar: Generations<(String, IpAddr), Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Account(String),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Throttle {
    /// Failures past `after` wait `wait`, doubled by each further one, an hour at most.
    pub(crate) fn new(after: u32, wait: Duration) -> Self {
        Self { rule: Live::new((after, wait)), tables: Mutex::default() }
    }

    /// Goes by another rule from now on; what was counted stays.
    pub(crate) fn set(&self, after: u32, wait: Duration) {
        self.rule.set((after, wait));
    }

    /// How long a login as `name` from `address` has to wait from `now`; zero when it may come.
    pub(crate) fn wait(&self, name: &str, address: IpAddr, now: Timestamp) -> Duration {
        let (name, address) = (name.to_lowercase(), site(address));
        let tables = self.lock();
        let familiar = tables.familiar.find(&(name.clone(), address)).is_some();
        let account = if familiar { None } else { Some(Subject::Account(name)) };
        [account, Some(Subject::Address(address))]
            .into_iter()
            .flatten()
            .filter_map(|subject| tables.failures.find(&subject))
            .map(|failures| self.left(failures, now))
            .max()
            .unwrap_or_default()
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, name: &str, address: IpAddr, now: Timestamp) {
        let mut tables = self.lock();
        for subject in [Subject::Account(name.to_lowercase()), Subject::Address(site(address))] {
            let before = tables.failures.find(&subject).filter(|f| now.since(f.last) < LONGEST);
            let count = before.map_or(0, |failures| failures.count).saturating_add(1);
            tables.failures.put(subject, Failures { count, last: now });
        }
    }

    /// Forgets the failures of an account, and remembers the client as one of its own. The login
    /// was counted as a failure when it began.
    ///
    /// The address keeps its other count: else an attacker with one account could try all others.
    /// Says whether the login is to be told: the first of its client, or the first in an hour.
    pub(crate) fn succeeded(&self, name: &str, address: IpAddr, now: Timestamp) -> bool {
        let name = name.to_lowercase();
        let mut tables = self.lock();
        let from = Subject::Address(site(address));
        match tables.failures.find(&from) {
            Some(Failures { count, last }) if count > 1 => {
                tables.failures.put(from, Failures { count: count - 1, last });
            }
            _ => tables.failures.remove(&from),
        }
        tables.failures.remove(&Subject::Account(name.clone()));
        let client = (name, site(address));
        let told = tables.familiar.find(&client).filter(|last| now.since(*last) < LONGEST);
        tables.familiar.put(client, told.unwrap_or(now));
        told.is_none()
    }

    fn left(&self, failures: Failures, now: Timestamp) -> Duration {
        let passed = now.since(failures.last);
        let (after, wait) = *self.rule.now();
        let Some(over) = failures.count.checked_sub(after.max(1)) else {
            return Duration::ZERO;
        };
        wait.saturating_mul(1 << over.min(20)).min(LONGEST).saturating_sub(passed)
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one client: an IPv4 address, or the /64 that one IPv6 site has for itself.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64));
            IpAddr::V6(network)
        }
    }
}

/// A map that never holds more than two generations of entries.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Eq + Hash, V: Copy> Generations<K, V> {
    pub(crate) fn find(&self, key: &K) -> Option<V> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    pub(crate) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= GENERATION_MAX && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 2, 3, 4, 5));
    const OTHER: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 2, 3, 4, 5));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(1_000_000_000_000 + seconds * 1000)
    }

    fn throttle() -> Throttle {
        Throttle::new(3, Duration::from_secs(5))
    }

    #[test]
    fn failures_past_the_limit_wait_longer_and_longer() {
        let throttle = throttle();
        let waits = (0..14).map(|_| {
            throttle.failed("ann@mw.example", ADDRESS, at(0));
            throttle.wait("ann@mw.example", ADDRESS, at(0)).as_secs()
        });
        let expected = [0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600];
        assert_eq!(waits.collect::<Vec<_>>(), expected);
        assert_eq!(throttle.wait("ann@mw.example", ADDRESS, at(3590)).as_secs(), 10);
        assert_eq!(throttle.wait("ann@mw.example", ADDRESS, at(3600)).as_secs(), 0);
        throttle.failed("ann@mw.example", ADDRESS, at(3601));
        assert_eq!(throttle.wait("ann@mw.example", ADDRESS, at(3601)).as_secs(), 0, "forgotten");
    }

    #[test]
    fn account_and_address_count_each_by_themselves() {
        let throttle = throttle();
        for name in ["Ann@mw.example", "ann@MW.example", "ann@mw.example"] {
            throttle.failed(name, ADDRESS, at(0));
        }
        assert_eq!(throttle.wait("ann@mw.example", OTHER, at(0)).as_secs(), 5, "by account");
        assert_eq!(throttle.wait("bob@mw.example", ADDRESS, at(0)).as_secs(), 5, "by address");
        assert_eq!(throttle.wait("bob@mw.example", OTHER, at(0)).as_secs(), 0);
        let neighbour = "2001:db8:0:1::9".parse().unwrap();
        assert_eq!(throttle.wait("bob@mw.example", neighbour, at(0)).as_secs(), 5, "same /64");
    }

    #[test]
    fn a_client_that_logged_in_does_not_wait_for_what_others_do() {
        let throttle = throttle();
        throttle.succeeded("ann@mw.example", OTHER, at(0));
        (0..9).for_each(|_| throttle.failed("ann@mw.example", ADDRESS, at(0)));
        assert_eq!(throttle.wait("ann@mw.example", OTHER, at(0)), Duration::ZERO);
        assert!(throttle.wait("ann@mw.example", ADDRESS, at(0)) > Duration::ZERO);
        throttle.succeeded("ann@mw.example", ADDRESS, at(0));
        assert!(throttle.wait("ann@mw.example", ADDRESS, at(0)) > Duration::ZERO, "the address");
    }

    #[test]
    fn a_login_that_succeeds_takes_back_its_own_count_and_no_other() {
        let throttle = throttle();
        for _ in 0..2 {
            throttle.failed("ann@mw.example", ADDRESS, at(0));
        }
        throttle.failed("bob@mw.example", ADDRESS, at(0));
        throttle.succeeded("bob@mw.example", ADDRESS, at(0));
        assert_eq!(throttle.wait("bob@mw.example", ADDRESS, at(0)), Duration::ZERO);
        throttle.failed("ann@mw.example", ADDRESS, at(0));
        assert!(throttle.wait("bob@mw.example", ADDRESS, at(0)) > Duration::ZERO);
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = throttle();
        for n in 0..3 * GENERATION_MAX {
            throttle.failed(&format!("{n}@mw.example"), ADDRESS, at(0));
        }
        let tables = throttle.lock();
        assert!(tables.failures.young.len() + tables.failures.old.len() <= 2 * GENERATION_MAX);
    }
}
