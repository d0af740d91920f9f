//! Claiming for the run loop, site by site, and what the end of an attempt means for its site.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mailwright_store::{
    Lane, StoreError,
    queue::{self, Block, Claimed},
};
use mailwright_words::{Id, Timestamp};
use tokio::{
    task::{JoinError, JoinSet},
    time::timeout,
};

use super::{Queue, Settings};
use crate::{
    delivery::Delivery,
    reaction::Reaction,
    ready::{Batch, Contact, Ready},
    site::{Found, Site, Sites},
    suspension::Suspensions,
};

/// Destinations that one round looks at.
const DESTINATIONS: usize = 200;
/// Sites that are being found out at once; further destinations wait for their turn.
const LOOKUPS_MAX: usize = 500;
/// How long finding out a site may take; then its destination is one of its own.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest wait between two rounds.
const IDLE: Duration = Duration::from_mins(1);
/// The wait for a site that is being found out.
const SOON: Duration = Duration::from_millis(50);
/// The wait before more of the same is claimed.
const AT_ONCE: Duration = Duration::from_millis(5);

/// What the run loop knows beside the store; a restart finds it out again.
pub(super) struct State {
    pub(super) ready: Ready,
    pub(super) attempts: JoinSet<Finished>,
    pub(super) lookups: JoinSet<(String, Site)>,
    sites: Sites,
    suspensions: Suspensions,
    /// Behind which destination the next round goes on, so that those in front, which may have
    /// enough in memory, keep nobody out.
    cursor: Option<(Timestamp, String)>,
}

/// An attempt that has ended and is settled.
pub(super) struct Finished {
    pub(super) batch: Arc<Batch>,
    pub(super) contact: Contact,
    pub(super) reaction: Option<Reaction>,
}

impl State {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            ready: Ready::new(settings.limits.clone()),
            attempts: JoinSet::new(),
            lookups: JoinSet::new(),
            sites: Sites::default(),
            suspensions: Suspensions::default(),
            cursor: None,
        }
    }
}

impl<D: Delivery> Queue<D> {
    /// Claims for the destinations of a round; says how long to wait for the next.
    pub(super) async fn fill(&self, state: &mut State) -> Result<Duration, StoreError> {
        let (now, after) = (self.clock.now(), state.cursor.take());
        let due = self
            .store
            .read(move |tx| queue::due_sites(tx, now, after.as_ref(), DESTINATIONS))
            .await?;
        if due.len() == DESTINATIONS {
            state.cursor = due.last().map(|last| (last.next_due, last.name.clone()));
        }
        let mut wait = if state.cursor.is_some() { AT_ONCE } else { IDLE };
        for destination in due {
            wait = wait.min(self.claim(state, destination, now).await?);
        }
        if wait <= AT_ONCE {
            return Ok(wait);
        }
        let next = self.store.read(move |tx| queue::next_due(tx, now)).await?;
        let next = next.map_or(IDLE, |due| due.since(now)).max(Duration::from_millis(1));
        Ok(wait.min(next))
    }

    /// Claims for one destination, as much of its site as there is room for.
    async fn claim(
        &self,
        state: &mut State,
        queue::Site { name, failures, .. }: queue::Site,
        now: Timestamp,
    ) -> Result<Duration, StoreError> {
        let may_ask = state.lookups.len() < LOOKUPS_MAX;
        let site = match state.sites.of(&name, may_ask, now) {
            Found::Site(site) => site,
            Found::Wait => return Ok(SOON),
            Found::Ask => {
                let delivery = Arc::clone(&self.delivery);
                state.lookups.spawn(async move {
                    let found = timeout(LOOKUP_TIMEOUT, delivery.site(&name)).await;
                    let site = found.unwrap_or_else(|_late| Site::alone(&name));
                    (name, site)
                });
                return Ok(SOON);
            }
        };
        if let Some((until, failures)) = state.suspensions.until(&site.key, &name, now) {
            self.block([name].into(), until, failures, now).await;
            return Ok(IDLE);
        }
        let probes = failures >= self.settings.now().limits.dead_after;
        let wants = state.ready.wants(&site.key, now);
        let wants = if probes { wants.min(1) } else { wants };
        if wants == 0 {
            return Ok(IDLE);
        }
        let owner = self.store.owner();
        let claimed = self
            .store
            .write(Lane::Quick, move |tx| queue::claim(tx, owner, &name, now, wants))
            .await?;
        let more = claimed.len() == wants && !probes;
        state.ready.push(&site, failures, claimed);
        Ok(if more { AT_ONCE } else { IDLE })
    }

