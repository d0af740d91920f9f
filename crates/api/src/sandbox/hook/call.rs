//! Calls webhooks: what is due is sent, what did not work is tried again, later and later.
//!
//! Which deliveries are due stands in the store, so that a stop loses none; one that was under way
//! is sent again, with the same number. A server that hangs holds up no other webhook's.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use axum::http::{HeaderName, Method, StatusCode, header};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use mailwright_net::egress::{Answered, Ask, Egress, Unanswered};
use mailwright_store::{
    Lane, StoreError, Tx,
    capture::{
        self,
        hook::{self, Attempt, Delivery, Hook, Outcome},
    },
};
use mailwright_words::{Id, Timestamp};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::sign::signatures;
use crate::sandbox::{
    Backing,
    find::item,
    message::{listed, moment},
    refusal,
};

/// Deliveries of one webhook that are under way at one time.
const EACH: usize = 2;
/// Deliveries of all webhooks that are under way at one time.
pub const CALLS_MAX: usize = 32;
/// Octets of a conversation that a webhook is told; thousands of deliveries may wait.
const CONVERSATION_MAX: usize = 8 << 10;
/// How often it is looked whether something is due that no news told of.
const ROUND: Duration = Duration::from_secs(1);
/// Between two looks that news gave rise to.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait for a store that does not answer.
const STORE_WAIT: Duration = Duration::from_secs(5);

/// Calls webhooks, until it is dropped.
pub async fn call_hooks(backing: Backing) {
    let Some(egress) = backing.hooks.clone() else { return std::future::pending().await };
    let caller = Caller { backing, egress };
    let mut news = caller.backing.store.news();
    let mut told = caller.backing.intake.refusals().list().1;
    let (mut calls, mut under_way) = (FuturesUnordered::new(), UnderWay::default());
    loop {
        told = caller.tell_refusals(told).await;
        match caller.due(&under_way).await {
            Ok(all) => calls.extend(all.into_iter().map(|one| under_way.start(one, &caller))),
            Err(error) => {
                tracing::warn!(%error, "Webhooks wait for the store.");
                caller.backing.clock.sleep(STORE_WAIT).await;
            }
        }
        tokio::select! {
            Some(ended) = calls.next() => under_way.end(ended),
            heard = news.recv() => {
                if matches!(heard, Err(RecvError::Closed)) {
                    return;
                }
                // Much may come in a moment, of which most is nothing to tell.
                caller.backing.clock.sleep(PAUSE).await;
            }
            () = caller.backing.clock.sleep(ROUND) => {}
        }
    }
}

/// Deliveries under way, and how many of each webhook.
#[derive(Default)]
struct UnderWay {
    ids: HashSet<u64>,
    of: HashMap<Id, usize>,
}

impl UnderWay {
    fn start<'a>(&mut self, one: Delivery, caller: &'a Caller) -> BoxFuture<'a, (u64, Id)> {
        let place = (one.id, one.webhook);
        self.ids.insert(one.id);
        *self.of.entry(one.webhook).or_default() += 1;
        Box::pin(async move {
            caller.call(one).await;
            place
        })
    }

    fn end(&mut self, (id, webhook): (u64, Id)) {
        self.ids.remove(&id);
        if let Some(count) = self.of.get_mut(&webhook) {
            *count = count.saturating_sub(1);
        }
        self.of.retain(|_, count| *count > 0);
    }

    /// Those of what is due that may be sent now.
    fn choose(&self, due: Vec<Delivery>) -> Vec<Delivery> {
        let mut of = self.of.clone();
        let mut room = CALLS_MAX.saturating_sub(self.ids.len());
        let mut all = due;
        all.retain(|one| {
            let count = of.entry(one.webhook).or_default();
            let may = room > 0 && *count < EACH && !self.ids.contains(&one.id);
            if may {
                *count += 1;
                room -= 1;
            }
            may
        });
        all
    }
}

struct Caller {
    backing: Backing,
    egress: Egress,
}

impl Caller {
    fn now(&self) -> Timestamp {
        self.backing.clock.now()
    }

