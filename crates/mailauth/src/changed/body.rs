//! Which lines were added to a body, or how else it was changed.
//!
//! Lines are taken out, from the end, from the start, then each run in the middle, until the hash
//! fits; then what gateways do to a body as a whole is undone. Source: RFC 6376 section 3.4.

use std::borrow::Cow;
use std::ops::Range;

use aws_lc_rs::digest::{Context, SHA256};
use mailwright_mime::{Encoding, Kind, Structure};
use mailwright_words::HeaderBlock;

/// Octets that are hashed in search of a change.
const OCTETS_MAX: usize = 96 << 20;
/// Lines up to which each run of lines is taken out.
const LINES_MAX: usize = 4000;
/// Octets of a body up to which what was done to it as a whole is undone.
const WHOLE_MAX: usize = 16 << 20;
/// Characters of added lines that are told.
const TOLD_MAX: usize = 120;
/// Characters of a line of base64.
const BASE64_LINE: usize = 57;

/// What became of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyChange {
    /// It is as it was signed.
    Kept,
    /// Without these lines it is as it was signed.
    Added {
        /// The first and the last one, counted from 1 in the body.
        lines: (usize, usize),
        /// Lines of the body now.
        of: usize,
        /// How they begin.
        text: String,
    },
    /// It was changed as a whole, in this way; with lines added to it, too.
    Rewritten {
        /// What was done to it.
        what: &'static str,
        /// Whether lines were added behind it, too.
        has_more: bool,
    },
    /// It was changed; how cannot be known.
    Unknown,
}

/// Finds what was done to the body of `message`, whose hash was `hash`.
pub(super) fn find(message: &[u8], is_relaxed: bool, hash: &[u8]) -> BodyChange {
    let body = message.get(HeaderBlock::new(message).body_offset()..).unwrap_or_default();
    let mut search = Search { hash, is_relaxed, left: OCTETS_MAX };
    let lines = Lines::new(body, is_relaxed);
    if let Some(change) = search.without_lines(&lines) {
        return change;
    }
    if body.len() > WHOLE_MAX {
        return BodyChange::Unknown;
    }
    for (what, body) in rewritten(message, body) {
        let lines = Lines::new(&body, is_relaxed);
        match search.prefix(&lines) {
            Some(end) => {
                return BodyChange::Rewritten { what, has_more: end < lines.filled() };
            }
            None if search.left == 0 => break,
            None => {}
        }
    }
    BodyChange::Unknown
}

/// A body line by line, each in the form that is hashed.
struct Lines<'a> {
    all: Vec<Cow<'a, [u8]>>,
}

impl<'a> Lines<'a> {
    fn new(body: &'a [u8], is_relaxed: bool) -> Self {
        let mut all = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let end = memchr::memmem::find(rest, b"\r\n");
            let (line, further) =
                rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            all.push(if is_relaxed { relaxed(line) } else { Cow::Borrowed(line) });
            rest = further.strip_prefix(b"\r\n").unwrap_or(further);
        }
        Self { all }
    }

    /// Lines up to the last one that is not empty.
    fn filled(&self) -> usize {
        self.all.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1)
    }
}

/// A line in its relaxed form.
fn relaxed(line: &[u8]) -> Cow<'_, [u8]> {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let is_plain = !line.contains(&b'\t')
        && line.last() != Some(&b' ')
        && !line.windows(2).any(|pair| pair == b"  ");
    if is_plain {
        return Cow::Borrowed(line);
    }
    let mut out = Vec::with_capacity(line.len());
    for octet in line {
        match octet {
            octet if is_blank(octet) && out.last() == Some(&b' ') => {}
            octet if is_blank(octet) => out.push(b' '),
            octet => out.push(*octet),
        }
    }
    if out.last() == Some(&b' ') {
        out.pop();
    }
    Cow::Owned(out)
}

/// A hash that is made line by line, and can be looked at after each.
#[derive(Clone)]
struct Hash {
    context: Context,
    /// Empty lines that count once something follows.
    empty: usize,
    is_relaxed: bool,
    has_text: bool,
}

