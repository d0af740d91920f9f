//! `FETCH`: what a client wants to know of messages.
//!
//! Source: RFC 9051 section 6.4.5, RFC 3501 section 6.4.5, RFC 3516, RFC 7162, RFC 8474, RFC 8514,
//! RFC 8970.

use std::fmt::Write as _;

use super::{Cursor, Malformed, Read, Set, is_atom};
use crate::{Need, Part, Partial, Section, Settings};

/// `FETCH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Of which messages.
    pub set: Set,
    /// Whether these are UIDs.
    pub uid: bool,
    /// What of each.
    pub items: Vec<Item>,
    /// Only those changed after this mod-sequence. Source: RFC 7162 section 3.1.4.
    pub changed_since: Option<u64>,
    /// Also which are gone since. Source: RFC 7162 section 3.2.6.
    pub vanished: bool,
}

/// One thing wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What.
    pub kind: Kind,
    /// Its name in the response.
    pub label: Box<str>,
    /// Whether telling it sets `\Seen`.
    pub sees: bool,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `FLAGS`.
    Flags,
    /// `UID`.
    Uid,
    /// `INTERNALDATE`.
    InternalDate,
    /// `RFC822.SIZE`.
    Size,
    /// `MODSEQ`.
    ModSeq,
    /// `SAVEDATE`.
    SaveDate,
    /// `EMAILID`.
    EmailId,
    /// Something of its content.
    Content(Need),
}

