//! How many sessions each account has open, over all listeners.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use mailwright_words::Id;

/// How many sessions each account has open. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Places(Arc<Mutex<HashMap<Id, usize>>>);

impl Places {
    /// A place for one more session of the account; `None` when it has `most`.
    pub(super) fn take(&self, account: Id, most: usize) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(account).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { places: self.clone(), account })
    }
}

/// A session's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    account: Id,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = counts.get(&self.account).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            counts.remove(&self.account);
        } else {
            counts.insert(self.account, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back() {
        let (places, ann, bob) = (Places::default(), Id::from_i64(1), Id::from_i64(2));
        let first = places.take(ann, 2);
        let second = places.take(ann, 2);
        assert!(first.is_some() && second.is_some());
        assert!(places.take(ann, 2).is_none() && places.take(bob, 2).is_some());
        drop(second);
        assert!(places.take(ann, 2).is_some());
    }
}
