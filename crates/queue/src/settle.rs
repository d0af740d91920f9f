//! Settling a batch: outcomes, attempts, events and the report about them in one transaction.

use std::sync::Arc;

use mailwright_store::{
    Lane, Owner, Store, StoreError, Tx,
    queue::{self, Message, Settlement, Verdict},
    spool,
};
use mailwright_words::{
    ByMode, Id, Status, Timestamp,
    dsn::{Action, Outcome as Said},
    metric,
};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    delivery::{Delivery, End, Outcome},
    ready::Batch,
    report,
    run::{Queue, Settings, TROUBLE},
};

/// What an attempt leaves to be written.
pub(crate) struct Ended {
    pub(crate) message: Arc<Message>,
    pub(crate) batch: Arc<Batch>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) started: Timestamp,
    pub(crate) finished: Timestamp,
}

/// Settlements that share one closure of the store.
const SETTLEMENTS: usize = 500;
/// Reports that are written at once.
const REPORTS: usize = 64;

/// Writes the ends of attempts down, all that wait in one go.
///
/// An attempt's place is free again before its end is written, so what a destination takes does
/// not depend on how fast the disk is. Until the end is written the recipients stay ours.
pub(crate) struct Settler<D> {
    store: Store,
    queue: Queue<D>,
}

impl<D: Delivery> Settler<D> {
    pub(crate) fn new(store: Store, queue: Queue<D>) -> Self {
        Self { store, queue }
    }

    /// Runs until nobody is left who could send more, and all is written.
    pub(crate) async fn run(self, mut ended: mpsc::Receiver<Ended>) {
        let mut reports = JoinSet::new();
        let mut taken = Vec::new();
        while ended.recv_many(&mut taken, SETTLEMENTS).await > 0 {
            let mut plain = Vec::new();
            for one in taken.drain(..) {
                if said(&one).is_empty() {
                    plain.push(one);
                    continue;
                }
                if reports.len() >= REPORTS {
                    reports.join_next().await;
                }
                let queue = self.queue.clone();
                reports.spawn(async move { queue.settle(one).await });
            }
            while reports.try_join_next().is_some() {}
            self.write(plain).await;
        }
        while reports.join_next().await.is_some() {}
    }

    async fn write(&self, ended: Vec<Ended>) {
        let (settings, clock) = self.queue.parts();
        let mut settlements = Vec::new();
        for one in &ended {
            settlements.extend(self::settlements(&settings, one));
        }
        while !settlements.is_empty() {
            let rest = settlements.split_off(settlements.len().min(SETTLEMENTS));
            let chunk = Arc::new(std::mem::replace(&mut settlements, rest));
            while !self.chunk(&chunk).await {
                clock.sleep(TROUBLE).await;
            }
        }
    }

    /// Writes a chunk; false when it has to be tried again.
    async fn chunk(&self, chunk: &Arc<Vec<Settlement>>) -> bool {
        let (owner, settlements) = (self.store.owner(), Arc::clone(chunk));
        let write = move |tx: &mut Tx<'_>| {
            let each = settlements.iter().map(|one| queue::settle(tx, owner, one, one.ended));
            each.collect::<Result<Vec<bool>, _>>()
        };
        let again = |one: &Settlement| {
            matches!(
                one.verdict,
                Verdict::Deferred(_) | Verdict::Postponed(_) | Verdict::Expanded(_)
            )
        };
        match self.store.write(Lane::Quick, write).await {
            Ok(settled) => {
                for (one, settled) in chunk.iter().zip(settled) {
                    if settled {
                        tell(one);
                    } else {
                        let spool = one.claimed.spool;
                        tracing::warn!(%spool, "A claim was lost, so nothing was settled.");
                    }
                }
                if chunk.iter().any(again) {
                    self.store.spooled().notify_one();
                }
                true
            }
            Err(StoreError::Closed | StoreError::Stopped(_)) => true,
            Err(error) => {
                tracing::error!(%error, recipients = chunk.len(), "Settling has to wait.");
                false
            }
        }
    }
}

/// Writes the end of an attempt, and the report that is due, at once or not at all; false when it
/// has to be tried again.
pub(crate) async fn write<D: Delivery>(
    store: &Store,
    settings: &Settings,
    delivery: &D,
    ended: &Ended,
) -> bool {
    match try_write(store, settings, delivery, ended).await {
        Ok(()) => store.spooled().notify_one(),
        Err(StoreError::Missing(_)) => {
            let spool = ended.message.id;
            tracing::warn!(%spool, "A claim was lost, so nothing was settled.");
        }
        Err(StoreError::Closed | StoreError::Stopped(_)) => {}
        Err(error) => {
            tracing::error!(%error, spool = %ended.message.id, "Settling has to wait.");
            return false;
        }
    }
    true
}

async fn try_write<D: Delivery>(
    store: &Store,
    settings: &Settings,
    delivery: &D,
    ended: &Ended,
) -> Result<(), StoreError> {
    let (owner, now) = (store.owner(), ended.finished);
    let settlements: Arc<[Settlement]> = settlements(settings, ended).into();
    let settled = Arc::clone(&settlements);
    match ready(store, settings, delivery, ended).await? {
        Some(report::Ready { rows, body }) => {
            let closure = move |tx: &mut Tx<'_>| {
                all(tx, owner, &settlements, now)?;
                spool::insert(tx, &rows)
            };
            store.write_body(body, closure).await?;
        }
        None => store.write(Lane::Quick, move |tx| all(tx, owner, &settlements, now)).await?,
    }
    settled.iter().for_each(tell);
    Ok(())
}

