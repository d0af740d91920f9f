//! Writes `BODYSTRUCTURE` and `BODY`. Source: RFC 9051 sections 7.5.2 and 9.

use super::envelope;
use super::{nstring, number, string};
use crate::header::unfold;
use crate::media::Media;
use crate::structure::{Kind, Part, Structure};

/// The body structure of a message: `BODYSTRUCTURE` when `extended`, else `BODY`.
pub fn body_structure(structure: &Structure<'_>, extended: bool) -> Vec<u8> {
    let mut writer = Writer { structure, extended, out: Vec::with_capacity(256) };
    writer.part(0);
    writer.out
}

struct Writer<'s, 'a> {
    structure: &'s Structure<'a>,
    extended: bool,
    out: Vec<u8>,
}

impl<'s, 'a> Writer<'s, 'a> {
    /// Writes a part and those in it; the depth of a structure is bounded, so the calls are.
    fn part(&mut self, index: usize) {
        let structure: &'s Structure<'a> = self.structure;
        let Some(part) = structure.part(index) else { return };
        self.out.push(b'(');
        match part.kind() {
            Kind::Multipart => self.multipart(index, part),
            Kind::Message | Kind::Leaf => self.single(index, part),
        }
        self.out.push(b')');
    }

    fn multipart(&mut self, index: usize, part: &Part<'_>) {
        for child in self.structure.children(index) {
            self.part(child);
        }
        self.space();
        self.lower(part.media().sub);
        if self.extended {
            self.space();
            self.parameters(&part.media());
            self.common(part);
        }
    }

    fn single(&mut self, index: usize, part: &Part<'_>) {
        let media = part.media();
        self.lower(media.top);
        self.space();
        self.lower(media.sub);
        self.space();
        self.parameters(&media);
        self.text(part.known.id);
        self.text(part.known.description);
        self.space();
        self.encoding(part);
        self.space();
        number(&mut self.out, part.body().len());
        if part.kind() == Kind::Message {
            self.message(index, part);
        } else if media.is_top("text") {
            self.space();
            number(&mut self.out, part.lines());
        }
        if self.extended {
            self.text(part.known.md5);
            self.common(part);
        }
    }

    fn message(&mut self, index: usize, part: &Part<'_>) {
        let structure: &'s Structure<'a> = self.structure;
        let Some(message) = structure.part(index + 1) else { return };
        self.space();
        envelope::write(&mut self.out, &message.known);
        self.space();
        self.part(index + 1);
        self.space();
        number(&mut self.out, part.lines());
    }

    /// What every part ends with: disposition, languages, location.
    fn common(&mut self, part: &Part<'_>) {
        self.space();
        match part.disposition() {
            None => self.nil(),
            Some(disposition) => {
                self.out.push(b'(');
                self.lower(disposition.top);
                self.space();
                self.parameters(&disposition);
                self.out.push(b')');
            }
        }
        self.space();
        let before = self.out.len();
        for language in part.languages() {
            self.out.push(if self.out.len() == before { b'(' } else { b' ' });
            string(&mut self.out, &unfold(language));
        }
        if self.out.len() == before {
            self.nil();
        } else {
            self.out.push(b')');
        }
        self.text(part.known.location);
    }

    fn parameters(&mut self, media: &Media<'_>) {
        let before = self.out.len();
        for parameter in media.parameters() {
            self.out.push(if self.out.len() == before { b'(' } else { b' ' });
            self.lower(parameter.name);
            self.space();
            string(&mut self.out, &parameter.value());
        }
        if self.out.len() == before {
            self.nil();
        } else {
            self.out.push(b')');
        }
    }

    /// The encoding as it was written, without what follows its word.
    fn encoding(&mut self, part: &Part<'_>) {
        let value = part.known.encoding.unwrap_or_default().trim_ascii();
        let is_end = |&b: &u8| b.is_ascii_whitespace() || matches!(b, b';' | b'(');
        let len = value.iter().position(is_end).unwrap_or(value.len());
        match value.get(..len) {
            None | Some(b"") => self.out.extend_from_slice(b"\"7bit\""),
            Some(word) => self.lower(word),
        }
    }

    /// Writes a name whose case says nothing; clients compare some with `==`.
    fn lower(&mut self, name: &[u8]) {
        let start = self.out.len();
        string(&mut self.out, name);
        if let Some(written) = self.out.get_mut(start..) {
            written.make_ascii_lowercase();
        }
    }

    fn text(&mut self, value: Option<&[u8]>) {
        self.space();
        nstring(&mut self.out, value.map(unfold).as_deref());
    }

    fn space(&mut self) {
        self.out.push(b' ');
    }

    fn nil(&mut self) {
        self.out.extend_from_slice(b"NIL");
    }
}