    async fn due(&self, under_way: &UnderWay) -> Result<Vec<Delivery>, StoreError> {
        let now = self.now();
        // Those under way are due still.
        let due = self.backing.store.look(|tx| hook::due(tx, now, 2 * EACH)).await?;
        Ok(under_way.choose(due))
    }

    /// Notes refusals since number `told` for the webhooks that want them; gives the newest.
    async fn tell_refusals(&self, told: u64) -> u64 {
        let fresh = self.backing.intake.refusals().since(told);
        let Some(newest) = fresh.last().map(|one| one.number) else { return told };
        let wanted = self.backing.store.look(|tx| hook::is_wanted(tx, hook::REFUSED)).await;
        if !matches!(wanted, Ok(true)) {
            return newest;
        }
        let all: Vec<(String, String)> = fresh
            .iter()
            .map(|one| {
                let inbox = refusal::inbox_of(one);
                let data = refusal::told(one, CONVERSATION_MAX);
                (inbox.clone(), payload(hook::REFUSED, one.at, &inbox, &data))
            })
            .collect();
        let now = self.now();
        let note = move |tx: &mut Tx<'_>| {
            for (inbox, payload) in &all {
                if let Some(found) = capture::inbox_named(tx, inbox)? {
                    hook::announce_to(tx, found.principal, (hook::REFUSED, payload), now)?;
                }
            }
            Ok(())
        };
        if let Err(error) = self.backing.store.write(Lane::Bulk, note).await {
            tracing::warn!(%error, "Refusals were not told to webhooks.");
        }
        newest
    }

    /// Makes one attempt, and writes down how it went.
    async fn call(&self, one: Delivery) {
        let (id, attempts) = (one.id, one.attempts.saturating_add(1));
        let attempt = match self.attempt(one).await {
            Ok(Some(answer)) => self.judged(id, attempts, answer),
            Ok(None) => return,
            // It stays due.
            Err(error) => return tracing::warn!(%error, "A webhook waits for the store."),
        };
        let patience = self.backing.config.now().sandbox.webhooks.disabled_after;
        let (now, error) = (self.now(), attempt.error.clone());
        let keep = move |tx: &mut Tx<'_>| hook::attempted(tx, id, &attempt, (patience, now));
        match self.backing.store.write(Lane::Quick, keep).await {
            Ok(Outcome::Disabled) => {
                tracing::warn!(delivery = id, error, "A webhook was switched off.");
            }
            Ok(Outcome::GivenUp) => {
                tracing::info!(delivery = id, error, "A delivery to a webhook was given up.");
            }
            Ok(outcome) => {
                tracing::debug!(delivery = id, ?outcome, error, "A webhook was called.");
            }
            Err(error) => tracing::warn!(%error, "A webhook's outcome was not kept."),
        }
    }

    async fn attempt(
        &self,
        one: Delivery,
    ) -> Result<Option<Result<Answered, Unanswered>>, StoreError> {
        let webhook = one.webhook;
        let found = self.backing.store.look(|tx| hook::hook(tx, webhook)).await?;
        let Some(hook) = found.filter(|hook| hook.disabled.is_none()) else { return Ok(None) };
        let number = number_of(&one);
        let Some(body) = self.body(&hook, one).await? else { return Ok(None) };
        let now = self.now();
        let seconds = now.ms().div_euclid(1000);
        let signed = signatures(&hook, (&number, seconds, &body), now);
        let ask = Ask::new(Method::POST, &hook.url)
            .with(header::CONTENT_TYPE, "application/json")
            .with(HeaderName::from_static("webhook-id"), &number)
            .with(HeaderName::from_static("webhook-timestamp"), &seconds.to_string())
            .with(HeaderName::from_static("webhook-signature"), &signed);
        Ok(Some(self.egress.ask(Ask { body: body.into(), ..ask }).await))
    }

    /// What is sent: what was before, or what is known of the message now.
    async fn body(&self, hook: &Hook, one: Delivery) -> Result<Option<String>, StoreError> {
        if one.payload.is_some() {
            return Ok(one.payload);
        }
        let (inbox, message) = (hook.inbox, one.message);
        let names = self.backing.directory.inboxes().await?;
        let name = names.into_iter().find(|one| one.principal == inbox).map(|one| one.name);
        let (Some(name), Some(message)) = (name, message) else { return Ok(None) };
        let entry = self.backing.store.look(|tx| capture::entry(tx, message)).await?;
        let data = match entry {
            Some(entry) => {
                let found = self.backing.store.off_thread(move |store| item(store, entry)).await?;
                Value::from(listed(&name, &found))
            }
            None => json!({ "id": message.to_string(), "inbox": name, "deleted": true }),
        };
        let text = payload(&one.kind, one.at, &name, &data);
        let (id, kept) = (one.id, text.clone());
        let keep = move |tx: &mut Tx<'_>| hook::keep_payload(tx, id, &kept);
        self.backing.store.write(Lane::Quick, keep).await?;
        Ok(Some(text))
    }

    /// What follows from an answer.
    fn judged(&self, id: u64, attempts: u32, answer: Result<Answered, Unanswered>) -> Attempt {
        let webhooks = self.backing.config.now().sandbox.webhooks.clone();
        let (status, error, asked) = match answer {
            Ok(answered) if answered.status.is_success() => (Some(answered.status), None, None),
            Ok(answered) => {
                let why = match answered.status {
                    status if status.is_redirection() => {
                        format!("{status}: a redirect is not followed")
                    }
                    status => status.to_string(),
                };
                let after = answered.headers.get(header::RETRY_AFTER);
                let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
                (Some(answered.status), Some(why), after.map(Duration::from_secs))
            }
            Err(unanswered) => (None, Some(unanswered.to_string()), None),
        };
        let is_gone = status == Some(StatusCode::GONE);
        let tries_on = error.is_some() && !is_gone && attempts < webhooks.attempts_max;
        // Not all of them at the same moment.
        let spread = Duration::from_millis(id.wrapping_mul(37) % 100);
        let wait = webhooks.wait(attempts).max(asked.unwrap_or_default());
        let wait = wait.min(webhooks.retry_longest).saturating_add(spread);
        Attempt {
            status: status.map(|status| status.as_u16()),
            error,
            again: tries_on.then(|| self.now().plus(wait)),
            is_gone,
        }
    }
}