/// The one line and the one count of a decision, once it is written down.
fn tell(settled: &Settlement) {
    let (claimed, outcome) = (&settled.claimed, settled.verdict.as_str());
    tracing::info!(
        spool = %claimed.spool, recipient = %claimed.address, outcome,
        reply = settled.reply.as_deref(), "Attempt settled."
    );
    metrics::counter!(metric::ATTEMPTS, "outcome" => outcome).increment(1);
}

fn all(
    tx: &mut Tx<'_>,
    owner: Owner,
    settlements: &[Settlement],
    now: Timestamp,
) -> Result<(), StoreError> {
    for settlement in settlements {
        if !queue::settle(tx, owner, settlement, now)? {
            return Err(StoreError::Missing("claim"));
        }
    }
    Ok(())
}

/// The end a recipient really has: what is past its time fails instead of waiting.
fn end(outcome: &Outcome, expires: Timestamp, now: Timestamp) -> End {
    match &outcome.end {
        End::Deferred if now >= expires => End::Failed,
        other => other.clone(),
    }
}

fn settlements(settings: &Settings, ended: &Ended) -> Vec<Settlement> {
    let each = |(claimed, outcome): (&queue::Claimed, &Outcome)| {
        let wait = settings.schedule.after_failure(claimed.attempts.saturating_add(1));
        let verdict = match end(outcome, claimed.expires, ended.finished) {
            End::Delivered => Verdict::Delivered,
            End::Relayed { .. } => Verdict::Relayed,
            End::Expanded(children) => Verdict::Expanded(children),
            End::Failed => Verdict::Failed,
            End::Held => Verdict::Held,
            End::Deferred => Verdict::Deferred(ended.finished.plus(wait).min(claimed.expires)),
            End::Postponed => Verdict::Postponed(ended.finished.plus(settings.schedule.first)),
        };
        Settlement {
            claimed: claimed.clone(),
            started: ended.started,
            ended: ended.finished,
            host: outcome.host.clone(),
            reply: outcome.reply.as_ref().map(ToString::to_string),
            transcript: outcome.transcript.as_deref().map(str::to_owned),
            verdict,
        }
    };
    ended.batch.recipients.iter().zip(&ended.outcomes).map(each).collect()
}

/// What a report on an attempt would say; nothing when none is due.
fn said(ended: &Ended) -> Vec<Said> {
    let pairs = ended.batch.recipients.iter().zip(&ended.outcomes);
    pairs
        .filter_map(|(claimed, outcome)| {
            let end = end(outcome, claimed.expires, ended.finished);
            let action = report::due(claimed.notify, &end, &ended.message)?;
            let mut said = report::said(claimed, action, outcome, ended.finished)?;
            if end != outcome.end && is_by_time(&ended.message) {
                said.status = TOO_LATE;
            }
            Some(said)
        })
        .collect()
}

async fn ready<D: Delivery>(
    store: &Store,
    settings: &Settings,
    delivery: &D,
    ended: &Ended,
) -> Result<Option<report::Ready>, StoreError> {
    let Some(sender) = report::sender(&ended.message) else { return Ok(None) };
    let said = said(ended);
    if said.is_empty() {
        return Ok(None);
    }
    let Some((to, class)) = delivery.classify(&sender).await else {
        tracing::warn!(spool = %ended.message.id, %sender, "Nobody takes the report.");
        return Ok(None);
    };
    report::build((store, settings), &ended.message, (&to, class), &said, ended.finished).await
}

/// The time for delivery is over. Source: RFC 2852 section 4.1.3, RFC 3463 section 3.5.
pub(crate) const TOO_LATE: Status = Status::new(5, 4, 7);

/// Whether a message is given up when the time its sender set is over.
pub(crate) fn is_by_time(message: &Message) -> bool {
    message.deliver_by.is_some_and(|(_, mode, _)| mode == ByMode::Return)
}

/// Tells the sender that a message is late for some recipients, once for each of two reasons.
pub(crate) async fn write_late<D: Delivery>(
    (store, settings): (&Store, &Settings),
    delivery: &D,
    message: &Message,
    (late, why): (&[queue::Claimed], queue::Told),
    now: Timestamp,
) -> Result<(), StoreError> {
    let ids: Vec<Id> = late.iter().map(|claimed| claimed.id).collect();
    let mark = move |tx: &mut Tx<'_>| {
        for id in &ids {
            if !queue::mark_told(tx, *id, why)? {
                return Err(StoreError::Missing("recipient"));
            }
        }
        Ok(())
    };
    let said: Vec<Said> = late.iter().filter_map(|claimed| is_late(claimed, why, now)).collect();
    let sender = report::sender(message).filter(|_| !said.is_empty());
    let reader = match &sender {
        Some(sender) => delivery.classify(sender).await,
        None => None,
    };
    let ready = match reader {
        Some((to, class)) => {
            report::build((store, settings), message, (&to, class), &said, now).await?
        }
        _ => None,
    };
    let Some(report::Ready { rows, body }) = ready else {
        return store.write(Lane::Bulk, mark).await;
    };
    let closure = move |tx: &mut Tx<'_>| {
        mark(tx)?;
        spool::insert(tx, &rows)
    };
    store.write_body(body, closure).await?;
    store.spooled().notify_one();
    Ok(())
}

/// What a notice says about a recipient that waits; nothing to who wants to know nothing.
fn is_late(claimed: &queue::Claimed, why: queue::Told, now: Timestamp) -> Option<Said> {
    let outcome = Outcome { end: End::Deferred, reply: None, host: None, transcript: None };
    let said = report::said(claimed, Action::Delayed(claimed.expires), &outcome, now);
    let said = said.filter(|_| claimed.notify.delay)?;
    Some(match why {
        queue::Told::ByTime => Said { status: Status { class: 4, ..TOO_LATE }, ..said },
        queue::Told::Late => said,
    })
}
