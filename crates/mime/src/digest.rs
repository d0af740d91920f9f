//! The digest of a message: what a mailbox is searched, sorted and threaded by, in a few octets.
//!
//! Small enough that those of a whole mailbox are read in one go. Numbers come first, in places
//! that never move, then texts with their lengths. All of it is made from what [`render`] kept, or
//! from the message when that kept less than is needed; both give the same. Source: RFC 5256, RFC
//! 5957.
//!
//! [`render`]: crate::render

use mailwright_words::Timestamp;

use crate::address::{first_display, first_mailbox};
use crate::common::CommonHeaders;
use crate::date::Sent;
use crate::header::Fields;
use crate::render::{Rendered, render_structure};
use crate::search::fold_case;
use crate::structure::Structure;
use crate::word::decode_words;

/// The version of what [`digest`] makes; digests of another one are made anew.
pub const DIGEST_VERSION: i64 = 1;

/// The most octets of field values that are kept.
const FIELDS_MAX: usize = 8 << 10;

const IS_REPLY: u8 = 1;
const HAS_SENT: u8 = 2;
const HAS_ID: u8 = 4;
/// All values of the fields of [`DigestField`] are kept.
const HAS_FIELDS: u8 = 8;

/// A field whose values a digest keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigestField {
    /// `From`.
    From,
    /// `To`.
    To,
    /// `Cc`.
    Cc,
    /// `Bcc`.
    Bcc,
    /// `Subject`.
    Subject,
}

impl DigestField {
    const ALL: [(Self, &'static str); 5] = [
        (Self::From, "From"),
        (Self::To, "To"),
        (Self::Cc, "Cc"),
        (Self::Bcc, "Bcc"),
        (Self::Subject, "Subject"),
    ];

    /// The one of this name, in any case.
    pub fn named(name: &[u8]) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name));
        found.map(|(field, _)| *field)
    }
}

/// A text that messages are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortText {
    /// The base subject.
    Subject,
    /// The mailbox of the first address of `From`.
    From,
    /// The mailbox of the first address of `To`.
    To,
    /// The mailbox of the first address of `Cc`.
    Cc,
    /// What a person reads as the sender.
    DisplayFrom,
    /// What a person reads as the recipient.
    DisplayTo,
}

impl SortText {
    const COUNT: usize = 6;

    const fn place(self) -> usize {
        match self {
            Self::Subject => 0,
            Self::From => 1,
            Self::To => 2,
            Self::Cc => 3,
            Self::DisplayFrom => 4,
            Self::DisplayTo => 5,
        }
    }
}

/// The digest of what was rendered; nothing when that kept too little of the header, and the whole
/// message has to be asked.
pub fn digest(rendered: &Rendered) -> Option<Vec<u8>> {
    let common = CommonHeaders::from_bytes(&rendered.headers)?;
    let names = DigestField::ALL.map(|(_, name)| name.as_bytes());
    common.has(&names).then(|| write(rendered, common.lines()))
}

/// The digest of a whole message.
pub fn digest_of_message(message: &[u8]) -> Vec<u8> {
    let structure = Structure::parse(message);
    digest_of_structure(&structure, &render_structure(&structure))
}

/// The digest of a whole message that was taken apart and rendered.
pub fn digest_of_structure(structure: &Structure<'_>, rendered: &Rendered) -> Vec<u8> {
    let header = structure.root().map(crate::structure::Part::header_bytes);
    write(rendered, header.unwrap_or_default())
}

fn write(rendered: &Rendered, header: &[u8]) -> Vec<u8> {
    let mut values: Vec<(DigestField, &[u8])> = Vec::new();
    for field in Fields::new(header, 0) {
        let known = DigestField::named(field.name);
        values.extend(known.map(|known| (known, field.value)));
    }
    let first = |of: DigestField, read: fn(&[u8]) -> Option<String>| {
        let value = values.iter().find(|(field, _)| *field == of);
        value.and_then(|(_, value)| read(value)).map(|text| fold_case(&text)).unwrap_or_default()
    };
    let texts = [
        rendered.base_subject.clone(),
        first(DigestField::From, first_mailbox),
        first(DigestField::To, first_mailbox),
        first(DigestField::Cc, first_mailbox),
        first(DigestField::From, first_display),
        first(DigestField::To, first_display),
    ];
    let mut out = numbers(rendered);
    for mut text in texts {
        // The collation compares upper case: `_` comes behind all letters.
        text.make_ascii_uppercase();
        push(&mut out, text.as_bytes());
    }
    let start = out.len();
    for (field, value) in values {
        out.push(tag(field));
        push(&mut out, fold_case(&decode_words(value)).as_bytes());
        if out.len() - start > FIELDS_MAX {
            out.truncate(start);
            return out;
        }
    }
    if let Some(flags) = out.first_mut() {
        *flags |= HAS_FIELDS;
    }
    out
}

