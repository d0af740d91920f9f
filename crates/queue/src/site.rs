//! Which destinations are one to the other side, and for how long that is known.
//!
//! A site is the servers that take a destination's mail: a thousand domains at one provider are
//! one site, with one window. Whoever delivers finds it out; nobody waits long for the answer, and
//! a destination without one is a site of its own. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mailwright_store::spool::Class;
use mailwright_words::Timestamp;

/// How long a destination waits for its site.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a site is taken for known.
const FRESH: Duration = Duration::from_mins(10);
/// Destinations whose site is known.
const KNOWN_MAX: usize = 20_000;

/// The servers that take a destination's mail, and the bounds of what goes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Equal for all destinations of the same servers.
    pub key: String,
    /// Most connections at once; none leaves it to the queue.
    pub connections_max: Option<u32>,
    /// Most messages a minute.
    pub messages_per_minute: Option<u32>,
}

impl Site {
    /// A destination that shares its servers with no other.
    pub fn alone(destination: &str) -> Self {
        Self { key: destination.to_owned(), connections_max: None, messages_per_minute: None }
    }
}

/// What is known of a destination's site.
pub(crate) enum Found {
    Site(Arc<Site>),
    /// Nobody asked yet: ask now.
    Ask,
    /// Somebody asked a moment ago.
    Wait,
}

enum Known {
    Asked(Timestamp),
    Found(Arc<Site>, Timestamp),
}

/// The sites of destinations.
#[derive(Default)]
pub(crate) struct Sites(HashMap<String, Known>);

impl Sites {
    /// The site of a destination. After [`Found::Ask`] comes [`learn`](Self::learn), some time;
    /// it comes only when one `may_ask`, and who may not waits for its turn.
    pub(crate) fn of(&mut self, destination: &str, may_ask: bool, now: Timestamp) -> Found {
        let alone = || Found::Site(Arc::new(Site::alone(destination)));
        if destination == Class::LOCAL {
            return alone();
        }
        match self.0.get(destination) {
            Some(Known::Found(site, until)) if *until > now => Found::Site(Arc::clone(site)),
            Some(Known::Asked(since)) if now.since(*since) < PATIENCE => Found::Wait,
            Some(Known::Asked(_)) => alone(),
            Some(Known::Found(..)) | None if !may_ask => Found::Wait,
            Some(Known::Found(..)) | None => {
                self.make_room(now);
                self.0.insert(destination.to_owned(), Known::Asked(now));
                Found::Ask
            }
        }
    }

    pub(crate) fn learn(&mut self, destination: String, site: Site, now: Timestamp) {
        self.0.insert(destination, Known::Found(Arc::new(site), now.plus(FRESH)));
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.0.len() >= KNOWN_MAX {
            self.0.retain(|_, known| match known {
                Known::Asked(since) => now.since(*since) < FRESH,
                Known::Found(_, until) => *until > now,
            });
        }
        if self.0.len() >= KNOWN_MAX {
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_long_for_a_site() {
        let (mut sites, start) = (Sites::default(), Timestamp::new(0));
        let soon = start.plus(Duration::from_millis(100));
        let late = start.plus(PATIENCE);
        assert!(matches!(sites.of("a.example", true, start), Found::Ask));
        assert!(matches!(sites.of("a.example", true, soon), Found::Wait));
        let Found::Site(site) = sites.of("a.example", true, late) else { panic!("it goes alone") };
        assert_eq!(*site, Site::alone("a.example"));
        sites.learn("a.example".to_owned(), Site::alone("mx.example"), late);
        let Found::Site(site) = sites.of("a.example", true, late) else { panic!("it is known") };
        assert_eq!(site.key, "mx.example");
        assert!(matches!(sites.of("a.example", true, late.plus(FRESH)), Found::Ask));
        assert!(matches!(sites.of(Class::LOCAL, true, start), Found::Site(_)));
    }

    #[test]
    fn what_is_known_is_bounded() {
        let (mut sites, now) = (Sites::default(), Timestamp::new(0));
        for number in 0..3 * KNOWN_MAX {
            assert!(matches!(sites.of(&number.to_string(), true, now), Found::Ask));
            sites.learn(number.to_string(), Site::alone("x"), now);
            assert!(sites.0.len() <= KNOWN_MAX);
        }
    }
}
