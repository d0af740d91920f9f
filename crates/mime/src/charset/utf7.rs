//! Decodes UTF-7. Source: RFC 2152.

use crate::transfer::Base64;

/// The text of `bytes`; what is no UTF-7 becomes U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(plus) = memchr::memchr(b'+', rest) {
        let (direct, shifted) = rest.split_at_checked(plus).unwrap_or((rest, b""));
        push_direct(&mut text, direct);
        let shifted = shifted.get(1..).unwrap_or_default();
        let is_digit = |&b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        let len = shifted.iter().take_while(|b| is_digit(b)).count();
        let (digits, after) = shifted.split_at_checked(len).unwrap_or((shifted, b""));
        rest = match (len, after) {
            (0, [b'-', after @ ..]) => {
                text.push('+');
                after
            }
            (0, after) => {
                text.push(char::REPLACEMENT_CHARACTER);
                after
            }
            (_, after) => {
                push_shifted(&mut text, digits);
                after.strip_prefix(b"-").unwrap_or(after)
            }
        };
    }
    push_direct(&mut text, rest);
    text
}

fn push_direct(text: &mut String, bytes: &[u8]) {
    let direct = bytes.iter().map(|&byte| match byte {
        0..=0x7f => char::from(byte),
        _ => char::REPLACEMENT_CHARACTER,
    });
    text.extend(direct);
}

fn push_shifted(text: &mut String, digits: &[u8]) {
    let mut bytes = Vec::with_capacity(digits.len());
    let mut decoder = Base64::default();
    decoder.push(digits, &mut bytes);
    decoder.finish(&mut bytes);
    let units = bytes.chunks_exact(2).filter_map(|two| {
        let two: [u8; 2] = two.try_into().ok()?;
        Some(u16::from_be_bytes(two))
    });
    let decoded = char::decode_utf16(units);
    text.extend(decoded.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_decode() {
        for (bytes, text) in [
            (&b"A+ImIDkQ."[..], "A\u{2262}\u{391}."),
            (b"Hi Mom -+Jjo--!", "Hi Mom -\u{263a}-!"),
            (b"+ZeVnLIqe-", "\u{65e5}\u{672c}\u{8a9e}"),
            (b"Item 3 is +AKM-1.", "Item 3 is \u{a3}1."),
            (b"1 +- 1 = 2", "1 + 1 = 2"),
            (b"+", "\u{fffd}"),
            (b"\xff+2Ao", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(decode(bytes), text);
        }
    }
}
