//! What goes in front of a message instead of the start of its own header.
//!
//! The stored body is the bytes as they came. A `head` is what stands before them in a copy, with
//! the offset in the body where the copy goes on. Pure. Source: RFC 5321 section 4.4 (Received),
//! RFC 6409 section 8 (what an MSA adds), RFC 5322 section 3.6.3 (Bcc).

use std::ops::Range;

use mailwright_words::headers::{Ending, Field, HeaderBlock};

use crate::priority;

/// The start of a copy, and where in the body it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    /// Octets of the body that a copy leaves out.
    pub(crate) skip: u64,
}

/// What is changed in a header.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    /// The field that tells what was found out, with its CRLF; empty for none.
    pub(crate) results: String,
    /// Fields that do not stay.
    pub(crate) without: Vec<Range<usize>>,
    /// The trace field, with its CRLF.
    pub(crate) trace: String,
    /// A `Date` value for a message that has none.
    pub(crate) date: Option<String>,
    /// A `Message-ID` value for a message that has none.
    pub(crate) message_id: Option<String>,
    /// Whether blind copies stay blind.
    pub(crate) without_bcc: bool,
    /// Whether the priority that the header tells goes, because the envelope has it by now.
    pub(crate) without_priority: bool,
}

impl Change {
    /// Whether a field goes.
    fn drops(&self, field: &Field<'_>) -> bool {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        (self.without_bcc && is("Bcc"))
            || (self.without_priority && is(priority::FIELD))
            || self.without.contains(&field.range)
    }
}

impl Head {
    /// The head of a message with this header block.
    pub(crate) fn new(block: &HeaderBlock<'_>, change: &Change) -> Self {
        let mut bytes = [change.results.as_bytes(), change.trace.as_bytes()].concat();
        let mut add = |name: &str, value: Option<&String>| {
            let value = value.filter(|_| block.find(name).is_none());
            if let Some(value) = value {
                bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
        };
        add("Date", change.date.as_ref());
        add("Message-ID", change.message_id.as_ref());
        // A header without its end would run on into ours, or swallow the body.
        let is_broken = block.ending() == Ending::Junk;
        let is_whole = !block.fields().any(|field| change.drops(&field));
        if !is_broken && is_whole {
            return Self { bytes, skip: 0 };
        }
        for field in block.fields() {
            if !change.drops(&field) {
                bytes.extend_from_slice(block.as_bytes().get(field.range).unwrap_or_default());
            }
        }
        if block.ending() == Ending::Message {
            return Self { bytes, skip: skip(block) };
        }
        bytes.extend_from_slice(b"\r\n");
        Self { bytes, skip: skip(block) }
    }
}

fn skip(block: &HeaderBlock<'_>) -> u64 {
    u64::try_from(block.body_offset()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(message: &[u8], change: &Change) -> String {
        let head = Head::new(&HeaderBlock::new(message), change);
        let skip = usize::try_from(head.skip).unwrap();
        let copy = [&head.bytes[..], &message[skip..]].concat();
        String::from_utf8(copy).unwrap()
    }

    fn submission() -> Change {
        Change {
            results: String::new(),
            without: Vec::new(),
            trace: "Received: x\r\n".to_owned(),
            date: Some("now".to_owned()),
            message_id: Some("<1@x>".to_owned()),
            without_bcc: true,
            without_priority: true,
        }
    }

    #[test]
    fn a_submission_gets_what_is_missing_and_loses_its_blind_copies() {
        for (message, expected) in [
            (
                "Subject: a\r\n\r\nb",
                "Received: x\r\nDate: now\r\nMessage-ID: <1@x>\r\nSubject: a\r\n\r\nb",
            ),
            (
                "DATE: d\r\nbcc: y,\r\n z\r\nmessage-id: <2>\r\n\r\nBcc: b",
                "Received: x\r\nDATE: d\r\nmessage-id: <2>\r\n\r\nBcc: b",
            ),
            (
                "Date: d\r\nMessage-ID: i\r\nBcc: b\r\n",
                "Received: x\r\nDate: d\r\nMessage-ID: i\r\n",
            ),
            (
                "Date: d\r\nMT-Priority: 3\r\nMessage-ID: i\r\n\r\nb",
                "Received: x\r\nDate: d\r\nMessage-ID: i\r\n\r\nb",
            ),
            ("", "Received: x\r\nDate: now\r\nMessage-ID: <1@x>\r\n"),
        ] {
            assert_eq!(copy(message.as_bytes(), &submission()), expected, "{message:?}");
        }
    }

    #[test]
    fn a_message_in_transit_gets_its_trace_field_only() {
        let change = Change { trace: "Received: x\r\n".to_owned(), ..Change::default() };
        let message = b"Bcc: a\r\n\r\nb";
        let head = Head::new(&HeaderBlock::new(message), &change);
        assert_eq!(head, Head { bytes: b"Received: x\r\n".to_vec(), skip: 0 });
    }

    #[test]
    fn fields_that_were_forged_go_and_ours_is_the_first() {
        let message = b"A: 1\r\nB: forged\r\nB: b\r\n\r\nbody";
        let change = Change {
            results: "B: ours\r\n".to_owned(),
            without: std::iter::once(6..17).collect(),
            trace: "Received: x\r\n".to_owned(),
            ..Change::default()
        };
        assert_eq!(copy(message, &change), "B: ours\r\nReceived: x\r\nA: 1\r\nB: b\r\n\r\nbody");
    }

    #[test]
    fn a_header_that_is_broken_off_cannot_run_into_ours() {
        let change = Change { trace: "Received: x\r\n".to_owned(), ..Change::default() };
        assert_eq!(copy(b" folded\r\n", &change), "Received: x\r\n\r\n folded\r\n");
        assert_eq!(copy(b"A: b\r\nhi you\r\n", &change), "Received: x\r\nA: b\r\n\r\nhi you\r\n");
    }
}
