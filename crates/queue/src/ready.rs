//! Who is next: what was claimed, by destination, stream and message. Pure.
//!
//! Round robin over the destinations that have room in their window, inside of one over (tenant,
//! stream), inside of that over messages, so that a job of any size gets every other turn beside a
//! small one. Invariant: what is in memory never exceeds `limit` recipients.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};

use mailwright_store::queue::Claimed;
use mailwright_words::Id;

use crate::window::Window;

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
    /// Their destination.
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

/// A destination with what waits for it and what runs.
#[derive(Debug)]
struct Lane {
    window: Window,
    running: u32,
    waiting: usize,
    streams: VecDeque<(i64, String)>,
    queues: HashMap<(i64, String), Stream>,
}

/// What one stream has waiting for a destination, by urgency and message.
#[derive(Debug, Default)]
struct Stream {
    messages: VecDeque<Id>,
    waiting: BTreeMap<Id, VecDeque<Claimed>>,
}

impl Stream {
    fn push(&mut self, claimed: Claimed) {
        let spool = claimed.spool;
        let queue = self.waiting.entry(spool).or_default();
        if queue.is_empty() {
            if claimed.priority > 0 {
                self.messages.push_front(spool);
            } else {
                self.messages.push_back(spool);
            }
        }
        queue.push_back(claimed);
    }

    fn pop(&mut self, count: usize) -> Option<(Id, Vec<Claimed>)> {
        let spool = self.messages.pop_front()?;
        let queue = self.waiting.get_mut(&spool)?;
        let taken: Vec<Claimed> = queue.drain(..count.min(queue.len())).collect();
        if queue.is_empty() {
            self.waiting.remove(&spool);
        } else {
            self.messages.push_back(spool);
        }
        Some((spool, taken))
    }
}

/// What was claimed and not settled.
#[derive(Debug)]
pub struct Ready {
    limits: Limits,
    lanes: HashMap<String, Lane>,
    turn: VecDeque<String>,
    held: usize,
    running: usize,
}

impl Ready {
    /// Nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, lanes: HashMap::new(), turn: VecDeque::new(), held: 0, running: 0 }
    }

    /// Goes by other bounds; a destination that is under way keeps the size of its window.
    pub fn set_limits(&mut self, limits: &Limits) {
        if self.limits == *limits {
            return;
        }
        self.limits = limits.clone();
        for (site, lane) in &mut self.lanes {
            let is_local = site == mailwright_store::spool::Class::LOCAL;
            lane.window.set_limit(if is_local { limits.local } else { limits.window_max });
        }
    }

    /// How many recipients of a destination may be claimed now; 0 when it has enough.
    ///
    /// The less room is left, the less one destination gets of it, so that no few of them fill it.
    pub fn wants(&self, site: &str) -> usize {
        let room = self.limits.recipients.saturating_sub(self.held);
        let share = (room / 8).min(1000);
        let waiting = self.lanes.get(site).map_or(0, |lane| lane.waiting);
        if waiting * 2 >= share { 0 } else { share - waiting }
    }

    /// Takes what was claimed. `failures` is what the store knows of the destination.
    pub fn push(&mut self, site: &str, failures: u32, claimed: Vec<Claimed>) {
        if claimed.is_empty() {
            return;
        }
        let (first, most) = self.bounds(site, failures);
        let lane = self.lanes.entry(site.to_owned()).or_insert_with(|| Lane {
            window: Window::new(first, most, failures),
            running: 0,
            waiting: 0,
            streams: VecDeque::new(),
            queues: HashMap::new(),
        });
        if lane.waiting == 0 {
            self.turn.push_back(site.to_owned());
        }
        self.held += claimed.len();
        lane.waiting += claimed.len();
        for one in claimed {
            let key = (one.tenant, one.stream.clone());
            let stream = lane.queues.entry(key.clone()).or_default();
            if stream.messages.is_empty() {
                lane.streams.push_back(key);
            }
            stream.push(one);
        }
    }

    /// First and greatest window: a destination that was dead is probed by one.
    fn bounds(&self, site: &str, failures: u32) -> (u32, u32) {
        let limits = &self.limits;
        if site == mailwright_store::spool::Class::LOCAL {
            (limits.local, limits.local)
        } else if failures >= limits.dead_after {
            (1, limits.window_max)
        } else {
            (limits.window_first, limits.window_max)
        }
    }

    /// The next batch that may run, if one may.
    pub fn take(&mut self) -> Option<Batch> {
        if self.running >= self.limits.attempts {
            return None;
        }
        for _ in 0..self.turn.len() {
            let site = self.turn.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&site).filter(|lane| lane.waiting > 0) else {
                continue;
            };
            let batch = lane.next(&site, self.limits.batch);
            if lane.waiting > 0 {
                self.turn.push_back(site);
            }
            if batch.is_some() {
                self.running += 1;
                return batch;
            }
        }
        None
    }

    /// Notes the end of a batch; says how many failures in a row the destination has when that
    /// makes it dead, and gives back what waited for it.
    pub fn done(&mut self, batch: &Batch, contact: Contact) -> Option<(u32, Vec<Claimed>)> {
        self.running = self.running.saturating_sub(1);
        self.held = self.held.saturating_sub(batch.recipients.len());
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
        if let Some((_, waited)) = &back {
            self.held = self.held.saturating_sub(waited.len());
        }
        if lane.running == 0 && lane.waiting == 0 {
            self.lanes.remove(&batch.site);
        }
        back
    }

    /// Everything that waits, to be given back at shutdown.
    pub fn drain(&mut self) -> Vec<Claimed> {
        let waited: Vec<Claimed> = self.lanes.values_mut().flat_map(Lane::drain).collect();
        self.held = self.held.saturating_sub(waited.len());
        self.turn.clear();
        waited
    }

    /// Failures to connect of a destination, one after another, as it is known here.
    pub fn failures(&self, site: &str) -> u32 {
        self.lanes.get(site).map_or(0, |lane| lane.window.failures())
    }

    /// Batches that run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Recipients in memory.
    pub fn held(&self) -> usize {
        self.held
    }
}

impl Lane {
    fn next(&mut self, site: &str, count: usize) -> Option<Batch> {
        if !self.window.has_room(self.running) {
            return None;
        }
        let key = self.streams.pop_front()?;
        let stream = self.queues.get_mut(&key)?;
        let (spool, recipients) = stream.pop(count)?;
        if stream.messages.is_empty() {
            self.queues.remove(&key);
        } else {
            self.streams.push_back(key);
        }
        self.waiting = self.waiting.saturating_sub(recipients.len());
        self.running += 1;
        Some(Batch { site: site.to_owned(), spool, recipients })
    }

    fn drain(&mut self) -> Vec<Claimed> {
        self.streams.clear();
        self.waiting = 0;
        self.queues.drain().flat_map(|(_, s)| s.waiting.into_values().flatten()).collect()
    }
}
