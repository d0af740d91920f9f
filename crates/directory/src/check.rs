//! Verifies passwords: a bounded pool, and a memory of those that were right.
//!
//! A check takes tens of milliseconds and 19 MiB, so that only some run at once, some wait, and the
//! rest are told to come again. A password that was right is remembered for minutes as an HMAC
//! under a key of this process, over the hash it was verified against: another hash, another entry,
//! so that a changed password, a revoked one or a restart need no forgetting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use mailwright_config::Live;
use mailwright_sasl::Secret;
use mailwright_words::Timestamp;
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::password::{self, HashError, Stored};

/// Checks that wait for each that runs.
const WAITING_FACTOR: usize = 32;
/// Passwords that are remembered; more, and all are forgotten once.
const REMEMBERED_MAX: usize = 16_384;

/// There is no room for another check now; the client should try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many password checks are waiting")]
pub struct Busy;

/// Verifies and hashes passwords.
#[derive(Debug)]
pub(crate) struct Checker {
    running: Arc<Semaphore>,
    waiting: Semaphore,
    keep: Live<Duration>,
    key: [u8; 32],
    remembered: Mutex<HashMap<[u8; 32], Timestamp>>,
    /// What an unknown name is checked against: the same work, never right.
    nobody: Stored,
}

impl Checker {
    /// Runs `checks_max` at once, and remembers what was right for `keep`. With `is_open` there is
    /// no name to keep secret, and a check of an unknown one costs nothing.
    ///
    /// Errors: the system gives no random numbers.
    pub(crate) fn new(checks_max: usize, keep: Duration, is_open: bool) -> Result<Self, HashError> {
        let running = checks_max.max(1);
        let secret = password::generate()?;
        Ok(Self {
            running: Arc::new(Semaphore::new(running)),
            waiting: Semaphore::new(running.saturating_mul(WAITING_FACTOR)),
            keep: Live::new(keep),
            key: password::random()?,
            remembered: Mutex::default(),
            nobody: if is_open { Stored::random(&secret)? } else { Stored::hash(&secret)? },
        })
    }

    /// Remembers what is right from now on for `keep`.
    pub(crate) fn remember_for(&self, keep: Duration) {
        self.keep.set(keep);
    }

    /// Which of `hashes` the password belongs to, counted from 0.
    ///
    /// However many there are, the work is that of one slow check: of the last slow hash, or of
    /// nobody's when there is none. An account has one slow hash, its others are random.
    ///
    /// Errors: [`Busy`].
    pub(crate) async fn verify(
        &self,
        hashes: &[Stored],
        password: &Secret,
        now: Timestamp,
    ) -> Result<Option<usize>, Busy> {
        let memory: Vec<[u8; 32]> = hashes.iter().map(|hash| self.mac(hash, password)).collect();
        if let Some(known) = self.recall(&memory, now) {
            return Ok(Some(known));
        }
        let random = |hash: &Stored| hash.is_random() && hash.verify(password.expose());
        let slow = hashes.iter().rposition(|hash| !hash.is_random());
        if let Some(found) = hashes.iter().position(random) {
            self.remember(memory.get(found), now);
            return Ok(Some(found));
        }
        let hash = slow.and_then(|index| hashes.get(index)).unwrap_or(&self.nobody).clone();
        let secret = password.clone();
        let right = self.run(move || hash.verify(secret.expose())).await?;
        let found = slow.filter(|_| right);
        if let Some(index) = found {
            self.remember(memory.get(index), now);
        }
        Ok(found)
    }

    /// Does slow work on the pool.
    ///
    /// Errors: [`Busy`], also when the work panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _place = self.waiting.try_acquire().map_err(|_full| Busy)?;
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_closed| Busy)?;
        // The permit goes along: a client that hangs up does not make room for another check.
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        task.await.map_err(|_panicked| Busy)
    }

    fn mac(&self, hash: &Stored, password: &Secret) -> [u8; 32] {
        let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
        key.iter_mut().zip(self.key).for_each(|(slot, byte)| *slot = byte);
        let mut mac = Hmac::<Sha256>::new(&key);
        mac.update(hash.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(password.expose().as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn recall(&self, memory: &[[u8; 32]], now: Timestamp) -> Option<usize> {
        let remembered = self.lock();
        memory.iter().position(|mac| remembered.get(mac).is_some_and(|until| *until > now))
    }

    fn remember(&self, mac: Option<&[u8; 32]>, now: Timestamp) {
        let mut remembered = self.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, until| *until > now);
        }
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        if let Some(mac) = mac {
            remembered.insert(*mac, now.plus(*self.keep.now()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Timestamp>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker(keep: u64) -> Checker {
        Checker::new(1, Duration::from_secs(keep), false).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::new(1_000_000_000_000)
    }

    #[tokio::test]
    async fn the_right_one_of_several_is_found() {
        let checker = checker(60);
        let hashes = [
            Stored::random("app one").unwrap(),
            Stored::hash("main").unwrap(),
            Stored::random("app two").unwrap(),
        ];
        for (password, found) in
            [("app one", Some(0)), ("main", Some(1)), ("app two", Some(2)), ("no", None)]
        {
            for _ in 0..2 {
                let verdict = checker.verify(&hashes, &Secret::new(password), now()).await;
                assert_eq!(verdict, Ok(found), "{password}");
            }
        }
        assert_eq!(checker.verify(&[], &Secret::new("main"), now()).await, Ok(None));
    }

    #[tokio::test]
    async fn a_right_password_is_remembered_for_its_time_and_its_hash() {
        let checker = checker(60);
        let hash = Stored::hash("main").unwrap();
        checker.verify(std::slice::from_ref(&hash), &Secret::new("main"), now()).await.unwrap();
        let mac = [checker.mac(&hash, &Secret::new("main"))];
        assert_eq!(checker.recall(&mac, now().plus(Duration::from_secs(59))), Some(0));
        assert_eq!(checker.recall(&mac, now().plus(Duration::from_mins(1))), None);
        let again = [checker.mac(&Stored::hash("main").unwrap(), &Secret::new("main"))];
        assert_eq!(checker.recall(&again, now()), None, "a new hash is not remembered");
    }

    #[tokio::test]
    async fn more_checks_than_may_wait_are_turned_away() {
        let checker = Arc::new(checker(60));
        let held = checker.waiting.try_acquire_many(31).unwrap();
        assert_eq!(checker.run(|| 1).await, Ok(1));
        let last = checker.waiting.try_acquire().unwrap();
        assert_eq!(checker.run(|| 1).await, Err(Busy));
        drop((held, last));
        assert_eq!(checker.run(|| panic!("a bug")).await, Err::<(), _>(Busy));
        assert_eq!(checker.run(|| 2).await, Ok(2), "a panic keeps no place");
    }
}
