//! What came from the client and was not yet read, and the lines in it.
//!
//! Only CRLF ends a line. A line over its limit is dropped as it comes, so that the memory held
//! is bounded by the limit and what is fed at once.

use memchr::memchr;

/// Octets that wait to be read: pushed as they come, taken as lines or by count.
#[derive(Debug, Default)]
pub struct Input {
    octets: Vec<u8>,
    /// Where what was not yet read begins.
    start: usize,
    /// How much behind `start` is known to hold no line's end.
    scanned: usize,
    /// Whether the line that comes was over its limit.
    skipping: bool,
}

/// A line was over its limit; it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Memory that an idle session may keep.
const IDLE_OCTETS: usize = 4096;

impl Input {
    /// Takes what came.
    pub fn push(&mut self, octets: &[u8]) {
        self.octets.drain(..self.start);
        self.start = 0;
        self.octets.extend_from_slice(octets);
    }

    /// What was not yet read.
    pub fn rest(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.start >= self.octets.len()
    }

    /// `count` octets were read.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.octets.len());
        self.scanned = 0;
    }

    /// Takes a line, without its CRLF; `None` when more has to come.
    ///
    /// Errors: the line was over its limit.
    ///
    /// `max` says how long a line with this beginning may be, with its CRLF.
    pub fn line(&mut self, max: fn(&[u8]) -> usize) -> Option<Result<&[u8], TooLong>> {
        let Some(length) = self.find() else {
            self.wait(max);
            return None;
        };
        let from = self.start;
        let too_long = std::mem::take(&mut self.skipping) || length + 2 > max(self.rest());
        self.consume(length + 2);
        Some(if too_long {
            Err(TooLong)
        } else {
            self.octets.get(from..from + length).ok_or(TooLong)
        })
    }

    /// How many octets the next line has before its CRLF.
    fn find(&mut self) -> Option<usize> {
        let rest = self.octets.get(self.start..)?;
        let mut from = self.scanned;
        while let Some(found) = memchr(b'\n', rest.get(from..)?) {
            let newline = from + found;
            if newline > 0 && rest.get(newline - 1) == Some(&b'\r') {
                return Some(newline - 1);
            }
            from = newline + 1;
        }
        self.scanned = rest.len();
        None
    }

    /// Keeps what may be the beginning of a line, and no more than that.
    fn wait(&mut self, max: fn(&[u8]) -> usize) {
        let rest = self.rest();
        let length = rest.len();
        if self.skipping || length >= max(rest) {
            let kept = usize::from(rest.last() == Some(&b'\r'));
            self.skipping = true;
            self.consume(length - kept);
            self.scanned = kept;
        }
        if self.is_empty() && self.octets.capacity() > IDLE_OCTETS {
            self.octets = Vec::new();
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<Result<Vec<u8>, TooLong>> {
        let mut input = Input::default();
        let mut lines = Vec::new();
        for piece in pieces {
            input.push(piece);
            while let Some(line) = input.line(|_| 8) {
                lines.push(line.map(<[u8]>::to_vec));
            }
            assert!(input.rest().len() <= 8);
        }
        lines
    }

    #[test]
    fn only_crlf_ends_a_line_wherever_the_input_is_cut() {
        let text: &[u8] = b"a\nb\r\n\r\n123456\r\n1234567\r\n\r\r\n123456789\r1\n\r\nz\r\n";
        let want: Vec<Result<Vec<u8>, TooLong>> = vec![
            Ok(b"a\nb".to_vec()),
            Ok(Vec::new()),
            Ok(b"123456".to_vec()),
            Err(TooLong),
            Ok(b"\r".to_vec()),
            Err(TooLong),
            Ok(b"z".to_vec()),
        ];
        assert_eq!(lines(&[text]), want);
        for size in 1..text.len() {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(lines(&pieces), want, "{size}");
        }
    }
}
