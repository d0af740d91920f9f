//! The header fields that lists of messages show, as they are kept beside a message.

use mailwright_words::headers::HeaderBlock;

/// Fields that are kept.
const SHOWN: [&str; 8] =
    ["From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "Reply-To"];
/// Characters kept of a field.
const SHOWN_MAX: usize = 1000;

/// The fields of a header that lists show, each unfolded on a line `Name: value\r\n`.
pub fn shown(header: &HeaderBlock<'_>) -> Vec<u8> {
    let mut lines = String::new();
    for field in header.fields() {
        let Some(name) = SHOWN.iter().find(|name| field.name.eq_ignore_ascii_case(name)) else {
            continue;
        };
        let text = field.text();
        lines.extend([name, ": "]);
        lines.extend(text.trim().chars().filter(|c| !c.is_control()).take(SHOWN_MAX));
        lines.push_str("\r\n");
    }
    lines.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_show_unfolded_fields() {
        let header = b"Received: x\r\nsubject: a\r\n b\r\nFROM: c@d\r\n\r\nTo: body\r\n";
        assert_eq!(shown(&HeaderBlock::new(header)), b"Subject: a b\r\nFrom: c@d\r\n");
    }
}
