//! The escapes of `C|` lines.

/// The octets that `text` means: `\r \n \t \0 \\ \xNN`, and `\*N{text}` for a text N times.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        octets.extend_from_slice(rest.get(..at)?.as_bytes());
        let escape = rest.get(at + 1..)?;
        let kind = escape.chars().next()?;
        rest = escape.get(kind.len_utf8()..)?;
        match kind {
            'r' => octets.push(b'\r'),
            'n' => octets.push(b'\n'),
            't' => octets.push(b'\t'),
            '0' => octets.push(0),
            '\\' => octets.push(b'\\'),
            'x' => {
                octets.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                rest = rest.get(2..)?;
            }
            '*' => {
                let (count, tail) = rest.split_once('{')?;
                let (text, tail) = tail.split_once('}')?;
                octets.extend(decode(text)?.repeat(count.parse().ok()?));
                rest = tail;
            }
            _ => return None,
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_octets() {
        assert_eq!(decode(r"a\r\n\0\\\xff").unwrap(), b"a\r\n\0\\\xff");
        assert_eq!(decode(r"<\*3{a\n}>").unwrap(), b"<a\na\na\n>");
        for bad in ["\\", "\\q", "\\x", "\\xg0", "\\*3{a", "\\*x{a}"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
