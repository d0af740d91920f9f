//! Expiry and notices, on a sweep of their own: they come also while nothing can be delivered.

use std::{sync::Arc, time::Duration};

use mailwright_store::{
    Lane, StoreError,
    queue::{self, Claimed, Message},
};
use mailwright_words::{Id, Timestamp};
use tokio::sync::watch;

use super::{Queue, expired};
use crate::{
    delivery::Delivery,
    ready::Batch,
    settle::{self, Ended},
};
use std::sync::atomic::Ordering;

/// Between two sweeps for what expired or is late.
const SWEEP: Duration = Duration::from_mins(1);

impl<D: Delivery> Queue<D> {
    /// Sweeps again and again until `shutdown` says so.
    pub(super) async fn sweeps(self, mut shutdown: watch::Receiver<bool>) {
        loop {
            self.sweep(&shutdown).await;
            tokio::select! {
                () = self.clock.sleep(SWEEP) => {}
                stop = shutdown.wait_for(|stop| *stop) => {
                    tracing::debug!(known = stop.is_ok(), "The sweep stops.");
                    return;
                }
            }
        }
    }

    /// Fails what is past its time and tells senders about what is late.
    async fn sweep(&self, shutdown: &watch::Receiver<bool>) {
        let mut after = None;
        while !*shutdown.borrow() {
            let now = self.clock.now();
            let notice = self.settings.now().delay_notice;
            let late = if notice.is_zero() { Timestamp::new(i64::MIN) } else { now.minus(notice) };
            let swept = match self.store.read(move |tx| queue::sweep(tx, after, now, late)).await {
                Ok(swept) => swept,
                Err(error) => return tracing::error!(%error, "The sweep has to wait."),
            };
            for claimed in swept.expired {
                self.expire(claimed.id, now).await;
            }
            let late = swept.late.into_iter().map(|one| (one, queue::Told::Late));
            let by_time = swept.by_time.into_iter().map(|one| (one, queue::Told::ByTime));
            for (claimed, why) in late.chain(by_time) {
                if let Err(error) = self.tell_late((&claimed, why), now).await {
                    tracing::error!(%error, spool = %claimed.spool, "A notice has to wait.");
                }
            }
            match swept.next {
                Some(next) => after = Some(next),
                None => return,
            }
        }
    }

    async fn expire(&self, recipient: Id, now: Timestamp) {
        let owner = self.store.owner();
        let claimed = self
            .store
            .write(Lane::Bulk, move |tx| {
                let Some(one) = queue::claim_one(tx, owner, recipient)? else { return Ok(None) };
                Ok(queue::message(tx, one.spool)?.map(|message| (one, message)))
            })
            .await;
        let Ok(Some((claimed, message))) = claimed else { return };
        let outcome = expired();
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        let batch = Batch {
            site: claimed.destination.clone(),
            spool: claimed.spool,
            recipients: vec![claimed],
        };
        let message = Arc::new(message);
        let batch = Arc::new(batch);
        let outcomes = vec![outcome];
        self.settle(Ended { message, batch, outcomes, started: now, finished: now }).await;
    }

    async fn tell_late(
        &self,
        (claimed, why): (&Claimed, queue::Told),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let spool = claimed.spool;
        let message: Option<Message> = self.store.read(move |tx| queue::message(tx, spool)).await?;
        let Some(message) = message else { return Ok(()) };
        settle::write_late(
            (&self.store, &self.settings.now()),
            self.delivery.as_ref(),
            &message,
            (claimed, why),
            now,
        )
        .await
    }
}
