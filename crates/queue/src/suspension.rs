//! Sites that are left alone, and the destinations that wait behind each.
//!
//! What is here may be forgotten: the rows of the destinations hold the same until, each for
//! itself. Pure and bounded.

use std::collections::{BTreeSet, HashMap};

use mailwright_words::Timestamp;

/// Sites that are left alone.
const SITES_MAX: usize = 10_000;
/// Destinations of one that wake together.
const DESTINATIONS_MAX: usize = 1000;

/// A site that is left alone.
#[derive(Debug)]
struct Suspension {
    until: Timestamp,
    /// Failures to connect, one after another; 0 when a reply asked for it.
    failures: u32,
    destinations: BTreeSet<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Suspensions(HashMap<String, Suspension>);

impl Suspensions {
    /// Until when a site is left alone, and after how many failures. `destination` waits with it.
    pub(crate) fn until(
        &mut self,
        site: &str,
        destination: &str,
        now: Timestamp,
    ) -> Option<(Timestamp, u32)> {
        let suspension = self.0.get_mut(site).filter(|suspension| suspension.until > now)?;
        if suspension.destinations.len() < DESTINATIONS_MAX {
            suspension.destinations.insert(destination.to_owned());
        }
        Some((suspension.until, suspension.failures))
    }

    /// Leaves a site alone.
    pub(crate) fn add(
        &mut self,
        site: &str,
        (until, failures): (Timestamp, u32),
        destinations: &BTreeSet<String>,
        now: Timestamp,
    ) {
        if self.0.len() >= SITES_MAX {
            self.0.retain(|_, suspension| suspension.until > now);
        }
        if self.0.len() >= SITES_MAX {
            return;
        }
        let suspension = self.0.entry(site.to_owned()).or_insert_with(|| Suspension {
            until,
            failures,
            destinations: BTreeSet::new(),
        });
        suspension.until = suspension.until.max(until);
        suspension.failures = failures;
        suspension.destinations.extend(destinations.iter().take(DESTINATIONS_MAX).cloned());
    }

    /// A connection to a site worked: those that wait because none did go again.
    pub(crate) fn revive(&mut self, site: &str) -> BTreeSet<String> {
        match self.0.get(site) {
            Some(suspension) if suspension.failures > 0 => {
                self.0.remove(site).map(|suspension| suspension.destinations).unwrap_or_default()
            }
            _ => BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_dead_site_wakes_all_that_wait_behind_it_and_a_suspended_one_does_not() {
        let (now, later) = (Timestamp::new(0), Timestamp::new(600_000));
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut suspensions = Suspensions::default();
        suspensions.add("mx", (later, 3), &of(&["a"]), now);
        suspensions.add("slow", (later, 0), &of(&["x"]), now);
        assert_eq!(suspensions.until("mx", "b", now), Some((later, 3)));
        assert_eq!(suspensions.until("mx", "c", later), None);
        assert_eq!(suspensions.until("other", "c", now), None);
        assert_eq!(suspensions.revive("mx"), of(&["a", "b"]));
        assert!(suspensions.revive("mx").is_empty() && suspensions.revive("slow").is_empty());
        assert_eq!(suspensions.until("slow", "y", now), Some((later, 0)));
    }

    #[test]
    fn what_is_over_makes_room() {
        let mut suspensions = Suspensions::default();
        let wait = Duration::from_secs(1);
        for number in 0..2 * SITES_MAX {
            let now = Timestamp::new(i64::try_from(number).unwrap());
            suspensions.add(&number.to_string(), (now.plus(wait), 1), &BTreeSet::new(), now);
        }
        assert!(suspensions.0.len() <= SITES_MAX);
    }
}
