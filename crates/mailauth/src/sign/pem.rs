//! Takes the octets out of a PEM text. Source: RFC 7468.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The label and the octets of the first block in a text.
pub(super) fn first(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (inner, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let plain: String = inner.split_ascii_whitespace().collect();
    Some((label, STANDARD.decode(plain).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_among_other_text() {
        let text = "note\n-----BEGIN A B-----\r\nZm9v\r\nYmFy\r\n-----END A B-----\nmore";
        assert_eq!(first(text), Some(("A B", b"foobar".to_vec())));
        for text in ["", "-----BEGIN A-----", "-----BEGIN A-----\n?\n-----END A-----"] {
            assert_eq!(first(text), None);
        }
    }
}
