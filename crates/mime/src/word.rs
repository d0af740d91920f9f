//! Decodes the text of header fields: encoded words, and octets past ASCII.
//!
//! Words that follow one another are one text, also where a character was cut between them. What is
//! no encoded word stays as it was written. Source: RFC 2047.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use crate::charset;
use crate::header::unfold;
use crate::token::is_blank;
use crate::transfer::{Encoding, decode_transfer, hex};

/// The longest encoded word that is taken for one; the standard says 75.
const WORD_MAX: usize = 2000;

/// The text of a field's value, on one line.
pub fn decode_words(value: &[u8]) -> String {
    let value = unfold(value);
    let mut text = Text { out: String::with_capacity(value.len()), waiting: None };
    let mut rest: &[u8] = &value;
    while let Some(at) = memmem::find(rest, b"=?") {
        let (before, candidate) = rest.split_at_checked(at).unwrap_or((rest, b""));
        let Some((word, after)) = Word::parse(candidate) else {
            let (taken, after) = rest.split_at_checked(at + 2).unwrap_or((rest, b""));
            text.plain(taken);
            rest = after;
            continue;
        };
        // Blanks between two words are there for the folds alone.
        if text.waiting.is_none() || !before.iter().all(|&b| is_blank(b)) {
            text.plain(before);
        }
        text.word(&word);
        rest = after;
    }
    text.plain(rest);
    text.flush();
    text.out
}

/// An encoded word: its charset, and its octets once decoded.
struct Word<'a> {
    charset: &'a [u8],
    octets: Cow<'a, [u8]>,
}

impl<'a> Word<'a> {
    /// Reads the word at the start of `bytes`, and gives what follows it.
    fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let start = bytes.strip_prefix(b"=?")?;
        let near = start.get(..WORD_MAX).unwrap_or(start);
        let mark = memchr(b'?', near)?;
        let charset =
            near.get(..mark).filter(|c| !c.is_empty() && !c.iter().any(|&b| b <= b' '))?;
        let [encoding, b'?', text @ ..] = near.get(mark + 1..)? else { return None };
        let len = memmem::find(text, b"?=")?;
        // In `=?utf-8?q?=41?=` the first mark is no end of the word's text: it is its start.
        let text = text.get(..len)?;
        let octets = match encoding {
            b'b' | b'B' => decode_transfer(Encoding::Base64, text),
            b'q' | b'Q' => Cow::Owned(decode_q(text)),
            _ => return None,
        };
        Some((Self { charset, octets }, start.get(mark + 3 + len + 2..).unwrap_or_default()))
    }
}

/// Source: RFC 2047 section 4.2.
fn decode_q(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, more @ ..] = rest {
        rest = more;
        match (first, more) {
            (b'_', _) => out.push(b' '),
            (b'=', [high, low, after @ ..]) => match hex(*high, *low) {
                Some(byte) => {
                    out.push(byte);
                    rest = after;
                }
                None => out.push(b'='),
            },
            (&byte, _) => out.push(byte),
        }
    }
    out
}

/// The text so far, and the octets of words that may go on in the next one.
struct Text<'a> {
    out: String,
    waiting: Option<(&'a [u8], Vec<u8>)>,
}

impl<'a> Text<'a> {
    fn plain(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.flush();
            push_clean(&mut self.out, &charset::lossless(bytes));
        }
    }

    fn word(&mut self, word: &Word<'a>) {
        match &mut self.waiting {
            Some((charset, octets)) if charset.eq_ignore_ascii_case(word.charset) => {
                octets.extend_from_slice(&word.octets);
            }
            _ => {
                self.flush();
                self.waiting = Some((word.charset, word.octets.to_vec()));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((charset, octets)) = self.waiting.take() {
            push_clean(&mut self.out, &charset::decode(charset, &octets));
        }
    }
}

/// Adds text without what ends lines or strings: an encoded word can hold such.
fn push_clean(out: &mut String, text: &str) {
    if text.contains(['\r', '\n', '\0']) {
        out.extend(text.chars().map(|c| if matches!(c, '\r' | '\n' | '\0') { ' ' } else { c }));
    } else {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_decode_as_the_standard_shows() {
        for (value, text) in [
            // RFC 2047 section 8, as text rather than as comments.
            ("=?ISO-8859-1?Q?a?=", "a"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
            ("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
            ("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"),
            // A character cut between two words, and each with its own padding.
            ("=?utf-8?B?4oI=?= =?UTF-8?B?rA==?=", "\u{20ac}"),
            ("=?utf-8?Q?=E2=82?=\r\n =?utf-8?Q?=AC?=", "\u{20ac}"),
            // What writers get wrong.
            ("x=?utf-8?q?a?=y", "xay"),
            ("=?utf-8?Q?a b?= c", "a b c"),
            ("=?utf-8?Q?=4?= =?utf-8?X?a?=", "=4 =?utf-8?X?a?="),
            ("=?utf-8?Q?open", "=?utf-8?Q?open"),
            ("=?=?utf-8?q?a?=", "=?a"),
            ("=?utf-8?Q?a=0D=0AB:_c?=", "a  B: c"),
            ("=?utf-8*en?Q?=C3=A9?=", "\u{e9}"),
            (" a\r\n b ", "a b"),
            ("", ""),
        ] {
            assert_eq!(decode_words(value.as_bytes()), text, "{value}");
        }
        assert_eq!(decode_words(b"caf\xe9"), "caf\u{e9}");
        assert_eq!(decode_words(b"caf\xc3\xa9 =?utf-8?q?x?="), "caf\u{e9} x");
    }

    #[test]
    fn starts_without_ends_take_no_time() {
        for start in ["=?", "=?a?q?", "=?a?b?a?"] {
            let value = start.repeat(100_000);
            assert!(decode_words(value.as_bytes()).len() >= value.len() / 8);
        }
    }
}
