//! Undoes transfer encodings, whole or as a stream, and tolerates what writers get wrong.
//!
//! Source: RFC 2045 section 6.

mod base64;
mod quoted;
mod uu;

use std::borrow::Cow;

pub use base64::Base64;
pub use quoted::QuotedPrintable;
pub use uu::Uuencode;

/// How a body is encoded for transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `7bit`, `8bit`, `binary` or none: the body is what it is.
    Identity,
    /// `base64`.
    Base64,
    /// `quoted-printable`.
    QuotedPrintable,
    /// `x-uuencode` and its other names.
    Uuencode,
    /// One that we do not know; `BINARY` answers `UNKNOWN-CTE`.
    Unknown,
}

impl Encoding {
    /// Reads the value of a `Content-Transfer-Encoding` field.
    pub fn parse(value: &[u8]) -> Self {
        let word = value.trim_ascii_start();
        let is_end = |&b: &u8| b.is_ascii_whitespace() || matches!(b, b';' | b'(');
        let len = word.iter().position(is_end).unwrap_or(word.len());
        let word = word.get(..len).unwrap_or(word);
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if ["", "7bit", "8bit", "binary", "7-bit", "8-bit", "none"].iter().any(|name| is(name)) {
            Self::Identity
        } else if is("base64") {
            Self::Base64
        } else if is("quoted-printable") {
            Self::QuotedPrintable
        } else if ["x-uuencode", "x-uue", "uuencode", "x-uu"].iter().any(|name| is(name)) {
            Self::Uuencode
        } else {
            Self::Unknown
        }
    }
}

/// Decodes a body that comes in pieces.
#[derive(Debug)]
pub enum Decoder {
    /// Octets as they come.
    Identity,
    /// Of base64.
    Base64(Base64),
    /// Of quoted-printable.
    QuotedPrintable(QuotedPrintable),
    /// Of uuencoded text.
    Uuencode(Uuencode),
}

impl Decoder {
    /// A decoder at the start of a body. One of an unknown encoding changes nothing.
    pub fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Identity | Encoding::Unknown => Self::Identity,
            Encoding::Base64 => Self::Base64(Base64::default()),
            Encoding::QuotedPrintable => Self::QuotedPrintable(QuotedPrintable::default()),
            Encoding::Uuencode => Self::Uuencode(Uuencode::default()),
        }
    }

    /// Decodes the next octets onto `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.extend_from_slice(bytes),
            Self::Base64(decoder) => decoder.push(bytes, out),
            Self::QuotedPrintable(decoder) => decoder.push(bytes, out),
            Self::Uuencode(decoder) => decoder.push(bytes, out),
        }
    }

    /// Decodes what was kept back: the body is at its end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Identity => {}
            Self::Base64(decoder) => decoder.finish(out),
            Self::QuotedPrintable(decoder) => decoder.finish(out),
            Self::Uuencode(decoder) => decoder.finish(out),
        }
    }
}

/// Undoes the encoding of a whole body.
pub fn decode_transfer(encoding: Encoding, body: &[u8]) -> Cow<'_, [u8]> {
    if matches!(encoding, Encoding::Identity | Encoding::Unknown) {
        return Cow::Borrowed(body);
    }
    let mut out = Vec::with_capacity(body.len());
    let mut decoder = Decoder::new(encoding);
    decoder.push(body, &mut out);
    decoder.finish(&mut out);
    Cow::Owned(out)
}

/// How long a body is once decoded; what has to be decoded for it is in steps, and kept nowhere.
pub fn decoded_len(encoding: Encoding, body: &[u8]) -> usize {
    const STEP: usize = 16 << 10;
    match encoding {
        Encoding::Identity | Encoding::Unknown => return body.len(),
        Encoding::Base64 => return base64::decoded_len(body),
        Encoding::QuotedPrintable | Encoding::Uuencode => {}
    }
    let mut decoder = Decoder::new(encoding);
    let mut out = Vec::with_capacity(STEP.min(body.len()));
    let mut len = 0;
    for piece in body.chunks(STEP) {
        decoder.push(piece, &mut out);
        len += out.len();
        out.clear();
    }
    decoder.finish(&mut out);
    len + out.len()
}

/// The octet that two hexadecimal digits stand for.
pub(crate) fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests;
