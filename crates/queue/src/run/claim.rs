//! Claiming for the run loop, site by site, and what the end of an attempt means for its site.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use mailwright_store::{
    Lane, StoreError,
    queue::{self, Block, Claimed},
    spool::Class,
};
use mailwright_words::Timestamp;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::timeout,
};

use super::{Queue, Settings, TROUBLE};
use crate::{
    delivery::Delivery,
    reaction::Reaction,
    ready::{Batch, Contact, Ready},
    settle::Ended,
    site::{Found, Site, Sites},
    suspension::Suspensions,
};

/// Destinations that one round looks at.
const DESTINATIONS: usize = 200;
/// Sites that are being found out at once; further destinations wait for their turn.
const LOOKUPS_MAX: usize = 500;
/// How long finding out a site may take; then its destination is one of its own.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Recipients that one transaction claims, about.
const CHUNK: usize = 1000;
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
    /// At most one.
    pub(super) claims: JoinSet<Claims>,
    /// Whether something may be due that was not looked at.
    pub(super) hungry: bool,
    /// When the store is looked at in any case.
    pub(super) again: Timestamp,
    to_settle: mpsc::Sender<Ended>,
    /// Sites that may have more in the store than fitted.
    more: HashSet<String>,
    sites: Sites,
    suspensions: Suspensions,
    /// Behind which destination the next round goes on, so that those in front, which may have
    /// enough in memory, keep nobody out.
    cursor: Option<(Timestamp, String)>,
}

/// What was claimed, and whether all of it could be.
pub(super) type Claims = (Vec<Claimable>, bool);

/// Part of a destination that is to be claimed, and then what was.
pub(super) struct Claimable {
    site: Arc<Site>,
    name: String,
    failures: u32,
    most: usize,
    claimed: Vec<Claimed>,
}

/// An attempt that has ended.
pub(super) struct Finished {
    pub(super) batch: Arc<Batch>,
    pub(super) contact: Contact,
    pub(super) reaction: Option<Reaction>,
    /// What is to be written, unless its message was gone.
    pub(super) ended: Option<Ended>,
}

impl State {
    pub(super) fn new(settings: &Settings, to_settle: mpsc::Sender<Ended>) -> Self {
        Self {
            ready: Ready::new(settings.limits.clone()),
            attempts: JoinSet::new(),
            lookups: JoinSet::new(),
            claims: JoinSet::new(),
            hungry: true,
            again: Timestamp::new(0),
            to_settle,
            more: HashSet::new(),
            sites: Sites::default(),
            suspensions: Suspensions::default(),
            cursor: None,
        }
    }
}

impl<D: Delivery> Queue<D> {
    /// Begins to claim for the destinations of a round; says how long to wait for the next.
    pub(super) async fn fill(&self, state: &mut State) -> Result<Duration, StoreError> {
        let (now, after) = (self.clock.now(), state.cursor.take());
        let due =
            self.store.look(|tx| queue::due_sites(tx, now, after.as_ref(), DESTINATIONS)).await?;
        if due.len() == DESTINATIONS {
            state.cursor = due.last().map(|last| (last.next_due, last.name.clone()));
        }
        let mut wait = if state.cursor.is_some() { AT_ONCE } else { IDLE };
        let mut wanted = Wanted::default();
        state.more.clear();
        // The mailboxes here in every round, whatever else is due.
        let local = self.store.look(|tx| queue::due_site(tx, Class::LOCAL, now)).await?;
        let others = due.into_iter().filter(|site| site.name != Class::LOCAL);
        for destination in local.into_iter().chain(others) {
            wait = wait.min(self.want(state, &mut wanted, destination, now).await);
        }
        if !wanted.parts.is_empty() {
            let queue = self.clone();
            state.claims.spawn(async move { queue.claim(wanted.parts, now).await });
        }
        if wait <= AT_ONCE {
            return Ok(wait);
        }
        let next = self.store.look(|tx| queue::next_due(tx, now)).await?;
        let next = next.map_or(IDLE, |due| due.since(now)).max(Duration::from_millis(1));
        Ok(wait.min(next))
    }

