//! Walks the MIME structure of a message as it streams, for its limits.
//!
//! It decodes nothing and keeps no body: only the part's header being read, bounded, and the
//! boundaries of the parts that are open. Source: RFC 2045, RFC 2046 section 5.1.

use crate::headers::HeaderBlock;

/// The most octets of a part's header that are looked at for its type.
const PART_HEADER_MAX: usize = 16 << 10;
/// The most octets of a line that can hold a boundary: two hyphens, 70 and two hyphens.
const LINE_MAX: usize = 256;
/// The longest boundary.
const BOUNDARY_MAX: usize = 70;

/// How many parts a message may have, and how deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Levels of multipart and attached messages.
    pub depth: usize,
    /// Parts, over all levels.
    pub parts: usize,
}

/// A limit that a message is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Too many levels.
    #[error("the parts of the message are nested too deeply")]
    Depth,
    /// Too many parts.
    #[error("the message has too many parts")]
    Parts,
}

/// What a `Content-Type` means for the structure.
enum Content {
    Multipart(Vec<u8>),
    Message,
    Leaf,
}

/// Watches a message go by.
#[derive(Debug)]
pub struct Walker {
    limits: Limits,
    /// Boundaries of open multiparts with the depth each was met at, the innermost last.
    open: Vec<(Vec<u8>, usize)>,
    depth: usize,
    parts: usize,
    /// The header being read; `None` inside a body.
    header: Option<Vec<u8>>,
    /// The start of the line being read.
    line: Vec<u8>,
    excess: Option<Excess>,
}

impl Walker {
    /// A walker at the start of a message.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Vec::new(),
            depth: 0,
            parts: 1,
            header: Some(Vec::new()),
            line: Vec::new(),
            excess: None,
        }
    }

    /// Takes the next octets.
    ///
    /// Errors: the first limit the message is over, from then on every time.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Excess> {
        while self.excess.is_none() && !self.is_idle() && !bytes.is_empty() {
            let end = bytes.iter().position(|&b| b == b'\n');
            let (now, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            // What is past the bound can neither be a boundary nor matter in a header.
            let room = if self.header.is_some() { PART_HEADER_MAX } else { LINE_MAX };
            let room = room.saturating_sub(self.line.len());
            self.line.extend_from_slice(now.get(..room).unwrap_or(now));
            if end.is_some() {
                self.end_line();
            }
            bytes = rest;
        }
        self.excess.map_or(Ok(()), Err)
    }

    /// Whether nothing that follows can matter.
    fn is_idle(&self) -> bool {
        self.header.is_none() && self.open.is_empty()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if self.boundary(&line) {
            return;
        }
        let Some(header) = &mut self.header else { return };
        if header.len() + line.len() <= PART_HEADER_MAX {
            header.extend_from_slice(&line);
        }
        if line.trim_ascii().is_empty() {
            self.end_header();
        }
    }

    /// Whether the line is a boundary of an open multipart; what is open inside of that one ends.
    fn boundary(&mut self, line: &[u8]) -> bool {
        if !line.starts_with(b"--") {
            return false;
        }
        let is_one = |(at, (boundary, depth)): (usize, &(Vec<u8>, usize))| {
            delimiter(line, boundary).map(|kind| (at, kind, *depth))
        };
        let found = self.open.iter().enumerate().rev().find_map(is_one);
        let Some((at, kind, depth)) = found else { return false };
        let is_open = kind == Delimiter::Next;
        self.open.truncate(if is_open { at + 1 } else { at });
        self.depth = depth;
        self.header = is_open.then(Vec::new);
        if is_open {
            self.parts += 1;
            if self.parts > self.limits.parts {
                self.excess = Some(Excess::Parts);
            }
        }
        true
    }

    fn end_header(&mut self) {
        let header = self.header.take().unwrap_or_default();
        match content(&header) {
            Content::Leaf => return,
            Content::Multipart(boundary) => {
                self.depth += 1;
                self.open.push((boundary, self.depth));
            }
            Content::Message => {
                self.depth += 1;
                self.header = Some(Vec::new());
            }
        }
        if self.depth > self.limits.depth {
            self.excess = Some(Excess::Depth);
        }
    }
}

fn content(header: &[u8]) -> Content {
    let block = HeaderBlock::new(header);
    let Some(field) = block.find("Content-Type") else { return Content::Leaf };
    let text = field.text();
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "message/rfc822" || kind == "message/global" {
        return Content::Message;
    }
    if !kind.starts_with("multipart/") {
        return Content::Leaf;
    }
    boundary(&text).map_or(Content::Leaf, Content::Multipart)
}

/// What a delimiter line of a multipart begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// Another part.
    Next,
    /// What follows the last part.
    End,
}

/// What `line`, with or without its end, is to the multipart of `boundary`, if anything.
///
/// Source: RFC 2046 section 5.1.1.
pub fn delimiter(line: &[u8], boundary: &[u8]) -> Option<Delimiter> {
    let rest = line.strip_prefix(b"--")?.trim_ascii_end();
    if rest == boundary {
        return Some(Delimiter::Next);
    }
    rest.strip_suffix(b"--").is_some_and(|rest| rest == boundary).then_some(Delimiter::End)
}

