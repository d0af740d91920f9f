//! The two encodings that make octets fit lines of 76 characters of ASCII.
//!
//! Source: RFC 2045 sections 6.7 and 6.8.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const HEX: &[u8; 16] = b"0123456789ABCDEF";
/// Characters of a line.
const LINE: usize = 76;

/// Quoted-printable; the ends of lines stay what they are.
pub(super) fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().saturating_mul(5) / 4);
    let mut column = 0;
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        if rest.starts_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            column = 0;
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        rest = tail;
        let ends = tail.is_empty() || tail.starts_with(b"\r\n");
        let plain = match byte {
            b'=' => false,
            b' ' | b'\t' => !ends,
            // A dot or `From ` at the start of a line meets too many clumsy hands.
            b'.' | b'F' if column == 0 => false,
            byte => matches!(byte, b'!'..=b'~'),
        };
        let width = if plain { 1 } else { 3 };
        if column + width > LINE - 1 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(*byte);
        } else {
            out.extend([b'=', pick(HEX, byte >> 4), pick(HEX, byte & 15)]);
        }
        column += width;
    }
    out
}

/// Base64, in lines.
pub(super) fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(3) / 2);
    for line in bytes.chunks(LINE / 4 * 3) {
        out.extend_from_slice(STANDARD.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn pick(alphabet: &[u8], index: u8) -> u8 {
    alphabet.get(usize::from(index)).copied().unwrap_or(b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted() {
        for (text, quoted) in [
            ("a\r\n", "a\r\n"),
            ("gr\u{fc}n = x \r\n", "gr=C3=BCn =3D x=20\r\n"),
            (".\r\nFrom x\r\n", "=2E\r\n=46rom x\r\n"),
            ("a\nb", "a=0Ab"),
        ] {
            assert_eq!(quoted_printable(text.as_bytes()), quoted.as_bytes());
        }
        let long = quoted_printable(&[b'x'; 200]);
        assert!(long.split(|byte| *byte == b'\n').all(|line| line.len() <= LINE + 1));
    }

    #[test]
    fn octets_are_encoded() {
        for (bytes, encoded) in
            [("f", "Zg==\r\n"), ("fo", "Zm8=\r\n"), ("foo", "Zm9v\r\n"), ("", "")]
        {
            assert_eq!(base64(bytes.as_bytes()), encoded.as_bytes());
        }
        assert!(base64(&[0xff; 100]).starts_with(&[b'/'; 76]));
    }
}
