//! Claims that nobody needs any more, given back until the store takes them.
//!
//! A claim that is not given back keeps its recipient from being tried for the rest of this life,
//! so one that could not be written is remembered, and the sweep writes it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mailwright_store::{
    Owner, StoreError, Tx,
    queue::{self, Claimed},
};
use mailwright_words::{Id, Timestamp};

use super::Queue;
use crate::delivery::Delivery;

/// Recipients that one transaction gives back.
const CHUNK: usize = 500;

/// Recipients that are ours in the store and that nobody here has.
#[derive(Debug, Default)]
pub(super) struct Strays(Mutex<Vec<Stray>>);

/// One of them.
#[derive(Debug, Clone, Copy)]
struct Stray {
    id: Id,
    /// Whether a human has to look at it before it is tried again.
    is_held: bool,
}

impl Strays {
    fn all(&self) -> MutexGuard<'_, Vec<Stray>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stray {
    fn go(self, tx: &mut Tx<'_>, owner: Owner, now: Timestamp) -> Result<(), StoreError> {
        queue::release(tx, owner, &[self.id])?;
        if self.is_held && queue::entry(tx, self.id)?.is_some() {
            queue::hold(tx, self.id, now)?;
        }
        Ok(())
    }
}

impl<D: Delivery> Queue<D> {
    /// Gives claimed recipients back as they were.
    pub(super) async fn give_back(&self, claimed: &[Claimed]) {
        let stray = |one: &Claimed| Stray { id: one.id, is_held: false };
        self.let_go(&claimed.iter().map(stray).collect::<Vec<_>>()).await;
    }

    /// Holds recipients of whom nobody knows how their attempt ended: one that was taken and not
    /// written down would be sent again and again.
    pub(super) async fn keep_back(&self, claimed: &[Claimed]) {
        let stray = |one: &Claimed| Stray { id: one.id, is_held: true };
        self.let_go(&claimed.iter().map(stray).collect::<Vec<_>>()).await;
    }

    /// Gives back what could not be given back before.
    pub(super) async fn free_strays(&self) {
        let left = std::mem::take(&mut *self.strays.all());
        if !left.is_empty() {
            tracing::warn!(recipients = left.len(), "Claims that were left behind are freed.");
            self.let_go(&left).await;
        }
    }

    async fn let_go(&self, all: &[Stray]) {
        let (owner, now) = (self.store.owner(), self.clock.now());
        for chunk in all.chunks(CHUNK) {
            let strays = chunk.to_vec();
            let written = self.note(move |tx: &mut Tx<'_>| {
                strays.iter().try_for_each(|stray| stray.go(tx, owner, now))
            });
            if !written.await {
                self.strays.all().extend_from_slice(chunk);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use mailwright_net::clock::{Clock, System, Wait};
    use mailwright_store::Lane;
    use mailwright_words::ReversePath;

    use super::*;
    use crate::{
        fake::{claimed, states},
        ready::{Batch, Contact},
    };

    #[tokio::test]
    async fn what_could_not_be_given_back_is_given_back_later() {
        let folder = tempfile::tempdir().unwrap();
        let (store, queue, claimed) = claimed(folder.path(), ReversePath::Null).await;
        let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON recipient
                      BEGIN SELECT RAISE(ABORT, 'not now'); END";
        store.write(Lane::Quick, move |tx| tx.execute(refuse, &[])).await.unwrap();
        queue.give_back(&claimed[..1]).await;
        queue.keep_back(&claimed[1..]).await;
        queue.free_strays().await;
        assert_eq!(states(&store), [("queued", true), ("queued", true)]);
        store.write(Lane::Quick, |tx| tx.execute("DROP TRIGGER refuse", &[])).await.unwrap();
        queue.free_strays().await;
        assert_eq!(states(&store), [("queued", false), ("held", false)]);
        assert!(queue.strays.all().is_empty());
    }

    /// Breaks when it is first asked.
    #[derive(Debug, Default)]
    struct Broken(AtomicBool);

    impl Clock for Broken {
        fn now(&self) -> Timestamp {
            assert!(self.0.swap(true, Ordering::SeqCst), "a fault of ours");
            System::new().now()
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }

        fn sleep(&self, _: Duration) -> Wait<'_> {
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn an_attempt_that_panics_ends_and_its_recipients_are_held() {
        let folder = tempfile::tempdir().unwrap();
        let (store, mut queue, recipients) = claimed(folder.path(), ReversePath::Null).await;
        queue.clock = Arc::new(Broken::default());
        let spool = recipients[0].spool;
        let batch = Arc::new(Batch { site: "b.example".to_owned(), spool, recipients });
        let finished = queue.attempt_guarded(batch).await;
        assert_eq!((finished.contact, finished.ended.is_none()), (Contact::None, true));
        assert_eq!(states(&store), [("held", false), ("held", false)]);
    }
}
