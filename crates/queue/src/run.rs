//! The run loop: wakes, claims, starts attempts, settles them, sweeps.
//!
//! Woken by a commit to the spool, by the next due time and by a settled attempt. What is in
//! memory is a bounded part of the store; a crash loses nothing of it, because the next life of
//! the node frees what this one owned.

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
    Lane, Store, StoreError,
    queue::{self, Block, Claimed, Message},
};
use mailwright_words::{Id, Reply, Status, Timestamp};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    delivery::{Attempted, Delivery, End, Outcome},
    ready::{Batch, Contact, Limits, Ready},
    schedule::Schedule,
    settle::{self, Ended},
};

/// Destinations that one round looks at.
const SITES: usize = 200;
/// The longest wait between two rounds.
const IDLE: Duration = Duration::from_mins(1);
/// The wait after the store refused something.
const TROUBLE: Duration = Duration::from_secs(1);
/// Between two sweeps for what expired or is late.
const SWEEP: Duration = Duration::from_mins(1);

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
                End::Deferred => &self.deferred,
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
}

impl<D> Clone for Queue<D> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            delivery: Arc::clone(&self.delivery),
            settings: self.settings.clone(),
            counters: Arc::clone(&self.counters),
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
        let mut ready = Ready::new(self.settings.now().limits.clone());
        let mut attempts = JoinSet::new();
        let mut sweep = Timestamp::new(0);
        while !*shutdown.borrow() {
            self.sweep_when_due(&mut sweep).await;
            self.learn(&mut ready, &mut attempts).await;
            ready.set_limits(&self.settings.now().limits);
            let wait = self.round(&mut ready, &mut attempts).await;
            self.gauge(&ready);
            tokio::select! {
                Some(ended) = attempts.join_next() => self.ended(&mut ready, ended).await,
                () = self.store.spooled().notified() => {}
                () = self.clock.sleep(wait) => {}
                changed = shutdown.changed() => if changed.is_err() { break },
            }
        }
        self.finish(ready, attempts).await;
    }

    /// Takes in every attempt that has ended.
    async fn learn(&self, ready: &mut Ready, attempts: &mut JoinSet<(Arc<Batch>, Contact)>) {
        while let Some(ended) = attempts.try_join_next() {
            self.ended(ready, ended).await;
        }
    }

    /// Lets what runs finish, and gives back what waits.
    async fn finish(&self, mut ready: Ready, mut attempts: JoinSet<(Arc<Batch>, Contact)>) {
        while let Some(ended) = attempts.join_next().await {
            self.ended(&mut ready, ended).await;
        }
        self.give_back(&ready.drain()).await;
        self.gauge(&ready);
    }

    async fn sweep_when_due(&self, next: &mut Timestamp) {
        let now = self.clock.now();
        if now >= *next {
            *next = now.plus(SWEEP);
            self.sweep().await;
        }
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

    /// Claims what is due, starts what may run, and says how long to wait for more.
    async fn round(
        &self,
        ready: &mut Ready,
        attempts: &mut JoinSet<(Arc<Batch>, Contact)>,
    ) -> Duration {
        let wait = self.fill(ready).await.unwrap_or_else(|error| {
            tracing::error!(%error, "The queue could not be read.");
            TROUBLE
        });
        while let Some(batch) = ready.take() {
            let (queue, batch) = (self.clone(), Arc::new(batch));
            attempts.spawn(async move {
                let contact = queue.attempt(Arc::clone(&batch)).await;
                (batch, contact)
            });
        }
        wait
    }

    async fn fill(&self, ready: &mut Ready) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let sites = self.store.read(move |tx| queue::due_sites(tx, now, SITES)).await?;
        let (owner, mut more) = (self.store.owner(), false);
        for queue::Site { name, failures } in sites {
            let probes = failures >= self.settings.now().limits.dead_after;
            let wants = if probes { ready.wants(&name).min(1) } else { ready.wants(&name) };
            if wants == 0 {
                continue;
            }
            let site = name.clone();
            let claimed = self
                .store
                .write(Lane::Quick, move |tx| queue::claim(tx, owner, &site, now, wants))
                .await?;
            more |= claimed.len() == wants && !probes;
            ready.push(&name, failures, claimed);
        }
        if more {
            return Ok(Duration::from_millis(5));
        }
        let next = self.store.read(move |tx| queue::next_due(tx, now)).await?;
        Ok(next.map_or(IDLE, |due| due.since(now)).clamp(Duration::from_millis(1), IDLE))
    }

    /// One attempt, settled.
    async fn attempt(&self, batch: Arc<Batch>) -> Contact {
        let spool = batch.spool;
        let message = loop {
            match self.store.read(move |tx| queue::message(tx, spool)).await {
                Ok(Some(message)) => break Arc::new(message),
                Ok(None) => return Contact::None,
                Err(error) => {
                    tracing::error!(%error, spool = %spool, "A message could not be read.");
                    self.clock.sleep(TROUBLE).await;
                }
            }
        };
        let started = self.clock.now();
        if let Some(outcomes) = too_late(&message, &batch, started) {
            self.counters.count(&outcomes);
            self.settle(Ended { message, batch, outcomes, started, finished: started }).await;
            return Contact::None;
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
        let finished = self.clock.now();
        self.settle(Ended { message, batch, outcomes: attempted.outcomes, started, finished })
            .await;
        attempted.contact
    }

    /// Writes the end down, as often as it takes: until then the recipients stay ours.
    async fn settle(&self, ended: Ended) {
        let settings = self.settings.now();
        loop {
            let written =
                settle::write(&self.store, &settings, self.delivery.as_ref(), &ended).await;
            match written {
                Ok(()) => break self.store.spooled().notify_one(),
                Err(StoreError::Missing(_)) => {
                    let spool = ended.message.id;
                    break tracing::warn!(%spool, "A claim was lost, so nothing was settled.");
                }
                Err(StoreError::Closed | StoreError::Stopped(_)) => break,
                Err(error) => {
                    tracing::error!(%error, spool = %ended.message.id, "Settling has to wait.");
                    self.clock.sleep(TROUBLE).await;
                }
            }
        }
    }

    /// Learns from the end of an attempt; a dead destination is blocked and gives its mail back.
    async fn ended(
        &self,
        ready: &mut Ready,
        ended: Result<(Arc<Batch>, Contact), tokio::task::JoinError>,
    ) {
        let Ok((batch, contact)) = ended else { return };
        let now = self.clock.now();
        let revived = contact == Contact::Made && ready.failures(&batch.site) > 0;
        if let Some((failures, waited)) = ready.done(&batch, contact) {
            let until = now.plus(self.settings.now().dead_wait);
            let site = batch.site.clone();
            tracing::warn!(site, failures, %until, "Destination is dead.");
            let block = Block { site, until, failures, reply: None };
            self.note(move |tx| queue::block(tx, &block, now)).await;
            self.give_back(&waited).await;
        } else if revived {
            let site = batch.site.clone();
            self.note(move |tx| queue::unblock(tx, &site, now)).await;
        }
    }

    async fn give_back(&self, claimed: &[Claimed]) {
        let owner = self.store.owner();
        for chunk in claimed.chunks(500) {
            let ids: Vec<Id> = chunk.iter().map(|one| one.id).collect();
            self.note(move |tx| queue::release(tx, owner, &ids)).await;
        }
    }

    /// A write whose loss a restart repairs.
    async fn note<F>(&self, closure: F)
    where
        F: Fn(&mut mailwright_store::Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        if let Err(error) = self.store.write(Lane::Quick, closure).await {
            tracing::error!(%error, "A note about the queue was not written.");
        }
    }

    /// Fails what is past its time and tells senders about what is late.
    async fn sweep(&self) {
        let mut after = None;
        loop {
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

/// The end of a message whose sender wanted it delivered by a time that is over.
fn too_late(message: &Message, batch: &Batch, now: Timestamp) -> Option<Vec<Outcome>> {
    let over = settle::is_by_time(message) && batch.recipients.iter().all(|r| r.expires <= now);
    over.then(|| batch.recipients.iter().map(|_| expired()).collect())
}

/// The end of a recipient that waited too long.
fn expired() -> Outcome {
    let reply = Reply::new(550, Some(settle::TOO_LATE), "Not delivered in time");
    Outcome { end: End::Failed, reply: Some(reply), ..broken() }
}

/// The outcome of a recipient about which nothing was said.
fn broken() -> Outcome {
    Outcome {
        end: End::Held,
        reply: Some(Reply::new(451, Some(Status::new(4, 3, 0)), "Internal error; held")),
        host: None,
        transcript: None,
    }
}
