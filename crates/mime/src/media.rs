//! Media types, dispositions and their parameters, in the form they were written and decoded.
//!
//! Source: RFC 2045 section 5.1, RFC 2183, RFC 2231.

use std::borrow::Cow;

use crate::charset;
use crate::token::{comment_len, is_blank, quoted_len, unquote};
use crate::word::decode_words;

/// The most parameters of a field that are looked at.
pub const PARAMETERS_MAX: usize = 200;

/// A media type with its parameters, or a disposition (whose `sub` is empty).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media<'a> {
    /// The type, such as `text`, in the case it was written in.
    pub top: &'a [u8],
    /// The subtype, such as `plain`.
    pub sub: &'a [u8],
    parameters: &'a [u8],
}

impl<'a> Media<'a> {
    /// What a part is that says nothing. Source: RFC 2045 section 5.2.
    pub const PLAIN: Media<'static> =
        Media { top: b"text", sub: b"plain", parameters: b"charset=us-ascii" };
    /// What a part of a digest is that says nothing. Source: RFC 2046 section 5.1.5.
    pub const MESSAGE: Media<'static> = Media { top: b"message", sub: b"rfc822", parameters: b"" };

    /// Reads the value of a `Content-Type` field; nothing when it names no type and subtype.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (top, rest) = word(skip(value, b""));
        let rest = skip(rest, b"").strip_prefix(b"/")?;
        let (sub, parameters) = word(skip(rest, b""));
        // A control could be told to nobody, and then a type would be told that it is not.
        let is_type = |text: &[u8]| !text.is_empty() && !text.iter().any(u8::is_ascii_control);
        (is_type(top) && is_type(sub)).then_some(Self { top, sub, parameters })
    }

    /// Reads the value of a `Content-Disposition` field.
    pub fn disposition(value: &'a [u8]) -> Option<Self> {
        let (top, parameters) = word(skip(value, b""));
        (!top.is_empty()).then_some(Self { top, sub: b"", parameters })
    }

    /// Whether it is of this type and subtype, in any case.
    pub const fn is(&self, top: &str, sub: &str) -> bool {
        self.is_top(top) && self.sub.eq_ignore_ascii_case(sub.as_bytes())
    }

    /// Whether it is of this type.
    pub const fn is_top(&self, top: &str) -> bool {
        self.top.eq_ignore_ascii_case(top.as_bytes())
    }

    /// The same parameters under another type.
    pub(crate) const fn renamed(self, top: &'a [u8], sub: &'a [u8]) -> Self {
        Self { top, sub, parameters: self.parameters }
    }

    /// The parameters as they stand, at most [`PARAMETERS_MAX`].
    pub fn parameters(&self) -> impl Iterator<Item = Parameter<'a>> + use<'a> {
        Parameters { rest: self.parameters }.take(PARAMETERS_MAX)
    }

    /// The value of a parameter as octets: quotes are taken off, nothing is decoded.
    pub fn raw_parameter(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let is_it = |p: &Parameter<'_>| p.name.eq_ignore_ascii_case(name.as_bytes());
        self.parameters().find(is_it).map(|parameter| parameter.value())
    }

    /// The value of a parameter as text, gathered from its pieces and decoded.
    ///
    /// Encoded words count too: they may not stand there, and often do.
    /// Source: RFC 2231 sections 3 and 4, RFC 2047 section 5.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pieces: Vec<Piece<'a>> =
            self.parameters().filter_map(|parameter| piece(parameter, name)).collect();
        if pieces.is_empty() {
            return self.raw_parameter(name).map(|value| decode_words(&value));
        }
        pieces.sort_by_key(|piece| piece.number);
        Some(join(&pieces))
    }
}

/// A parameter as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name, with the asterisks of RFC 2231.
    pub name: &'a [u8],
    raw: &'a [u8],
    is_quoted: bool,
}

