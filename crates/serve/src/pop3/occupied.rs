//! Which accounts have sessions open, and when each was last entered; shared by all doors.
//!
//! A place is given back when it is dropped, however the session ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mailwright_words::{Id, Timestamp};

/// Logins remembered before those that count no more are forgotten.
const LOGINS_KEPT: usize = 1024;

/// Which accounts have sessions open. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Occupied(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    open: HashMap<Id, usize>,
    /// The last login; kept only where logins have to wait for each other.
    entered: HashMap<Id, Timestamp>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The account has as many sessions as it may.
    InUse,
    /// The account logged in a moment ago.
    Delay,
}

impl Occupied {
    /// A place in the account, of `places`, so long after the last login.
    pub(super) fn enter(
        &self,
        account: Id,
        places: usize,
        delay: Duration,
        now: Timestamp,
    ) -> Result<Place, Full> {
        let mut tables = self.lock();
        if tables.open.get(&account).copied().unwrap_or(0) >= places {
            return Err(Full::InUse);
        }
        if !delay.is_zero() {
            if tables.entered.get(&account).is_some_and(|last| now.since(*last) < delay) {
                return Err(Full::Delay);
            }
            if tables.entered.len() >= LOGINS_KEPT {
                tables.entered.retain(|_, last| now.since(*last) < delay);
            }
            tables.entered.insert(account, now);
        }
        *tables.open.entry(account).or_default() += 1;
        Ok(Place { occupied: self.clone(), account })
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place in an account.
#[derive(Debug)]
pub(super) struct Place {
    occupied: Occupied,
    account: Id,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tables = self.occupied.lock();
        let left = tables.open.get(&self.account).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            tables.open.remove(&self.account);
        } else {
            tables.open.insert(self.account, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Id = Id::from_i64(1);
    const BEN: Id = Id::from_i64(2);

    #[test]
    fn a_place_is_given_back_when_it_is_dropped() {
        let occupied = Occupied::default();
        let at = Timestamp::new;
        let enter = |account, ms| occupied.enter(account, 1, Duration::ZERO, at(ms));
        let first = enter(ANN, 0).unwrap();
        assert_eq!(enter(ANN, 0).unwrap_err(), Full::InUse);
        let other = enter(BEN, 0).unwrap();
        drop(first);
        let again = enter(ANN, 0).unwrap();
        drop((again, other));
        assert!(occupied.lock().open.is_empty() && occupied.lock().entered.is_empty());
    }

    #[test]
    fn logins_wait_for_each_other_where_they_have_to() {
        let occupied = Occupied::default();
        let enter =
            |ms| occupied.enter(ANN, 2, Duration::from_secs(1), Timestamp::new(ms)).map(drop);
        assert_eq!(enter(0), Ok(()));
        assert_eq!(enter(999), Err(Full::Delay));
        assert_eq!(enter(1000), Ok(()));
    }
}
