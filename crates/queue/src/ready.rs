//! Who is next: what was claimed, by site, urgency, stream and message. Pure.
//!
//! Round robin over the sites that have room in their window, inside of one over (tenant, stream),
//! inside of that over messages, so that a job of any size gets every other turn beside a small
//! one. Urgent mail goes before ordinary mail of its site, whoever sends it, in three turns of
//! four. Invariant: what is in memory never exceeds `limit` recipients.

mod lane;
mod pace;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use mailwright_store::{queue::Claimed, spool::Class};
use mailwright_words::{Id, Timestamp};

use self::{lane::Lane, pace::Pace};
use crate::{site::Site, window::Window};

/// Bounds of what is in memory and of what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Recipients in memory.
    pub recipients: usize,
    /// Attempts at once, over all destinations.
    pub attempts: usize,
    /// Attempts at once to a destination at first.
    pub window_first: u32,
    /// Attempts at once to a destination.
    pub window_max: u32,
    /// Attempts at once that deliver into mailboxes.
    pub local: u32,
    /// Failures to connect after which a destination is dead.
    pub dead_after: u32,
    /// Recipients of one attempt.
    pub batch: usize,
}

/// Recipients of one message and one destination, to be tried together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The site of their destination.
    pub site: String,
    /// Their message.
    pub spool: Id,
    /// Who; never empty.
    pub recipients: Vec<Claimed>,
}

/// The end of a batch, as far as its destination is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// A connection worked.
    Made,
    /// None could be made.
    Failed,
    /// None was tried.
    None,
}

/// What was claimed and not settled.
#[derive(Debug)]
pub struct Ready {
    limits: Limits,
    lanes: HashMap<String, Lane>,
    turn: VecDeque<String>,
    pace: Pace,
    /// Recipients in memory, and attempts that run, over all other servers.
    remote: Load,
    /// The same of the mailboxes here, which no other server, however slow, is to hold up.
    local: Load,
}

#[derive(Debug, Default)]
struct Load {
    held: usize,
    running: usize,
}

/// Most recipients of one site that wait in memory.
const SHARE_MAX: usize = 1000;

/// Recipients of a site that was slowed down in memory.
const SLOW_SHARE: usize = 5;