impl<'a> Parameter<'a> {
    /// Its value without quotes.
    pub fn value(&self) -> Cow<'a, [u8]> {
        if !self.is_quoted || memchr::memchr3(b'\\', b'\r', b'\n', self.raw).is_none() {
            return Cow::Borrowed(self.raw);
        }
        let mut value = Vec::with_capacity(self.raw.len());
        unquote(&mut value, self.raw);
        Cow::Owned(value)
    }
}

struct Parameters<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        loop {
            let (name, rest) =
                split(skip(self.rest, b";"), |b| is_blank(b) || matches!(b, b'=' | b';' | b'('));
            let rest = skip(rest, b"");
            let Some(value) = rest.strip_prefix(b"=") else {
                if rest.is_empty() {
                    self.rest = b"";
                    return None;
                }
                self.rest = rest;
                continue;
            };
            let (raw, is_quoted, rest) = parameter_value(name, skip(value, b""));
            self.rest = rest;
            if !name.is_empty() {
                return Some(Parameter { name, raw, is_quoted });
            }
        }
    }
}

/// The value at the start of `bytes`, whether it stood in quotes, and what follows it.
fn parameter_value<'a>(name: &[u8], bytes: &'a [u8]) -> (&'a [u8], bool, &'a [u8]) {
    if let Some(quoted) = bytes.strip_prefix(b"\"") {
        let len = quoted_len(bytes).map_or(quoted.len(), |len| len - 2);
        let (raw, rest) = quoted.split_at_checked(len).unwrap_or((quoted, b""));
        return (raw, true, rest.get(1..).unwrap_or_default());
    }
    let (raw, rest) = split(bytes, |b| matches!(b, b';' | b'('));
    let raw = raw.trim_ascii();
    // A file's name with blanks is often left without quotes.
    let is_name = [&b"name"[..], b"filename"].iter().any(|n| n.eq_ignore_ascii_case(name));
    (if is_name { raw } else { split(raw, is_blank).0 }, false, rest)
}

/// A piece of a parameter in the form of RFC 2231.
struct Piece<'a> {
    number: u32,
    is_encoded: bool,
    parameter: Parameter<'a>,
}

fn piece<'a>(parameter: Parameter<'a>, name: &str) -> Option<Piece<'a>> {
    let (base, rest) = parameter.name.split_at_checked(name.len())?;
    let rest = rest.strip_prefix(b"*").filter(|_| base.eq_ignore_ascii_case(name.as_bytes()))?;
    let number = rest.strip_suffix(b"*").unwrap_or(rest);
    let is_encoded = rest.is_empty() || number.len() < rest.len();
    let number = match number {
        b"" => 0,
        digits => std::str::from_utf8(digits).ok()?.parse().ok()?,
    };
    Some(Piece { number, is_encoded, parameter })
}

/// Joins the pieces that follow one another from number 0, each once.
fn join(pieces: &[Piece<'_>]) -> String {
    let mut bytes = Vec::new();
    let mut label = Cow::Borrowed(&b""[..]);
    let mut next = 0;
    for piece in pieces {
        if piece.number != next {
            continue;
        }
        let value = piece.parameter.value();
        let text = match (piece.is_encoded, next, charset_and_text(&value)) {
            (true, 0, Some((charset, text))) => {
                label = Cow::Owned(charset.to_vec());
                text
            }
            _ => &value,
        };
        if piece.is_encoded {
            percent_decode(&mut bytes, text);
        } else {
            bytes.extend_from_slice(text);
        }
        next += 1;
    }
    charset::decode(&label, &bytes).into_owned()
}

/// Splits `charset'language'text`.
fn charset_and_text(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = memchr::memchr(b'\'', value)?;
    let rest = value.get(first + 1..)?;
    let second = memchr::memchr(b'\'', rest)?;
    Some((value.get(..first)?, rest.get(second + 1..)?))
}

fn percent_decode(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let [first, more @ ..] = rest {
        let decoded = match rest {
            [b'%', high, low, ..] => crate::transfer::hex(*high, *low),
            _ => None,
        };
        out.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { more.get(2..).unwrap_or_default() } else { more };
    }
}

/// What follows blanks, comments and the octets `also`.
fn skip<'a>(mut bytes: &'a [u8], also: &[u8]) -> &'a [u8] {
    loop {
        let len = match bytes.first() {
            Some(b'(') => comment_len(bytes),
            Some(&byte) if is_blank(byte) || also.contains(&byte) => 1,
            _ => return bytes,
        };
        bytes = bytes.get(len..).unwrap_or_default();
    }
}

fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    split(bytes, |b| is_blank(b) || matches!(b, b'/' | b';' | b'(' | b'"'))
}

fn split(bytes: &[u8], ends: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let len = bytes.iter().position(|&b| ends(b)).unwrap_or(bytes.len());
    bytes.split_at_checked(len).unwrap_or((bytes, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(value: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let media = Media::parse(value.as_bytes()).unwrap();
        media.parameters().map(|p| (text(p.name), text(&p.value()))).collect()
    }

    #[test]
    fn a_type_with_a_control_in_it_is_none() {
        for value in [&b"\0text/plain"[..], b"text/pl\x7fain", b"te\x01xt/plain"] {
            assert_eq!(Media::parse(value), None, "{value:?}");
        }
        assert!(Media::parse(b"text/plain; x=\0").is_some());
    }

    #[test]
    fn parameters_come_with_quotes_comments_and_without_semicolons() {
        for (value, expected) in [
            ("text/plain; charset=us-ascii (Plain text)", &[("charset", "us-ascii")][..]),
            ("text/plain; charset=\"us-\\\"ascii\"", &[("charset", "us-\"ascii")]),
            ("text/plain charset=a;; b=c;", &[("charset", "a"), ("b", "c")]),
            ("text / plain (x(y)) ; a = b ; junk; c=\"d;e\"", &[("a", "b"), ("c", "d;e")]),
            ("a/b; name=my file.pdf; x=a b", &[("name", "my file.pdf"), ("x", "a")]),
            ("a/b; x=\"open; y=z", &[("x", "open; y=z")]),
            ("a/b; =c; x=", &[("x", "")]),
            ("a/b; (((", &[]),
            ("a/b;;;===;x", &[]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(parameters(value), expected, "{value}");
        }
        for value in ["", "text", "/plain", "text/", "text/;a=b", "(a)"] {
            assert_eq!(Media::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn continued_and_encoded_values_are_joined() {
        // The first three are the examples of RFC 2231.
        for (value, name, expected) in [
            (
                "message/external-body; access-type=URL; URL*0=\"ftp://\"; \
                 URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
                "url",
                "ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar",
            ),
            (
                "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
                "title",
                "This is ***fun***",
            ),
            (
                "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; \
                 title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
                "title",
                "This is even more ***fun*** isn't it!",
            ),
            ("a/b; n*1=b; n*0=a; n*3=d", "n", "ab"),
            ("a/b; n*=iso-8859-1''%e9%", "n", "\u{e9}%"),
            ("a/b; n=\"=?utf-8?q?=C3=A9?=\"", "n", "\u{e9}"),
            ("a/b; n=plain; n*=utf-8''%C3%A9", "n", "\u{e9}"),
        ] {
            let media = Media::parse(value.as_bytes()).unwrap();
            assert_eq!(media.parameter(name).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn many_pieces_take_no_time() {
        let pieces: Vec<_> = (0..100_000).rev().map(|n| format!("n*{n}*=%41")).collect();
        let value = format!("a/b;{}", pieces.join(";"));
        let media = Media::parse(value.as_bytes()).unwrap();
        assert_eq!(media.parameters().count(), PARAMETERS_MAX);
        assert_eq!(media.parameter("n").as_deref(), Some(""));
    }
}
