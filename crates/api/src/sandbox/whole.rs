//! A message taken apart: text, HTML, attachments, the tree of its parts, links and codes.

use mailwright_mime::{
    Kind, LEAVES_MAX as PARTS_MAX, Part, Structure, decode_words, fold_case, part_text,
};
pub(crate) use mailwright_mime::{Leaf, LeafRole as Role, leaves};
use md5::Md5;
use serde_json::{Map, Value, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::{ApiError, code, document::document, extract, message::Wanted};

/// Octets of a text or of HTML that are given with a message.
const TEXT_MAX: usize = 4 << 20;

/// The tree of a message's parts, with type and size of each.
pub(crate) fn tree(structure: &Structure<'_>) -> Value {
    let mut budget = PARTS_MAX;
    node(structure, 0, String::new(), &mut budget)
}

fn node(structure: &Structure<'_>, index: usize, path: String, budget: &mut usize) -> Value {
    let Some(part) = structure.part(index) else { return Value::Null };
    *budget = budget.saturating_sub(1);
    let mut parts = Vec::new();
    if part.kind() == Kind::Multipart {
        for (child, number) in structure.children(index).zip(1_u32..) {
            if *budget == 0 {
                break;
            }
            let dot = if path.is_empty() { "" } else { "." };
            parts.push(node(structure, child, format!("{path}{dot}{number}"), budget));
        }
    }
    let is_leaf = part.kind() != Kind::Multipart;
    let path = if path.is_empty() && is_leaf { "1".to_owned() } else { path };
    json!({
        "part": path,
        "type": media(part),
        "name": part.file_name(),
        "encoding": format!("{:?}", part.encoding()).to_lowercase(),
        "size": part.body_bytes().len(),
        "parts": parts,
    })
}

/// The media type of a part, in lower case.
pub(crate) fn media(part: &Part<'_>) -> String {
    let media = part.media();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).to_lowercase();
    format!("{}/{}", text(media.top), text(media.sub))
}

/// The name under which a leaf is saved.
pub(crate) fn file_name(part: &Part<'_>, leaf: &Leaf) -> String {
    let name = part.file_name().unwrap_or_default();
    let clean: String = name.chars().filter(|c| !c.is_control() && !"/\\".contains(*c)).collect();
    if !clean.trim_matches(['.', ' ']).is_empty() {
        return clean;
    }
    let is_message = part.kind() == Kind::Message;
    let end = if is_message { ".eml".to_owned() } else { ending(&media(part)) };
    format!("part-{}{end}", leaf.path)
}

fn ending(media: &str) -> String {
    let known = match media {
        "text/plain" => "txt",
        "text/html" => "html",
        "text/calendar" => "ics",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "application/pdf" => "pdf",
        _ => return ".bin".to_owned(),
    };
    format!(".{known}")
}

/// `Content-ID` without its brackets.
pub(crate) fn content_id(part: &Part<'_>) -> String {
    let id = part.id().unwrap_or_default();
    String::from_utf8_lossy(&id).trim().trim_matches(['<', '>']).to_owned()
}

/// Checksums of decoded octets.
pub(crate) struct Sums {
    pub(crate) md5: String,
    pub(crate) sha1: String,
    pub(crate) sha256: String,
}

/// The checksums of octets, in hexadecimal.
pub(crate) fn sums(octets: &[u8]) -> Sums {
    let hex = |octets: &[u8]| {
        let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
        digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
    };
    Sums {
        md5: hex(Md5::digest(octets).as_slice()),
        sha1: hex(Sha1::digest(octets).as_slice()),
        sha256: hex(Sha256::digest(octets).as_slice()),
    }
}

/// The texts of a message: plain and HTML, each part of it joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) plain: String,
    pub(crate) html: String,
}

