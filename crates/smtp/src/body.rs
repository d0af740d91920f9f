//! The octets of a message, from the wire to what is stored.
//!
//! [`Decoder`] reads `DATA` (dots are unstuffed, and only `CRLF . CRLF` ends it) and the text of
//! `BDAT` (no dots, its end is counted by the session). A CR or LF that is no part of a CRLF ends
//! nothing: the message is read on to its end, and then refused or normalised, so that two
//! servers never disagree where a message ends.
//! Source: RFC 5321 sections 2.3.8, 4.1.1.4, 4.5.2; RFC 3030.

#[cfg(test)]
mod tests;

use memchr::memchr2;

/// What becomes of a CR or LF that is no part of a CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareNewlines {
    /// The message is refused.
    Refuse,
    /// It becomes a CRLF. A dot behind it is not unstuffed.
    Normalise,
}

/// Why a message cannot be stored as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It has a CR or LF that is no part of a CRLF.
    BareNewline,
    /// A line is over the limit.
    LongLine,
}

/// What the limits of a [`Decoder`] are.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// What becomes of bare CR and LF; `None`: octets are taken as they are, of `BINARYMIME`.
    pub bare: Option<BareNewlines>,
    /// Longest line, in octets with its CRLF.
    pub line_max: usize,
    /// Whether dots are stuffed and a lone dot ends the message.
    pub dots: bool,
}

/// Where in a line the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At its start.
    Start,
    /// Behind a dot at its start, not yet passed on.
    Dot,
    /// Behind that dot and a CR, neither passed on.
    DotCr,
    /// Somewhere within.
    Within,
    /// Behind a CR, not yet passed on.
    Cr,
}

/// Reads a message piece by piece.
#[derive(Debug)]
pub struct Decoder {
    rules: Rules,
    at: At,
    /// Octets of the line before the next one.
    line_octets: usize,
    flaw: Option<Flaw>,
}

/// How far a piece went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Octets of the piece that belong to the message.
    pub used: usize,
    /// Whether the lone dot came; never without [`Rules::dots`].
    pub ended: bool,
}

impl Decoder {
    /// A decoder at the start of a message.
    pub const fn new(rules: Rules) -> Self {
        Self { rules, at: At::Start, line_octets: 0, flaw: None }
    }

    /// What is wrong with the message so far. A flawed message is still read to its end.
    pub const fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }

    /// Reads `piece` up to its end or the message's, and appends to `out` what is to be stored:
    /// at most two octets more than `piece` has, or twice as much where newlines are normalised.
    pub fn read(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Progress {
        let Some(bare) = self.rules.bare else {
            out.extend_from_slice(piece);
            return Progress { used: piece.len(), ended: false };
        };
        let mut rest = piece;
        while let Some(&first) = rest.first() {
            match (self.at, first) {
                (At::Start, b'.') if self.rules.dots => {
                    self.at = At::Dot;
                    rest = rest.get(1..).unwrap_or_default();
                }
                (At::Dot, b'\r') => {
                    self.at = At::DotCr;
                    rest = rest.get(1..).unwrap_or_default();
                }
                (At::DotCr, b'\n') => {
                    self.at = At::Start;
                    let used = piece.len() - rest.len() + 1;
                    return Progress { used, ended: true };
                }
                // The dot was stuffed, or should have been: it is dropped.
                (At::Dot, _) => self.at = At::Within,
                (At::DotCr, _) => self.at = At::Cr,
                (At::Cr, b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    self.end_line(2);
                    rest = rest.get(1..).unwrap_or_default();
                }
                (At::Cr, _) => self.bare(bare, out),
                (At::Start | At::Within, _) => rest = self.text(rest, bare, out),
            }
        }
        Progress { used: piece.len(), ended: false }
    }

    /// Takes lines, up to the first thing that is not one with its CRLF: a dot at a line's start,
    /// a bare newline, or the end of `rest`. Returns what is left.
    ///
    /// This is where almost every octet passes: whole runs of lines are copied at once.
    fn text<'a>(&mut self, rest: &'a [u8], bare: BareNewlines, out: &mut Vec<u8>) -> &'a [u8] {
        let mut scanned = 0;
        loop {
            let tail = rest.get(scanned..).unwrap_or_default();
            let Some(length) = memchr2(b'\r', b'\n', tail) else {
                out.extend_from_slice(rest);
                if !tail.is_empty() {
                    self.at = At::Within;
                    self.grow(tail.len());
                }
                return &[];
            };
            let newline = scanned + length;
            if rest.get(newline..newline + 2) != Some(b"\r\n") {
                out.extend_from_slice(rest.get(..newline).unwrap_or_default());
                self.grow(length);
                return self.newline(rest.get(newline..).unwrap_or_default(), bare, out);
            }
            self.end_line(length + 2);
            scanned = newline + 2;
            if self.rules.dots && rest.get(scanned) == Some(&b'.') {
                break;
            }
        }
        out.extend_from_slice(rest.get(..scanned).unwrap_or_default());
        rest.get(scanned..).unwrap_or_default()
    }

    /// Takes the CR or LF that `rest` starts with, which is no CRLF as far as `rest` goes.
    fn newline<'a>(&mut self, rest: &'a [u8], bare: BareNewlines, out: &mut Vec<u8>) -> &'a [u8] {
        if rest.first() == Some(&b'\r') {
            self.at = At::Cr;
        } else {
            self.bare(bare, out);
        }
        rest.get(1..).unwrap_or_default()
    }

    /// A CR or LF stood alone.
    fn bare(&mut self, bare: BareNewlines, out: &mut Vec<u8>) {
        match bare {
            BareNewlines::Refuse => self.flaw = self.flaw.or(Some(Flaw::BareNewline)),
            BareNewlines::Normalise => out.extend_from_slice(b"\r\n"),
        }
        self.end_line(2);
        self.at = At::Within;
    }

    /// A line ended, `octets` after the last that were counted.
    fn end_line(&mut self, octets: usize) {
        self.grow(octets);
        self.line_octets = 0;
        self.at = At::Start;
    }

    fn grow(&mut self, octets: usize) {
        self.line_octets = self.line_octets.saturating_add(octets);
        if self.line_octets > self.rules.line_max {
            self.flaw = self.flaw.or(Some(Flaw::LongLine));
        }
    }

    /// Ends a message whose end was counted: a CR that was held back stands alone.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.at == At::Cr
            && let Some(bare) = self.rules.bare
        {
            self.bare(bare, out);
        }
    }
}
