//! What was committed and is not indexed yet.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mailwright_words::Id;

/// Messages that wait, at most; more are found again by looking behind the mark.
const WAITING_MAX: usize = 1 << 16;

/// Messages that wait to be indexed.
#[derive(Default)]
pub(crate) struct Feed {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Id>,
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

    /// Adds messages that were committed.
    pub(crate) fn put(&self, messages: impl IntoIterator<Item = Id>) {
        let mut waiting = self.lock();
        for message in messages {
            if waiting.messages.len() < WAITING_MAX {
                waiting.messages.push_back(message);
            } else {
                waiting.overflowed = true;
            }
        }
        self.more.notify_one();
    }

    /// Takes at most `limit` messages into `taken`; waits for some no longer than `patience`.
    pub(crate) fn take(&self, limit: usize, patience: Duration, taken: &mut Vec<Id>) -> Taken {
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
            return Taken::Overflowed;
        }
        let count = waiting.messages.len().min(limit);
        taken.extend(waiting.messages.drain(..count));
        if count == 0 { Taken::None } else { Taken::Some }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().messages.len()
    }

    /// The one that waits longest.
    pub(crate) fn first(&self) -> Option<Id> {
        self.lock().messages.front().copied()
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
    use super::*;

    #[test]
    fn a_feed_is_bounded_and_says_what_it_left_out() {
        let feed = Feed::default();
        let mut taken = Vec::new();
        assert_eq!(feed.take(8, Duration::ZERO, &mut taken), Taken::None);
        feed.put((1..=3).map(Id::from_i64));
        assert_eq!(feed.take(2, Duration::ZERO, &mut taken), Taken::Some);
        assert_eq!(taken, [Id::from_i64(1), Id::from_i64(2)]);
        assert_eq!(feed.len(), 1);
        feed.put((0..70_000).map(Id::from_i64));
        assert_eq!(feed.len(), WAITING_MAX);
        assert_eq!(feed.take(8, Duration::ZERO, &mut taken), Taken::Overflowed);
        assert_eq!(feed.take(8, Duration::ZERO, &mut taken), Taken::None);
        feed.close();
        assert_eq!(feed.take(8, Duration::from_secs(99), &mut taken), Taken::Closed);
    }
}
