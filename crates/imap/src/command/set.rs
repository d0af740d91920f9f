//! Sets of sequence numbers or UIDs, as a command names them.
//!
//! Source: RFC 9051 section 9, `sequence-set`; RFC 5182 (`$`).

use mailwright_view::NumberSet;

use super::{Cursor, Malformed};

/// A set as a command names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// `$`: what the last search saved.
    Saved,
    /// Ranges; `None` is `*`.
    Ranges(Vec<(Option<u32>, Option<u32>)>),
}

impl Set {
    /// Reads one.
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        if cursor.eat(b'$') {
            return Ok(Self::Saved);
        }
        let mut ranges = Vec::new();
        loop {
            let first = bound(cursor)?;
            let last = if cursor.eat(b':') { bound(cursor)? } else { first };
            ranges.push((first, last));
            if !cursor.eat(b',') {
                return Ok(Self::Ranges(ranges));
            }
        }
    }

    /// Whether a set begins here.
    pub(crate) fn comes(cursor: &Cursor<'_>) -> bool {
        cursor.peek().is_some_and(|octet| octet.is_ascii_digit() || matches!(octet, b'*' | b'$'))
    }

    /// The numbers, where `largest` stands for `*`; `saved` is `$`.
    pub fn numbers(&self, largest: u32, saved: &NumberSet) -> NumberSet {
        let ranges = match self {
            Self::Saved => return saved.clone(),
            Self::Ranges(ranges) => ranges,
        };
        let mut ends: Vec<(u32, u32)> = ranges
            .iter()
            .map(|&(first, last)| (first.unwrap_or(largest), last.unwrap_or(largest)))
            .map(|(first, last)| (first.min(last), first.max(last)))
            .collect();
        // A set grows quickest at its end.
        ends.sort_unstable();
        let mut set = NumberSet::new();
        for (first, last) in ends {
            set.insert(first..=last);
        }
        set
    }

    /// The largest number that is said.
    pub fn largest(&self) -> u32 {
        match self {
            Self::Saved => 0,
            Self::Ranges(ranges) => {
                let ends = ranges.iter().flat_map(|&(first, last)| [first, last]);
                ends.flatten().max().unwrap_or(0)
            }
        }
    }

    /// Reads a set without `*` and `$`: UIDs that are known. Source: RFC 7162 section 7.
    pub(crate) fn known(cursor: &mut Cursor<'_>) -> Result<NumberSet, Malformed> {
        const WHAT: Malformed = Malformed::Expected("a set of UIDs without *");
        match Self::parse(cursor)? {
            Self::Ranges(ranges)
                if ranges.iter().all(|(first, last)| first.is_some() && last.is_some()) =>
            {
                Ok(Self::Ranges(ranges).numbers(0, &NumberSet::new()))
            }
            _ => Err(WHAT),
        }
    }
}

fn bound(cursor: &mut Cursor<'_>) -> Result<Option<u32>, Malformed> {
    if cursor.eat(b'*') {
        return Ok(None);
    }
    if !cursor.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        return Err(Malformed::Expected("a set of messages"));
    }
    cursor.positive().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str, largest: u32) -> Result<String, Malformed> {
        let mut cursor = Cursor::new(text.as_bytes(), 1);
        let set = Set::parse(&mut cursor)?;
        cursor.end()?;
        Ok(set.numbers(largest, &NumberSet::range(7..=8)).to_string())
    }

    #[test]
    fn a_set_is_what_its_ranges_cover_in_any_order() {
        for (text, want) in [
            ("2,4:7,9,12:*", "2,4:7,9,12:15"),
            ("*:4,5:7", "4:15"),
            ("100:*", "15:100"),
            ("*", "15"),
            ("$", "7:8"),
            ("4294967295", "4294967295"),
        ] {
            assert_eq!(numbers(text, 15).as_deref(), Ok(want), "{text}");
        }
        for text in ["", "0", "1:", "1,", ":2", "a", "1:0", "4294967296", "1,$", "-1"] {
            assert!(numbers(text, 15).is_err(), "{text}");
        }
    }
}
