//! The form of a backup in one file: a tar archive, which every system can look into.
//!
//! Files alone, by names of at most 99 octets; sizes past 8 GiB in binary, as GNU tar writes them.
//! Source: POSIX.1-2017, pax, section "ustar Interchange Format".

use std::io::{self, Read};

/// Octets of a block.
const BLOCK: usize = 512;
/// What an archive ends with.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];
/// The first size that octal digits cannot say.
const OCTAL_END: u64 = 1 << 33;

/// The block before a file's bytes; `None` for a name that does not fit.
pub(crate) fn head(name: &str, length: u64, mode: u32) -> Option<Vec<u8>> {
    if name.len() > 99 {
        return None;
    }
    let mut block = Vec::with_capacity(BLOCK);
    let mut field = |bytes: &[u8], width: usize| {
        let end = block.len() + width;
        block.extend_from_slice(bytes);
        block.resize(end, 0);
    };
    field(name.as_bytes(), 100);
    field(format!("{:07o}", mode & 0o777).as_bytes(), 8);
    field(b"0000000", 8);
    field(b"0000000", 8);
    if length < OCTAL_END {
        field(format!("{length:011o}").as_bytes(), 12);
    } else {
        let binary = [0x80, 0, 0, 0].into_iter().chain(length.to_be_bytes());
        field(&binary.collect::<Vec<u8>>(), 12);
    }
    field(b"00000000000", 12);
    field(b"        ", 8);
    field(b"0", 101);
    field(b"ustar\x0000", 255);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block.splice(148..156, format!("{sum:06o}\0 ").bytes());
    Some(block)
}

/// The zeros behind a file's bytes.
pub(crate) fn padding(length: u64) -> Vec<u8> {
    let over = usize::try_from(length % 512).unwrap_or(0);
    vec![0; (BLOCK - over) % BLOCK]
}

/// What a head says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) length: u64,
    pub(crate) mode: u32,
}

/// Reads the next head; `None` at the end of the archive.
///
/// Errors: those of the reader; `InvalidData` for what is no head of a file.
pub(crate) fn next(from: &mut impl Read) -> io::Result<Option<Entry>> {
    let mut block = [0; BLOCK];
    from.read_exact(&mut block)?;
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    entry(&block)
        .map(Some)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is no archive of a backup"))
}

fn entry(block: &[u8; BLOCK]) -> Option<Entry> {
    let text = |from: usize, to: usize| {
        let bytes = block.get(from..to)?.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(bytes).ok().map(str::trim)
    };
    let octal = |from, to| u64::from_str_radix(text(from, to)?, 8).ok();
    let blank = |place: usize, byte: &u8| if (148..156).contains(&place) { 32 } else { *byte };
    let sum: u64 =
        block.iter().enumerate().map(|(place, byte)| u64::from(blank(place, byte))).sum();
    let is_file = matches!(block.get(156), Some(b'0' | 0));
    if !is_file || octal(148, 156)? != sum {
        return None;
    }
    let length = match block.get(124)? {
        0x80 => u64::from_be_bytes(*block.get(128..136)?.first_chunk::<8>()?),
        _ => octal(124, 136)?,
    };
    let mode = u32::try_from(octal(100, 108)?).ok()?;
    Some(Entry { name: text(0, 100)?.to_owned(), length, mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_what_was_put_in() {
        for length in [0, 1, 511, 512, OCTAL_END - 1, OCTAL_END, u64::MAX] {
            let block = head("bodies/large/1.body", length, 0o100_600).unwrap();
            assert_eq!(block.len(), BLOCK);
            let name = "bodies/large/1.body".to_owned();
            let entry = next(&mut &*block).unwrap().unwrap();
            assert_eq!(entry, Entry { name, length, mode: 0o600 });
            assert_eq!((length % 512 + u64::try_from(padding(length).len()).unwrap()) % 512, 0);
        }
        assert!(head(&"x".repeat(100), 1, 0).is_none());
        assert_eq!(next(&mut &END[..]).unwrap(), None);
    }

    #[test]
    fn a_damaged_head_is_refused() {
        let mut block = head("a", 1, 0o600).unwrap();
        block[0] = b'b';
        assert!(next(&mut &*block).is_err());
        assert!(next(&mut &block[..100]).is_err());
    }
}
