//! Header blocks of messages and parts: their fields, and subsets of them.
//!
//! A line ends with CRLF or with a bare LF: stored bytes may have both. A bare CR ends nothing. The
//! block ends behind its empty line, or before the first line that is no field.
//! Source: RFC 5322 section 2.2, RFC 9051 section 6.4.5.1.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

/// One field as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, as it was written, without blanks before the colon.
    pub name: &'a [u8],
    /// All behind the colon, with its folds, without its last line end.
    pub value: &'a [u8],
    /// The octets it takes, its last line end included.
    pub range: Range<usize>,
}

/// Iterates over the fields of a header block.
///
/// After the last one, [`body`](Self::body) is where the block ends.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    is_over: bool,
}

impl<'a> Fields<'a> {
    /// The fields of the block that starts at `at`.
    pub const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, is_over: false }
    }

    /// Where the next field would start or, after the last one, where the body starts.
    pub const fn body(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.is_over {
            return None;
        }
        let start = self.at;
        let mut end = line_end(self.bytes, start);
        let line = self.bytes.get(start..end)?;
        let Some((name, colon)) = field_name(line) else {
            self.is_over = true;
            if matches!(line, b"\r\n" | b"\n") {
                self.at = end;
            }
            return None;
        };
        while let Some(b' ' | b'\t') = self.bytes.get(end) {
            end = line_end(self.bytes, end);
        }
        self.at = end;
        let value = self.bytes.get(start + colon + 1..end)?;
        Some(Field { name, value: without_line_end(value), range: start..end })
    }
}

/// The name of the field that a line starts, and where its colon is.
fn field_name(line: &[u8]) -> Option<(&[u8], usize)> {
    let colon = memchr(b':', line)?;
    let name = line.get(..colon)?.trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some((name, colon))
}

/// Where the line that starts at `at` ends, its line end included.
pub(crate) fn line_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    memchr(b'\n', rest).map_or(bytes.len(), |lf| at + lf + 1)
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A field's value on one line: what ends lines is taken out, blanks at both ends too.
///
/// Source: RFC 5322 section 2.2.3.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect())
}

/// The lines of the fields in `names`, or with `not` of all others, and an empty line.
///
/// `header` is a header block, such as the range that [`Parts::header`](crate::Parts) gives, or a
/// whole message. Lines stay as they stand; names match in any case.
/// Source: RFC 9051 section 6.4.5.1 (`HEADER.FIELDS`, `HEADER.FIELDS.NOT`).
pub fn header_fields(header: &[u8], names: &[&[u8]], not: bool) -> Vec<u8> {
    let mut lines = Vec::new();
    for field in Fields::new(header, 0) {
        let is_named = names.iter().any(|name| name.eq_ignore_ascii_case(field.name));
        if is_named != not {
            push_line(&mut lines, header.get(field.range).unwrap_or_default());
        }
    }
    lines.extend_from_slice(b"\r\n");
    lines
}

/// Adds a field's lines; the last line of a message may lack its end.
pub(crate) fn push_line(lines: &mut Vec<u8>, line: &[u8]) {
    lines.extend_from_slice(line);
    if !line.ends_with(b"\n") {
        lines.extend_from_slice(b"\r\n");
    }
}

/// The values of the fields that IMAP shows; the first one of each name counts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    pub(crate) date: Option<&'a [u8]>,
    pub(crate) subject: Option<&'a [u8]>,
    pub(crate) from: Option<&'a [u8]>,
    pub(crate) sender: Option<&'a [u8]>,
    pub(crate) reply_to: Option<&'a [u8]>,
    pub(crate) to: Option<&'a [u8]>,
    pub(crate) cc: Option<&'a [u8]>,
    pub(crate) bcc: Option<&'a [u8]>,
    pub(crate) in_reply_to: Option<&'a [u8]>,
    pub(crate) message_id: Option<&'a [u8]>,
    pub(crate) references: Option<&'a [u8]>,
    pub(crate) kind: Option<&'a [u8]>,
    pub(crate) encoding: Option<&'a [u8]>,
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) description: Option<&'a [u8]>,
    pub(crate) disposition: Option<&'a [u8]>,
    pub(crate) md5: Option<&'a [u8]>,
    pub(crate) language: Option<&'a [u8]>,
    pub(crate) location: Option<&'a [u8]>,
}

/// The longest name in [`Known`].
const KNOWN_NAME_MAX: usize = 25;

impl<'a> Known<'a> {
    /// Keeps the value of a field when it is one of these.
    pub(crate) fn keep(&mut self, name: &[u8], value: &'a [u8]) {
        if let Some(slot) = self.slot(name)
            && slot.is_none()
        {
            *slot = Some(value);
        }
    }

    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<&'a [u8]>> {
        let mut lower = [0; KNOWN_NAME_MAX];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"date" => &mut self.date,
            b"subject" => &mut self.subject,
            b"from" => &mut self.from,
            b"sender" => &mut self.sender,
            b"reply-to" => &mut self.reply_to,
            b"to" => &mut self.to,
            b"cc" => &mut self.cc,
            b"bcc" => &mut self.bcc,
            b"in-reply-to" => &mut self.in_reply_to,
            b"message-id" => &mut self.message_id,
            b"references" => &mut self.references,
            b"content-type" => &mut self.kind,
            b"content-transfer-encoding" => &mut self.encoding,
            b"content-id" => &mut self.id,
            b"content-description" => &mut self.description,
            b"content-disposition" => &mut self.disposition,
            b"content-md5" => &mut self.md5,
            b"content-language" => &mut self.language,
            b"content-location" => &mut self.location,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_at_its_empty_line_or_at_junk() {
        for (message, names, body) in [
            (&b"A: b\r\n c\r\nD : e\r\n\r\nF: g"[..], &["A", "D"][..], 19),
            (b"A: b\nD:\n\nF: g", &["A", "D"], 9),
            (b"A: b\r\njunk\r\n\r\n", &["A"], 6),
            (b" A: b\r\n\r\n", &[], 0),
            (b"", &[], 0),
            (b"\r\nA: b", &[], 2),
            (b"A: b\rC: d", &["A"], 9),
            (b"\xff: b\r\n", &[], 0),
        ] {
            let mut fields = Fields::new(message, 0);
            let found: Vec<_> =
                fields.by_ref().map(|f| String::from_utf8_lossy(f.name).into_owned()).collect();
            assert_eq!((&found[..], fields.body()), (&names.map_owned()[..], body), "{message:?}");
        }
    }

    trait MapOwned {
        fn map_owned(&self) -> Vec<String>;
    }

    impl MapOwned for &[&str] {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|&s| s.to_owned()).collect()
        }
    }

    #[test]
    fn subsets_keep_lines_as_they_stand() {
        let header = b"Subject: a\r\n\tb\r\nTO: x\r\nto: y\r\n\r\nTo: body\r\n";
        assert_eq!(header_fields(header, &[b"To"], false), b"TO: x\r\nto: y\r\n\r\n");
        assert_eq!(header_fields(header, &[b"To"], true), b"Subject: a\r\n\tb\r\n\r\n");
        assert_eq!(header_fields(header, &[], false), b"\r\n");
        assert_eq!(header_fields(b"A: b", &[b"a"], false), b"A: b\r\n\r\n");
    }

    #[test]
    fn unfolding_takes_out_line_ends_alone() {
        assert_eq!(&*unfold(b" a\r\n b\n\tc \r\n"), b"a b\tc");
        assert_eq!(&*unfold(b"  "), b"");
    }
}
