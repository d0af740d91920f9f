//! The header block of a message: its fields and where each stands.
//!
//! It changes nothing and decodes nothing. Only CRLF ends a line. The block ends at the empty
//! line, or before the first line that can be no part of a header, where other programs see the
//! body begin, too. Source: RFC 5322 sections 2.1 and 2.2.

mod gather;

use std::borrow::Cow;
use std::ops::Range;

pub use gather::{Gathered, Gatherer};

/// How a header block ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// An empty line, as it should.
    Blank,
    /// A line that is no field: the empty line is missing.
    Junk,
    /// The message is at its end.
    Message,
}

/// The header block at the start of a message.
#[derive(Debug, Clone, Copy)]
pub struct HeaderBlock<'a> {
    bytes: &'a [u8],
    body: usize,
    ending: Ending,
}

/// One field, with the lines it is folded over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, as it was written.
    pub name: &'a str,
    /// All behind the colon, with folds, without the last CRLF.
    pub value: &'a [u8],
    /// The octets of the message it takes, its last CRLF included.
    pub range: Range<usize>,
}

impl Field<'_> {
    /// The value on one line, with what is not UTF-8 replaced.
    pub fn text(&self) -> Cow<'_, str> {
        let text = String::from_utf8_lossy(self.value.trim_ascii());
        if text.contains(['\r', '\n']) { text.replace(['\r', '\n'], "").into() } else { text }
    }
}

impl<'a> HeaderBlock<'a> {
    /// Finds the header block of `message`, or of as much of it as there is.
    pub fn new(message: &'a [u8]) -> Self {
        let mut at = 0;
        let (end, body, ending) = loop {
            let line = line_at(message, at);
            match kind(line, at == 0) {
                Kind::Blank => break (at, at + line.len(), Ending::Blank),
                Kind::Junk if line.is_empty() => break (at, at, Ending::Message),
                Kind::Junk => break (at, at, Ending::Junk),
                Kind::Field | Kind::Fold => at += line.len(),
            }
        };
        Self { bytes: message.get(..end).unwrap_or_default(), body, ending }
    }

    /// The octets of the fields, without the empty line.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the body starts.
    pub const fn body_offset(&self) -> usize {
        self.body
    }

    /// How the block ends.
    pub const fn ending(&self) -> Ending {
        self.ending
    }

    /// Whether every program sees the same fields: no CR and no LF stands alone.
    pub fn is_plain(&self) -> bool {
        let before = std::iter::once(&0).chain(self.bytes);
        let after = self.bytes.iter().skip(1).chain(std::iter::once(&0));
        before.zip(self.bytes).zip(after).all(|((before, octet), after)| match octet {
            b'\r' => *after == b'\n',
            b'\n' => *before == b'\r',
            _ => true,
        })
    }

    /// All fields, in their order.
    pub const fn fields(&self) -> Fields<'a> {
        Fields { bytes: self.bytes, at: 0 }
    }

    /// The first field of this name, in any case.
    pub fn find(&self, name: &str) -> Option<Field<'a>> {
        self.fields().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// How often a field of this name is there.
    pub fn count(&self, name: &str) -> usize {
        self.fields().filter(|field| field.name.eq_ignore_ascii_case(name)).count()
    }
}

impl<'a> IntoIterator for HeaderBlock<'a> {
    type Item = Field<'a>;
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        self.fields()
    }
}

/// Iterates over the fields of a [`HeaderBlock`].
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let start = self.at;
        let first = line_at(self.bytes, start);
        if first.is_empty() {
            return None;
        }
        self.at += first.len();
        loop {
            let line = line_at(self.bytes, self.at);
            if !matches!(kind(line, false), Kind::Fold) {
                break;
            }
            self.at += line.len();
        }
        let whole = self.bytes.get(start..self.at)?;
        let colon = whole.iter().position(|&b| b == b':')?;
        let (name, value) = whole.split_at_checked(colon)?;
        Some(Field {
            name: std::str::from_utf8(name.trim_ascii_end()).ok()?,
            value: value.get(1..).map(without_crlf)?,
            range: start..self.at,
        })
    }
}

/// What a line is to a header block.
enum Kind {
    Field,
    Fold,
    Blank,
    Junk,
}

fn kind(line: &[u8], is_first: bool) -> Kind {
    match line {
        b"\r\n" => Kind::Blank,
        [b' ' | b'\t', ..] if !is_first => Kind::Fold,
        line if is_field(line) => Kind::Field,
        _ => Kind::Junk,
    }
}

/// Whether a line starts with a name and a colon; blanks before the colon are of old.
///
/// Source: RFC 5322 sections 3.6.8 and 4.5.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|&b| b == b':') else { return false };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

/// The line that starts at `at`, with its CRLF, or all there is when it has none.
fn line_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = crlf(rest).map_or(rest.len(), |at| at + 2);
    rest.get(..end).unwrap_or_default()
}

/// Where the first CRLF is.
pub(crate) fn crlf(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|two| two == b"\r\n")
}

fn without_crlf(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_have_names_values_and_places() {
        let message = b"Subject: a\r\n b\r\nX-Odd :\r\nto:c\r\n\r\nFrom: body\r\n";
        let block = HeaderBlock::new(message);
        assert_eq!((block.body_offset(), block.ending()), (33, Ending::Blank));
        let fields: Vec<_> = block.fields().map(|f| (f.name, f.value, f.range)).collect();
        assert_eq!(
            fields,
            [("Subject", &b" a\r\n b"[..], 0..16), ("X-Odd", b"", 16..25), ("to", b"c", 25..31)]
        );
        assert_eq!(block.find("SUBJECT").unwrap().text(), "a b");
        assert_eq!((block.count("To"), block.count("From")), (1, 0));
    }

    #[test]
    fn a_block_ends_where_a_line_is_no_field() {
        for (message, body, ending) in [
            (&b""[..], 0, Ending::Message),
            (b"\r\nbody", 2, Ending::Blank),
            (b"A: b\r\n", 6, Ending::Message),
            (b"A: b", 4, Ending::Message),
            (b"A: b\r\nhello\r\n\r\n", 6, Ending::Junk),
            (b" A: b\r\n\r\n", 0, Ending::Junk),
            (b"From ann Tue 06:15\r\nA: b\r\n\r\n", 0, Ending::Junk),
            (b"A: b\n\nc\r\n\r\n", 11, Ending::Blank),
        ] {
            let block = HeaderBlock::new(message);
            assert_eq!((block.body_offset(), block.ending()), (body, ending), "{message:?}");
        }
    }

    #[test]
    fn a_line_end_of_its_own_is_seen() {
        for (message, expected) in [
            (&b"A: b\r\nC: d\r\n e\r\n\r\nx\ny"[..], true),
            (b"", true),
            (b"A: b\nC: d\r\n\r\n", false),
            (b"A: b\rC: d\r\n\r\n", false),
            (b"A: b\r\r\n\r\n", false),
            (b"\nA: b\r\n", true),
            (b"A: b\r", false),
        ] {
            assert_eq!(HeaderBlock::new(message).is_plain(), expected, "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn fields_are_the_whole_block_and_nothing_panics(
            message in prop::collection::vec(prop::sample::select(b"a:\r\n \xff".to_vec()), 0..60)
        ) {
            let block = HeaderBlock::new(&message);
            let mut end = 0;
            for field in block {
                prop_assert_eq!(field.range.start, end);
                end = field.range.end;
            }
            prop_assert_eq!(end, block.as_bytes().len());
            prop_assert!(end <= block.body_offset() && block.body_offset() <= message.len());
        }
    }
}
