//! Which fields of a header a signature covers, and their relaxed form.
//!
//! A field that is oversigned is named once more than it is there, so that nobody can add another.
//! Of fields with one name the last is covered first. Source: RFC 6376 sections 3.4.2 and 5.4.

use std::collections::HashMap;

use mailwright_words::HeaderBlock;

/// Fields that a signature covers, and that nobody may add.
pub const OVERSIGNED: [&str; 16] = [
    "From",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "To",
    "Cc",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// Fields that a signature covers where they are there; mailing lists may add their own.
pub const SIGNED: [&str; 12] = [
    "Sender",
    "Resent-From",
    "Resent-To",
    "Resent-Date",
    "Resent-Message-ID",
    "List-ID",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "List-Help",
    "List-Subscribe",
    "Feedback-ID",
];

/// The names for `h=`, and the fields that they cover in relaxed form.
pub(super) fn covered(header: &[u8]) -> (Vec<&'static str>, Vec<u8>) {
    let mut fields: HashMap<String, Vec<&[u8]>> = HashMap::new();
    for field in HeaderBlock::new(header).fields() {
        let bytes = header.get(field.range).unwrap_or_default();
        fields.entry(field.name.to_ascii_lowercase()).or_default().push(bytes);
    }
    let (mut names, mut form) = (Vec::new(), Vec::new());
    let oversigned = OVERSIGNED.into_iter().map(|name| (name, 1));
    for (name, more) in oversigned.chain(SIGNED.into_iter().map(|name| (name, 0))) {
        let found = fields.get(&name.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
        names.extend(std::iter::repeat_n(name, found.len() + more));
        found.iter().rev().for_each(|field| canonical_field(field, &mut form));
    }
    (names, form)
}

/// Adds the relaxed form of a field, its CRLF included, to `form`.
pub(crate) fn canonical_field(field: &[u8], form: &mut Vec<u8>) {
    let colon = field.iter().position(|byte| *byte == b':').unwrap_or(field.len());
    let (name, value) = field.split_at(colon);
    form.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    form.push(b':');
    let (start, mut has_blank) = (form.len(), false);
    for byte in value.iter().skip(1) {
        match byte {
            // The ends of folded lines go; the blank behind them stays.
            b'\r' | b'\n' => {}
            b' ' | b'\t' => has_blank = true,
            byte => {
                if std::mem::take(&mut has_blank) && form.len() > start {
                    form.push(b' ');
                }
                form.push(*byte);
            }
        }
    }
    form.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_its_relaxed_form() {
        for (field, wanted) in [
            ("A: X\r\n", "a:X\r\n"),
            ("B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"),
            ("SubJect:\r\n  a \r\n b\r\n", "subject:a b\r\n"),
            ("Empty:\r\n", "empty:\r\n"),
            ("Subject: gr\u{fc}n\r\n", "subject:gr\u{fc}n\r\n"),
        ] {
            let mut form = Vec::new();
            canonical_field(field.as_bytes(), &mut form);
            assert_eq!(String::from_utf8(form).unwrap(), wanted);
        }
    }

    #[test]
    fn fields_are_covered_from_the_last_on_and_once_more_than_they_are_there() {
        let header = b"Received: x\r\nTo: b\r\nX-Other: y\r\nto: a\r\nList-Id: l\r\nFrom: f\r\n";
        let (names, form) = covered(header);
        assert_eq!(String::from_utf8(form).unwrap(), "from:f\r\nto:a\r\nto:b\r\nlist-id:l\r\n");
        let count = |name: &str| names.iter().filter(|one| **one == name).count();
        assert_eq!((count("From"), count("To"), count("Cc")), (2, 3, 1));
        assert_eq!((count("List-ID"), count("List-Post"), count("Received")), (1, 0, 0));
        assert_eq!((count("List-Unsubscribe"), count("List-Unsubscribe-Post")), (1, 1));
    }
}
