//! Text in any charset becomes UTF-8.
//!
//! It never fails: what is no text in its charset becomes U+FFFD. Octets past ASCII without a
//! charset, or with one that we do not know, are UTF-8 when they are valid as such, else
//! Windows-1252.
//! Source: RFC 2046 section 4.1.2, RFC 2152, the Encoding Standard.

mod utf7;

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};

/// The longest name of a charset.
const LABEL_MAX: usize = 40;

/// Names that mail has and the Encoding Standard has not.
const ALIASES: [(&str, &str); 14] = [
    ("latin-1", "iso-8859-1"),
    ("iso8859_1", "iso-8859-1"),
    ("iso8859_15", "iso-8859-15"),
    ("latin-9", "iso-8859-15"),
    ("cp-1252", "windows-1252"),
    ("ansi", "windows-1252"),
    ("utf", "utf-8"),
    ("utf8mb4", "utf-8"),
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("koi8-u-ru", "koi8-u"),
    ("euc-cn", "gbk"),
];

/// The text of `bytes` in the charset `label`, a name as mail has it.
pub fn decode<'a>(label: &[u8], bytes: &'a [u8]) -> Cow<'a, str> {
    match charset(label) {
        Charset::Unknown => lossless(bytes),
        Charset::Utf7 => Cow::Owned(utf7::decode(bytes)),
        Charset::Known(encoding) => encoding.decode_without_bom_handling(bytes).0,
        Charset::Sixteen => sixteen(bytes),
    }
}

/// Whether a charset of this name is known, so that a search may name it.
pub fn is_known(label: &[u8]) -> bool {
    let is_ascii = ["us-ascii", "ascii"].iter().any(|a| label.eq_ignore_ascii_case(a.as_bytes()));
    is_ascii || !matches!(charset(label), Charset::Unknown)
}

/// Text that names no charset.
pub(crate) fn lossless(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

enum Charset {
    Known(&'static Encoding),
    Utf7,
    /// UTF-16 without a word on the order of its octets.
    Sixteen,
    Unknown,
}

fn charset(label: &[u8]) -> Charset {
    let mut lower = [0; LABEL_MAX];
    let label = label.trim_ascii();
    // RFC 2231 section 5 lets a language follow.
    let label = label.split(|&b| b == b'*').next().unwrap_or(label);
    let Some(lower) = lower.get_mut(..label.len()) else { return Charset::Unknown };
    lower.copy_from_slice(label);
    lower.make_ascii_lowercase();
    let is = |name: &&str| name.as_bytes() == &*lower;
    if ["utf-7", "unicode-1-1-utf-7", "csunicode11utf7", "x-unicode-2-0-utf-7"].iter().any(is) {
        return Charset::Utf7;
    }
    if ["utf-16", "ucs-2", "iso-10646-ucs-2", "csunicode"].iter().any(is) {
        return Charset::Sixteen;
    }
    // Much that calls itself ASCII is not, so it is looked at like text that names no charset.
    if ["us-ascii", "ascii", "ansi_x3.4-1968", "iso-ir-6", "iso646-us"].iter().any(is) {
        return Charset::Unknown;
    }
    let alias = ALIASES.iter().find(|(alias, _)| is(alias)).map(|(_, name)| name.as_bytes());
    Encoding::for_label_no_replacement(alias.unwrap_or(lower))
        .map_or(Charset::Unknown, Charset::Known)
}

/// UTF-16 with a mark, else big-endian. Source: RFC 2781 section 4.3.
fn sixteen(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => encoding_rs::UTF_16LE.decode_without_bom_handling(rest).0,
        [0xfe, 0xff, rest @ ..] => encoding_rs::UTF_16BE.decode_without_bom_handling(rest).0,
        _ => encoding_rs::UTF_16BE.decode_without_bom_handling(bytes).0,
    }
}

/// Text for IMAP: UTF-8 stays, anything else becomes it.
pub(crate) fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    match lossless(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_charset_becomes_utf8() {
        for (label, bytes, text) in [
            ("utf-8", &b"\xc3\xa9\xff"[..], "\u{e9}\u{fffd}"),
            ("ISO-8859-1*en", b"\xe9", "\u{e9}"),
            ("us-ascii", b"\xc3\xa9", "\u{e9}"),
            ("us-ascii", b"\xe9", "\u{e9}"),
            ("no such", b"\x80", "\u{20ac}"),
            ("", b"a", "a"),
            ("utf-7", b"Hi Mom -+Jjo--!", "Hi Mom -\u{263a}-!"),
            ("utf-16", b"\xff\xfeA\0", "A"),
            ("utf-16", b"\0A", "A"),
            ("iso-2022-jp", b"\x1b$B$\"\x1b(B", "\u{3042}"),
            ("cp932", b"\x82\xa0", "\u{3042}"),
            ("gb18030", b"\xc4\xe3", "\u{4f60}"),
            ("koi8-r", b"\xd0", "\u{43f}"),
        ] {
            assert_eq!(decode(label.as_bytes(), bytes), text, "{label}");
        }
        assert!(is_known(b"UTF-8") && is_known(b"US-ASCII") && !is_known(b"x-none"));
    }

    #[test]
    fn charsets_that_are_no_ascii_take_every_octet() {
        let all: Vec<u8> = (0..=255).collect();
        for label in ["utf-16be", "utf-16le", "utf-16", "ucs-2", "x-user-defined"] {
            assert!(is_known(label.as_bytes()), "{label}");
            assert!(decode(label.as_bytes(), &all).chars().count() > 100, "{label}");
        }
    }
}
