//! When a delivery is tried again: pure rules of time.
//!
//! Source: RFC 5321 section 4.5.4.1.

use std::time::Duration;

/// The rules of retrying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Wait after the first failure; each further one doubles it.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
}

impl Schedule {
    /// How long to wait after failure number `attempts`; 1 is the first.
    pub fn after_failure(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(16);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let schedule = Schedule { first: Duration::from_mins(5), longest: Duration::from_hours(4) };
        let minutes = |attempts| schedule.after_failure(attempts).as_secs() / 60;
        assert_eq!([1, 2, 3, 6, 7, 40].map(minutes), [5, 10, 20, 160, 240, 240]);
    }
}
