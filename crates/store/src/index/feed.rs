//! What was committed and is not indexed yet.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mailwright_words::Id;

use super::Entry;

/// Messages that wait, at most; more are found again by looking behind the mark.
const WAITING_MAX: usize = 1 << 16;
/// Octets of entries that wait; past them messages wait without, and are opened again.
const ENTRIES_MAX: usize = 8 << 20;

/// A message that waits.
#[derive(Debug)]
pub(crate) enum Fed {
    /// It is to be opened.
    Message(Id),
    /// Its entry was made when it came.
    Entry(Entry),
}

impl Fed {
    /// The message.
    pub(crate) const fn id(&self) -> Id {
        match self {
            Self::Message(message) => *message,
            Self::Entry(entry) => entry.message,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Message(_) => 0,
            Self::Entry(entry) => entry.imprint.size(),
        }
    }
}

/// Messages that wait to be indexed.
#[derive(Default)]
pub(crate) struct Feed {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Fed>,
    /// Octets of their entries.
    octets: usize,
    /// Some were left out.
    overflowed: bool,
    closed: bool,
}

/// What a taker of the feed finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Some messages.
    Some,
    /// None came in time.
    None,
    /// More came than can wait: those behind the mark have to be looked for.
    Overflowed,
    /// There will be no more.
    Closed,
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds messages.
    pub(crate) fn put(&self, messages: impl IntoIterator<Item = Id>) {
        self.put_committed(messages, Vec::new());
    }

    /// Adds messages that were committed, with the entries of some of them, in the same order.
    pub(crate) fn put_committed(
        &self,
        messages: impl IntoIterator<Item = Id>,
        entries: Vec<Entry>,
    ) {
        let mut waiting = self.lock();
        let mut entries = entries.into_iter().peekable();
        for message in messages {
            let fed = match entries.next_if(|entry| entry.message == message) {
                Some(entry) if waiting.octets < ENTRIES_MAX => Fed::Entry(entry),
                _ => Fed::Message(message),
            };
            if waiting.messages.len() < WAITING_MAX {
                waiting.octets += fed.size();
                waiting.messages.push_back(fed);
            } else {
                waiting.overflowed = true;
            }
        }
        self.more.notify_one();
    }

    /// Takes at most `limit` messages into `taken`; waits for some no longer than `patience`.
    pub(crate) fn take(&self, limit: usize, patience: Duration, taken: &mut Vec<Fed>) -> Taken {
        let is_idle = |w: &mut Waiting| w.messages.is_empty() && !w.overflowed && !w.closed;
        let mut waiting = self
            .more
            .wait_timeout_while(self.lock(), patience, is_idle)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        if waiting.closed {
            return Taken::Closed;
        }
        if std::mem::take(&mut waiting.overflowed) {
            waiting.messages.clear();
            waiting.octets = 0;
            return Taken::Overflowed;
        }
        let count = waiting.messages.len().min(limit);
        taken.extend(waiting.messages.drain(..count));
        let octets = taken.iter().fold(0, |sum: usize, fed| sum.saturating_add(fed.size()));
        waiting.octets = waiting.octets.saturating_sub(octets);
        if count == 0 { Taken::None } else { Taken::Some }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().messages.len()
    }

    /// The one that waits longest.
    pub(crate) fn first(&self) -> Option<Id> {
        self.lock().messages.front().map(Fed::id)
    }

    /// Waits until the feed is closed, no longer than `patience`; says whether it is.
    pub(crate) fn is_closed_within(&self, patience: Duration) -> bool {
        let is_open = |waiting: &mut Waiting| !waiting.closed;
        let waited = self.more.wait_timeout_while(self.lock(), patience, is_open);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// Lets the taker end.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::index::Imprint;

    #[test]
    fn a_feed_is_bounded_and_says_what_it_left_out() {
        let feed = Feed::default();
        let mut taken = Vec::new();
        assert_eq!(feed.take(8, Duration::ZERO, &mut taken), Taken::None);
        feed.put((1..=3).map(Id::from_i64));
        assert_eq!(feed.take(2, Duration::ZERO, &mut taken), Taken::Some);
        assert_eq!(taken.iter().map(Fed::id).collect::<Vec<_>>(), [1, 2].map(Id::from_i64));
        assert_eq!(feed.len(), 1);
        feed.put((0..70_000).map(Id::from_i64));
        assert_eq!(feed.len(), WAITING_MAX);
        assert_eq!(feed.take(8, Duration::ZERO, &mut taken), Taken::Overflowed);
        assert_eq!(feed.take(8, Duration::ZERO, &mut taken), Taken::None);
        feed.close();
        assert_eq!(feed.take(8, Duration::from_secs(99), &mut taken), Taken::Closed);
    }

    #[test]
    fn entries_wait_with_their_messages_as_long_as_there_is_room() {
        let feed = Feed::default();
        let imprint = Imprint { digest: vec![0; 1 << 20], signature: Vec::new(), brief: None };
        let imprint = Arc::new(imprint);
        let entry = |number| Entry {
            account: Id::from_i64(1),
            message: Id::from_i64(number),
            imprint: Arc::clone(&imprint),
        };
        // Every other one has an entry.
        feed.put_committed((0..40).map(Id::from_i64), (0..20).map(|n| entry(n * 2)).collect());
        let mut taken = Vec::new();
        feed.take(100, Duration::ZERO, &mut taken);
        assert_eq!(taken.iter().map(Fed::id).collect::<Vec<_>>().len(), 40);
        assert!(taken.iter().zip(0..).all(|(fed, number)| fed.id() == Id::from_i64(number)));
        let with = taken.iter().filter(|fed| matches!(fed, Fed::Entry(_))).count();
        assert_eq!(with, 8);
        // What was taken makes room.
        feed.put_committed([Id::from_i64(50)], vec![entry(50)]);
        taken.clear();
        feed.take(100, Duration::ZERO, &mut taken);
        assert!(matches!(taken.as_slice(), [Fed::Entry(_)]));
    }
}
