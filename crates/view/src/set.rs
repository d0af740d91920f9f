//! A set of numbers as ranges: UIDs or sequence numbers.
//!
//! Invariant: the ranges ascend, none is empty, and none touches the next.
//! Source: RFC 9051 section 9, `sequence-set`.

use std::fmt;
use std::ops::RangeInclusive;

/// A set of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberSet {
    /// First and last of each range.
    ranges: Vec<(u32, u32)>,
}

impl NumberSet {
    /// The set of nothing.
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The set of all from `range.start()` to `range.end()`; nothing when that is backwards.
    pub fn range(range: RangeInclusive<u32>) -> Self {
        let mut set = Self::new();
        set.insert(range);
        set
    }

    /// Whether nothing is in it.
    pub const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many numbers are in it.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|&(first, last)| u64::from(last - first) + 1).sum()
    }

    /// The smallest.
    pub fn first(&self) -> Option<u32> {
        self.ranges.first().map(|range| range.0)
    }

    /// The largest.
    pub fn last(&self) -> Option<u32> {
        self.ranges.last().map(|range| range.1)
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = RangeInclusive<u32>> + '_ {
        self.ranges.iter().map(|&(first, last)| first..=last)
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.ranges().flatten()
    }

    /// Whether `number` is in it.
    pub fn contains(&self, number: u32) -> bool {
        let place = self.ranges.partition_point(|&(_, last)| last < number);
        self.ranges.get(place).is_some_and(|&(first, _)| first <= number)
    }

    /// Tells of ascending numbers whether they are in it, without looking each of them up.
    pub fn ascending(&self) -> Ascending<'_> {
        Ascending { rest: &self.ranges }
    }

    /// Adds a range; quickest at the end.
    pub fn insert(&mut self, range: RangeInclusive<u32>) {
        let (mut first, mut last) = range.into_inner();
        if first > last {
            return;
        }
        if self.ranges.last().is_none_or(|&(_, end)| end.saturating_add(1) < first) {
            self.ranges.push((first, last));
            return;
        }
        // All that touch the new range become one with it.
        let low = self.ranges.partition_point(|&(_, end)| end.saturating_add(1) < first);
        let high = self.ranges.partition_point(|&(start, _)| start <= last.saturating_add(1));
        if let Some(&(start, _)) = self.ranges.get(low).filter(|_| low < high) {
            first = first.min(start);
        }
        if let Some(&(_, end)) = high.checked_sub(1).and_then(|at| self.ranges.get(at)) {
            last = if low < high { last.max(end) } else { last };
        }
        self.ranges.splice(low..high.max(low), [(first, last)]);
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut ours, mut theirs) =
            (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        let mut both = Self::new();
        while let (Some(&&(a, b)), Some(&&(c, d))) = (ours.peek(), theirs.peek()) {
            both.insert(a.max(c)..=b.min(d));
            if b < d {
                ours.next();
            } else {
                theirs.next();
            }
        }
        both
    }
}

/// A place in a set, see [`NumberSet::ascending`].
#[derive(Debug, Clone)]
pub struct Ascending<'a> {
    rest: &'a [(u32, u32)],
}

impl Ascending<'_> {
    /// Whether `number` is in the set; it must not be smaller than the one asked for before.
    pub fn contains(&mut self, number: u32) -> bool {
        while let Some((&(first, last), rest)) = self.rest.split_first() {
            if number <= last {
                return first <= number;
            }
            self.rest = rest;
        }
        false
    }
}

impl Extend<u32> for NumberSet {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, numbers: I) {
        for number in numbers {
            match self.ranges.last_mut() {
                Some(range) if range.1.checked_add(1) == Some(number) => range.1 = number,
                _ => self.insert(number..=number),
            }
        }
    }
}

impl FromIterator<u32> for NumberSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut set = Self::new();
        set.extend(numbers);
        set
    }
}

impl fmt::Display for NumberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, &(first, last)) in self.ranges.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}:{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_set_is_written_as_short_as_it_can_be() {
        let set: NumberSet = [5, 1, 2, 3, 9, 10, 4].into_iter().collect();
        assert_eq!(set.to_string(), "1:5,9:10");
        assert_eq!(NumberSet::new().to_string(), "");
    }

    #[test]
    fn the_largest_number_does_not_overflow() {
        let mut set = NumberSet::range(u32::MAX..=u32::MAX);
        set.insert(u32::MAX - 1..=u32::MAX);
        assert_eq!((set.len(), set.contains(u32::MAX)), (2, true));
        assert_eq!(NumberSet::range(1..=u32::MAX).len(), u64::from(u32::MAX));
    }

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(
            ours in prop::collection::vec((0_u32..60, 0_u32..6), 0..12),
            theirs in prop::collection::vec((0_u32..60, 0_u32..6), 0..12),
        ) {
            let build = |ranges: &[(u32, u32)]| {
                let (mut set, mut model) = (NumberSet::new(), BTreeSet::new());
                for &(first, more) in ranges {
                    set.insert(first..=first + more);
                    model.extend(first..=first + more);
                }
                (set, model)
            };
            let ((set, model), (other, other_model)) = (build(&ours), build(&theirs));
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert!(set.ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            prop_assert!((0..70).all(|n| set.contains(n) == model.contains(&n)));
            let mut ascending = set.ascending();
            prop_assert!((0..70).step_by(3).all(|n| ascending.contains(n) == model.contains(&n)));
            let both: Vec<u32> = model.intersection(&other_model).copied().collect();
            prop_assert_eq!(set.intersection(&other).iter().collect::<Vec<_>>(), both);
        }
    }
}