impl Ready {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        let (lanes, turn, pace) = (HashMap::new(), VecDeque::new(), Pace::default());
        Self { limits, lanes, turn, pace, remote: Load::default(), local: Load::default() }
    }

    /// Goes by other bounds; a destination that is under way keeps the size of its window.
    pub fn set_limits(&mut self, limits: &Limits) {
        if self.limits == *limits {
            return;
        }
        self.limits = limits.clone();
        for (site, lane) in &mut self.lanes {
            let is_local = site == Class::LOCAL;
            let own = lane.connections_max.unwrap_or(limits.window_max);
            lane.window.set_limit(if is_local { limits.local } else { own });
        }
    }

    /// How many recipients of a site may be claimed now; 0 when it has enough.
    ///
    /// The less room is left, the less one site gets of it, so that no few of them fill it.
    pub fn wants(&self, site: &str, now: Timestamp) -> usize {
        self.wants_beside((0, 0), site, now)
    }

    /// As [`wants`](Self::wants), beside what is being claimed: of that site, and of all.
    pub(crate) fn wants_beside(
        &self,
        (of_site, of_all): (usize, usize),
        site: &str,
        now: Timestamp,
    ) -> usize {
        let reserve = self.limits.recipients / 8;
        let (room, share) = if site == Class::LOCAL {
            (reserve.saturating_sub(self.local.held + of_site), reserve.min(SHARE_MAX))
        } else {
            let room = self.limits.recipients.saturating_sub(reserve + self.remote.held + of_all);
            let most = if self.pace.is_slow(site, now) { SLOW_SHARE } else { SHARE_MAX };
            (room, (room / 8).min(most))
        };
        let waiting = self.lanes.get(site).map_or(0, |lane| lane.waiting) + of_site;
        if waiting * 2 >= share { 0 } else { (share - waiting).min(room) }
    }

    /// Takes what was claimed. `failures` is what the store knows of the destination.
    pub fn push(&mut self, site: &Site, failures: u32, claimed: Vec<Claimed>) {
        if claimed.is_empty() {
            return;
        }
        let (first, most) = self.bounds(site, failures);
        let lane = self
            .lanes
            .entry(site.key.clone())
            .or_insert_with(|| Lane::new(Window::new(first, most, failures), site));
        let is_local = site.key == Class::LOCAL;
        if lane.waiting == 0 && !is_local {
            self.turn.push_back(site.key.clone());
        }
        if is_local { &mut self.local } else { &mut self.remote }.held += claimed.len();
        for one in claimed {
            lane.push(one);
        }
    }

    /// First and greatest window: a site that was dead is probed by one.
    fn bounds(&self, site: &Site, failures: u32) -> (u32, u32) {
        let limits = &self.limits;
        if site.key == Class::LOCAL {
            return (limits.local, limits.local);
        }
        let most = site.connections_max.unwrap_or(limits.window_max);
        let first = if failures >= limits.dead_after { 1 } else { limits.window_first };
        (first.min(most), most)
    }

    /// The next batch that may run, if one may.
    pub fn take(&mut self, now: Timestamp) -> Option<Batch> {
        let local = self.lanes.get_mut(Class::LOCAL);
        if let Some(batch) = local.and_then(|lane| lane.next(Class::LOCAL, self.limits.batch)) {
            self.local.running += 1;
            return Some(batch);
        }
        if self.remote.running >= self.limits.attempts {
            return None;
        }
        for _ in 0..self.turn.len() {
            let site = self.turn.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&site).filter(|lane| lane.waiting > 0) else {
                continue;
            };
            let one_runs = self.pace.is_slow(&site, now) && lane.running > 0;
            let batch = if one_runs || !self.pace.allows(&site, now) {
                None
            } else {
                lane.next(&site, self.limits.batch)
            };
            if batch.is_some() {
                self.pace.went(&site, lane.per_minute, now);
            }
            if lane.waiting > 0 {
                self.turn.push_back(site);
            }
            if batch.is_some() {
                self.remote.running += 1;
                return batch;
            }
        }
        None
    }

    /// When something that waits for its pace may go.
    pub fn next_time(&self, now: Timestamp) -> Option<Timestamp> {
        self.pace.next_time(now)
    }

    /// Sends to a site one message a minute over one connection, until then.
    pub fn slow(&mut self, site: &str, until: Timestamp, now: Timestamp) {
        self.pace.slow(site, until, now);
    }

    /// Gives back what waits for a site.
    pub fn give_back(&mut self, site: &str) -> Vec<Claimed> {
        let Some(lane) = self.lanes.get_mut(site) else { return Vec::new() };
        let waited = lane.drain();
        if lane.running == 0 {
            self.lanes.remove(site);
        }
        self.turn.retain(|key| key != site);
        let load = self.load(site);
        load.held = load.held.saturating_sub(waited.len());
        waited
    }

    /// Notes the end of a batch; says how many failures in a row the site has when that makes it
    /// dead, and gives back what waited for it.
    pub fn done(&mut self, batch: &Batch, contact: Contact) -> Option<(u32, Vec<Claimed>)> {
        let load = self.load(&batch.site);
        load.running = load.running.saturating_sub(1);
        load.held = load.held.saturating_sub(batch.recipients.len());
        let lane = self.lanes.get_mut(&batch.site)?;
        let dead = match contact {
            Contact::Made => {
                lane.window.success(lane.running);
                None
            }
            Contact::Failed => {
                Some(lane.window.failure()).filter(|count| *count >= self.limits.dead_after)
            }
            Contact::None => None,
        };
        lane.running = lane.running.saturating_sub(1);
        let back = dead.map(|count| (count, lane.drain()));
        // One that fails now and then is remembered until it works or is dead, as far as fits.
        let failures = lane.window.failures();
        let may_go = failures == 0 || failures >= self.limits.dead_after;
        let idle = lane.running == 0 && lane.waiting == 0;
        if idle && (may_go || self.lanes.len() > self.limits.recipients) {
            self.lanes.remove(&batch.site);
        }
        if let Some((_, waited)) = &back {
            self.turn.retain(|key| *key != batch.site);
            let load = self.load(&batch.site);
            load.held = load.held.saturating_sub(waited.len());
        }
        back
    }

    fn load(&mut self, site: &str) -> &mut Load {
        if site == Class::LOCAL { &mut self.local } else { &mut self.remote }
    }

    /// Everything that waits, to be given back at shutdown.
    pub fn drain(&mut self) -> Vec<Claimed> {
        let mut all = Vec::new();
        for (site, lane) in &mut self.lanes {
            let waited = lane.drain();
            let load = if site == Class::LOCAL { &mut self.local } else { &mut self.remote };
            load.held = load.held.saturating_sub(waited.len());
            all.extend(waited);
        }
        self.turn.clear();
        all
    }

    /// Failures to connect of a site, one after another, as it is known here.
    pub fn failures(&self, site: &str) -> u32 {
        self.lanes.get(site).map_or(0, |lane| lane.window.failures())
    }

    /// Batches that run.
    pub fn running(&self) -> usize {
        self.remote.running + self.local.running
    }

    /// Recipients in memory.
    pub fn held(&self) -> usize {
        self.remote.held + self.local.held
    }
}
