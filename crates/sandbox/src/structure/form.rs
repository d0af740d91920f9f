//! Rules about parts, header and sizes.

use std::collections::BTreeSet;

use super::{Hit, Level, StructureRule, rule};
use crate::facts::Facts;
use crate::html::{Item, Page};
use crate::links::placeholder;

/// Where Gmail cuts a message off, in octets of its HTML.
const CLIP: usize = 102 << 10;
/// The largest sheet of styles that Gmail takes.
const SHEET_MAX: usize = 8 << 10;
/// Octets of a line, without its end. Source: RFC 5322 section 2.1.1.
const LINE_MAX: usize = 998;
/// Characters of a subject that most clients show.
const SUBJECT_MAX: usize = 70;
/// Octets of a message that most servers take.
const MESSAGE_MAX: usize = 10 << 20;
/// Words of a text that are compared.
const WORDS_MAX: usize = 2_000;

pub(super) const RULES: &[StructureRule] = &[
    rule(
        "text-missing",
        Level::Warning,
        |f| Hit::when(f.page.is_some() && f.message.text.is_none(), ""),
        "There is HTML and no plain text; add a part with the same in plain text.",
    ),
    rule(
        "text-empty",
        Level::Warning,
        |f| Hit::when(text(f).is_some_and(|text| text.trim().is_empty()) && shows_words(f), ""),
        "The plain text is empty, and the HTML is not; put the same into both.",
    ),
    rule(
        "text-differs",
        Level::Warning,
        differs,
        "The plain text says something else than the HTML; make both from one source.",
    ),
    rule(
        "html-clipped",
        Level::Error,
        |f| {
            let length = html(f)?.len();
            Hit::when(length > CLIP, format!("{} KiB of HTML", length >> 10))
        },
        "Gmail cuts a message off after 102 KB of HTML, and the rest with it; make it smaller.",
    ),
    rule(
        "style-too-large",
        Level::Warning,
        |f| {
            let page = f.page.as_ref()?;
            let large = page.styles().filter(|(_, sheet)| sheet.len() > SHEET_MAX);
            Hit::all(large.map(|(at, sheet)| (at, format!("{} octets", sheet.len()))))
        },
        "Gmail drops a style element of more than 8 KiB whole; split it, or leave out what is not \
         used.",
    ),
    rule(
        "line-too-long",
        Level::Error,
        |f| {
            let mut lines = f.message.bytes.split(|octet| *octet == b'\n').enumerate();
            let is_long = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).len() > LINE_MAX;
            let (number, line) = lines.find(|(_, line)| is_long(line))?;
            Hit::when(true, format!("line {} of the message, {} octets", number + 1, line.len()))
        },
        "A line has more than 998 octets; servers break or refuse it. Encode the part as \
         quoted-printable or base64.",
    ),
    rule(
        "bare-newline",
        Level::Error,
        |f| Hit::when(has_bare_newline(f.message.bytes), ""),
        "A line ends with CR or LF alone; servers refuse that, or change it and break signatures.",
    ),
    rule(
        "header-not-ascii",
        Level::Warning,
        |f| {
            let field = f.message.fields.iter().find(|field| !field.raw.is_ascii())?;
            Hit::when(true, field.name.clone())
        },
        "A field of the header is not ASCII; write it as an encoded word, or not all servers take \
         it.",
    ),
    rule(
        "charset-missing",
        Level::Warning,
        |f| {
            let mut parts = f.message.leaves().map(|(_, part)| part);
            let part = parts.find(|part| {
                part.media().is_top("text")
                    && part.media().raw_parameter("charset").is_none()
                    && !part.decoded().is_ascii()
            })?;
            Hit::when(true, crate::message::Message::media(part))
        },
        "A text has more than ASCII and does not say its charset; name it, such as charset=utf-8.",
    ),
    rule(
        "subject-missing",
        Level::Warning,
        |f| Hit::when(f.value("subject").trim().is_empty(), ""),
        "There is no subject.",
    ),
    rule(
        "subject-long",
        Level::Note,
        |f| {
            let length = f.value("subject").trim().chars().count();
            Hit::when(length > SUBJECT_MAX, format!("{length} characters"))
        },
        "The subject is longer than most clients show; put what matters first.",
    ),
    rule(
        "placeholder-left",
        Level::Error,
        |f| {
            let texts = [f.value("subject"), f.value("from"), f.value("to"), f.words(), &f.visible];
            let left = texts.into_iter().find_map(placeholder)?;
            Hit::when(true, left.chars().take(80).collect::<String>())
        },
        "A variable of a template was not filled in; look at the template and its data.",
    ),
    rule(
        "preheader-poor",
        Level::Note,
        |f| {
            let start = f.visible.split_whitespace().take(12).collect::<Vec<_>>().join(" ");
            let lower = start.to_lowercase();
            let poor = ["view in browser", "view this email", "view online", "unsubscribe"];
            let is_poor = poor.iter().any(|word| lower.contains(word));
            Hit::when(f.page.is_some() && (is_poor || lower.starts_with("http")), start)
        },
        "Lists show the first words of a message beside its subject; begin with what it is about.",
    ),
    rule(
        "one-click-missing",
        Level::Note,
        |f| Hit::when(f.has("list-unsubscribe") && !f.has("list-unsubscribe-post"), ""),
        "Large providers want mailings to be left with one click: add List-Unsubscribe-Post. \
         Source: RFC 8058.",
    ),
    rule(
        "message-large",
        Level::Warning,
        |f| {
            let length = f.message.bytes.len();
            Hit::when(length > MESSAGE_MAX, format!("{} MiB", length >> 20))
        },
        "The message has more than 10 MiB; many servers refuse it. Link to files instead.",
    ),
    rule(
        "element-dropped",
        Level::Warning,
        |f| {
            let dropped =
                ["script", "iframe", "object", "embed", "applet", "frame", "frameset", "base"];
            let tags = f.page.as_ref()?.tags();
            let found = tags.filter(|(_, tag)| dropped.contains(&tag.name.as_str()));
            Hit::all(found.map(|(at, tag)| (at, tag.name.clone())))
        },
        "Clients take this element out of messages, and filters do not like it.",
    ),
];