    /// Decides how much of one destination to claim, as much of its site as there is room for.
    async fn want(
        &self,
        state: &mut State,
        wanted: &mut Wanted,
        queue::Site { name, failures, is_asked, .. }: queue::Site,
        now: Timestamp,
    ) -> Duration {
        let may_ask = state.lookups.len() < LOOKUPS_MAX;
        let site = match state.sites.of(&name, may_ask, now) {
            Found::Site(site) => site,
            Found::Wait => return SOON,
            Found::Ask => {
                let delivery = Arc::clone(&self.delivery);
                state.lookups.spawn(async move {
                    let found = timeout(LOOKUP_TIMEOUT, delivery.site(&name)).await;
                    let site = found.unwrap_or_else(|_late| Site::alone(&name));
                    (name, site)
                });
                return SOON;
            }
        };
        let suspended = state.suspensions.until(&site.key, &name, now);
        if let Some((until, failures)) = suspended.filter(|_| !is_asked) {
            self.block([name].into(), until, failures, now).await;
            return IDLE;
        }
        // One alone goes to a site that is left alone, when its time is over or somebody asks.
        let probes = failures >= self.settings.now().limits.dead_after || suspended.is_some();
        let beside = (wanted.by_site.get(&site.key).copied().unwrap_or(0), wanted.all);
        let most = state.ready.wants_beside(beside, &site.key, now);
        let most = if probes { most.min(1) } else { most };
        if most == 0 {
            state.more.insert(site.key.clone());
        } else {
            wanted.add(Claimable { site, name, failures, most, claimed: Vec::new() });
        }
        IDLE
    }

    /// Claims, a part of it in each transaction; what cannot be claimed is left where it is.
    async fn claim(&self, mut parts: Vec<Claimable>, now: Timestamp) -> Claims {
        let (owner, mut done, mut whole) = (self.store.owner(), Vec::new(), true);
        while !parts.is_empty() {
            let mut sum = 0_usize;
            let fits = parts.iter().take_while(|part| {
                sum = sum.saturating_add(part.most);
                sum <= CHUNK
            });
            let rest = parts.split_off(fits.count().max(1).min(parts.len()));
            let chunk = std::mem::replace(&mut parts, rest);
            let asked: Vec<(String, usize)> =
                chunk.iter().map(|part| (part.name.clone(), part.most)).collect();
            let each = move |tx: &mut mailwright_store::Tx<'_>| {
                let one =
                    |(name, most): &(String, usize)| queue::claim(tx, owner, name, now, *most);
                asked.iter().map(one).collect::<Result<Vec<_>, _>>()
            };
            match self.store.write(Lane::Quick, each).await {
                Ok(claimed) => {
                    let filled = chunk.into_iter().zip(claimed);
                    done.extend(filled.map(|(part, claimed)| Claimable { claimed, ..part }));
                }
                Err(error) => {
                    tracing::error!(%error, "A part of the queue was not claimed.");
                    whole = false;
                }
            }
        }
        (done, whole)
    }

    /// Takes in what was claimed.
    pub(super) fn claimed(&self, state: &mut State, claims: Result<Claims, JoinError>) {
        let (parts, whole) = claims.unwrap_or_else(|error| {
            tracing::error!(%error, "A claim ended with a panic.");
            (Vec::new(), false)
        });
        if !whole {
            state.again = self.clock.now().plus(TROUBLE);
        }
        let dead_after = self.settings.now().limits.dead_after;
        for Claimable { site, failures, most, claimed, .. } in parts {
            if claimed.len() == most && failures < dead_after {
                state.more.insert(site.key.clone());
            }
            state.ready.push(&site, failures, claimed);
        }
    }

    /// A site was found out.
    pub(super) fn found(&self, state: &mut State, found: Result<(String, Site), JoinError>) {
        state.hungry = true;
        match found {
            Ok((destination, site)) => state.sites.learn(destination, site, self.clock.now()),
            Err(error) => tracing::error!(%error, "Finding a site ended with a panic."),
        }
    }

    /// Learns from the end of an attempt. A dead site is blocked and gives its mail back, and so
    /// is one whose reply asked for it.
    pub(super) async fn ended(&self, state: &mut State, ended: Result<Finished, JoinError>) {
        let Ok(Finished { batch, contact, reaction, ended }) = ended else { return };
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
        state.hungry |= state.more.contains(&site) && state.ready.wants(&site, now) > 0;
        if let Some(ended) = ended
            && state.to_settle.send(ended).await.is_err()
        {
            tracing::error!(spool = %batch.spool, "An attempt was not settled.");
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

/// What a round is going to claim.
#[derive(Default)]
struct Wanted {
    parts: Vec<Claimable>,
    by_site: HashMap<String, usize>,
    all: usize,
}

impl Wanted {
    fn add(&mut self, part: Claimable) {
        self.all += part.most;
        *self.by_site.entry(part.site.key.clone()).or_default() += part.most;
        self.parts.push(part);
    }
}

fn destination(batch: &Batch) -> Option<String> {
    batch.recipients.first().map(|first| first.destination.clone())
}
