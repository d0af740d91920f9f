//! The header lines that clients ask for, kept apart from the message.
//!
//! Invariant: what it answers is what the whole header would give. A name whose lines it could not
//! keep is marked, and a request for it is not answered here.

use crate::header::{Fields, header_fields, push_line};

/// The most octets of lines that are kept.
pub const COMMON_MAX: usize = 8 << 10;
/// The most octets of one field.
const FIELD_MAX: usize = 4 << 10;
/// The form that is written. A new name in [`NAMES`] is a new version.
const VERSION: u8 = 1;
/// Version and marks.
const HEAD: usize = 9;

/// The names that are kept: those of Thunderbird, Outlook, Apple Mail, mutt and webmailers.
const NAMES: [&str; 39] = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Sender",
    "Subject",
    "Date",
    "Message-ID",
    "References",
    "In-Reply-To",
    "Reply-To",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
    "List-Id",
    "List-Post",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Help",
    "List-Subscribe",
    "List-Archive",
    "List-Owner",
    "Priority",
    "X-Priority",
    "X-MSMail-Priority",
    "Importance",
    "Newsgroups",
    "Disposition-Notification-To",
    "Return-Receipt-To",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Delivered-To",
    "Return-Path",
    "X-Mozilla-Status",
    "X-Mozilla-Status2",
    "X-Mozilla-Keys",
    "X-Spam-Flag",
    "X-Label",
    "Autocrypt",
];

/// The lines of the common fields of a header or of a whole message.
pub fn common_headers(header: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut missing = 0_u64;
    for field in Fields::new(header, 0) {
        let Some(mark) = mark(field.name) else { continue };
        let line = header.get(field.range).unwrap_or_default();
        // All lines of a name are kept, or it is marked.
        if line.len() > FIELD_MAX || lines.len() + line.len() > COMMON_MAX {
            missing |= mark;
        } else {
            push_line(&mut lines, line);
        }
    }
    let mut kept = Vec::with_capacity(HEAD + lines.len());
    kept.push(VERSION);
    kept.extend_from_slice(&missing.to_be_bytes());
    kept.extend_from_slice(&lines);
    kept
}

/// What [`common_headers`] kept.
#[derive(Debug, Clone, Copy)]
pub struct CommonHeaders<'a> {
    missing: u64,
    lines: &'a [u8],
}

impl<'a> CommonHeaders<'a> {
    /// Reads kept octets; nothing when they are of another version.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        let (missing, lines) = rest.split_first_chunk()?;
        (version == VERSION).then(|| Self { missing: u64::from_be_bytes(*missing), lines })
    }

    /// Whether `HEADER.FIELDS` of these names can be answered from here.
    pub fn has(&self, names: &[&[u8]]) -> bool {
        names.iter().all(|name| mark(name).is_some_and(|mark| self.missing & mark == 0))
    }

    /// `HEADER.FIELDS` of these names, as the whole header would give it; nothing when it cannot be
    /// told from here.
    pub fn fields(&self, names: &[&[u8]]) -> Option<Vec<u8>> {
        self.has(names).then(|| header_fields(self.lines, names, false))
    }

    /// The kept lines, with no empty line behind them.
    pub const fn lines(&self) -> &'a [u8] {
        self.lines
    }

    /// The value of the first field of this name; nothing when it has none or cannot be told.
    pub fn value(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut fields = Fields::new(self.lines, 0).filter(|_| self.has(&[name]));
        fields.find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }
}

/// The bit of a name.
fn mark(name: &[u8]) -> Option<u64> {
    let place = NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
    Some(1 << place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_as_from_the_whole_header() {
        let header = b"Received: x\r\nSubject: a\r\n b\r\nto: c\nX-Odd: d\r\nTo: e\r\n\r\nTo: body";
        let kept = common_headers(header);
        let common = CommonHeaders::from_bytes(&kept).unwrap();
        for names in [&[&b"to"[..]][..], &[b"Subject", b"TO"], &[b"Cc"], &[]] {
            assert_eq!(common.fields(names), Some(header_fields(header, names, false)));
        }
        assert_eq!(common.fields(&[b"To", b"Received"]), None);
        assert_eq!(common.value(b"to"), Some(&b" c"[..]));
        assert_eq!(common.value(b"x-odd"), None);
    }

    #[test]
    fn what_is_too_long_is_told() {
        let long = "x".repeat(FIELD_MAX);
        let header = format!("To: a\r\nTo: {long}\r\nSubject: s\r\n\r\n");
        let kept = common_headers(header.as_bytes());
        let common = CommonHeaders::from_bytes(&kept).unwrap();
        assert_eq!(common.fields(&[b"To"]), None);
        assert!(common.has(&[b"Subject", b"Cc"]));
        assert!(kept.len() < 100);
        let many = "Cc: 0123456789\r\n".repeat(10_000);
        let kept = common_headers(many.as_bytes());
        assert!(kept.len() <= HEAD + COMMON_MAX);
        assert!(!CommonHeaders::from_bytes(&kept).unwrap().has(&[b"cc"]));
    }

    #[test]
    fn other_versions_are_not_read() {
        for bytes in [&b""[..], b"\x01", b"\x02\0\0\0\0\0\0\0\0", b"\x01\0\0\0\0\0\0\0"] {
            assert!(CommonHeaders::from_bytes(bytes).is_none());
        }
    }
}
