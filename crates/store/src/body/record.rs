//! The form of a record in a segment: `{length u32, crc32c u32, id u64, bytes}`, little-endian.
//!
//! The checksum covers the bytes, then id and length, so that it can be made while a body comes in.
//! A run of zeros, which a torn write may leave, is no record: no id is 0.

use mailwright_words::Id;

/// What every segment begins with.
pub(crate) const MAGIC: &[u8; 16] = b"mailwright seg 1";

/// Octets of [`MAGIC`].
pub(crate) const START: u64 = 16;

/// Octets of a record before its bytes.
pub(crate) const HEAD: usize = 16;

/// The head of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHead {
    pub(crate) length: u32,
    pub(crate) crc: u32,
    pub(crate) id: i64,
}

impl RecordHead {
    /// Its octets.
    pub(crate) fn to_bytes(self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        let parts = self.length.to_le_bytes().into_iter().chain(self.crc.to_le_bytes());
        for (to, from) in out.iter_mut().zip(parts.chain(self.id.to_le_bytes())) {
            *to = from;
        }
        out
    }

    /// Reads the octets of a head; `None` when they cannot be one.
    pub(crate) fn parse(bytes: &[u8; HEAD]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (crc, id) = rest.split_first_chunk::<4>()?;
        let id = i64::from_le_bytes(*id.first_chunk::<8>()?);
        let (length, crc) = (u32::from_le_bytes(*length), u32::from_le_bytes(*crc));
        (id > 0).then_some(Self { length, crc, id })
    }
}

/// Finishes the checksum of a body whose bytes sum up to `bytes_crc`.
pub(crate) fn seal(bytes_crc: u32, id: Id, length: u64) -> u32 {
    let crc = crc32c::crc32c_append(bytes_crc, &id.get().to_le_bytes());
    crc32c::crc32c_append(crc, &length.to_le_bytes())
}
