//! Settling a batch: outcomes, attempts, events and the report about them in one transaction.

use std::sync::Arc;

use mailwright_store::{
    Lane, Owner, Store, StoreError, Tx,
    queue::{self, Message, Settlement, Verdict},
    spool,
};
use mailwright_words::{Timestamp, dsn::Action};

use crate::{
    delivery::{Delivery, End, Outcome},
    ready::Batch,
    report,
    run::Settings,
};

/// What an attempt leaves to be written.
pub(crate) struct Ended {
    pub(crate) message: Arc<Message>,
    pub(crate) batch: Arc<Batch>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) started: Timestamp,
    pub(crate) finished: Timestamp,
}

/// Writes the end of an attempt, and the report that is due, at once or not at all.
pub(crate) async fn write<D: Delivery>(
    store: &Store,
    settings: &Settings,
    delivery: &D,
    ended: &Ended,
) -> Result<(), StoreError> {
    let (owner, now) = (store.owner(), ended.finished);
    let settlements = settlements(settings, ended);
    match ready(store, settings, delivery, ended).await? {
        Some(report::Ready { rows, body }) => {
            let closure = move |tx: &mut Tx<'_>| {
                all(tx, owner, &settlements, now)?;
                spool::insert(tx, &rows)
            };
            store.write_body(body, closure).await
        }
        None => store.write(Lane::Quick, move |tx| all(tx, owner, &settlements, now)).await,
    }
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
        };
        tracing::info!(
            message = %claimed.spool, recipient = %claimed.address, outcome = verdict.as_str(),
            reply = outcome.reply.as_ref().map(tracing::field::display), "Attempt settled."
        );
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

async fn ready<D: Delivery>(
    store: &Store,
    settings: &Settings,
    delivery: &D,
    ended: &Ended,
) -> Result<Option<report::Ready>, StoreError> {
    let Some(sender) = report::sender(&ended.message) else { return Ok(None) };
    let pairs = ended.batch.recipients.iter().zip(&ended.outcomes);
    let said: Vec<_> = pairs
        .filter_map(|(claimed, outcome)| {
            let end = end(outcome, claimed.expires, ended.finished);
            let action = report::due(claimed.notify, &end)?;
            report::said(claimed, action, outcome, ended.finished)
        })
        .collect();
    if said.is_empty() {
        return Ok(None);
    }
    let Some(class) = delivery.classify(&sender).await else {
        tracing::warn!(message = %ended.message.id, %sender, "Nobody takes the report.");
        return Ok(None);
    };
    report::build((store, settings), &ended.message, (&sender, class), &said, ended.finished).await
}

/// Tells the sender that a message is late, once a recipient.
pub(crate) async fn write_late<D: Delivery>(
    (store, settings): (&Store, &Settings),
    delivery: &D,
    message: &Message,
    claimed: &queue::Claimed,
    now: Timestamp,
) -> Result<(), StoreError> {
    let recipient = claimed.id;
    let outcome = Outcome { end: End::Deferred, reply: None, host: None, transcript: None };
    let said = report::said(claimed, Action::Delayed(claimed.expires), &outcome, now);
    let sender = report::sender(message);
    let class = match &sender {
        Some(sender) => delivery.classify(sender).await,
        None => None,
    };
    let ready = match (&sender, class, said) {
        (Some(sender), Some(class), Some(said)) => {
            report::build((store, settings), message, (sender, class), &[said], now).await?
        }
        _ => None,
    };
    let Some(report::Ready { rows, body }) = ready else {
        let told = move |tx: &mut Tx<'_>| queue::mark_delay_told(tx, recipient).map(|_| ());
        return store.write(Lane::Bulk, told).await;
    };
    let closure = move |tx: &mut Tx<'_>| {
        if !queue::mark_delay_told(tx, recipient)? {
            return Err(StoreError::Missing("recipient"));
        }
        spool::insert(tx, &rows)
    };
    store.write_body(body, closure).await?;
    store.spooled().notify_one();
    Ok(())
}
