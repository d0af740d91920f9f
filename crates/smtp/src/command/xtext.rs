//! The encodings of parameter values: xtext, and what RFC 6533 makes of it for UTF-8.
//!
//! What comes out holds no control characters: it is written into reports and trace fields.
//! Source: RFC 3461 section 4, RFC 6533 section 3.

/// Decodes xtext whose meaning is printable ASCII.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(octet) = rest.bytes().next() {
        let (value, used) = match octet {
            b'+' => (hex(rest.get(1..3)?)?, 3),
            b'=' => return None,
            0x21..=0x7e => (octet, 1),
            _ => return None,
        };
        if !(0x20..=0x7e).contains(&value) {
            return None;
        }
        decoded.push(char::from(value));
        rest = rest.get(used..)?;
    }
    Some(decoded)
}

/// Two upper-case hexadecimal digits.
fn hex(digits: &str) -> Option<u8> {
    let upper = |octet: u8| octet.is_ascii_digit() || (b'A'..=b'F').contains(&octet);
    digits.bytes().all(upper).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// Decodes utf-8-addr-xtext and utf-8-addr-unitext: UTF-8 as it is, or as `\x{20AC}`.
pub(super) fn decode_utf8(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = rest.get(first.len_utf8()..)?;
        let character = match first {
            '\\' => {
                let (point, tail) = rest.strip_prefix("x{")?.split_once('}')?;
                rest = tail;
                (2..=6).contains(&point.len()).then_some(())?;
                char::from_u32(u32::from_str_radix(point, 16).ok()?)?
            }
            '+' | '=' | ' ' => return None,
            other => other,
        };
        if character.is_control() {
            return None;
        }
        decoded.push(character);
    }
    Some(decoded)
}
