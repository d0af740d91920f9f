//! A moment in time, as messages and rows carry it.
//!
//! It is a number of milliseconds, not a clock: whoever needs the present takes it from
//! `net::Clock`. Source: RFC 5322 section 3.3, RFC 3339.

use std::fmt;
use std::time::Duration;

/// Milliseconds since 1970-01-01 00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `ms` milliseconds after the epoch.
    pub const fn new(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// The moment `wait` later; the last one there is when that is too far away.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment `age` earlier; the first one there is when that is too far away.
    #[must_use]
    pub fn minus(self, age: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; nothing when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        let ms = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// The form of a `Date` field, such as `Tue, 24 Nov 2026 06:15:37 +0000`.
    ///
    /// Source: RFC 5322 section 3.3.
    pub fn rfc5322(self) -> String {
        self.civil().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
    }

    /// The form of logs and of JSON, such as `2026-11-24T06:15:37.042Z`.
    ///
    /// Source: RFC 3339 section 5.6.
    pub fn rfc3339(self) -> String {
        self.civil().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }

    /// Reads the form of JSON, with any offset; nothing when it is another one.
    ///
    /// Source: RFC 3339 section 5.6.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse().ok().map(|at: jiff::Timestamp| Self(at.as_millisecond()))
    }

    /// The calendar's moment; one outside its years becomes its nearest.
    fn civil(self) -> jiff::Timestamp {
        let end = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(end)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_prints_as_mail_and_as_json_write_it() {
        let at = Timestamp::new(1_795_500_937_042);
        assert_eq!(at.rfc5322(), "Tue, 24 Nov 2026 06:15:37 +0000");
        assert_eq!(at.rfc3339(), "2026-11-24T06:15:37.042Z");
        assert_eq!(Timestamp::from_rfc3339(&at.rfc3339()), Some(at));
        assert_eq!(Timestamp::from_rfc3339("2026-11-24T07:15:37.042+01:00"), Some(at));
        assert_eq!(Timestamp::from_rfc3339("yesterday"), None);
        assert_eq!(Timestamp::new(0).rfc5322(), "Thu, 01 Jan 1970 00:00:00 +0000");
    }

    #[test]
    fn the_ends_of_time_neither_overflow_nor_panic() {
        for at in [Timestamp::new(i64::MIN), Timestamp::new(i64::MAX)] {
            assert!(!at.rfc5322().is_empty() && !at.rfc3339().is_empty());
            assert_eq!(at.since(at), Duration::ZERO);
        }
        assert_eq!(Timestamp::new(i64::MAX).plus(Duration::MAX).ms(), i64::MAX);
        assert_eq!(Timestamp::new(5).since(Timestamp::new(9)), Duration::ZERO);
        assert_eq!(Timestamp::new(5).minus(Duration::MAX).ms(), 5 - i64::MAX);
    }
}
