//! The text of parts: decoded, made plain, and its first words.
//!
//! Source: RFC 8970 (`PREVIEW`).

use std::borrow::Cow;

use crate::charset;
use crate::html::{html_to_text, html_to_text_up_to};
use crate::structure::{Part, Structure};
use crate::transfer::decode_transfer;

/// The most characters of a preview. Source: RFC 8970 section 3.1.
pub const PREVIEW_MAX: usize = 200;
/// How much of a plain text is looked at for a preview.
const PLAIN_MAX: usize = 4 << 10;
/// How much of an HTML text is: it often starts with a long style.
const HTML_MAX: usize = 64 << 10;

/// The first words of a message, with one blank for each run of blanks; at most [`PREVIEW_MAX`]
/// characters. Empty when the message has no text.
pub fn preview(structure: &Structure<'_>) -> String {
    let Some(part) = structure.text() else { return String::new() };
    let is_html = is_html(part);
    let max = if is_html { HTML_MAX } else { PLAIN_MAX };
    let body = part.body_bytes();
    let start = body.get(..max).unwrap_or(body);
    let decoded = decode_transfer(part.encoding(), start);
    let is_cut = start.len() < body.len();
    let decoded = if is_cut { whole_characters(&decoded) } else { &decoded };
    let text = charset::decode(&label(part), decoded);
    if is_html { first_words(&html_to_text_up_to(&text, PLAIN_MAX)) } else { first_words(&text) }
}

/// UTF-8 without a character at its end that was cut in two, which would make it no UTF-8.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()),
        _ => Some(bytes),
    }
    .unwrap_or_default()
}

fn first_words(text: &str) -> String {
    let mut words = String::with_capacity(PREVIEW_MAX);
    let mut left = PREVIEW_MAX;
    let mut gap = false;
    for c in text.chars() {
        if is_invisible(c) {
            continue;
        }
        if c.is_whitespace() || c.is_control() {
            gap = !words.is_empty();
            continue;
        }
        let needed = if gap { 2 } else { 1 };
        if left < needed {
            break;
        }
        left -= needed;
        if std::mem::take(&mut gap) {
            words.push(' ');
        }
        words.push(c);
    }
    words
}

/// Characters with which writers of newsletters keep text out of previews.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2060}'..='\u{2064}' | '\u{feff}'
    )
}

/// The whole text of a part, as one reads it.
pub fn part_text<'a>(part: &Part<'a>) -> Cow<'a, str> {
    let label = label(part);
    let text = match part.decoded() {
        Cow::Borrowed(bytes) => charset::decode(&label, bytes),
        Cow::Owned(bytes) => Cow::Owned(charset::decode(&label, &bytes).into_owned()),
    };
    if is_html(part) { Cow::Owned(html_to_text(&text)) } else { text }
}

fn is_html(part: &Part<'_>) -> bool {
    let media = part.media();
    media.is("text", "html") || media.is("application", "xhtml+xml")
}

fn label<'a>(part: &Part<'a>) -> Cow<'a, [u8]> {
    part.media().raw_parameter("charset").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> String {
        preview(&Structure::parse(message.as_bytes()))
    }

    #[test]
    fn a_preview_is_the_first_words() {
        assert_eq!(of("Subject: x\r\n\r\n  Hello\r\n\r\n\tworld \r\n"), "Hello world");
        assert_eq!(
            of("Content-Type: text/html\r\n\r\n<style>x</style><p>Hi&zwnj; &nbsp;you"),
            "Hi you"
        );
        assert_eq!(of("Content-Type: image/png\r\n\r\nxx"), "");
        assert_eq!(of(""), "");
        let alternative = "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\
            Content-Type: text/html\r\n\r\n<b>html</b>\r\n--b\r\n\
            Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\ncGxhaW4=\r\n--b--";
        assert_eq!(of(alternative), "plain");
        let long = format!("\r\n{}", "\u{e9} ".repeat(30_000));
        assert_eq!(of(&long).chars().count(), PREVIEW_MAX - 1);
        let cut = format!(
            "Content-Type: text/plain; charset=utf-8\r\n\r\n {}\u{e9}",
            " ".repeat(PLAIN_MAX - 2)
        );
        assert_eq!(of(&cut), "");
    }
}
