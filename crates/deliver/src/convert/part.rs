//! Walks the parts of a message, and encodes those that are not 7-bit.

use super::encoding::{base64, quoted_printable};

/// Parts inside parts that are looked into.
const DEPTH_MAX: usize = 20;
/// Octets of a line, without its CRLF.
const LINE_MAX: usize = 998;

/// The message as 7-bit; `None` when that cannot be, or is not ours to do.
pub(super) fn message(bytes: &[u8]) -> Option<Vec<u8>> {
    if is_seven_bit(bytes) {
        return Some(bytes.to_vec());
    }
    let fields = Fields::of(header(bytes));
    if fields.value("dkim-signature").is_some() || fields.value("mime-version").is_none() {
        return None;
    }
    part(bytes, 0)
}

/// The header of a message, with the end of its last line.
pub(super) fn header(bytes: &[u8]) -> &[u8] {
    if bytes.starts_with(b"\r\n") {
        return &[];
    }
    let end = find(bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at.saturating_add(2));
    bytes.get(..end).unwrap_or(bytes)
}

/// Whether a message is made of lines, so that `DATA` does not change it.
pub(super) fn has_clean_lines(bytes: &[u8]) -> bool {
    bytes.ends_with(b"\r\n") && has_clean_text(bytes)
}

/// The same, whether or not its last line ends.
fn has_clean_text(bytes: &[u8]) -> bool {
    bytes.split_inclusive(|byte| *byte == b'\n').all(|line| {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        text.len() <= LINE_MAX && !text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
    })
}

fn is_seven_bit(bytes: &[u8]) -> bool {
    bytes.is_ascii() && has_clean_text(bytes)
}

fn part(bytes: &[u8], depth: usize) -> Option<Vec<u8>> {
    let head = header(bytes);
    if !head.is_ascii() || depth > DEPTH_MAX {
        return None;
    }
    let body = bytes.get(head.len()..)?;
    let body = body.strip_prefix(b"\r\n").unwrap_or(body);
    let fields = Fields::of(head);
    let kind = fields.value("content-type").unwrap_or_else(|| "text/plain".to_owned());
    let lower = kind.to_ascii_lowercase();
    let (body, encoding) = if lower.starts_with("multipart/signed") {
        // The signature is over the bytes as they are.
        return is_seven_bit(body).then(|| bytes.to_vec());
    } else if lower.starts_with("multipart/") {
        (multipart(body, &parameter(&kind, "boundary")?, depth)?, "7bit")
    } else if lower.starts_with("message/rfc822") || lower.starts_with("message/global") {
        (part(body, depth.saturating_add(1))?, "7bit")
    } else if is_seven_bit(body) {
        return Some(bytes.to_vec());
    } else if is_encoded(&fields) {
        return None;
    } else if lower.starts_with("text/") && !body.contains(&0) {
        (quoted_printable(body), "quoted-printable")
    } else {
        (base64(body), "base64")
    };
    let mut out = fields.without("content-transfer-encoding");
    out.extend_from_slice(b"Content-Transfer-Encoding: ");
    out.extend_from_slice(encoding.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(&body);
    Some(out)
}

/// Whether a part claims an encoding already; then its octets over 127 are an error of others.
fn is_encoded(fields: &Fields<'_>) -> bool {
    fields.value("content-transfer-encoding").is_some_and(|encoding| {
        !["7bit", "8bit", "binary"].iter().any(|one| encoding.trim().eq_ignore_ascii_case(one))
    })
}

fn multipart(body: &[u8], boundary: &str, depth: usize) -> Option<Vec<u8>> {
    let delimiter = format!("--{boundary}");
    let mut out = Vec::with_capacity(body.len());
    let mut current: Option<Vec<u8>> = None;
    let mut over = false;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let rest = line.strip_prefix(delimiter.as_bytes()).filter(|_| !over);
        let Some(rest) = rest.filter(|rest| is_delimiter(rest)) else {
            match &mut current {
                Some(part) => part.extend_from_slice(line),
                // What stands before the first part and behind the last is for nobody.
                None if line.is_ascii() => out.extend_from_slice(line),
                None => {}
            }
            continue;
        };
        if let Some(inner) = current.take() {
            // The CRLF before a delimiter belongs to it.
            let inner = inner.strip_suffix(b"\r\n").unwrap_or(&inner);
            out.extend_from_slice(&part(inner, depth.saturating_add(1))?);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(line);
        over = rest.starts_with(b"--");
        current = (!over).then(Vec::new);
    }
    if let Some(inner) = current {
        out.extend_from_slice(&part(&inner, depth.saturating_add(1))?);
    }
    Some(out)
}

fn is_delimiter(rest: &[u8]) -> bool {
    let rest = rest.strip_prefix(b"--").unwrap_or(rest);
    rest.trim_ascii().is_empty()
}

/// A parameter of a field such as `Content-Type`.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        key.trim().eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

/// The fields of a header, each with its folds.
struct Fields<'a>(Vec<&'a [u8]>);

