//! Builds the list of parts.
//!
//! It goes through the message once, from boundary to boundary; a list of what is open stands for
//! recursion. A boundary line of an outer part ends the inner ones. Source: RFC 2046 section 5.1.

use std::borrow::Cow;

use memchr::memmem::Finder;

use super::{BOUNDARY_MAX, DEPTH_MAX, Kind, PARTS_MAX, Part};
use crate::header::{Fields, Known, line_end};
use crate::media::Media;
use crate::transfer::Encoding;

/// All parts of a message.
pub(super) fn parts(bytes: &[u8]) -> Vec<Part<'_>> {
    let mut builder =
        Builder { bytes, parts: Vec::new(), open: Vec::new(), finder: Finder::new(b"\n--") };
    builder.run();
    builder.parts
}

struct Builder<'a> {
    bytes: &'a [u8],
    parts: Vec<Part<'a>>,
    open: Vec<Open<'a>>,
    finder: Finder<'static>,
}

/// A part whose end is not known yet.
struct Open<'a> {
    part: usize,
    /// What separates its parts, until its closing boundary was met.
    boundary: Option<Cow<'a, [u8]>>,
    is_digest: bool,
}

/// A boundary line.
struct Delimiter {
    start: usize,
    end: usize,
    /// The place in `open` of the part whose boundary it is.
    of: usize,
    is_last: bool,
}

impl<'a> Builder<'a> {
    fn run(&mut self) {
        let mut at = Some(0);
        while let Some(start) = at {
            let body = self.begin(start);
            let is_message = self.parts.last().is_some_and(|part| part.kind == Kind::Message);
            at = if is_message { Some(body) } else { self.next_part(body) };
        }
        self.close(0, self.bytes.len());
    }

    /// Reads the header at `start` and opens its part. Tells where the body starts.
    fn begin(&mut self, start: usize) -> usize {
        let mut fields = Fields::new(self.bytes, start);
        let mut known = Known::default();
        // A boundary may be a field's name, so it is looked for first.
        while self.delimiter_at(fields.body()).is_none()
            && let Some(field) = fields.next()
        {
            known.keep(field.name, field.value);
        }
        let body = fields.body();
        let is_digest = self.open.last().is_some_and(|open| open.is_digest);
        let default = if is_digest { Media::MESSAGE } else { Media::PLAIN };
        let media = known.kind.and_then(Media::parse).unwrap_or(default);
        let boundary = boundary(media);
        let (kind, media) = self.kind(media, boundary.is_some(), &known);
        let index = self.parts.len();
        self.open.push(Open {
            part: index,
            boundary: boundary.filter(|_| kind == Kind::Multipart),
            is_digest: media.is("multipart", "digest"),
        });
        let bytes = self.bytes;
        let end = bytes.len();
        let part =
            Part { bytes, kind, media, after: end, header: start..body, body: body..end, known };
        self.parts.push(part);
        body
    }

    /// What a part of this type is taken for, and the type it is shown under.
    fn kind(&self, media: Media<'a>, has_boundary: bool, known: &Known<'_>) -> (Kind, Media<'a>) {
        let opaque = media.renamed(b"application", b"octet-stream");
        let is_plain = |e| matches!(Encoding::parse(e), Encoding::Identity | Encoding::Unknown);
        let is_encoded = known.encoding.is_some_and(|encoding| !is_plain(encoding));
        // The root is not nested, and one more part has to fit below this one.
        let fits = self.open.len() < DEPTH_MAX && self.parts.len() + 1 < PARTS_MAX;
        if media.is_top("multipart") {
            return match (has_boundary, fits) {
                (true, true) => (Kind::Multipart, media),
                (true, false) => (Kind::Leaf, opaque),
                (false, _) => (Kind::Leaf, Media::PLAIN),
            };
        }
        if media.is("message", "rfc822") || media.is("message", "global") {
            // Offsets cannot lead into an encoded body.
            return if fits && !is_encoded { (Kind::Message, media) } else { (Kind::Leaf, opaque) };
        }
        (Kind::Leaf, media)
    }

    /// Goes to the next part behind `at`, closing what ends before it. Tells where it starts.
    fn next_part(&mut self, mut at: usize) -> Option<usize> {
        if self.parts.len() >= PARTS_MAX {
            return None;
        }
        loop {
            let delimiter = self.find(at)?;
            self.close(delimiter.of + 1, self.without_line_end(delimiter.start));
            if !delimiter.is_last {
                return Some(delimiter.end);
            }
            if let Some(open) = self.open.get_mut(delimiter.of) {
                open.boundary = None;
            }
            at = delimiter.end;
        }
    }

    /// The next boundary line from the line start `at` on.
    fn find(&self, mut at: usize) -> Option<Delimiter> {
        if self.open.iter().all(|open| open.boundary.is_none()) {
            return None;
        }
        let mut found = self.delimiter_at(at);
        while found.is_none() {
            // The line end before `at` may be the one that a boundary follows.
            let from = at.saturating_sub(1);
            at = from + self.finder.find(self.bytes.get(from..)?)? + 1;
            found = self.delimiter_at(at);
            at += 2;
        }
        found
    }

    /// The boundary line that starts at `at`, of the innermost part it can belong to.
    fn delimiter_at(&self, at: usize) -> Option<Delimiter> {
        let text = self.bytes.get(at..)?.strip_prefix(b"--")?;
        let end = line_end(self.bytes, at);
        let line = text.get(..end - at - 2)?.trim_ascii_end();
        let matches = |open: &Open<'_>| {
            let rest = line.strip_prefix(&**open.boundary.as_ref()?)?;
            matches!(rest, b"" | b"--").then_some(rest == b"--")
        };
        let mut innermost = self.open.iter().enumerate().rev();
        let (of, is_last) = innermost.find_map(|(of, open)| Some((of, matches(open)?)))?;
        Some(Delimiter { start: at, end, of, is_last })
    }

    /// The line end before a boundary belongs to the boundary.
    fn without_line_end(&self, at: usize) -> usize {
        let before = self.bytes.get(..at).unwrap_or_default();
        let text = before.strip_suffix(b"\n").unwrap_or(before);
        text.strip_suffix(b"\r").filter(|_| text.len() < before.len()).unwrap_or(text).len()
    }

    /// Closes all open parts but the first `keep`, with their last octet before `end`.
    fn close(&mut self, keep: usize, mut end: usize) {
        let after = self.parts.len();
        for open in self.open.drain(keep.min(self.open.len())..).rev() {
            let Some(part) = self.parts.get_mut(open.part) else { continue };
            // A header can end at the boundary itself; then so do the parts around it.
            end = end.max(part.body.start);
            part.body.end = end;
            part.after = after;
            // A multipart needs a part; one without any is text that was meant to be read.
            if part.kind == Kind::Multipart && after == open.part + 1 {
                part.kind = Kind::Leaf;
                part.media = Media::PLAIN;
            }
        }
    }
}

/// The boundary of a multipart; trailing blanks are never part of one.
fn boundary(media: Media<'_>) -> Option<Cow<'_, [u8]>> {
    if !media.is_top("multipart") {
        return None;
    }
    let boundary = media
        .raw_parameter("boundary")
        .or_else(|| media.parameter("boundary").map(|text| Cow::Owned(text.into_bytes())))?;
    let boundary = match boundary {
        Cow::Borrowed(boundary) => Cow::Borrowed(boundary.trim_ascii_end()),
        Cow::Owned(boundary) => Cow::Owned(boundary.trim_ascii_end().to_vec()),
    };
    (!boundary.is_empty() && boundary.len() <= BOUNDARY_MAX).then_some(boundary)
}
