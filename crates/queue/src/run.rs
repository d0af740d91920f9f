//! The run loop: wakes, claims, starts attempts, settles them, sweeps.
//!
//! Woken by a commit to the spool, by the next due time and by a settled attempt. What is in
//! memory is a bounded part of the store; a crash loses nothing of it, because the next life of
//! the node frees what this one owned.

mod claim;
mod strays;
mod sweep;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mailwright_config::Live;
use mailwright_net::clock::Clock;
use mailwright_store::{
    Lane, Store, StoreError, Tx,
    queue::{self, Message},
};
use mailwright_words::{Id, Reply, Status, Timestamp};
use tokio::sync::{mpsc, watch};

use crate::{
    delivery::{Attempted, Delivery, End, Outcome},
    reaction::{Reaction, Reactions},
    ready::{Batch, Contact, Limits, Ready},
    schedule::Schedule,
    settle::{self, Ended, Settler, Written},
};
use claim::{Finished, State};
use strays::Strays;

/// The wait after the store refused something.
pub(crate) const TROUBLE: Duration = Duration::from_secs(1);
/// The shortest wait between two rounds.
const SHORTEST: Duration = Duration::from_millis(1);

/// How the queue works; the configuration's words.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name, as reports give it.
    pub hostname: String,
    /// Bounds.
    pub limits: Limits,
    /// When a delivery is tried again.
    pub schedule: Schedule,
    /// How long a report is tried.
    pub report_lifetime: Duration,
    /// Largest original that goes whole into a report.
    pub report_original_max: u64,
    /// Age at which senders are told that a message is late; zero tells nobody.
    pub delay_notice: Duration,
    /// How long a dead destination is left alone.
    pub dead_wait: Duration,
    /// What replies say about a whole site.
    pub reactions: Reactions,
    /// How long attempts may go on at a shutdown.
    pub shutdown: Duration,
    /// How long they may take to end after that.
    pub last_words: Duration,
}

impl Settings {
    /// What the configuration says, under our name.
    pub fn new(hostname: &str, config: &mailwright_config::Queue) -> Self {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            hostname: hostname.to_owned(),
            limits: Limits {
                recipients: config.recipients_in_memory_max,
                attempts: config.attempts_max,
                window_first: narrow(config.window_first),
                window_max: narrow(config.connections_max),
                local: narrow(config.local_max),
                dead_after: config.dead_after,
                batch: 50,
            },
            schedule: Schedule { first: config.retry_first, longest: config.retry_longest },
            report_lifetime: config.report_lifetime,
            report_original_max: config.report_original_max,
            delay_notice: config.delay_notice,
            dead_wait: config.dead_wait,
            reactions: Reactions::new(&config.replies),
            shutdown: Duration::from_secs(10),
            last_words: Duration::from_secs(10),
        }
    }
}

/// What the queue has done since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Attempts that ended, counted by recipient.
    pub attempts: AtomicU64,
    /// Recipients delivered into mailboxes.
    pub delivered: AtomicU64,
    /// Recipients that other servers took.
    pub relayed: AtomicU64,
    /// Recipients that are tried again.
    pub deferred: AtomicU64,
    /// Recipients that failed for good.
    pub failed: AtomicU64,
    /// Recipients that wait for a human.
    pub held: AtomicU64,
    /// Recipients in memory now.
    pub in_memory: AtomicU64,
}

impl Counters {
    fn count(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            let counter = match outcome.end {
                End::Delivered => &self.delivered,
                End::Relayed { .. } => &self.relayed,
                End::Deferred | End::Postponed => &self.deferred,
                End::Failed => &self.failed,
                End::Held => &self.held,
                End::Expanded(_) => continue,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The queue of one store.
#[derive(Debug)]
pub struct Queue<D> {
    store: Store,
    clock: Arc<dyn Clock>,
    delivery: Arc<D>,
    settings: Live<Settings>,
    counters: Arc<Counters>,
    strays: Arc<Strays>,
}

impl<D> Clone for Queue<D> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            delivery: Arc::clone(&self.delivery),
            settings: self.settings.clone(),
            counters: Arc::clone(&self.counters),
            strays: Arc::clone(&self.strays),
        }
    }
}

impl<D: Delivery> Queue<D> {
    /// A queue that has not begun.
    pub fn new(store: Store, clock: Arc<dyn Clock>, delivery: D, settings: Settings) -> Self {
        Self {
            store,
            clock,
            delivery: Arc::new(delivery),
            settings: Live::new(settings),
            counters: Arc::default(),
            strays: Arc::default(),
        }
    }

    /// Goes by other settings from the next round and the next attempt on.
    pub fn reload(&self, settings: Settings) {
        self.settings.set(settings);
        self.store.spooled().notify_one();
    }