/// A word, and what it stands for.
type Word = (&'static str, fn() -> Kind);

/// Words that stand for one item, longest first where one begins another.
const WORDS: [Word; 14] = [
    ("FLAGS", || Kind::Flags),
    ("UID", || Kind::Uid),
    ("INTERNALDATE", || Kind::InternalDate),
    ("RFC822.SIZE", || Kind::Size),
    ("RFC822.HEADER", || section(Part::Header)),
    ("RFC822.TEXT", || section(Part::Text)),
    ("RFC822", || section(Part::All)),
    ("MODSEQ", || Kind::ModSeq),
    ("SAVEDATE", || Kind::SaveDate),
    ("EMAILID", || Kind::EmailId),
    ("THREADID", || Kind::Content(Need::ThreadId)),
    ("ENVELOPE", || Kind::Content(Need::Envelope)),
    ("BODYSTRUCTURE", || Kind::Content(Need::BodyStructure)),
    ("PREVIEW", || Kind::Content(Need::Preview { lazy: false })),
];

const fn section(of: Part) -> Kind {
    let section = Section { part: Vec::new(), of };
    Kind::Content(Need::Section { section, partial: None })
}

pub(super) fn parse(cursor: &mut Cursor<'_>, uid: bool, settings: &Settings) -> Read<Fetch> {
    cursor.space()?;
    let set = Set::parse(cursor)?;
    cursor.space()?;
    let mut items = macro_items(cursor);
    if items.is_empty() && cursor.peek() == Some(b'(') {
        cursor.list(1, |cursor| {
            items.push(item(cursor)?);
            if items.len() > settings.fetch_items_max {
                return Err(Malformed::Many("items"));
            }
            Ok(())
        })?;
    } else if items.is_empty() {
        items.push(item(cursor)?);
    }
    let mut fetch = Fetch { set, uid, items, changed_since: None, vanished: false };
    if cursor.eat(b' ') {
        modifiers(cursor, &mut fetch)?;
    }
    Ok(fetch)
}

fn modifiers(cursor: &mut Cursor<'_>, fetch: &mut Fetch) -> Read<()> {
    cursor.list(1, |cursor| {
        if cursor.eat_word("CHANGEDSINCE") {
            cursor.space()?;
            fetch.changed_since = Some(cursor.number64()?);
        } else if cursor.eat_word("VANISHED") {
            fetch.vanished = true;
        } else {
            return Err(Malformed::Expected("CHANGEDSINCE or VANISHED"));
        }
        Ok(())
    })?;
    if fetch.vanished && (!fetch.uid || fetch.changed_since.is_none()) {
        return Err(Malformed::Expected("VANISHED of UID FETCH with CHANGEDSINCE"));
    }
    Ok(())
}

fn macro_items(cursor: &mut Cursor<'_>) -> Vec<Item> {
    const ALL: [&str; 5] = ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"];
    let count = if cursor.eat_word("ALL") {
        4
    } else if cursor.eat_word("FAST") {
        3
    } else if cursor.eat_word("FULL") {
        5
    } else {
        return Vec::new();
    };
    ALL.iter()
        .take(count)
        .filter_map(|word| item(&mut Cursor::new(word.as_bytes(), 1)).ok())
        .collect()
}

fn item(cursor: &mut Cursor<'_>) -> Read<Item> {
    for (word, kind) in WORDS {
        if !cursor.eat_word(word) {
            continue;
        }
        let mut kind = kind();
        if word == "PREVIEW" && cursor.rest().starts_with(b" (") {
            cursor.space()?;
            kind = lazy_preview(cursor)?;
        }
        let sees = word == "RFC822" || word == "RFC822.TEXT";
        return Ok(Item { kind, label: word.into(), sees });
    }
    if cursor.eat_word("BODY.PEEK") {
        return body(cursor, false);
    }
    if cursor.eat_word("BODY") {
        if cursor.peek() == Some(b'[') {
            return body(cursor, true);
        }
        return Ok(Item { kind: Kind::Content(Need::Body), label: "BODY".into(), sees: false });
    }
    if cursor.eat_word("BINARY.SIZE") {
        let part = binary_part(cursor)?;
        let label = format!("BINARY.SIZE[{}]", numbers(&part)).into();
        return Ok(Item { kind: Kind::Content(Need::BinarySize { part }), label, sees: false });
    }
    let peek = cursor.eat_word("BINARY.PEEK");
    if peek || cursor.eat_word("BINARY") {
        let part = binary_part(cursor)?;
        let mut label = format!("BINARY[{}]", numbers(&part));
        let partial = partial(cursor, &mut label)?;
        let kind = Kind::Content(Need::Binary { part, partial });
        return Ok(Item { kind, label: label.into(), sees: !peek });
    }
    Err(Malformed::Expected("something to fetch"))
}

fn lazy_preview(cursor: &mut Cursor<'_>) -> Read<Kind> {
    let mut lazy = false;
    cursor.list(1, |cursor| {
        lazy = cursor.eat_word("LAZY");
        if lazy { Ok(()) } else { Err(Malformed::Expected("LAZY")) }
    })?;
    Ok(Kind::Content(Need::Preview { lazy }))
}

/// `[section]<partial>`.
fn body(cursor: &mut Cursor<'_>, sees: bool) -> Read<Item> {
    cursor.expect(b'[', "a section")?;
    let part = part_number(cursor)?;
    let mut label = format!("BODY[{}", numbers(&part));
    let of = if cursor.peek() == Some(b']') && (part.is_empty() || !label.ends_with('.')) {
        Part::All
    } else {
        if !part.is_empty() {
            label.push('.');
        }
        text(cursor, &mut label, part.is_empty())?
    };
    cursor.expect(b']', "a closing bracket")?;
    label.push(']');
    let partial = partial(cursor, &mut label)?;
    let need = Need::Section { section: Section { part, of }, partial };
    Ok(Item { kind: Kind::Content(need), label: label.into(), sees })
}

fn numbers(part: &[u32]) -> String {
    let numbers: Vec<String> = part.iter().map(u32::to_string).collect();
    numbers.join(".")
}

/// `1.2.3`, and the dot before a word behind it.
fn part_number(cursor: &mut Cursor<'_>) -> Read<Vec<u32>> {
    const DEPTH_MAX: usize = 100;
    let mut part = Vec::new();
    while cursor.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        part.push(cursor.positive()?);
        if part.len() > DEPTH_MAX {
            return Err(Malformed::Many("parts within each other"));
        }
        if !cursor.eat(b'.') {
            let ends = cursor.peek() == Some(b']');
            return if ends { Ok(part) } else { Err(Malformed::Expected("a closing bracket")) };
        }
        if cursor.peek() == Some(b']') {
            return Err(Malformed::Expected("a part number"));
        }
    }
    Ok(part)
}

fn text(cursor: &mut Cursor<'_>, label: &mut String, whole: bool) -> Read<Part> {
    if cursor.eat_word("HEADER.FIELDS.NOT") {
        label.push_str("HEADER.FIELDS.NOT ");
        return fields(cursor, label).map(Part::HeaderFieldsNot);
    }
    if cursor.eat_word("HEADER.FIELDS") {
        label.push_str("HEADER.FIELDS ");
        return fields(cursor, label).map(Part::HeaderFields);
    }
    for (word, part) in [("HEADER", Part::Header), ("TEXT", Part::Text), ("MIME", Part::Mime)] {
        if (word != "MIME" || !whole) && cursor.eat_word(word) {
            label.push_str(word);
            return Ok(part);
        }
    }
    Err(Malformed::Expected("HEADER, TEXT or the like"))
}