impl Hash {
    fn new(is_relaxed: bool) -> Self {
        Self { context: Context::new(&SHA256), empty: 0, is_relaxed, has_text: false }
    }

    fn push(&mut self, line: &[u8]) {
        if line.is_empty() {
            self.empty += 1;
            return;
        }
        for _ in 0..std::mem::take(&mut self.empty) {
            self.context.update(b"\r\n");
        }
        self.context.update(line);
        self.context.update(b"\r\n");
        self.has_text = true;
    }

    fn is(&self, hash: &[u8]) -> bool {
        let mut context = self.context.clone();
        if !self.has_text && !self.is_relaxed {
            context.update(b"\r\n");
        }
        context.finish().as_ref() == hash
    }
}

struct Search<'a> {
    hash: &'a [u8],
    is_relaxed: bool,
    /// Octets that may still be hashed.
    left: usize,
}

impl Search<'_> {
    /// How many lines from the start on fit.
    fn prefix(&mut self, lines: &Lines<'_>) -> Option<usize> {
        let octets: usize = lines.all.iter().map(|line| line.len() + 2).sum();
        self.left = self.left.saturating_sub(octets);
        let mut hash = Hash::new(self.is_relaxed);
        // The longest one counts: empty lines at the end belong to the message.
        let mut found = hash.is(self.hash).then_some(0);
        for (number, line) in lines.all.iter().enumerate() {
            hash.push(line);
            if !line.is_empty() && hash.is(self.hash) {
                found = Some(number + 1);
            }
        }
        found
    }

    fn without_lines(&mut self, lines: &Lines<'_>) -> Option<BodyChange> {
        let filled = lines.filled();
        if let Some(end) = self.prefix(lines) {
            if end == filled {
                return Some(BodyChange::Kept);
            }
            return Some(added(lines, end..filled));
        }
        for start in 1..lines.all.len().min(LINES_MAX) {
            if self.rest_fits(&Hash::new(self.is_relaxed), lines, start)? {
                return Some(added(lines, 0..start));
            }
        }
        if lines.all.len() > LINES_MAX {
            return None;
        }
        self.middle(lines)
    }

    /// Takes out runs in the middle, short ones first.
    fn middle(&mut self, lines: &Lines<'_>) -> Option<BodyChange> {
        let mut before = Vec::with_capacity(lines.all.len());
        let mut hash = Hash::new(self.is_relaxed);
        for line in &lines.all {
            before.push(hash.clone());
            hash.push(line);
        }
        for length in 1..lines.all.len() {
            for (start, before) in before.iter().enumerate().skip(1) {
                let end = start + length;
                if end >= lines.all.len() {
                    break;
                }
                if self.rest_fits(before, lines, end)? {
                    return Some(added(lines, start..end));
                }
            }
        }
        None
    }

    /// Whether what is hashed fits with the lines from `from` on; none when enough was tried.
    fn rest_fits(&mut self, before: &Hash, lines: &Lines<'_>, from: usize) -> Option<bool> {
        let mut hash = before.clone();
        let rest = lines.all.get(from..).unwrap_or_default();
        let octets: usize = rest.iter().map(|line| line.len() + 2).sum();
        self.left = self.left.checked_sub(octets + 64)?;
        for line in rest {
            hash.push(line);
        }
        Some(hash.is(self.hash))
    }
}

fn added(lines: &Lines<'_>, range: Range<usize>) -> BodyChange {
    let these = lines.all.get(range.clone()).unwrap_or_default();
    let text: Vec<String> =
        these.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let text = text.join(" ");
    let text: String = text.trim().chars().take(TOLD_MAX).collect();
    BodyChange::Added { lines: (range.start + 1, range.end), of: lines.all.len(), text }
}

