//! The form in which a row keeps the places of parts.
//!
//! A version, the number of parts, for each part its kind, encoding and places as differences, and
//! a checksum. Reading back checks all that the rest relies on.

use super::{Entry, Parts};
use crate::structure::{Kind, PARTS_MAX};
use crate::transfer::Encoding;

/// The form that is written.
const VERSION: u8 = 1;

/// Octets do not hold the places of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartsError {
    /// They are of a version that this program does not read; render the message anew.
    #[error("the places of parts are of version {0}")]
    Version(u8),
    /// They were changed or cut.
    #[error("the places of parts are damaged")]
    Damaged,
}

impl Parts {
    /// The octets that a row keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.entries.len() * 12);
        out.push(VERSION);
        push(&mut out, super::wide(self.entries.len()));
        let mut before = 0;
        for (index, entry) in self.entries.iter().enumerate() {
            out.push(code(entry));
            push(&mut out, super::wide(entry.after - index));
            push(&mut out, entry.header - before);
            push(&mut out, entry.body - entry.header);
            push(&mut out, entry.end - entry.body);
            if is_decoded(entry.encoding) {
                push(&mut out, entry.decoded_size);
            }
            before = entry.header;
        }
        let sum = checksum(&out);
        out.extend_from_slice(&sum);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// Errors: when the octets are of another version, or not what was written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PartsError> {
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(PartsError::Damaged)?;
        let (&version, rest) = body.split_first().ok_or(PartsError::Damaged)?;
        if version != VERSION {
            return Err(PartsError::Version(version));
        }
        if *sum != checksum(body) {
            return Err(PartsError::Damaged);
        }
        read(rest)
            .filter(|entries| is_nested(entries))
            .map(|entries| Self { entries })
            .ok_or(PartsError::Damaged)
    }
}

fn read(mut rest: &[u8]) -> Option<Vec<Entry>> {
    let rest = &mut rest;
    let count = usize::try_from(pull(rest)?).ok().filter(|&count| count <= PARTS_MAX)?;
    let mut entries = Vec::with_capacity(count);
    let mut before = 0_u64;
    for index in 0..count {
        let (&code, after) = rest.split_first()?;
        *rest = after;
        let (kind, encoding) = decode(code)?;
        let after = index.checked_add(usize::try_from(pull(rest)?).ok()?)?;
        let header = before.checked_add(pull(rest)?)?;
        let body = header.checked_add(pull(rest)?)?;
        let end = body.checked_add(pull(rest)?)?;
        let decoded_size = if is_decoded(encoding) { pull(rest)? } else { end - body };
        entries.push(Entry { kind, encoding, after, header, body, end, decoded_size });
        before = header;
    }
    rest.is_empty().then_some(entries)
}

/// Whether every part lies within the one that holds it, and holds as many as its kind says.
fn is_nested(entries: &[Entry]) -> bool {
    let mut holders: Vec<(usize, u64)> = vec![(entries.len(), u64::MAX)];
    let is_fine = |(index, entry): (usize, &Entry)| {
        while holders.len() > 1 && holders.last().is_some_and(|&(after, _)| after <= index) {
            holders.pop();
        }
        let Some(&(after, end)) = holders.last() else { return false };
        let inside = entry.after.checked_sub(index + 1);
        let is_kind = match (entry.kind, inside) {
            (_, None) => false,
            (Kind::Leaf, Some(inside)) => inside == 0,
            (Kind::Multipart, Some(inside)) => inside > 0,
            (Kind::Message, Some(inside)) => {
                inside > 0 && entries.get(index + 1).is_some_and(|child| child.after == entry.after)
            }
        };
        holders.push((entry.after, entry.end));
        is_kind && entry.after <= after && entry.end <= end
    };
    entries.first().is_some_and(|root| root.after == entries.len())
        && entries.iter().enumerate().all(is_fine)
}

const fn is_decoded(encoding: Encoding) -> bool {
    !matches!(encoding, Encoding::Identity | Encoding::Unknown)
}

const fn code(entry: &Entry) -> u8 {
    let kind = match entry.kind {
        Kind::Leaf => 0,
        Kind::Multipart => 1,
        Kind::Message => 2,
    };
    let encoding = match entry.encoding {
        Encoding::Identity => 0,
        Encoding::Base64 => 1,
        Encoding::QuotedPrintable => 2,
        Encoding::Uuencode => 3,
        Encoding::Unknown => 4,
    };
    kind << 4 | encoding
}

const fn decode(code: u8) -> Option<(Kind, Encoding)> {
    let kind = match code >> 4 {
        0 => Kind::Leaf,
        1 => Kind::Multipart,
        2 => Kind::Message,
        _ => return None,
    };
    let encoding = match code & 15 {
        0 => Encoding::Identity,
        1 => Encoding::Base64,
        2 => Encoding::QuotedPrintable,
        3 => Encoding::Uuencode,
        4 => Encoding::Unknown,
        _ => return None,
    };
    Some((kind, encoding))
}

/// Writes seven bits an octet, the low ones first; the high bit says that more follow.
fn push(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn pull(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in 0..9 {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The low half of FNV-1a.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let [.., a, b, c, d] = crate::id::fnv(bytes).to_be_bytes();
    [a, b, c, d]
}
