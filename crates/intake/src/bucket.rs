//! Rates by key: so many an hour, all at once or one after another.
//!
//! A key is remembered by one moment, that at which its bucket is full again. Memory is bounded by
//! two generations of keys: when the young one is full, the old one is forgotten.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mailwright_words::Timestamp;

/// Keys of one generation.
const GENERATION_MAX: usize = 50_000;
/// What a bucket holds is for an hour.
const HOUR_MS: i64 = 3_600_000;

/// Buckets by key.
#[derive(Debug, Default)]
pub(crate) struct Buckets(Mutex<[HashMap<String, i64>; 2]>);

impl Buckets {
    /// Takes one out of the bucket of `key`, which holds `per_hour`; how long to wait when it is
    /// empty. 0 is no limit.
    pub(crate) fn take(&self, key: String, per_hour: u32, now: Timestamp) -> Option<Duration> {
        if per_hour == 0 {
            return None;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *kept;
        let full = young.get(&key).or_else(|| old.get(&key)).copied().unwrap_or(0);
        let next = full.max(now.ms()).saturating_add(HOUR_MS / i64::from(per_hour));
        let over = next.saturating_sub(now.ms()).saturating_sub(HOUR_MS);
        if over > 0 {
            return Some(Duration::from_millis(u64::try_from(over).unwrap_or(0)));
        }
        if young.len() >= GENERATION_MAX {
            *old = std::mem::take(young);
        }
        young.insert(key, next);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let buckets = Buckets::default();
        let at = |seconds: i64| Timestamp::new(1_795_500_000_000 + seconds * 1000);
        let take = |key: &str, seconds| buckets.take(key.to_owned(), 60, at(seconds));
        for _ in 0..60 {
            assert_eq!(take("a", 0), None);
        }
        assert_eq!(take("a", 0), Some(Duration::from_mins(1)));
        assert_eq!(take("a", 20), Some(Duration::from_secs(40)));
        assert_eq!(take("b", 0), None, "another key");
        assert_eq!(take("a", 60), None);
        assert!(take("a", 60).is_some());
        assert_eq!((0..100).filter(|_| take("a", 9000).is_none()).count(), 60);
        assert!((0..100).all(|_| buckets.take("c".to_owned(), 0, at(0)).is_none()));
    }

    #[test]
    fn memory_is_bounded() {
        let buckets = Buckets::default();
        for n in 0..3 * GENERATION_MAX {
            buckets.take(n.to_string(), 10, Timestamp::new(0));
        }
        let kept = buckets.0.lock().unwrap();
        assert!(kept.iter().map(HashMap::len).sum::<usize>() <= 2 * GENERATION_MAX);
    }
}
