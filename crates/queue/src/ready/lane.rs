//! What waits for one site: urgent mail before ordinary, and each fairly among its streams. Pure.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, VecDeque},
};

use mailwright_store::queue::Claimed;
use mailwright_words::Id;

use super::Batch;
use crate::{site::Site, window::Window};

/// Turns in a row that urgent mail takes while other mail waits.
const URGENT_TURNS: u32 = 3;

/// A tenant and one of its streams.
type Key = (i64, String);

/// A site with what waits for it and what runs.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) window: Window,
    /// The bound of its window that is its own.
    pub(super) connections_max: Option<u32>,
    pub(super) per_minute: Option<u32>,
    pub(super) running: u32,
    pub(super) waiting: usize,
    urgent: Ring,
    ordinary: Ring,
    /// Urgent batches since the last ordinary one.
    urgent_turns: u32,
}

/// Streams that take turns.
#[derive(Debug, Default)]
struct Ring {
    turn: VecDeque<Key>,
    streams: HashMap<Key, Stream>,
}

/// What one stream has waiting, by priority and message.
#[derive(Debug, Default)]
struct Stream {
    messages: BTreeMap<Reverse<i32>, VecDeque<Id>>,
    waiting: HashMap<Id, VecDeque<Claimed>>,
}

impl Stream {
    fn push(&mut self, claimed: Claimed) {
        let (spool, priority) = (claimed.spool, claimed.priority);
        let queue = self.waiting.entry(spool).or_default();
        if queue.is_empty() {
            self.messages.entry(Reverse(priority)).or_default().push_back(spool);
        }
        queue.push_back(claimed);
    }

    /// Up to `count` recipients of one message and one destination.
    fn pop(&mut self, count: usize) -> Option<(Id, Vec<Claimed>)> {
        let mut first = self.messages.first_entry()?;
        let spool = first.get_mut().pop_front()?;
        let queue = self.waiting.get_mut(&spool)?;
        let destination = queue.front()?.destination.clone();
        let same = queue.iter().take(count).take_while(|one| one.destination == destination);
        let taken: Vec<Claimed> = queue.drain(..same.count()).collect();
        if queue.is_empty() {
            self.waiting.remove(&spool);
        } else {
            first.get_mut().push_back(spool);
        }
        if first.get().is_empty() {
            first.remove();
        }
        Some((spool, taken))
    }
}

impl Ring {
    fn push(&mut self, claimed: Claimed) {
        let key = (claimed.tenant, claimed.stream.clone());
        let stream = self.streams.entry(key.clone()).or_default();
        if stream.messages.is_empty() {
            self.turn.push_back(key);
        }
        stream.push(claimed);
    }

    fn pop(&mut self, count: usize) -> Option<(Id, Vec<Claimed>)> {
        let key = self.turn.pop_front()?;
        let stream = self.streams.get_mut(&key)?;
        let popped = stream.pop(count);
        if stream.messages.is_empty() {
            self.streams.remove(&key);
        } else {
            self.turn.push_back(key);
        }
        popped
    }

    fn drain(&mut self) -> impl Iterator<Item = Claimed> {
        self.turn.clear();
        self.streams.drain().flat_map(|(_, stream)| stream.waiting.into_values().flatten())
    }
}

impl Lane {
    pub(super) fn new(window: Window, site: &Site) -> Self {
        Self {
            window,
            connections_max: site.connections_max,
            per_minute: site.messages_per_minute,
            running: 0,
            waiting: 0,
            urgent: Ring::default(),
            ordinary: Ring::default(),
            urgent_turns: 0,
        }
    }

    pub(super) fn push(&mut self, claimed: Claimed) {
        self.waiting += 1;
        if claimed.priority > 0 {
            self.urgent.push(claimed);
        } else {
            self.ordinary.push(claimed);
        }
    }

    /// The next batch, if the window has room for it.
    pub(super) fn next(&mut self, site: &str, count: usize) -> Option<Batch> {
        if !self.window.has_room(self.running) {
            return None;
        }
        let (spool, recipients) = self.pop(count)?;
        self.waiting = self.waiting.saturating_sub(recipients.len());
        self.running += 1;
        Some(Batch { site: site.to_owned(), spool, recipients })
    }

    fn pop(&mut self, count: usize) -> Option<(Id, Vec<Claimed>)> {
        let has_ordinary = !self.ordinary.turn.is_empty();
        let is_urgents_turn = self.urgent_turns < URGENT_TURNS || !has_ordinary;
        if let Some(popped) = is_urgents_turn.then(|| self.urgent.pop(count)).flatten() {
            self.urgent_turns = if has_ordinary { self.urgent_turns + 1 } else { 0 };
            return Some(popped);
        }
        self.urgent_turns = 0;
        self.ordinary.pop(count)
    }

    pub(super) fn drain(&mut self) -> Vec<Claimed> {
        self.waiting = 0;
        self.urgent.drain().chain(self.ordinary.drain()).collect()
    }
}