/// Bodies as they may have been before something was done to them as a whole.
fn rewritten(message: &[u8], body: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut found = Vec::new();
    let structure = Structure::parse(message);
    let by_line = |change: &dyn Fn(&[u8]) -> Vec<u8>| {
        let lines = body.split_inclusive(|octet| *octet == b'\n').map(|line| {
            let bare = line.strip_suffix(b"\r\n").unwrap_or(line);
            [change(bare).as_slice(), line.get(bare.len()..).unwrap_or_default()].concat()
        });
        lines.flatten().collect::<Vec<u8>>()
    };
    found.push((
        "got \">\" before lines that begin with \"From \"",
        by_line(&|line| {
            line.strip_prefix(b">From ")
                .map_or_else(|| line.to_vec(), |rest| [b"From ", rest].concat())
        }),
    ));
    found.push((
        "lost a dot at the start of lines",
        by_line(&|line| match line {
            [b'.', ..] => [b".", line].concat(),
            line => line.to_vec(),
        }),
    ));
    found.push((
        "got a second dot at the start of lines",
        by_line(&|line| {
            line.strip_prefix(b"..").map_or_else(|| line.to_vec(), |rest| [b".", rest].concat())
        }),
    ));
    found
        .push(("got blanks at the ends of lines", by_line(&|line| line.trim_ascii_end().to_vec())));
    found.push(("had its long lines cut", replaced(body, b"!\r\n ", b"")));
    found.push(("had its long lines cut", replaced(body, b"\r\n ", b"")));
    let Some(root) = structure.root() else { return found };
    if root.kind() == Kind::Leaf {
        if matches!(root.encoding(), Encoding::Base64 | Encoding::QuotedPrintable) {
            let decoded = root.decoded().into_owned();
            found.push(("was encoded for the way", crlf(&decoded)));
            found.push(("was encoded for the way", decoded.clone()));
            found.push(("was encoded anew", base64(&decoded)));
        } else {
            found.push(("was decoded on the way: it was base64", base64(body)));
        }
    } else {
        found.push(("had its parts encoded for the way", decoded_parts(&structure, body)));
        let first = structure.children(0).next().and_then(|child| structure.part(child));
        if let Some(first) = first {
            let inner = [first.body_bytes(), b"\r\n"].concat();
            found.push(("was wrapped: it is the first part of another message now", inner));
            let whole = [first.header_bytes(), first.body_bytes(), b"\r\n"].concat();
            found.push(("was wrapped: it is the first part of another message now", whole));
        }
    }
    found
}

/// The body with each part decoded, and said to be `8bit`.
fn decoded_parts(structure: &Structure<'_>, body: &[u8]) -> Vec<u8> {
    let bytes = structure.bytes();
    let (mut out, mut at) = (Vec::with_capacity(body.len()), bytes.len() - body.len());
    let leaves = structure.parts().iter().filter(|part| part.kind() == Kind::Leaf);
    for part in leaves.filter(|part| part.encoding() == Encoding::QuotedPrintable) {
        let (header, inner) = (part.header(), part.body());
        if header.start < at || inner.start < header.end {
            continue;
        }
        out.extend_from_slice(bytes.get(at..header.start).unwrap_or_default());
        let head = replaced(part.header_bytes(), b"quoted-printable", b"8bit");
        out.extend(replaced(&head, b"QUOTED-PRINTABLE", b"8BIT"));
        out.extend_from_slice(bytes.get(header.end..inner.start).unwrap_or_default());
        out.extend_from_slice(&part.decoded());
        at = inner.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}

fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    for found in memchr::memmem::find_iter(text, old) {
        out.extend_from_slice(text.get(at..found).unwrap_or_default());
        out.extend_from_slice(new);
        at = found + old.len();
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

fn base64(text: &[u8]) -> Vec<u8> {
    use base64::Engine as _;
    let lines = text.chunks(BASE64_LINE).map(|piece| {
        [base64::engine::general_purpose::STANDARD.encode(piece).as_bytes(), b"\r\n"].concat()
    });
    lines.flatten().collect()
}

/// Text whose lines end with CRLF.
fn crlf(text: &[u8]) -> Vec<u8> {
    replaced(&replaced(text, b"\r\n", b"\n"), b"\n", b"\r\n")
}
