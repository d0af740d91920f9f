//! What bounds attempts from outside: the end of their time, and how many share a host.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What an attempt and whoever ends it tell each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hurry(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    over: AtomicBool,
    at_stake: AtomicBool,
}

impl Hurry {
    /// The time is over: nothing new is begun. Says whether a host may have the message by now, so
    /// that its word has to be waited for.
    pub(crate) fn begin(&self) -> bool {
        self.0.over.store(true, Ordering::Relaxed);
        self.0.at_stake.load(Ordering::Relaxed)
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Relaxed)
    }

    /// Says whether a host may have taken the message without our knowing.
    pub(crate) fn stake(&self, is_at_stake: bool) {
        self.0.at_stake.store(is_at_stake, Ordering::Relaxed);
    }
}

/// Connections at work, by the address of their host: a thousand domains may share one.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Crowd {
    /// How many lead to that address.
    pub(crate) fn count(&self, address: IpAddr) -> usize {
        let crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        crowd.get(&address).copied().unwrap_or(0)
    }

    /// Counts one more, until its place is dropped.
    pub(crate) fn join(&self, address: IpAddr) -> Place {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(address).or_default() += 1;
        Place { crowd: Arc::clone(&self.0), address }
    }
}

/// A place in the crowd.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut crowd = self.crowd.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = crowd.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                crowd.remove(&self.address);
            }
        }
    }
}
