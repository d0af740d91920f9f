//! Octets become lines and columns.

/// A place in a text, as editors count: both begin with 1, columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Where the lines of a text start.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Of this text.
    pub fn new(text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// The place of the octet `at`.
    pub fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let mut end = at.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let column = self.text.get(start..end).map_or(0, |before| before.chars().count()) + 1;
        Place { line, column }
    }

    /// The line of this number, without its end.
    pub fn line(&self, number: usize) -> &'a str {
        let start = self.starts.get(number.saturating_sub(1)).copied();
        let rest = start.and_then(|start| self.text.get(start..)).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_editors_count() {
        let lines = Lines::new("a\r\n\u{e9}b\n\nc");
        let places: Vec<(usize, usize)> = [0, 1, 3, 5, 6, 7, 8, 99]
            .map(|at| lines.place(at))
            .map(|place| (place.line, place.column))
            .to_vec();
        assert_eq!(places[..4], [(1, 1), (1, 2), (2, 1), (2, 2)]);
        assert_eq!(places[4..], [(2, 3), (3, 1), (4, 1), (4, 2)]);
        assert_eq!(lines.line(2), "\u{e9}b");
        assert_eq!(lines.line(9), "");
    }
}