/// Flags, moment, day, identifier, and those it answers with their count.
fn numbers(rendered: &Rendered) -> Vec<u8> {
    let mut flags = if rendered.is_reply { IS_REPLY } else { 0 };
    let (mut at, mut day) = (0, 0);
    if let Some(sent) = &rendered.sent {
        flags |= HAS_SENT;
        (at, day) = (sent.at.ms(), sent.day);
    }
    if rendered.message_id_hash.is_some() {
        flags |= HAS_ID;
    }
    let mut out = Vec::with_capacity(512);
    out.push(flags);
    for number in [at, day, rendered.message_id_hash.unwrap_or(0)] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    push_len(&mut out, rendered.references.len());
    out.extend(rendered.references.iter().flat_map(|hash| hash.to_le_bytes()));
    out
}

const fn tag(field: DigestField) -> u8 {
    match field {
        DigestField::From => 1,
        DigestField::To => 2,
        DigestField::Cc => 3,
        DigestField::Bcc => 4,
        DigestField::Subject => 5,
    }
}

fn push_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn push(out: &mut Vec<u8>, text: &[u8]) {
    push_len(out, text.len());
    out.extend_from_slice(text);
}

/// A digest that was kept.
#[derive(Debug, Clone, Copy)]
pub struct Digest<'a> {
    flags: u8,
    sent: Sent,
    id: i64,
    references: &'a [u8],
    texts: [&'a [u8]; SortText::COUNT],
    fields: &'a [u8],
}

impl<'a> Digest<'a> {
    /// Reads a digest; nothing when its octets are not those of one.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let flags = reader.byte()?;
        let sent = Sent { at: Timestamp::new(reader.number()?), day: reader.number()? };
        let id = reader.number()?;
        let count = reader.len()?;
        let references = reader.take(count.checked_mul(8)?)?;
        let mut texts = [&[][..]; SortText::COUNT];
        for text in &mut texts {
            *text = reader.text()?;
        }
        Some(Self { flags, sent, id, references, texts, fields: reader.0 })
    }

    /// When the message says it was sent.
    pub const fn sent(&self) -> Option<Sent> {
        if self.flags & HAS_SENT == 0 { None } else { Some(self.sent) }
    }

    /// Whether its subject was that of a reply or a forward.
    pub const fn is_reply(&self) -> bool {
        self.flags & IS_REPLY != 0
    }

    /// The hash of its identifier.
    pub const fn id(&self) -> Option<i64> {
        if self.flags & HAS_ID == 0 { None } else { Some(self.id) }
    }

    /// The hashes of the messages it answers, the first of the thread first.
    pub fn references(&self) -> impl Iterator<Item = i64> + use<'a> {
        let hash = |bytes: &[u8]| bytes.first_chunk().map(|bytes| i64::from_le_bytes(*bytes));
        self.references.chunks_exact(8).filter_map(hash)
    }

    /// A text that messages are sorted by: without case, ordered by its octets.
    pub fn sort_text(&self, text: SortText) -> &'a [u8] {
        self.texts.get(text.place()).copied().unwrap_or_default()
    }

    /// Whether a field has a value that holds a folded string, as `is_in` tells; nothing when its
    /// values were too long to be kept.
    pub fn field_holds(&self, field: DigestField, is_in: impl Fn(&[u8]) -> bool) -> Option<bool> {
        if self.flags & HAS_FIELDS == 0 {
            return None;
        }
        let mut reader = Reader(self.fields);
        while let Some(kept) = reader.byte() {
            let value = reader.text()?;
            if kept == tag(field) && is_in(value) {
                return Some(true);
            }
        }
        Some(false)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<i64> {
        self.take(8)?.first_chunk().map(|bytes| i64::from_le_bytes(*bytes))
    }

    fn len(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.len()?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests;
