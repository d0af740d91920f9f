//! Text of others, made safe to stand in a report.

use crate::headers::HeaderBlock;

/// The most octets of another's text: a line has 998, and the field's name.
const TEXT_MAX: usize = 900;

/// `text` without what could end its field: no control characters, and ASCII where it must be.
pub(super) fn one_line(text: &str, utf8: bool) -> String {
    let mut line = String::new();
    for c in text.trim().chars() {
        if line.len() + c.len_utf8() > TEXT_MAX {
            break;
        }
        line.push(match c {
            c if c.is_control() => ' ',
            c if !utf8 && !c.is_ascii() => '?',
            c => c,
        });
    }
    line
}

/// Octets of a line, without its CRLF. Source: RFC 5321 section 4.5.3.1.6.
const LINE_MAX: usize = 998;

/// Whether octets cannot stand in lines: a NUL, a CR or LF that is not part of a CRLF, or more of
/// them than a line has room for.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    let is_long = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).len() > LINE_MAX;
    if bytes.split(|&byte| byte == b'\n').any(is_long) {
        return true;
    }
    let mut before = 0;
    let odd = bytes.iter().any(|&byte| {
        let bare = (before == b'\r') != (byte == b'\n');
        before = byte;
        bare || byte == 0
    });
    odd || before == b'\r'
}

/// The header of a message, without its empty line, as lines.
pub(crate) fn header_of(message: &[u8]) -> Vec<u8> {
    let header = HeaderBlock::new(message).as_bytes();
    if !is_binary(header) {
        return header.to_vec();
    }
    let lines = header.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut clean = Vec::with_capacity(header.len());
    for line in lines.filter(|line| !line.is_empty()) {
        clean.extend(
            line.iter().take(LINE_MAX).map(|&b| if b == 0 || b == b'\r' { b'?' } else { b }),
        );
        clean.extend_from_slice(b"\r\n");
    }
    clean
}

/// The `Message-ID` of a message, when it has one that may be repeated.
pub(super) fn message_id_of(message: &[u8]) -> Option<String> {
    let text = HeaderBlock::new(message).find("Message-ID")?.text().into_owned();
    let is_id = text.len() <= TEXT_MAX
        && text.starts_with('<')
        && text.ends_with('>')
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    is_id.then_some(text)
}