    /// What it has done so far.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Runs until `shutdown` says so; the attempts that run then finish and are settled.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        self.free_foreign().await;
        let sweeper = tokio::spawn(self.clone().sweeps(shutdown.clone()));
        let settings = self.settings.now();
        let (to_settle, ended) = mpsc::channel(settings.limits.attempts.max(1));
        let settler = tokio::spawn(Settler::new(self.store.clone(), self.clone()).run(ended));
        let mut state = State::new(&settings, to_settle);
        while !*shutdown.borrow() {
            self.learn(&mut state).await;
            state.ready.set_limits(&self.settings.now().limits);
            let wait = self.round(&mut state).await;
            self.gauge(&state.ready);
            if !self.pause(&mut state, wait, &mut shutdown).await {
                break;
            }
        }
        self.finish(state).await;
        for part in [sweeper, settler] {
            if let Err(error) = part.await {
                tracing::error!(%error, "A part of the queue ended with a panic.");
            }
        }
    }

    /// Waits for whatever comes first; says `false` when whoever could stop us is gone.
    async fn pause(
        &self,
        state: &mut State,
        wait: Duration,
        shutdown: &mut watch::Receiver<bool>,
    ) -> bool {
        tokio::select! {
            Some(ended) = state.attempts.join_next() => self.ended(state, ended).await,
            Some(found) = state.lookups.join_next() => self.found(state, found),
            Some(claimed) = state.claims.join_next() => self.claimed(state, claimed),
            () = self.store.spooled().notified() => state.hungry = true,
            () = self.clock.sleep(wait) => {}
            changed = shutdown.changed() => return changed.is_ok(),
        }
        true
    }

    /// Takes in every attempt that has ended, and every site that was found out.
    async fn learn(&self, state: &mut State) {
        while let Some(ended) = state.attempts.try_join_next() {
            self.ended(state, ended).await;
        }
        while let Some(found) = state.lookups.try_join_next() {
            self.found(state, found);
        }
    }

    /// Lets what runs finish, and gives back what waits.
    async fn finish(&self, mut state: State) {
        while let Some(claimed) = state.claims.join_next().await {
            self.claimed(&mut state, claimed);
        }
        self.give_back(&state.ready.drain()).await;
        let settings = self.settings.now();
        // First at their ease, then told to hurry, then no longer: what is left belongs to the
        // next life.
        for patience in [settings.shutdown, settings.last_words] {
            let end = self.clock.sleep(patience);
            tokio::pin!(end);
            loop {
                tokio::select! {
                    ended = state.attempts.join_next() => match ended {
                        Some(ended) => self.ended(&mut state, ended).await,
                        None => return self.gauge(&state.ready),
                    },
                    () = &mut end => break,
                }
            }
            self.delivery.stop();
        }
        tracing::warn!(attempts = state.attempts.len(), "Attempts did not end in time.");
    }

    fn gauge(&self, ready: &Ready) {
        let held = u64::try_from(ready.held()).unwrap_or(u64::MAX);
        self.counters.in_memory.store(held, Ordering::Relaxed);
    }

    async fn free_foreign(&self) {
        let owner = self.store.owner();
        loop {
            let freed =
                self.store.write(Lane::Quick, move |tx| queue::release_foreign(tx, owner)).await;
            match freed {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "Claims of an earlier life were not freed.");
                    self.clock.sleep(TROUBLE).await;
                }
            }
        }
    }

    /// Begins to claim what is due, starts what may run, and says how long to wait for more.
    async fn round(&self, state: &mut State) -> Duration {
        let now = self.clock.now();
        if state.claims.is_empty() && (state.hungry || state.again <= now) {
            state.hungry = false;
            let wait = self.fill(state).await.unwrap_or_else(|error| {
                tracing::error!(%error, "The queue could not be read.");
                TROUBLE
            });
            state.again = now.plus(wait);
        }
        while let Some(batch) = state.ready.take(now) {
            let (queue, batch) = (self.clone(), Arc::new(batch));
            state.attempts.spawn(queue.attempt_guarded(batch));
        }
        // While a claim runs its end is waited for, whenever the next round is due.
        let next = if state.claims.is_empty() { state.again } else { now.plus(TROUBLE) };
        let next = state.ready.next_time(now).map_or(next, |at| at.min(next));
        next.since(now).max(SHORTEST)
    }

    /// One attempt that ends for the loop also when it panics, so that its place is free again.
    async fn attempt_guarded(self, whole: Arc<Batch>) -> Finished {
        let (queue, batch) = (self.clone(), Arc::clone(&whole));
        match tokio::spawn(async move { queue.attempt(batch).await }).await {
            Ok(finished) => finished,
            Err(error) => {
                tracing::error!(%error, spool = %whole.spool, "An attempt ended with a panic.");
                self.keep_back(&whole.recipients).await;
                Finished { batch: whole, contact: Contact::None, reaction: None, ended: None }
            }
        }
    }

    /// One attempt, whose end is still to be written.
    async fn attempt(&self, whole: Arc<Batch>) -> Finished {
        let none = |batch, ended| Finished { batch, contact: Contact::None, reaction: None, ended };
        let spool = whole.spool;
        let Some((message, batch)) = self.begin(&whole).await else { return none(whole, None) };
        let started = self.clock.now();
        if let Some(outcomes) = too_late(&message, &batch, started) {
            self.counters.count(&outcomes);
            let ended = Ended { message, batch, outcomes, started, finished: started };
            return none(whole, Some(ended));
        }
        let (delivery, job) = (Arc::clone(&self.delivery), Arc::clone(&message));
        let of = Arc::clone(&batch);
        let attempt = tokio::spawn(async move { delivery.attempt(job, of).await });
        let mut attempted = attempt.await.unwrap_or_else(|error| {
            tracing::error!(%error, spool = %spool, "An attempt ended with a panic.");
            Attempted { contact: Contact::None, outcomes: Vec::new() }
        });
        attempted.outcomes.resize(batch.recipients.len(), broken());
        self.counters.count(&attempted.outcomes);
        let reaction = self.reaction(&attempted.outcomes);
        let (finished, contact) = (self.clock.now(), attempted.contact);
        let ended = Ended { message, batch, outcomes: attempted.outcomes, started, finished };
        Finished { batch: whole, contact, reaction, ended: Some(ended) }
    }

    /// The message of a batch, and who of the batch is to be tried: whoever was held since it was
    /// claimed is given back. `None` when there is nothing to do.
    async fn begin(&self, whole: &Arc<Batch>) -> Option<(Arc<Message>, Arc<Batch>)> {
        let spool = whole.spool;
        let ids: Vec<Id> = whole.recipients.iter().map(|one| one.id).collect();
        let (message, held) = loop {
            let both = self
                .store
                .look(|tx| Ok((queue::message(tx, spool)?, queue::held(tx, &ids)?)))
                .await;
            match both {
                Ok((message, held)) => break (Arc::new(message?), held),
                Err(error) => {
                    tracing::error!(%error, spool = %spool, "A message could not be read.");
                    self.clock.sleep(TROUBLE).await;
                }
            }
        };
        if held.is_empty() {
            return Some((message, Arc::clone(whole)));
        }
        let all = whole.recipients.iter().cloned();
        let (kept, recipients): (Vec<_>, Vec<_>) = all.partition(|one| held.contains(&one.id));
        self.give_back(&kept).await;
        let rest = Batch { site: whole.site.clone(), spool, recipients };
        (!rest.recipients.is_empty()).then(|| (message, Arc::new(rest)))
    }

    /// What the replies of an attempt say about the site that gave them.
    fn reaction(&self, outcomes: &[Outcome]) -> Option<Reaction> {
        let settings = self.settings.now();
        let refused = |outcome: &&Outcome| matches!(outcome.end, End::Deferred | End::Failed);
        let theirs = outcomes.iter().filter(refused).filter(|outcome| outcome.host.is_some());
        theirs.filter_map(|o| o.reply.as_ref()).find_map(|reply| settings.reactions.to(reply))
    }

    /// Writes the end of one attempt down, with the report that is due, as often as it takes:
    /// until then the recipients stay ours.
    pub(crate) async fn settle(&self, mut ended: Ended) {
        let settings = self.settings.now();
        loop {
            match settle::write(&self.store, &settings, self.delivery.as_ref(), &ended).await {
                Written::Done => return,
                Written::Later => {}
                Written::Lost => match settle::left(&self.store, &ended).await {
                    Ok(None) => return,
                    Ok(Some(left)) if left.outcomes.len() < ended.outcomes.len() => {
                        ended = left;
                        continue;
                    }
                    // All are ours, and something else is gone: that will not pass by itself.
                    Ok(Some(_)) => return self.keep_back(&ended.batch.recipients).await,
                    Err(error) => {
                        tracing::error!(%error, spool = %ended.message.id, "Settling has to wait.");
                    }
                },
            }
            self.clock.sleep(TROUBLE).await;
        }
    }

    pub(crate) fn parts(&self) -> (Arc<Settings>, &Arc<dyn Clock>) {
        (self.settings.now(), &self.clock)
    }

    /// A write whose loss a restart repairs; says whether it is written.
    async fn note<F>(&self, closure: F) -> bool
    where
        F: Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let written = self.store.write(Lane::Quick, closure).await;
        if let Err(error) = &written {
            tracing::error!(%error, "A note about the queue was not written.");
        }
        written.is_ok()
    }
}

/// The end of a message whose sender wanted it delivered by a time that is over.
fn too_late(message: &Message, batch: &Batch, now: Timestamp) -> Option<Vec<Outcome>> {
    let over = settle::is_by_time(message) && batch.recipients.iter().all(|r| r.expires <= now);
    over.then(|| batch.recipients.iter().map(|_| sweep::expired(None)).collect())
}

/// The outcome of a recipient about which nothing was said.
fn broken() -> Outcome {
    Outcome {
        end: End::Held,
        reply: Some(Reply::new(451, Some(Status::new(4, 3, 0)), "Internal error; held")),
        host: None,
        transcript: None,
        transport: None,
    }
}