impl<'a> Fields<'a> {
    fn of(header: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        let (mut start, mut at) = (0_usize, 0_usize);
        for line in header.split_inclusive(|byte| *byte == b'\n') {
            if at > start && !line.starts_with(b" ") && !line.starts_with(b"\t") {
                fields.extend(header.get(start..at));
                start = at;
            }
            at = at.saturating_add(line.len());
        }
        fields.extend(header.get(start..at).filter(|field| !field.is_empty()));
        Self(fields)
    }

    /// The unfolded value of the first field of this name.
    fn value(&self, name: &str) -> Option<String> {
        let field = self.0.iter().find(|field| is_named(field, name))?;
        let value = field.get(name.len()..)?.trim_ascii_start().strip_prefix(b":")?;
        Some(String::from_utf8_lossy(value.trim_ascii()).replace("\r\n", ""))
    }

    /// All fields but those of this name, as bytes.
    fn without(&self, name: &str) -> Vec<u8> {
        self.0.iter().filter(|field| !is_named(field, name)).copied().flatten().copied().collect()
    }
}

fn is_named(field: &[u8], name: &str) -> bool {
    field.split_at_checked(name.len()).is_some_and(|(head, rest)| {
        head.eq_ignore_ascii_case(name.as_bytes()) && rest.trim_ascii_start().starts_with(b":")
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(text: &str) -> Option<String> {
        message(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn what_is_seven_bit_stays() {
        let text = "Subject: x\r\n\r\nplain\r\n";
        assert_eq!(converted(text).as_deref(), Some(text));
    }

    #[test]
    fn parts_are_encoded_each_by_its_kind() {
        let text = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"b 1\"\r\n\
            Content-Transfer-Encoding: 8bit\r\n\r\n--b 1\r\n\
            Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
            gr\u{fc}n\r\n--b 1\r\n\r\nplain\r\n--b 1\r\nContent-Type: application/x\r\n\r\n\
            \u{fc}\r\n--b 1--\r\n";
        let wanted = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"b 1\"\r\n\
            Content-Transfer-Encoding: 7bit\r\n\r\n--b 1\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BCn\r\n--b 1\r\n\r\n\
            plain\r\n--b 1\r\nContent-Type: application/x\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nw7w=\r\n\r\n--b 1--\r\n";
        assert_eq!(converted(text).as_deref(), Some(wanted));
    }

    #[test]
    fn what_is_signed_or_unclear_is_left_alone() {
        for text in [
            "DKIM-Signature: v=1\r\nMIME-Version: 1.0\r\n\r\ngr\u{fc}n\r\n",
            "Subject: no MIME\r\n\r\ngr\u{fc}n\r\n",
            "MIME-Version: 1.0\r\nSubject: gr\u{fc}n\r\n\r\nx\r\n",
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\ngr\u{fc}n\r\n",
            "MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\ngr\u{fc}n\r\n",
            "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n\
             --b\r\n\r\n\u{fc}\r\n--b--\r\n",
        ] {
            assert_eq!(converted(text), None, "{text}");
        }
    }
}
