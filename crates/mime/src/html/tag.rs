//! Reads a tag or comment, as far as a text of it has to know.

use memchr::{memchr, memchr3, memmem};

/// What starts with a `<`, and what follows it.
pub(super) enum Markup<'a> {
    /// A `<` that is text.
    Text,
    /// It changes nothing in the text, or is left out of it.
    Inline(&'a str),
    /// A cell of a table: it is apart from the next one.
    Cell(&'a str),
    /// It begins or ends a line.
    Block(&'a str),
}

/// Elements whose content is no text of the document.
const HIDDEN: [&str; 5] = ["script", "style", "title", "template", "xml"];

/// Elements that stand on lines of their own.
const BLOCKS: [&str; 37] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "center",
    "dd",
    "details",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];

/// The longest name in the lists above.
const NAME_MAX: usize = 10;

/// Reads the `<` at the start of `rest` and what belongs to it.
pub(super) fn read(rest: &str) -> Markup<'_> {
    let Some(inner) = rest.strip_prefix('<') else { return Markup::Text };
    if let Some(comment) = inner.strip_prefix("!--") {
        let end = memmem::find(comment.as_bytes(), b"-->").map(|at| at + 3);
        return Markup::Inline(after(comment, end));
    }
    if inner.starts_with(['!', '?']) {
        return Markup::Inline(after(inner, memchr(b'>', inner.as_bytes()).map(|at| at + 1)));
    }
    let name = inner.strip_prefix('/').unwrap_or(inner);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Markup::Text;
    }
    let len = name.bytes().take_while(u8::is_ascii_alphanumeric).take(NAME_MAX + 1).count();
    let (name, _) = name.split_at_checked(len).unwrap_or((name, ""));
    let rest = after(inner, tag_end(inner.as_bytes()));
    let is_among = |names: &[&str]| names.iter().any(|n| n.eq_ignore_ascii_case(name));
    if !inner.starts_with('/') && is_among(&HIDDEN) {
        return Markup::Inline(behind_element(rest, name));
    }
    if is_among(&["td", "th"]) {
        Markup::Cell(rest)
    } else if is_among(&BLOCKS) {
        Markup::Block(rest)
    } else {
        Markup::Inline(rest)
    }
}

/// What follows `end`; nothing when there is no end.
fn after(text: &str, end: Option<usize>) -> &str {
    end.and_then(|end| text.get(end..)).unwrap_or_default()
}

/// Where a tag ends. A quote is one only behind an equals sign.
fn tag_end(tag: &[u8]) -> Option<usize> {
    let mut at = 0;
    // Where the last search of a value began, so that blanks are gone over once.
    let mut floor = 0;
    loop {
        let rest = tag.get(at..)?;
        let found = at + memchr3(b'>', b'"', b'\'', rest)?;
        let byte = *tag.get(found)?;
        at = found + 1;
        if byte == b'>' {
            return Some(at);
        }
        let before = tag.get(floor..found)?.trim_ascii_end();
        if before.last() == Some(&b'=') {
            at += memchr(byte, tag.get(at..)?)? + 1;
        }
        floor = at;
    }
}

/// What follows the end tag of a hidden element.
fn behind_element<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = memmem::find(rest.as_bytes(), b"</") {
        rest = rest.get(at + 2..).unwrap_or_default();
        let is_it = rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if is_it {
            return after(rest, memchr(b'>', rest.as_bytes()).map(|at| at + 1));
        }
    }
    ""
}
