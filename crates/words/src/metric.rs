//! The metrics of this program: names, kinds, labels and meanings, in the one place that has them.
//!
//! Code counts by these constants alone, `docs/reference/metrics.md` is made from them, and tidy
//! compares the labels that code gives with those that stand here. A label's values are few and
//! known: never an address, a domain or an id.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// It only grows, from 0 at the start.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Values sorted into buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word Prometheus has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// The constant of this module that has its name.
    pub constant: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it tells, in a sentence or two.
    pub meaning: &'static str,
}

/// Declares a constant for each metric, and the list of all.
macro_rules! metrics {
    ($($(#[doc = $meaning:literal])+
       $constant:ident = $kind:expr, $name:literal, [$($label:literal),*];)+) => {
        $($(#[doc = $meaning])+ pub const $constant: &str = $name;)+

        /// All metrics, in the order in which they are told.
        pub const METRICS: &[Metric] = &[$(Metric {
            constant: stringify!($constant),
            name: $name,
            kind: $kind,
            labels: &[$($label),*],
            meaning: concat!($($meaning),+),
        }),+];
    };
}

/// From a millisecond to half a minute.
const SECONDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Powers of two, up to the largest group.
const GROUP: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

metrics! {
    /// Sessions that began, by listener.
    SESSIONS = Kind::Counter, "mailwright_sessions_total", ["listener"];
    /// Sessions that are open now, by listener.
    SESSIONS_OPEN = Kind::Gauge, "mailwright_sessions_open", ["listener"];
    /// Messages that were made durable and acknowledged, by listener.
    MESSAGES_ACCEPTED = Kind::Counter, "mailwright_messages_accepted_total", ["listener"];
    /// Time from the last octet of a message to its being durable, as its client waits for it.
    ACCEPT_SECONDS = Kind::Histogram(SECONDS), "mailwright_accept_seconds", ["listener"];
    /// Commands and messages that were refused, by listener; the class is `temporary` or
    /// `permanent`.
    REFUSALS = Kind::Counter, "mailwright_refusals_total", ["listener", "class"];
    /// Logins that failed, by listener.
    AUTH_FAILURES = Kind::Counter, "mailwright_auth_failures_total", ["listener"];
    /// Writes that shared a transaction and its sync: the size of commit groups.
    COMMIT_GROUP = Kind::Histogram(GROUP), "mailwright_commit_group_writes", [];
    /// Transactions that did not commit. Each refused a group of messages with 451.
    COMMIT_FAILURES = Kind::Counter, "mailwright_commit_failures_total", [];
    /// Recipients in the queue. The class is `local`, `relay` or `capture`; the state is `queued`
    /// (waits for its time), `due` (its time has come), `active` (is being tried) or `held`.
    QUEUE_RECIPIENTS = Kind::Gauge, "mailwright_queue_recipients", ["class", "state"];
    /// Age of the oldest recipient in the queue, by class; 0 when there is none.
    QUEUE_OLDEST_SECONDS = Kind::Gauge, "mailwright_queue_oldest_seconds", ["class"];
    /// Destinations that are left alone now, because connections to them failed.
    QUEUE_BLOCKED = Kind::Gauge, "mailwright_queue_blocked_destinations", [];
    /// Messages that are not indexed for searches yet; counted up to 10,000 after a start.
    INDEX_LAG = Kind::Gauge, "mailwright_index_lag_messages", [];
    /// Attempts that ended, counted by recipient. The outcome is `delivered` (into a mailbox),
    /// `relayed`, `deferred`, `failed`, `held` or `expanded`.
    ATTEMPTS = Kind::Counter, "mailwright_attempts_total", ["outcome"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_prometheus_and_tell_what_they_count() {
        for metric in METRICS {
            let name = metric.name;
            let fits = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.starts_with("mailwright_") && name.chars().all(fits), "{name}");
            assert_eq!(metric.kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(metric.meaning.trim().ends_with('.'), "{name}");
        }
        let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }

    #[test]
    fn bounds_of_buckets_grow() {
        for metric in METRICS {
            if let Kind::Histogram(bounds) = metric.kind {
                assert!(bounds.is_sorted(), "{}", metric.name);
            }
        }
    }
}