fn fields(cursor: &mut Cursor<'_>, label: &mut String) -> Read<Vec<Box<str>>> {
    const FIELDS_MAX: usize = 200;
    const WHAT: Malformed = Malformed::Expected("the name of a header field");
    let mut names: Vec<Box<str>> = Vec::new();
    cursor.space()?;
    label.push('(');
    cursor.list(1, |cursor| {
        let name = cursor.astring("the name of a header field")?;
        let name = str::from_utf8(&name).map_err(|_invalid| WHAT)?;
        if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':') {
            return Err(WHAT);
        }
        if !names.is_empty() {
            label.push(' ');
        }
        if name.bytes().all(is_atom) {
            label.push_str(name);
        } else {
            label.push('"');
            label.push_str(&name.replace('\\', "\\\\").replace('"', "\\\""));
            label.push('"');
        }
        names.push(name.into());
        if names.len() > FIELDS_MAX { Err(Malformed::Many("header fields")) } else { Ok(()) }
    })?;
    label.push(')');
    Ok(names)
}

fn binary_part(cursor: &mut Cursor<'_>) -> Read<Vec<u32>> {
    cursor.expect(b'[', "a section")?;
    let part = part_number(cursor)?;
    cursor.expect(b']', "a closing bracket")?;
    Ok(part)
}

/// `<offset.octets>`.
fn partial(cursor: &mut Cursor<'_>, label: &mut String) -> Read<Option<Partial>> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let offset = cursor.number64()?;
    cursor.expect(b'.', "a dot")?;
    let octets = cursor.number64()?;
    cursor.expect(b'>', "a closing angle bracket")?;
    if octets == 0 {
        return Err(Malformed::Expected("a number that is not 0"));
    }
    // Writing to a `String` cannot fail.
    if write!(label, "<{offset}>").is_err() {
        return Err(Malformed::Expected("a partial"));
    }
    Ok(Some(Partial { offset, octets }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Read<Vec<String>> {
        let mut cursor = Cursor::new(text.as_bytes(), 8);
        let fetch = parse(&mut cursor, true, &Settings::new("mx"))?;
        cursor.end()?;
        Ok(fetch
            .items
            .iter()
            .map(|item| format!("{}{}", item.label, if item.sees { "!" } else { "" }))
            .collect())
    }

    #[test]
    fn items_are_told_back_as_the_standard_names_them() {
        for (text, want) in [
            (" 1 flags", "FLAGS"),
            (" 1:* (UID RFC822.SIZE RFC822)", "UID RFC822.SIZE RFC822!"),
            (" 1 FULL", "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY"),
            (" 1 FAST", "FLAGS INTERNALDATE RFC822.SIZE"),
            (" 1 BODY", "BODY"),
            (" 1 bodystructure", "BODYSTRUCTURE"),
            (" 1 body[]", "BODY[]!"),
            (" 1 body.peek[]<0.100>", "BODY[]<0>"),
            (" 1 BODY.PEEK[1.2.MIME]", "BODY[1.2.MIME]"),
            (" 1 BODY[2.header]", "BODY[2.HEADER]!"),
            (
                " 1 BODY.PEEK[HEADER.FIELDS (From \"To\" \"x)\")]",
                "BODY[HEADER.FIELDS (From To \"x)\")]",
            ),
            (
                " 1 BODY.PEEK[3.HEADER.FIELDS.NOT (From)]<5.6>",
                "BODY[3.HEADER.FIELDS.NOT (From)]<5>",
            ),
            (
                " 1 (BINARY.PEEK[1]<0.9> BINARY[] BINARY.SIZE[4.1])",
                "BINARY[1]<0> BINARY[]! BINARY.SIZE[4.1]",
            ),
            (" 1 (PREVIEW (LAZY) PREVIEW)", "PREVIEW PREVIEW"),
            (" 1 FLAGS (CHANGEDSINCE 12345 VANISHED)", "FLAGS"),
        ] {
            assert_eq!(labels(text).map(|l| l.join(" ")).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_item_is_refused() {
        for text in [
            " 1",
            " 1 ",
            " 1 ()",
            " 1 FOO",
            " 1 BODY[",
            " 1 BODY[MIME]",
            " 1 BODY[1.]",
            " 1 BODY[0]",
            " 1 BODY[1",
            " 1 BODY[]<0>",
            " 1 BODY[]<0.0>",
            " 1 BODY[HEADER.FIELDS ()]",
            " 1 BODY[1.FOO]",
            " 1 BODY[HEADER.FIELDS (\"a\r\nb\")]",
            " 1 BINARY[TEXT]",
            " 1 BINARY.SIZE[1]<0.1>",
            " 1 (FLAGS ALL)",
            " 1 FLAGS (VANISHED)",
            " 1 FLAGS (CHANGEDSINCE)",
            " 1 PREVIEW (FOO)",
            " 1 BODY[1HEADER]",
            " 1 BODY.PEEK",
            " 1 FLAGSX",
        ] {
            assert!(labels(text).is_err(), "{text}");
        }
    }
}
