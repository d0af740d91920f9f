//! Writes what IMAP shows of a message: `ENVELOPE`, `BODYSTRUCTURE` and `BODY`.
//!
//! The octets are valid in every mode of a session. A string in quotes has ASCII alone; whatever
//! holds an octet past ASCII is a literal of UTF-8, which `UTF8=ACCEPT` and `IMAP4rev2` ask for and
//! older clients take: header text that is not UTF-8 is taken for Windows-1252 and becomes it. NUL
//! can be in no string and is left out. Encoded words stay as they are.
//! Source: RFC 9051 sections 4.3, 7.5.2 and 9; RFC 3501 section 7.4.2; RFC 6855 section 3.

mod body;
mod envelope;

use std::borrow::Cow;

pub use body::body_structure;
pub use envelope::{ADDRESSES_MAX, envelope};

use crate::charset;

/// The longest string that is put in quotes; some clients read lines into small buffers.
const QUOTED_MAX: usize = 500;

/// Writes a string that may be absent.
fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Writes a string in quotes where it can be, else as a literal.
fn string(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |&b: &u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    if text.len() <= QUOTED_MAX && text.iter().all(is_plain) {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    let text = clean(text);
    if text.len() > QUOTED_MAX || !text.is_ascii() {
        literal(out, &charset::utf8(&text));
        return;
    }
    out.push(b'"');
    for &byte in text.iter() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Takes out what no string of IMAP may hold, or what would end a line.
fn clean(text: &[u8]) -> Cow<'_, [u8]> {
    let is_bad = |&b: &u8| matches!(b, b'\r' | b'\n' | 0);
    if text.iter().any(is_bad) {
        Cow::Owned(text.iter().copied().filter(|b| !is_bad(b)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn literal(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'{');
    number(out, text.len());
    out.extend_from_slice(b"}\r\n");
    out.extend_from_slice(text);
}

/// Writes a number; one past 32 bits does not come, as no message is that large.
fn number(out: &mut Vec<u8>, value: usize) {
    let mut digits = [0; 20];
    let mut rest = value;
    let mut len = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        len += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - len..).unwrap_or_default());
}

#[cfg(test)]
mod tests;
