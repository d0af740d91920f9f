//! Identifiers made by us: sortable by time, unique across nodes, 63 bits.
//!
//! 42 bits of milliseconds since 2020, 8 bits of node, 13 bits of counter, so that a row's key is
//! an ordinary positive integer in every database. The text form is Crockford's base 32 in lower
//! case, always 13 characters.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::time::Timestamp;

/// 2020-01-01 00:00:00 UTC.
const EPOCH_MS: i64 = 1_577_836_800_000;
const NODE_BITS: u32 = 8;
const COUNTER_BITS: u32 = 13;
const COUNTER_MASK: i64 = (1 << COUNTER_BITS) - 1;
/// The most milliseconds that fit, some time in the year 2159.
const MS_MAX: i64 = (1 << 42) - 1;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TEXT_CHARS: u32 = 13;

/// The identifier of a message, a recipient, a principal or anything else we keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(i64);

impl Id {
    /// The number, as a row keeps it.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The identifier a row keeps as `number`; the sign is not part of one.
    pub const fn from_i64(number: i64) -> Self {
        Self(number & i64::MAX)
    }

    /// When it was made, by the clock of its node.
    pub const fn time(self) -> Timestamp {
        Timestamp::new((self.0 >> (NODE_BITS + COUNTER_BITS)).saturating_add(EPOCH_MS))
    }

    /// The greatest that was made at `time` or before, by any node.
    pub fn last_of(time: Timestamp) -> Self {
        let next = time.ms().saturating_sub(EPOCH_MS).clamp(-1, MS_MAX - 1) + 1;
        Self(((next << (NODE_BITS + COUNTER_BITS)) - 1).max(0))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..TEXT_CHARS).rev().try_for_each(|place| {
            let digit = usize::try_from((self.0 >> (place * 5)) & 31).unwrap_or(0);
            let letter = ALPHABET.get(digit).copied().unwrap_or(b'0');
            fmt::Write::write_char(f, char::from(letter))
        })
    }
}

/// A text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 13 characters of 0-9 and a-z without i, l, o and u")]
pub struct IdError;

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 13 {
            return Err(IdError);
        }
        let number = text.bytes().try_fold(0_u128, |number, byte| {
            let digit = ALPHABET.iter().position(|&b| b == byte.to_ascii_lowercase());
            let digit = digit.and_then(|digit| u128::try_from(digit).ok()).ok_or(IdError)?;
            Ok((number << 5) | digit)
        })?;
        i64::try_from(number).map(Self).or(Err(IdError))
    }
}

/// Makes identifiers; shared by all threads of a node.
///
/// Invariant: each is greater than the one before, also when the clock stands still or goes back.
#[derive(Debug)]
pub struct IdSource {
    node: i64,
    /// Milliseconds and counter of the newest one, without the node.
    newest: AtomicI64,
}

impl IdSource {
    /// A source for the node of this number.
    pub fn new(node: u8) -> Self {
        Self { node: i64::from(node), newest: AtomicI64::new(0) }
    }

    /// Goes on behind `newest`, which this node made in an earlier life.
    ///
    /// A clock that was set back while the process was down does then not repeat identifiers.
    pub fn resume(&self, newest: Id) {
        let ms = newest.0 >> (NODE_BITS + COUNTER_BITS);
        let place = (ms << COUNTER_BITS) | (newest.0 & COUNTER_MASK);
        self.newest.fetch_max(place, Ordering::Relaxed);
    }

    /// Makes one.
    ///
    /// More than 8192 in a millisecond borrow from the milliseconds that follow.
    pub fn next(&self, now: Timestamp) -> Id {
        let ms = now.ms().saturating_sub(EPOCH_MS).clamp(0, MS_MAX);
        let first = ms << COUNTER_BITS;
        let follow = |newest: i64| first.max(newest.saturating_add(1));
        let newest = self
            .newest
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |newest| Some(follow(newest)))
            .unwrap_or_default();
        let place = follow(newest);
        let (ms, counter) = (place >> COUNTER_BITS, place & COUNTER_MASK);
        Id::from_i64((ms << (NODE_BITS + COUNTER_BITS)) | (self.node << COUNTER_BITS) | counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::new(1_795_500_937_042);

    #[test]
    fn ids_grow_although_the_clock_stands_still_or_goes_back() {
        let source = IdSource::new(3);
        let mut last = source.next(NOW);
        assert_eq!(last.time(), NOW);
        for step in 0..20_000 {
            let id = source.next(Timestamp::new(NOW.ms() - step % 7));
            assert!(id > last);
            last = id;
        }
    }

    #[test]
    fn threads_never_get_the_same_one() {
        let source = IdSource::new(0);
        let take = || (0..5000).map(|_| source.next(NOW)).collect::<Vec<_>>();
        let mut all = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            workers.into_iter().flat_map(|w| w.join().unwrap()).collect::<Vec<_>>()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 20_000);
    }

    #[test]
    fn a_new_life_goes_on_behind_the_old_one() {
        let old = IdSource::new(1).next(NOW);
        let source = IdSource::new(1);
        source.resume(old);
        assert!(source.next(Timestamp::new(0)) > old);
    }

    #[test]
    fn text_is_13_characters_and_comes_back() {
        for id in [Id::from_i64(0), Id::from_i64(i64::MAX), IdSource::new(255).next(NOW)] {
            let text = id.to_string();
            assert_eq!(text.len(), 13);
            assert_eq!(text.parse(), Ok(id));
        }
        for bad in ["", "0", "zzzzzzzzzzzzz", "000000000000u", "00000000000000"] {
            assert_eq!(bad.parse::<Id>(), Err(IdError), "{bad}");
        }
    }
}