fn text<'f>(facts: &'f Facts<'_>) -> Option<&'f str> {
    facts.message.text.as_ref().map(|text| text.text.as_str())
}

fn html<'f>(facts: &'f Facts<'_>) -> Option<&'f str> {
    facts.message.html.as_ref().map(|html| html.text.as_str())
}

fn shows_words(facts: &Facts<'_>) -> bool {
    facts.visible.chars().any(char::is_alphanumeric)
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() > 2)
        .take(WORDS_MAX)
        .map(str::to_lowercase)
        .collect()
}

/// Whether fewer than a third of the words of the shorter one stand in the other, too.
fn differs(facts: &Facts<'_>) -> Option<Hit> {
    let page = facts.page.as_ref()?;
    let (plain, shown) = (words(text(facts)?), words(&facts.visible));
    let fewer = plain.len().min(shown.len());
    if fewer < 5 || is_cut_or_empty(page) {
        return None;
    }
    let common = plain.intersection(&shown).count();
    Hit::when(common * 3 < fewer, format!("{common} words of {fewer} are in both"))
}

/// A page that was cut is not compared: what is missing is ours.
fn is_cut_or_empty(page: &Page<'_>) -> bool {
    page.is_cut || !page.nodes.iter().any(|node| matches!(node.item, Item::Text(_)))
}

fn has_bare_newline(bytes: &[u8]) -> bool {
    let before = std::iter::once(&0).chain(bytes);
    let after = bytes.iter().skip(1).chain(std::iter::once(&0));
    before.zip(bytes).zip(after).any(|((before, octet), after)| match octet {
        b'\r' => *after != b'\n',
        b'\n' => *before != b'\r',
        _ => false,
    })
}
