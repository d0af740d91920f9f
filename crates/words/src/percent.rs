//! Texts within addresses of the web: octets that mean something there are written in hexadecimal.
//!
//! Source: RFC 3986 section 2.1.

/// A text as a part of an address, or of a field that is written like one: letters, digits, `.`,
/// `-`, `_` and the octets of `also` stay as they are.
pub fn escaped(text: &str, also: &[u8]) -> String {
    let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || b".-_".contains(octet);
    let each = text.bytes().map(|octet| match octet {
        plain if is_plain(&plain) || also.contains(&plain) => char::from(plain).to_string(),
        other => format!("%{other:02X}"),
    });
    each.collect()
}

/// A part of an address as it is meant; what is no escape stays as it is.
pub fn unescaped(text: &str) -> String {
    let (mut octets, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|_| *first == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        octets.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_escaped_is_read_again() {
        let text = "a b/c%41@\u{e4}+~.-_";
        assert_eq!(escaped(text, b"@+"), "a%20b%2Fc%2541@%C3%A4+%7E.-_");
        assert_eq!(unescaped(&escaped(text, b"")), text);
        assert_eq!(unescaped("%+4%4%zz%"), "%+4%4%zz%");
    }
}
