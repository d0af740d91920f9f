//! What came from the server, cut into responses: lines, and the literals between them.
//!
//! Source: RFC 9051 section 4.3.

use memchr::memchr;

use super::Fault;

/// How much one response may hold. In octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of its lines and small literals together.
    pub(super) response: usize,
    /// Of a message in it; zero when none was asked for.
    pub(super) message: u64,
}

/// Literals of one response, at most.
const LITERALS_MAX: usize = 256;
/// Memory that is kept while nothing comes.
const IDLE_OCTETS: usize = 64 << 10;

/// A response: its lines without their ends, and behind each but the last a literal.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Without the announcements of literals.
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) literals: Vec<Vec<u8>>,
}

/// Octets that wait to be read, and the response that is being gathered.
#[derive(Debug, Default)]
pub(super) struct Input {
    octets: Vec<u8>,
    start: usize,
    /// How much behind `start` is known to hold no line's end.
    scanned: usize,
    pieces: Pieces,
    /// Octets of the response, but for a message.
    size: usize,
    /// Octets of the message in it.
    message: u64,
    /// Octets of the literal that are still to come.
    left: Option<u64>,
}

impl Input {
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.octets.drain(..self.start);
        self.start = 0;
        self.octets.extend_from_slice(octets);
    }

    /// Whether anything came that is not yet read.
    pub(super) fn is_within(&self) -> bool {
        self.start < self.octets.len() || !self.pieces.lines.is_empty()
    }

    pub(super) fn held(&self) -> usize {
        let gathered = self.pieces.lines.iter().chain(&self.pieces.literals).map(Vec::len);
        (self.octets.len() - self.start).saturating_add(gathered.sum())
    }

    fn rest(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.octets.len());
        self.scanned = 0;
        if self.start == self.octets.len() {
            self.octets.clear();
            self.octets.shrink_to(IDLE_OCTETS);
            self.start = 0;
        }
    }

    /// The next response; `None` when more has to come.
    ///
    /// Errors: it is over a limit.
    pub(super) fn next(&mut self, limits: Limits) -> Result<Option<Pieces>, Fault> {
        loop {
            if let Some(left) = self.left {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.rest().len());
                let taken = self.octets.get(self.start..self.start + here).unwrap_or_default();
                if let Some(literal) = self.pieces.literals.last_mut() {
                    literal.extend_from_slice(taken);
                }
                self.consume(here);
                let left = left.saturating_sub(wide(here));
                self.left = Some(left).filter(|left| *left > 0);
                if left > 0 {
                    return Ok(None);
                }
            }
            let Some(length) = self.find() else {
                let over = self.size.saturating_add(self.rest().len()) > limits.response;
                return if over { Err(Fault::TooMuch("a response")) } else { Ok(None) };
            };
            self.size = self.size.saturating_add(length + 1);
            if self.size > limits.response {
                return Err(Fault::TooMuch("a response"));
            }
            let line = self.rest().get(..length).unwrap_or_default();
            let mut line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
            self.consume(length + 1);
            let announced = announced(&line);
            if let Some((at, octets)) = announced {
                line.truncate(at);
                self.pieces.lines.push(line);
                self.announce(octets, limits)?;
                continue;
            }
            self.pieces.lines.push(line);
            (self.size, self.message) = (0, 0);
            return Ok(Some(std::mem::take(&mut self.pieces)));
        }
    }

    fn announce(&mut self, octets: u64, limits: Limits) -> Result<(), Fault> {
        let small = wide(limits.response.saturating_sub(self.size));
        if octets <= small {
            self.size = self.size.saturating_add(usize::try_from(octets).unwrap_or(usize::MAX));
        } else {
            self.message = self.message.saturating_add(octets);
            if self.message > limits.message {
                return Err(Fault::TooMuch("a literal"));
            }
        }
        if self.pieces.literals.len() >= LITERALS_MAX {
            return Err(Fault::TooMuch("literals"));
        }
        self.pieces.literals.push(Vec::new());
        self.left = Some(octets);
        Ok(())
    }

    /// How many octets stand before the next LF.
    fn find(&mut self) -> Option<usize> {
        let rest = self.octets.get(self.start..)?;
        let found = memchr(b'\n', rest.get(self.scanned..)?);
        let found = found.map(|found| self.scanned + found);
        self.scanned = rest.len();
        found
    }
}

/// Where a line announces a literal, and of how many octets.
fn announced(line: &[u8]) -> Option<(usize, u64)> {
    let rest = line.strip_suffix(b"}")?;
    let brace = rest.iter().rposition(|octet| *octet == b'{')?;
    let digits = str::from_utf8(rest.get(brace + 1..)?).ok()?;
    let sound = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    let octets = sound.then(|| digits.parse().ok())??;
    let binary = brace > 0 && line.get(brace - 1) == Some(&b'~');
    Some((brace - usize::from(binary), octets))
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
