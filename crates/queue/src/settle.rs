//! Settling a batch: outcomes, attempts, events and the report about them in one transaction.

use std::sync::Arc;

use mailwright_store::{
    Lane, Owner, Store, StoreError, Tx,
    queue::{self, Message, Settlement, Verdict},
    spool::{self, Class},
};
use mailwright_words::{
    Address, ByMode, Id, Status, Timestamp,
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

impl Ended {
    /// What of it is about recipients of `kept`; `None` when none of them is among them.
    fn only(&self, kept: &[Id]) -> Option<Self> {
        let pairs = self.batch.recipients.iter().zip(&self.outcomes);
        let (recipients, outcomes): (Vec<_>, Vec<_>) = pairs
            .filter(|(claimed, _)| kept.contains(&claimed.id))
            .map(|(claimed, outcome)| (claimed.clone(), outcome.clone()))
            .unzip();
        let (site, spool) = (self.batch.site.clone(), self.batch.spool);
        let (message, started, finished) = (Arc::clone(&self.message), self.started, self.finished);
        let batch = Arc::new(Batch { site, spool, recipients });
        (!outcomes.is_empty()).then_some(Self { message, batch, outcomes, started, finished })
    }
}

/// What became of writing the end of an attempt.
pub(crate) enum Written {
    /// It is written, or nothing can be written any more.
    Done,
    /// It has to be tried again.
    Later,
    /// Nothing is written, because something is gone that it needs.
    Lost,
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

/// Writes the end of an attempt, and the report that is due, at once or not at all.
pub(crate) async fn write<D: Delivery>(
    store: &Store,
    settings: &Settings,
    delivery: &D,
    ended: &Ended,
) -> Written {
    match try_write(store, settings, delivery, ended).await {
        Ok(()) => store.spooled().notify_one(),
        Err(StoreError::Missing(_)) => return Written::Lost,
        Err(StoreError::Closed | StoreError::Stopped(_)) => {}
        Err(error) => {
            tracing::error!(%error, spool = %ended.message.id, "Settling has to wait.");
            return Written::Later;
        }
    }
    Written::Done
}

/// What is left of `ended` when those are left out that are not ours any more; `None` when that
/// is nothing.
///
/// Errors: those of the store.
pub(crate) async fn left(store: &Store, ended: &Ended) -> Result<Option<Ended>, StoreError> {
    let owner = store.owner();
    let ids: Vec<Id> = ended.batch.recipients.iter().map(|claimed| claimed.id).collect();
    let kept = store.look(|tx| queue::ours(tx, owner, &ids)).await?;
    for gone in ended.batch.recipients.iter().filter(|claimed| !kept.contains(&claimed.id)) {
        let (spool, recipient) = (gone.spool, &gone.address);
        tracing::warn!(%spool, recipient, "A claim was lost, so nothing was settled.");
    }
    Ok(ended.only(&kept))
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
            transport: outcome.transport.clone(),
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
    let about = &ended.batch.recipients;
    let Some((to, class)) = reader(delivery, &ended.message, &sender, about).await else {
        tracing::warn!(spool = %ended.message.id, %sender, "Nobody takes the report.");
        return Ok(None);
    };
    report::build((store, settings), &ended.message, (&to, class), &said, ended.finished).await
}

/// Who gets a report to `sender`. One on a confined message goes where that went: nothing of it
/// leaves.
async fn reader<D: Delivery>(
    delivery: &D,
    message: &Message,
    sender: &Address,
    about: &[queue::Claimed],
) -> Option<(Address, Class)> {
    if !message.confined {
        return delivery.classify(sender).await;
    }
    let captured = |claimed: &queue::Claimed| matches!(claimed.class, Class::Capture { .. });
    let first = about.iter().find(|claimed| captured(claimed));
    first.map(|claimed| (sender.clone(), claimed.class.clone()))
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
    let read_by = match &sender {
        Some(sender) => reader(delivery, message, sender, late).await,
        None => None,
    };
    let ready = match read_by {
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
    let outcome =
        Outcome { end: End::Deferred, reply: None, host: None, transcript: None, transport: None };
    let said = report::said(claimed, Action::Delayed(claimed.expires), &outcome, now);
    let said = said.filter(|_| claimed.notify.delay)?;
    Some(match why {
        queue::Told::ByTime => Said { status: Status { class: 4, ..TOO_LATE }, ..said },
        queue::Told::Late => said,
    })
}

#[cfg(test)]
mod tests {
    use mailwright_store::Tx;
    use mailwright_words::{Reply, ReversePath};

    use super::*;
    use crate::fake::{claimed, states};

    fn failed(text: &str) -> Outcome {
        let reply = Some(Reply::new(550, None, text));
        Outcome { end: End::Failed, reply, host: None, transcript: None, transport: None }
    }

    /// The end of an attempt at `recipients`, all of whom failed.
    async fn ended(store: &Store, recipients: Vec<queue::Claimed>) -> Ended {
        let spool = recipients[0].spool;
        let message = store.look(|tx| queue::message(tx, spool)).await.unwrap().unwrap();
        let outcomes = recipients.iter().map(|one| failed(&one.address)).collect();
        let (started, finished) = (message.arrived, message.arrived);
        let batch = Arc::new(Batch { site: "b.example".to_owned(), spool, recipients });
        Ended { message: Arc::new(message), batch, outcomes, started, finished }
    }

    fn sender() -> ReversePath {
        ReversePath::Sender("bob@a.example".parse().unwrap())
    }

    #[tokio::test]
    async fn who_is_gone_does_not_keep_the_others_from_being_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (store, queue, recipients) = claimed(folder.path(), sender()).await;
        let ended = ended(&store, recipients).await;
        let gone = ended.batch.recipients[0].id.get();
        let remove = move |tx: &mut Tx<'_>| {
            tx.execute(&format!("DELETE FROM recipient WHERE id = {gone}"), &[])
        };
        assert_eq!(store.write(Lane::Quick, remove).await.unwrap(), 1);
        queue.settle(ended).await;
        // What is left is the report, on its way to the sender.
        let left = store.read_blocking(|tx| queue::list(tx, None, 9)).unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!((left[0].recipient.as_str(), left[0].is_active), ("bob@a.example", false));
        let id = left[0].message;
        let report = store.look(|tx| queue::message(tx, id)).await.unwrap().unwrap();
        let text = String::from_utf8(store.bodies().read(report.body).await.unwrap()).unwrap();
        assert!(text.contains("eve@b.example") && !text.contains("ann@b.example"), "{text}");
    }

    #[tokio::test]
    async fn whom_nothing_can_be_written_about_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let (store, queue, recipients) = claimed(folder.path(), sender()).await;
        let ended = ended(&store, recipients).await;
        // A settlement that finds nothing, though its recipients are there.
        let blind = "CREATE TRIGGER blind BEFORE DELETE ON recipient
                     BEGIN SELECT RAISE(IGNORE); END";
        store.write(Lane::Quick, move |tx| tx.execute(blind, &[])).await.unwrap();
        queue.settle(ended).await;
        assert_eq!(states(&store), [("held", false), ("held", false)]);
    }
}
