//! The text in which a search looks: decoded, unfolded, without case.
//!
//! A search is a substring of it, and nothing else: an index may narrow, never decide. Case is
//! folded as `i;unicode-casemap` does, character by character, so that a piece of a text folds to a
//! piece of the folded text: each is mapped to upper case (with the full mapping, so that a sharp s
//! is `ss`), decomposed by compatibility without reordering, and mapped to lower case. Composed and
//! decomposed forms become the same, accents stay. A soft hyphen goes.
//! Source: RFC 9051 section 6.4.4, RFC 5051.

use memchr::memmem;
use unicode_normalization::char::decompose_compatible;

use crate::header::{Fields, unfold};
use crate::media::Media;
use crate::structure::{Kind, Part, Structure};
use crate::text::part_text;
use crate::word::decode_words;

/// The most octets of folded text that are gathered from a message.
pub const SEARCH_MAX: usize = 16 << 20;
/// How many attached messages that are encoded are taken apart within each other.
const ENCODED_DEPTH_MAX: usize = 3;

/// The folded text of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchText {
    /// The fields of its header, `name: value`, one a line.
    pub header: String,
    /// The fields of its parts, and the decoded names of attached files.
    pub parts: String,
    /// The text of its parts, and header and text of attached messages.
    pub body: String,
}

impl SearchText {
    /// Whether `TEXT` finds a folded string. Source: RFC 9051 section 6.4.4.
    pub fn has_text(&self, folded: &str) -> bool {
        contains(&self.header, folded) || contains(&self.parts, folded) || self.has_body(folded)
    }

    /// Whether `BODY` finds a folded string.
    pub fn has_body(&self, folded: &str) -> bool {
        contains(&self.body, folded)
    }
}

/// Gathers the text of a message in which a search looks.
pub fn searchable(structure: &Structure<'_>) -> SearchText {
    let mut text = SearchText::default();
    gather(structure, &mut text, 0);
    text
}

/// The fields of a header, each with its folded value. Source: RFC 9051 section 6.4.4 (`HEADER`).
pub fn folded_fields(header: &[u8]) -> impl Iterator<Item = (&[u8], String)> {
    Fields::new(header, 0).map(|field| (field.name, fold_case(&decode_words(field.value))))
}

fn gather(structure: &Structure<'_>, text: &mut SearchText, depth: usize) {
    // Whether the part that comes next is an attached message.
    let mut is_message = false;
    for (index, part) in structure.parts().iter().enumerate() {
        let header = match (index, depth, is_message) {
            (0, 0, _) => &mut text.header,
            (0, _, _) | (_, _, true) => &mut text.body,
            _ => &mut text.parts,
        };
        add_fields(header, part);
        is_message = part.kind() == Kind::Message;
        if let Some(name) = part.file_name() {
            add_line(&mut text.parts, &name);
        }
        if part.kind() == Kind::Leaf {
            add_body(part, text, depth);
        }
    }
}

fn add_fields(out: &mut String, part: &Part<'_>) {
    for field in part.fields() {
        if out.len() >= SEARCH_MAX {
            return;
        }
        // An encoded word is decoded, and can be found as it is decoded.
        let is_encoded = memmem::find(field.value, b"=?").is_some();
        fold_onto(out, &String::from_utf8_lossy(field.name));
        out.push_str(": ");
        if is_encoded {
            add_line(out, &decode_words(field.value));
        } else {
            add_line(out, &crate::charset::lossless(&unfold(field.value)));
        }
    }
}

fn add_body(part: &Part<'_>, text: &mut SearchText, depth: usize) {
    if text.body.len() >= SEARCH_MAX {
        return;
    }
    let media = part.media();
    if media.is_top("text") || media.is("application", "xhtml+xml") {
        add_line(&mut text.body, &part_text(part));
    } else if depth < ENCODED_DEPTH_MAX && is_message(part) {
        let bytes = part.decoded();
        gather(&Structure::parse(&bytes), text, depth + 1);
    }
}

/// Whether a part that is no message to IMAP is an encoded one.
fn is_message(part: &Part<'_>) -> bool {
    let media = part.known.kind.and_then(Media::parse);
    media.is_some_and(|media| media.is("message", "rfc822") || media.is("message", "global"))
}

fn add_line(out: &mut String, text: &str) {
    let room = SEARCH_MAX.saturating_sub(out.len());
    // At the limit the last character that fits whole is the last one.
    fold_onto(out, text.get(..text.floor_char_boundary(room)).unwrap_or_default());
    out.push('\n');
}

/// A text without case, in which and for which a search looks.
pub fn fold_case(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_onto(&mut folded, text);
    folded
}

fn fold_onto(out: &mut String, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let len = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        let (ascii, more) = rest.split_at_checked(len).unwrap_or((rest, ""));
        let start = out.len();
        out.push_str(ascii);
        if let Some(added) = out.get_mut(start..) {
            added.make_ascii_lowercase();
        }
        rest = fold_others(out, more);
    }
}

/// Folds the characters at the start of `text` that are not ASCII. Gives what follows.
fn fold_others<'a>(out: &mut String, text: &'a str) -> &'a str {
    let mut chars = text.chars();
    loop {
        let rest = chars.as_str();
        match chars.next() {
            Some(c) if !c.is_ascii() => fold_char(out, c),
            _ => return rest,
        }
    }
}

fn fold_char(out: &mut String, c: char) {
    if c == '\u{ad}' {
        return;
    }
    for upper in c.to_uppercase() {
        decompose_compatible(upper, |piece| out.extend(piece.to_lowercase()));
    }
}

/// Whether a folded text holds a folded string. The empty string is in each.
pub fn contains(haystack: &str, needle: &str) -> bool {
    memmem::find(haystack.as_bytes(), needle.as_bytes()).is_some()
}

#[cfg(test)]
mod tests;
