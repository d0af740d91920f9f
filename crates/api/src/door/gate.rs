//! How many of something each address has at one time.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts by address; it holds those alone that have some.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<HashMap<IpAddr, usize>>);

impl Gate {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more of an address; nothing when it has `most`.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Place> {
        let address = address.to_canonical();
        let mut counts = self.lock();
        let count = counts.get(&address).copied().unwrap_or(0);
        if count >= most {
            return None;
        }
        counts.insert(address, count.saturating_add(1));
        Some(Place { gate: Arc::clone(self), address })
    }
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Arc<Gate>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.gate.lock();
        match counts.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_places_and_gives_them_back() {
        let gate = Arc::new(Gate::default());
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = gate.enter(one, 2).unwrap();
        // The same address in the clothes of the other family.
        let second = gate.enter("::ffff:192.0.2.1".parse().unwrap(), 2).unwrap();
        assert!(gate.enter(one, 2).is_none());
        let third = gate.enter(other, 2).unwrap();
        drop(first);
        assert!(gate.enter(one, 2).is_some());
        drop((second, third));
        assert!(gate.lock().is_empty());
    }
}