    /// A site was found out.
    pub(super) fn found(&self, state: &mut State, found: Result<(String, Site), JoinError>) {
        match found {
            Ok((destination, site)) => state.sites.learn(destination, site, self.clock.now()),
            Err(error) => tracing::error!(%error, "Finding a site ended with a panic."),
        }
    }

    /// Learns from the end of an attempt. A dead site is blocked and gives its mail back, and so
    /// is one whose reply asked for it.
    pub(super) async fn ended(&self, state: &mut State, ended: Result<Finished, JoinError>) {
        let Ok(Finished { batch, contact, reaction }) = ended else { return };
        let (now, site) = (self.clock.now(), batch.site.clone());
        let failed_before = state.ready.failures(&site) > 0;
        if let Some((failures, waited)) = state.ready.done(&batch, contact) {
            let until = now.plus(self.settings.now().dead_wait);
            tracing::warn!(site, failures, %until, "Destination is dead.");
            self.suspend(state, (&batch, waited), (until, failures), now).await;
        } else if contact == Contact::Made && failed_before {
            let mut destinations = state.suspensions.revive(&site);
            destinations.extend(destination(&batch));
            self.note(move |tx| {
                destinations.iter().try_for_each(|name| queue::unblock(tx, name, now))
            })
            .await;
        }
        match reaction {
            Some(Reaction::Slow(time)) => {
                let until = now.plus(time);
                tracing::warn!(site, %until, "Destination asked for less mail.");
                state.ready.slow(&site, until, now);
            }
            Some(Reaction::Suspend(time)) => {
                let until = now.plus(time);
                tracing::warn!(site, %until, "Destination is suspended after its reply.");
                let waited = state.ready.give_back(&site);
                self.suspend(state, (&batch, waited), (until, 0), now).await;
            }
            None => {}
        }
    }

    /// Leaves the site of `batch` alone, with all that waited for it.
    async fn suspend(
        &self,
        state: &mut State,
        (batch, waited): (&Batch, Vec<Claimed>),
        (until, failures): (Timestamp, u32),
        now: Timestamp,
    ) {
        let mut destinations: BTreeSet<String> =
            waited.iter().map(|one| one.destination.clone()).collect();
        destinations.extend(destination(batch));
        state.suspensions.add(&batch.site, (until, failures), &destinations, now);
        self.block(destinations, until, failures, now).await;
        self.give_back(&waited).await;
    }

    /// Gives claimed recipients back as they were.
    pub(super) async fn give_back(&self, claimed: &[Claimed]) {
        let owner = self.store.owner();
        for chunk in claimed.chunks(500) {
            let ids: Vec<Id> = chunk.iter().map(|one| one.id).collect();
            self.note(move |tx| queue::release(tx, owner, &ids)).await;
        }
    }

    async fn block(
        &self,
        destinations: BTreeSet<String>,
        until: Timestamp,
        failures: u32,
        now: Timestamp,
    ) {
        let blocks =
            destinations.into_iter().map(|site| Block { site, until, failures, reply: None });
        let blocks: Vec<Block> = blocks.collect();
        self.note(move |tx| blocks.iter().try_for_each(|block| queue::block(tx, block, now))).await;
    }
}

fn destination(batch: &Batch) -> Option<String> {
    batch.recipients.first().map(|first| first.destination.clone())
}
