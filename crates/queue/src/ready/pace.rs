//! How fast a site may be sent to: its own rate, and the slow one that a reply asked for. Pure.

use std::{collections::HashMap, time::Duration};

use mailwright_words::Timestamp;

/// Between two messages to a site that asked us to slow down.
const SLOW: Duration = Duration::from_mins(1);
/// Entries from which on those that are over are looked for.
const TIDY_AT: usize = 1000;
/// Sites that are slow; more are as fast as ever.
const SLOW_MAX: usize = 10_000;

/// When each site may have its next message.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next: HashMap<String, Timestamp>,
    slow: HashMap<String, Timestamp>,
}

impl Pace {
    /// Slows a site down until then.
    pub(super) fn slow(&mut self, site: &str, until: Timestamp, now: Timestamp) {
        self.slow.retain(|_, until| *until > now);
        if self.slow.len() < SLOW_MAX {
            self.slow.insert(site.to_owned(), until);
            self.next.insert(site.to_owned(), now.plus(SLOW));
        }
    }

    pub(super) fn is_slow(&self, site: &str, now: Timestamp) -> bool {
        self.slow.get(site).is_some_and(|until| *until > now)
    }

    /// Whether a message may go now.
    pub(super) fn allows(&self, site: &str, now: Timestamp) -> bool {
        self.next.get(site).is_none_or(|at| *at <= now)
    }

    /// Notes that a message goes now.
    pub(super) fn went(&mut self, site: &str, per_minute: Option<u32>, now: Timestamp) {
        let wait = if self.is_slow(site, now) {
            SLOW
        } else if let Some(most) = per_minute {
            Duration::from_mins(1) / most.max(1)
        } else {
            return;
        };
        if self.next.len() >= TIDY_AT {
            self.next.retain(|_, at| *at > now);
        }
        self.next.insert(site.to_owned(), now.plus(wait));
    }

    /// When a site that has to wait may go on.
    pub(super) fn next_time(&self, now: Timestamp) -> Option<Timestamp> {
        self.next.values().copied().filter(|at| *at > now).min()
    }
}