/// The `boundary` parameter of a `Content-Type` value.
pub fn boundary(value: &str) -> Option<Vec<u8>> {
    let mut rest = Some(split_outside_quotes(value)?.1);
    while let Some(text) = rest {
        let (parameter, next) =
            split_outside_quotes(text).map_or((text, None), |(one, next)| (one, Some(next)));
        rest = next;
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if !name.trim().eq_ignore_ascii_case("boundary") {
            continue;
        }
        let value = value.trim_start();
        let text = match value.strip_prefix('"') {
            Some(quoted) => {
                let inner: String = quoted.chars().take_while(|&c| c != '"').collect();
                inner.replace('\\', "")
            }
            None => value.split([';', ' ', '\t', '(']).next().unwrap_or_default().to_owned(),
        };
        let text = text.trim_end();
        return (!text.is_empty() && text.len() <= BOUNDARY_MAX).then(|| text.into());
    }
    None
}

/// Splits at the first semicolon that stands in no quoted string.
fn split_outside_quotes(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    let at = text.find(|c| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && !was_escaped => escaped = true,
            '"' if !was_escaped => quoted = !quoted,
            _ => {}
        }
        c == ';' && !quoted
    })?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOMY: Limits = Limits { depth: 64, parts: 2000 };

    fn nested(levels: usize) -> Vec<u8> {
        let level = |level| {
            format!(
                "Content-Type: multipart/mixed; x=\"a;b\";\r\n boundary=\"b{level}\"\r\n\r\n\
                 --b{level}\r\n"
            )
        };
        let message: String = (0..levels).map(level).collect();
        message.into_bytes()
    }

    fn walk(message: &[u8], limits: Limits, step: usize) -> (Result<(), Excess>, usize) {
        let mut walker = Walker::new(limits);
        let mut result = Ok(());
        for piece in message.chunks(step) {
            result = walker.push(piece);
        }
        (result, walker.parts)
    }

    #[test]
    fn each_parameter_is_looked_at_once() {
        let many = format!("multipart/mixed{}; boundary=b", ";x".repeat(500_000));
        assert_eq!(boundary(&many).as_deref(), Some(b"b".as_slice()));
        let none = format!("multipart/mixed{}", ";x=\"a;b\"".repeat(100_000));
        assert_eq!(boundary(&none), None);
    }

    #[test]
    fn depth_is_counted_wherever_the_message_is_cut() {
        for step in [1, 7, 4096] {
            let limits = Limits { depth: 5, parts: 100 };
            assert_eq!(walk(&nested(5), limits, step).0, Ok(()));
            assert_eq!(walk(&nested(6), limits, step).0, Err(Excess::Depth));
        }
        let attached = "Content-Type: message/rfc822\r\n\r\n".repeat(3);
        let limits = Limits { depth: 2, parts: 100 };
        assert_eq!(walk(attached.as_bytes(), limits, 10).0, Err(Excess::Depth));
    }

    #[test]
    fn parts_are_counted_and_an_outer_boundary_ends_the_inner_ones() {
        let message = b"Content-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n--a\r\n\
            Content-Type: multipart/alternative; boundary=\"b c\"\r\n\r\n--b c\r\n\r\nx\r\n\
            --b c\r\n\r\ny\r\n--b c--\r\n--a\r\n\r\nz\r\n--a--\r\n--a\r\n";
        assert_eq!(walk(message, ROOMY, 3), (Ok(()), 5));
        let limits = Limits { depth: 9, parts: 4 };
        assert_eq!(walk(message, limits, 3).0, Err(Excess::Parts));
        let unclosed = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--a\r\n\r\n--b\r\n";
        assert_eq!(walk(unclosed, ROOMY, 5), (Ok(()), 4));
    }

    #[test]
    fn a_message_without_structure_has_one_part() {
        for message in [
            &b"Subject: x\r\n\r\n--a\r\n--a\r\n"[..],
            b"",
            b"Content-Type: multipart/mixed\r\n\r\n--\r\n",
            b"Content-Type: text/plain; boundary=a\r\n\r\n--a\r\n",
        ] {
            assert_eq!(walk(message, ROOMY, 4), (Ok(()), 1));
        }
    }

    #[test]
    fn a_long_line_takes_no_memory() {
        let mut walker = Walker::new(ROOMY);
        walker.push(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n").unwrap();
        for _ in 0..100 {
            walker.push(&[b'-'; 8192]).unwrap();
        }
        assert!(walker.line.len() <= LINE_MAX);
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "(multipart/x|message/rfc822)[;=\"\\\\ a-c\r\nboundary]{0,60}",
                          body in "[-a-c\r\n]{0,60}") {
            let message = format!("Content-Type: {value}\r\n\r\n{body}");
            let whole = walk(message.as_bytes(), ROOMY, usize::MAX);
            prop_assert_eq!(whole, walk(message.as_bytes(), ROOMY, 1));
        }
    }
}
