//! Finds the parts of a message and where each stands, in one pass.
//!
//! It never fails: what makes no sense is shown as a part without structure, so that no octet of a
//! message is out of reach. Every limit is finite, and the work is linear in the message.
//! Invariants: parts are in the order of the message, a part's range holds its children's, ranges
//! of siblings do not overlap. Source: RFC 2045, RFC 2046 section 5.

mod build;

use std::borrow::Cow;
use std::ops::Range;

use crate::header::{Fields, Known, unfold};
use crate::media::Media;
use crate::transfer::Encoding;

/// Levels of multiparts and attached messages that are taken apart.
pub const DEPTH_MAX: usize = 32;
/// Parts that are taken apart, over all levels; what follows belongs to the last one.
pub const PARTS_MAX: usize = 10_000;
/// The longest boundary that is looked for; the standard says 70.
pub const BOUNDARY_MAX: usize = 250;

/// What a part is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A body without parts.
    Leaf,
    /// One or more parts between boundaries.
    Multipart,
    /// One message, which is the part's only child.
    Message,
}

/// A part of a message, or the message itself.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) kind: Kind,
    pub(crate) media: Media<'a>,
    /// The index behind the part's last descendant.
    pub(crate) after: usize,
    pub(crate) header: Range<usize>,
    pub(crate) body: Range<usize>,
    pub(crate) known: Known<'a>,
}

impl<'a> Part<'a> {
    /// What it is made of.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The media type it is shown under: that of its header, or what stands for a type that its
    /// body does not keep.
    pub const fn media(&self) -> Media<'a> {
        self.media
    }

    /// Where its header is, with the empty line behind it.
    pub fn header(&self) -> Range<usize> {
        self.header.clone()
    }

    /// Where its body is, without the line end before a boundary.
    pub fn body(&self) -> Range<usize> {
        self.body.clone()
    }

    /// The octets of its body, as they stand.
    pub fn body_bytes(&self) -> &'a [u8] {
        self.bytes.get(self.body.clone()).unwrap_or_default()
    }

    /// The octets of its header.
    pub fn header_bytes(&self) -> &'a [u8] {
        self.bytes.get(self.header.clone()).unwrap_or_default()
    }

    /// The fields of its header.
    pub fn fields(&self) -> Fields<'a> {
        Fields::new(self.header_bytes(), 0)
    }

    /// The octets of its body, transfer encoding undone.
    pub fn decoded(&self) -> Cow<'a, [u8]> {
        crate::transfer::decode_transfer(self.encoding(), self.body_bytes())
    }

    /// How its body is encoded.
    pub fn encoding(&self) -> Encoding {
        self.known.encoding.map_or(Encoding::Identity, Encoding::parse)
    }

    /// `Content-Disposition`.
    pub fn disposition(&self) -> Option<Media<'a>> {
        self.known.disposition.and_then(Media::disposition)
    }

    /// `Content-ID` as it stands, on one line.
    pub fn id(&self) -> Option<Cow<'a, [u8]>> {
        self.known.id.map(unfold)
    }

    /// `Content-Description` as it stands, on one line.
    pub fn description(&self) -> Option<Cow<'a, [u8]>> {
        self.known.description.map(unfold)
    }

    /// `Content-MD5` as it stands, on one line.
    pub fn md5(&self) -> Option<Cow<'a, [u8]>> {
        self.known.md5.map(unfold)
    }

    /// `Content-Location` as it stands, on one line.
    pub fn location(&self) -> Option<Cow<'a, [u8]>> {
        self.known.location.map(unfold)
    }

    /// The tags of `Content-Language`.
    pub fn languages(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let value = self.known.language.unwrap_or_default();
        value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty()).take(20)
    }

    /// The name of the attached file, decoded.
    pub fn file_name(&self) -> Option<String> {
        let disposition = self.disposition();
        disposition
            .and_then(|disposition| disposition.parameter("filename"))
            .or_else(|| self.media.parameter("name"))
    }

    /// The lines of its body: the line ends in it.
    pub fn lines(&self) -> usize {
        memchr::memchr_iter(b'\n', self.body_bytes()).count()
    }
}

/// The parts of a message.
#[derive(Debug, Clone)]
pub struct Structure<'a> {
    bytes: &'a [u8],
    parts: Vec<Part<'a>>,
}

impl<'a> Structure<'a> {
    /// Takes a whole message apart, header and body in one.
    pub fn parse(bytes: &'a [u8]) -> Self {
        Self { bytes, parts: build::parts(bytes) }
    }

    /// The whole message.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// All parts in the order of the message; the first one is the message itself.
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// A part by its place in [`parts`](Self::parts).
    pub fn part(&self, index: usize) -> Option<&Part<'a>> {
        self.parts.get(index)
    }

    /// The message itself; there always is one.
    pub fn root(&self) -> Option<&Part<'a>> {
        self.parts.first()
    }

    /// The places of a part's children, in their order.
    pub fn children(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.part(index).map_or(index, |part| part.after);
        let within = move |next: usize| (next < end).then_some(next);
        std::iter::successors(within(index.saturating_add(1)), move |&child| {
            // A part is behind itself at least, so that this comes to an end.
            self.part(child).map(|part| part.after).filter(|&next| next > child).and_then(within)
        })
    }

    /// The part whose text stands for the message: the first `text/plain` that is no attachment,
    /// else the first `text/html`, else any other text. Attached messages are left out.
    pub fn text(&self) -> Option<&Part<'a>> {
        let mut index = 0;
        let mut best: Option<(&Part<'a>, u8)> = None;
        while let Some(part) = self.part(index) {
            index = if part.kind == Kind::Message { part.after.max(index + 1) } else { index + 1 };
            if part.kind != Kind::Leaf || !part.media.is_top("text") || is_attachment(part) {
                continue;
            }
            let rank = match (part.media.is("text", "plain"), part.media.is("text", "html")) {
                (true, _) => return Some(part),
                (_, true) => 1,
                _ => 0,
            };
            if best.is_none_or(|(_, known)| rank > known) {
                best = Some((part, rank));
            }
        }
        best.map(|(part, _)| part)
    }
}

fn is_attachment(part: &Part<'_>) -> bool {
    part.disposition().is_some_and(|disposition| disposition.is_top("attachment"))
}

#[cfg(test)]
mod tests;
