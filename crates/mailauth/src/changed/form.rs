//! The form of a header that a signature is over.
//!
//! Of fields with one name the last is covered first; a name that is listed more often than it is
//! there covers its absence. Source: RFC 6376 sections 3.4, 3.7 and 5.4.2.

use mailwright_words::HeaderBlock;

use crate::sign::canonical_field;

/// A field as it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a [u8],
    /// All of it, its CRLF included.
    pub(super) raw: &'a [u8],
}

/// The fields of a message.
#[derive(Debug)]
pub(super) struct Form<'a> {
    pub(super) fields: Vec<Field<'a>>,
}

impl<'a> Form<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        let fields = HeaderBlock::new(message).fields().map(|field| Field {
            name: field.name,
            value: field.value,
            raw: message.get(field.range).unwrap_or_default(),
        });
        Self { fields: fields.collect() }
    }
}

/// A field in the form that is signed; empty where it is left out.
pub(super) fn canonical(raw: &[u8], is_relaxed: bool) -> Vec<u8> {
    if !is_relaxed || raw.is_empty() {
        return raw.to_vec();
    }
    let mut out = Vec::with_capacity(raw.len());
    canonical_field(raw, &mut out);
    out
}

/// The signature's own field in its form: nothing in `b=`, and no end of line.
pub(super) fn own(raw: &[u8], is_relaxed: bool) -> Vec<u8> {
    let mut out = canonical(&without_signature(raw), is_relaxed);
    if out.ends_with(b"\r\n") {
        out.truncate(out.len().saturating_sub(2));
    }
    out
}

/// The field with nothing behind `b=`.
fn without_signature(raw: &[u8]) -> Vec<u8> {
    let colon = raw.iter().position(|octet| *octet == b':').map_or(0, |at| at + 1);
    let (name, value) = raw.split_at_checked(colon).unwrap_or((raw, &[]));
    let mut out = name.to_vec();
    for (number, tag) in value.split(|octet| *octet == b';').enumerate() {
        if number > 0 {
            out.push(b';');
        }
        let equals = tag.iter().position(|octet| *octet == b'=');
        let (key, _) = tag.split_at_checked(equals.unwrap_or(0)).unwrap_or_default();
        if equals.is_some() && key.trim_ascii() == b"b" {
            out.extend_from_slice(key);
            out.push(b'=');
        } else {
            out.extend_from_slice(tag);
        }
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_itself_is_left_out() {
        for (raw, wanted) in [
            ("DKIM-Signature: a=x; b=QUJD\r\n\tRA==; bh=YQ==\r\n", "a=x; b=; bh=YQ=="),
            ("DKIM-Signature: bh=b=; \r\n b = Q\r\n", "bh=b=; b ="),
            ("DKIM-Signature: a=x;\tb=Q;\r\n", "a=x; b=;"),
        ] {
            let text = String::from_utf8(own(raw.as_bytes(), true)).unwrap();
            assert_eq!(text, format!("dkim-signature:{wanted}"));
        }
        assert_eq!(own(b"X: b=Q \r\n", false), b"X: b=");
    }
}