/// The texts of a message.
pub(crate) fn texts(structure: &Structure<'_>, leaves: &[Leaf]) -> Texts {
    let mut texts = Texts::default();
    for leaf in leaves.iter().filter(|leaf| leaf.role == Role::Text) {
        let Some(part) = structure.part(leaf.index) else { continue };
        let is_html = part.media().is("text", "html");
        let into = if is_html { &mut texts.html } else { &mut texts.plain };
        let text = if is_html { html_text(part) } else { part_text(part).into_owned() };
        let room = TEXT_MAX.saturating_sub(into.len());
        let end = text.floor_char_boundary(room.min(text.len()));
        into.push_str(text.get(..end).unwrap_or_default());
    }
    texts
}

/// The HTML of a part as text; [`part_text`] would make it plain.
pub(crate) fn html_text(part: &Part<'_>) -> String {
    let label = part.media().parameter("charset").unwrap_or_default();
    mailwright_mime::charset::decode(label.as_bytes(), &part.decoded()).into_owned()
}

/// The fields of a header, each decoded, in their order.
pub(crate) fn headers(structure: &Structure<'_>) -> Vec<(String, String)> {
    let fields = structure.root().map(Part::fields);
    let each = fields.into_iter().flatten().map(|field| {
        let name = String::from_utf8_lossy(field.name).into_owned();
        (name, decode_words(field.value).trim().to_owned())
    });
    each.collect()
}

/// A leaf as the API tells of it.
pub(crate) fn attachment(part: &Part<'_>, leaf: &Leaf) -> Value {
    let octets = part.decoded();
    let sums = sums(&octets);
    json!({
        "part": leaf.path,
        "name": file_name(part, leaf),
        "type": media(part),
        "contentId": content_id(part),
        "inline": leaf.role == Role::Inline,
        "size": octets.len(),
        "md5": sums.md5,
        "sha1": sums.sha1,
        "sha256": sums.sha256,
    })
}

/// What was found in a message's content, and what of it is wanted besides.
///
/// Errors: a selector or pattern is none, or takes too long.
pub(crate) fn content(
    bytes: &[u8],
    wanted: &Wanted,
    is_late: extract::IsLate<'_>,
) -> Result<Map<String, Value>, ApiError> {
    let structure = Structure::parse(bytes);
    let leaves = leaves(&structure);
    let texts = texts(&structure, &leaves);
    let page = document(&texts.html);
    let attached = leaves.iter().filter(|leaf| leaf.role != Role::Text).filter_map(|leaf| {
        let part = structure.part(leaf.index)?;
        Some(attachment(part, leaf))
    });
    let shown = if texts.plain.is_empty() {
        mailwright_mime::html_to_text(&texts.html)
    } else {
        texts.plain.clone()
    };
    let mut told = Map::new();
    if !wanted.select.is_empty() {
        let each = wanted.select.iter().map(|selector| {
            Ok((selector.clone(), Value::from(extract::selected(&page, selector, is_late)?)))
        });
        told.insert("selected".to_owned(), each.collect::<Result<Value, ApiError>>()?);
    }
    if !wanted.regex.is_empty() {
        let over = if texts.plain.is_empty() { &texts.html } else { &texts.plain };
        let each = wanted.regex.iter().map(|pattern| {
            Ok((pattern.clone(), Value::from(extract::matched(over, pattern, is_late)?)))
        });
        told.insert("matched".to_owned(), each.collect::<Result<Value, ApiError>>()?);
    }
    let headers = headers(&structure).into_iter().map(|(name, value)| json!([name, value]));
    for (name, value) in [
        ("headers", headers.collect()),
        ("attachments", attached.collect()),
        ("parts", tree(&structure)),
        ("links", extract::links(&texts, &page).into()),
        ("codes", code::codes(&shown).into()),
        ("text", texts.plain.into()),
        ("html", texts.html.into()),
    ] {
        told.insert(name.to_owned(), value);
    }
    Ok(told)
}

/// Whether a header has a field whose folded value holds `value`; its presence when that is empty.
pub(crate) fn has_header(header: &str, name: &str, value: &str) -> bool {
    header.lines().any(|line| {
        line.split_once(':').is_some_and(|(field, found)| {
            field == fold_case(name) && (value.is_empty() || found.contains(&fold_case(value)))
        })
    })
}
