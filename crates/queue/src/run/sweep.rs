//! Expiry and notices, on a sweep of their own: they come also while nothing can be delivered.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mailwright_store::{
    Lane, StoreError, Tx,
    queue::{self, Claimed, Message, Told},
};
use mailwright_words::{Id, Reply, Timestamp};
use tokio::sync::watch;

use super::{Queue, broken};
use crate::{
    delivery::{Delivery, End, Outcome},
    ready::Batch,
    settle::{self, Ended},
};
use std::sync::atomic::Ordering;

/// Between two sweeps for what expired or is late.
const SWEEP: Duration = Duration::from_mins(1);

/// How long the failures of a destination without mail are remembered.
const IDLE: Duration = Duration::from_hours(24);
/// Recipients of one message that share a transaction and a report, at most.
const CHUNK: usize = 200;
/// Characters of the last reply that a report quotes.
const QUOTED_MAX: usize = 400;

impl<D: Delivery> Queue<D> {
    /// Sweeps again and again until `shutdown` says so.
    pub(super) async fn sweeps(self, mut shutdown: watch::Receiver<bool>) {
        loop {
            self.free_strays().await;
            self.sweep(&shutdown).await;
            self.forget_idle().await;
            tokio::select! {
                () = self.clock.sleep(SWEEP) => {}
                stop = shutdown.wait_for(|stop| *stop) => {
                    tracing::debug!(known = stop.is_ok(), "The sweep stops.");
                    return;
                }
            }
        }
    }

    async fn forget_idle(&self) {
        let before = self.clock.now().minus(IDLE);
        let forget = move |tx: &mut Tx<'_>| queue::forget_idle(tx, before);
        if let Err(error) = self.store.write(Lane::Bulk, forget).await {
            tracing::error!(%error, "Idle destinations were not forgotten.");
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
            for (spool, group) in by_message(swept.expired, |(claimed, _)| claimed.spool) {
                for chunk in group.chunks(CHUNK) {
                    self.expire(spool, chunk, now).await;
                }
            }
            for (group, why) in [(swept.late, Told::Late), (swept.by_time, Told::ByTime)] {
                for (spool, group) in by_message(group, |claimed| claimed.spool) {
                    self.tell(spool, (&group, why), now).await;
                }
            }
            match swept.next {
                Some(next) => after = Some(next),
                None => return,
            }
        }
    }

    /// Gives up recipients of one message, with one report.
    async fn expire(&self, spool: Id, chunk: &[(Claimed, Option<String>)], now: Timestamp) {
        let owner = self.store.owner();
        let ids: Vec<Id> = chunk.iter().map(|(claimed, _)| claimed.id).collect();
        let claim = move |tx: &mut Tx<'_>| {
            let each = ids.iter().map(|id| queue::claim_one(tx, owner, *id));
            let claimed = each.collect::<Result<Vec<_>, _>>()?;
            Ok((claimed, queue::message(tx, spool)?))
        };
        let (claimed, message) = match self.store.write(Lane::Bulk, claim).await {
            Ok((claimed, Some(message))) => (claimed, message),
            Ok((_, None)) => return,
            Err(error) => return tracing::error!(%error, "The sweep has to wait."),
        };
        // Somebody else was faster with those that could not be claimed.
        let pairs = claimed.into_iter().zip(chunk);
        let (recipients, outcomes): (Vec<Claimed>, Vec<Outcome>) = pairs
            .filter_map(|(claimed, (_, last))| Some((claimed?, expired(last.as_deref()))))
            .unzip();
        let Some(site) = recipients.first().map(|one| one.destination.clone()) else { return };
        let count = u64::try_from(recipients.len()).unwrap_or(0);
        self.counters.failed.fetch_add(count, Ordering::Relaxed);
        let batch = Arc::new(Batch { site, spool, recipients });
        let message = Arc::new(message);
        self.settle(Ended { message, batch, outcomes, started: now, finished: now }).await;
    }

    async fn tell(&self, spool: Id, late: (&[Claimed], Told), now: Timestamp) {
        if let Err(error) = self.tell_late(spool, late, now).await {
            tracing::error!(%error, %spool, "A notice has to wait.");
        }
    }

    async fn tell_late(
        &self,
        spool: Id,
        (late, why): (&[Claimed], Told),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let message: Option<Message> = self.store.read(move |tx| queue::message(tx, spool)).await?;
        let Some(message) = message else { return Ok(()) };
        let settings = self.settings.now();
        for chunk in late.chunks(CHUNK) {
            let keeper = (&self.store, settings.as_ref());
            settle::write_late(keeper, self.delivery.as_ref(), &message, (chunk, why), now).await?;
        }
        Ok(())
    }
}

fn by_message<T>(all: Vec<T>, of: impl Fn(&T) -> Id) -> BTreeMap<Id, Vec<T>> {
    let mut groups: BTreeMap<Id, Vec<T>> = BTreeMap::new();
    for one in all {
        groups.entry(of(&one)).or_default().push(one);
    }
    groups
}

/// The end of a recipient that waited too long, with what was said about it last.
pub(super) fn expired(last_reply: Option<&str>) -> Outcome {
    let mut text = "Not delivered in time".to_owned();
    if let Some(last) = last_reply {
        let line = last.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str("; the last reply was: ");
        text.extend(line.chars().take(QUOTED_MAX));
    }
    let reply = Reply::new(550, Some(settle::TOO_LATE), text);
    Outcome { end: End::Failed, reply: Some(reply), ..broken() }
}
