//! What all doors of a server share that show mailboxes: how many sessions and searches there are.
//!
//! A place is given back when it is dropped, however the session or the search ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mailwright_words::{Id, Timestamp};
use tokio::sync::Notify;

/// Logins remembered before those that count no more are forgotten.
const LOGINS_KEPT: usize = 1024;

/// Sessions and searches of all accounts. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tables: Mutex<Tables>,
    /// A search ended.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Tables {
    open: HashMap<Id, Open>,
    searches: usize,
    /// The last POP3 login; kept only where logins have to wait for each other.
    entered: HashMap<Id, Timestamp>,
}

/// What an account has open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Open {
    sessions: usize,
    /// Those of POP3 among them.
    maildrops: usize,
    searches: usize,
}

/// What an account may have open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    /// Sessions.
    pub(crate) sessions: usize,
    /// Those of POP3 among them.
    pub(crate) maildrops: usize,
    /// How long a POP3 login waits after the one before it.
    pub(crate) delay: Duration,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The account has as many sessions as it may.
    Sessions,
    /// The account has as many POP3 sessions as it may.
    InUse,
    /// The account logged in a moment ago.
    Delay,
}

/// What a place is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Session,
    Maildrop,
    Search,
}

impl Shared {
    /// A place for one more session of the account; `None` when it has `most`.
    pub(crate) fn session(&self, account: Id, most: usize) -> Option<Place> {
        let mut tables = self.lock();
        if tables.of(account).sessions >= most {
            return None;
        }
        Some(self.place(&mut tables, account, Kind::Session))
    }

    /// A place for one more POP3 session of the account.
    pub(crate) fn maildrop(&self, account: Id, most: Most, now: Timestamp) -> Result<Place, Full> {
        let mut tables = self.lock();
        let open = tables.of(account);
        if open.maildrops >= most.maildrops {
            return Err(Full::InUse);
        }
        if open.sessions >= most.sessions {
            return Err(Full::Sessions);
        }
        let delay = most.delay;
        if !delay.is_zero() {
            if tables.entered.get(&account).is_some_and(|last| now.since(*last) < delay) {
                return Err(Full::Delay);
            }
            if tables.entered.len() >= LOGINS_KEPT {
                tables.entered.retain(|_, last| now.since(*last) < delay);
            }
            tables.entered.insert(account, now);
        }
        Ok(self.place(&mut tables, account, Kind::Maildrop))
    }

    /// Waits until there are fewer searches than `most`, and fewer of the account than half of
    /// them, so that one account does not keep all others waiting.
    pub(crate) async fn search(&self, account: Id, most: usize) -> Place {
        let most = most.max(1);
        loop {
            let ended = self.0.ended.notified();
            {
                let mut tables = self.lock();
                if tables.searches < most && tables.of(account).searches < most.div_ceil(2) {
                    return self.place(&mut tables, account, Kind::Search);
                }
            }
            ended.await;
        }
    }

    fn place(&self, tables: &mut Tables, account: Id, kind: Kind) -> Place {
        tables.count(account, kind, usize::saturating_add);
        Place { shared: self.clone(), account, kind }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn of(&self, account: Id) -> Open {
        self.open.get(&account).copied().unwrap_or_default()
    }

    fn count(&mut self, account: Id, kind: Kind, change: fn(usize, usize) -> usize) {
        let mut open = self.of(account);
        match kind {
            Kind::Session => open.sessions = change(open.sessions, 1),
            Kind::Maildrop => {
                open.sessions = change(open.sessions, 1);
                open.maildrops = change(open.maildrops, 1);
            }
            Kind::Search => {
                open.searches = change(open.searches, 1);
                self.searches = change(self.searches, 1);
            }
        }
        if open == Open::default() {
            self.open.remove(&account);
        } else {
            self.open.insert(account, open);
        }
    }
}

/// A place of a session or a search, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Shared,
    account: Id,
    kind: Kind,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.lock().count(self.account, self.kind, usize::saturating_sub);
        if self.kind == Kind::Search {
            // All, since who is next may be of an account that has enough.
            self.shared.0.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Id = Id::from_i64(1);
    const BEN: Id = Id::from_i64(2);

    fn most(sessions: usize, maildrops: usize, seconds: u64) -> Most {
        Most { sessions, maildrops, delay: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_place_is_given_back_when_it_is_dropped() {
        let shared = Shared::default();
        let now = Timestamp::new(0);
        let first = shared.maildrop(ANN, most(9, 1, 0), now).unwrap();
        assert_eq!(shared.maildrop(ANN, most(9, 1, 0), now).unwrap_err(), Full::InUse);
        let other = shared.maildrop(BEN, most(9, 1, 0), now).unwrap();
        drop(first);
        let again = shared.maildrop(ANN, most(9, 1, 0), now).unwrap();
        drop((again, other));
        assert!(shared.lock().open.is_empty() && shared.lock().entered.is_empty());
    }

    #[test]
    fn sessions_of_both_protocols_count_together() {
        let (shared, now) = (Shared::default(), Timestamp::new(0));
        let imap = shared.session(ANN, 2).unwrap();
        let pop3 = shared.maildrop(ANN, most(2, 5, 0), now).unwrap();
        assert!(shared.session(ANN, 2).is_none() && shared.session(BEN, 2).is_some());
        assert_eq!(shared.maildrop(ANN, most(2, 5, 0), now).unwrap_err(), Full::Sessions);
        drop(imap);
        let again = shared.maildrop(ANN, most(2, 5, 0), now).unwrap();
        drop(pop3);
        assert!(shared.session(ANN, 2).is_some());
        drop(again);
        assert!(shared.lock().open.is_empty());
    }

    #[test]
    fn logins_wait_for_each_other_where_they_have_to() {
        let shared = Shared::default();
        let enter = |ms| shared.maildrop(ANN, most(9, 2, 1), Timestamp::new(ms)).map(drop);
        assert_eq!(enter(0), Ok(()));
        assert_eq!(enter(999), Err(Full::Delay));
        assert_eq!(enter(1000), Ok(()));
    }

    #[tokio::test]
    async fn searches_wait_for_each_other_and_one_account_leaves_room() {
        let shared = Shared::default();
        let (first, second) = (shared.search(ANN, 4).await, shared.search(ANN, 4).await);
        let mut third = Box::pin(shared.search(ANN, 4));
        assert!(futures_now(&mut third).await.is_none(), "half of them is enough for one");
        let others = (shared.search(BEN, 4).await, shared.search(BEN, 4).await);
        drop(others);
        assert!(futures_now(&mut third).await.is_none());
        drop(first);
        let third = third.await;
        drop((second, third));
        assert_eq!(shared.lock().searches, 0);
    }

    /// What a future gives when it is polled once.
    async fn futures_now<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        tokio::select! {
            biased;
            value = future => Some(value),
            () = std::future::ready(()) => None,
        }
    }
}