/// The number of a delivery as receivers see it; each attempt has the same.
pub(super) fn number_of(one: &Delivery) -> String {
    format!("msg_{}_{}", one.webhook, one.id)
}

/// What is sent of something that happened.
pub(super) fn payload(kind: &str, at: Timestamp, inbox: &str, data: &Value) -> String {
    json!({ "type": kind, "timestamp": moment(at.ms()), "inbox": inbox, "data": data }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(id: u64, webhook: i64) -> Delivery {
        Delivery {
            id,
            webhook: Id::from_i64(webhook),
            kind: hook::TEST.to_owned(),
            message: None,
            payload: None,
            at: Timestamp::new(0),
            due: Some(Timestamp::new(0)),
            attempts: 0,
            tried: None,
            status: None,
            error: None,
        }
    }

    #[test]
    fn no_webhook_takes_the_places_of_others() {
        let mut under_way = UnderWay::default();
        under_way.ids.insert(1);
        under_way.of.insert(Id::from_i64(7), 1);
        let due = [(1, 7), (2, 7), (3, 7), (4, 8), (5, 8), (6, 8)];
        let due = due.map(|(id, webhook)| delivery(id, webhook)).to_vec();
        let chosen: Vec<u64> = under_way.choose(due).iter().map(|one| one.id).collect();
        assert_eq!(chosen, [2, 4, 5]);
        under_way.end((1, Id::from_i64(7)));
        assert!(under_way.ids.is_empty() && under_way.of.is_empty());
        let many = (0..100).map(|id| delivery(id, i64::try_from(id).unwrap())).collect();
        assert_eq!(under_way.choose(many).len(), CALLS_MAX);
    }
}
