//! A place in a response, and the small pieces of syntax read from there.
//!
//! Servers are read leniently where nothing is lost by it: an unknown item is passed by.
//! Source: RFC 9051 section 9.

use super::{Fault, input::Pieces};

/// Octets of a response that a fault shows.
const SHOWN: usize = 80;
/// Deepest nesting that is passed by.
const LEVELS_MAX: usize = 32;

/// A string, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NString {
    /// `NIL`.
    Nil,
    /// These octets.
    Octets(Vec<u8>),
}

impl NString {
    /// The octets.
    pub fn octets(self) -> Option<Vec<u8>> {
        match self {
            Self::Nil => None,
            Self::Octets(octets) => Some(octets),
        }
    }
}

/// A place in a response.
pub(super) struct Reader {
    line: Vec<u8>,
    at: usize,
    lines: std::vec::IntoIter<Vec<u8>>,
    literals: std::vec::IntoIter<Vec<u8>>,
    /// The beginning, for a fault.
    shown: String,
}

impl Reader {
    pub(super) fn new(pieces: Pieces) -> Self {
        let mut lines = pieces.lines.into_iter();
        let line = lines.next().unwrap_or_default();
        let shown = line.iter().take(SHOWN).copied().collect::<Vec<u8>>();
        let shown = shown.escape_ascii().to_string();
        Self { line, at: 0, lines, literals: pieces.literals.into_iter(), shown }
    }

    /// That the response makes no sense.
    pub(super) fn fault(&self) -> Fault {
        Fault::Syntax(self.shown.clone())
    }

    /// The rest of this line.
    pub(super) fn line(&self) -> &[u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    pub(super) fn starts_with(&self, octets: &[u8]) -> bool {
        self.line().starts_with(octets)
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.line.len());
    }

    /// Takes this octet, if it comes.
    pub(super) fn eat(&mut self, octet: u8) -> bool {
        let comes = self.line().first() == Some(&octet);
        self.skip(usize::from(comes));
        comes
    }

    /// Whether the response ends here.
    fn is_end(&self) -> bool {
        self.line().is_empty() && self.literals.len() == 0
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> String {
        let rest = self.line();
        let count = rest.iter().position(|octet| !wanted(*octet)).unwrap_or(rest.len());
        let text = String::from_utf8_lossy(rest.get(..count).unwrap_or_default()).into_owned();
        self.skip(count);
        text
    }

    /// A word up to a space or what ends an item; a flag may begin with a backslash.
    pub(super) fn word(&mut self) -> String {
        self.take_while(|octet| octet > b' ' && !matches!(octet, b'(' | b')' | b'[' | b']' | b'"'))
    }

    /// The number of a tag of ours, and the space behind it.
    pub(super) fn tag(&mut self) -> Option<u32> {
        if !self.eat(b'a') {
            return None;
        }
        let tag = self.number()?;
        self.eat(b' ').then_some(tag)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.take_while(|octet| octet.is_ascii_digit()).parse().ok()
    }

    pub(super) fn number64(&mut self) -> Option<u64> {
        self.take_while(|octet| octet.is_ascii_digit()).parse().ok()
    }

    /// Text to the end of the response.
    pub(super) fn text(&mut self) -> String {
        self.take_while(|_| true).chars().filter(|letter| !letter.is_control()).collect()
    }

    /// A string, or `NIL`.
    pub(super) fn nstring(&mut self) -> Option<NString> {
        if self.line().get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"NIL")) {
            self.skip(3);
            return Some(NString::Nil);
        }
        self.string().map(NString::Octets)
    }

    /// A quoted string or a literal.
    pub(super) fn string(&mut self) -> Option<Vec<u8>> {
        if self.line().is_empty() {
            let literal = self.literals.next()?;
            self.line = self.lines.next().unwrap_or_default();
            self.at = 0;
            return Some(literal);
        }
        if !self.eat(b'"') {
            return None;
        }
        let mut octets = Vec::new();
        loop {
            let octet = *self.line().first()?;
            self.skip(1);
            match octet {
                b'"' => return Some(octets),
                b'\\' => {
                    octets.push(*self.line().first()?);
                    self.skip(1);
                }
                octet => octets.push(octet),
            }
        }
    }

    /// A string, or an atom as it stands.
    pub(super) fn astring(&mut self) -> Option<Vec<u8>> {
        if self.line().is_empty() || self.starts_with(b"\"") {
            return self.string();
        }
        let rest = self.line();
        let ends = |octet: &u8| *octet <= b' ' || matches!(octet, b'(' | b')' | b'"');
        let count = rest.iter().position(ends).unwrap_or(rest.len());
        let atom = rest.get(..count).filter(|atom| !atom.is_empty())?.to_vec();
        self.skip(count);
        Some(atom)
    }

    /// Words in parentheses.
    pub(super) fn words(&mut self) -> Option<Vec<String>> {
        if !self.eat(b'(') {
            return None;
        }
        let mut words = Vec::new();
        loop {
            if self.eat(b')') {
                return Some(words);
            }
            if !self.eat(b' ') {
                let word = self.take_while(|o| o > b' ' && !matches!(o, b'(' | b')' | b'"'));
                words.push(Some(word).filter(|word| !word.is_empty())?);
            }
        }
    }

    /// Passes by one value: a string, a word, or a list of values.
    pub(super) fn pass(&mut self) -> Option<()> {
        let mut levels = 0_usize;
        loop {
            if self.eat(b'(') {
                levels += 1;
                if levels > LEVELS_MAX {
                    return None;
                }
            } else if self.eat(b')') {
                levels = levels.checked_sub(1)?;
            } else if self.eat(b' ') {
                if levels == 0 {
                    return None;
                }
            } else {
                self.astring()?;
            }
            if levels == 0 {
                return Some(());
            }
            if self.is_end() {
                return None;
            }
        }
    }
}
