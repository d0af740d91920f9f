//! Walks the parts of a message, and encodes those that do not fit a host.

use mailwright_words::mime::{self, Delimiter};

use super::encoding::{base64, quoted_printable};

/// Parts inside parts that are looked into.
const DEPTH_MAX: usize = 20;
/// Octets of a line, without its CRLF.
const LINE_MAX: usize = 998;

/// What a host takes beside lines of ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Room {
    /// Octets over 127 in bodies.
    pub(super) octets: bool,
    /// UTF-8 in headers.
    pub(super) utf8: bool,
}

impl Room {
    /// Whether a body may stay as it is.
    fn has(self, body: &[u8]) -> bool {
        (self.octets || body.is_ascii()) && has_clean_text(body)
    }
}

/// The message with what does not fit into `room` encoded; `None` when that cannot be, or is not
/// ours to do.
pub(super) fn message(bytes: &[u8], room: Room) -> Option<Vec<u8>> {
    let head = header(bytes);
    let body = bytes.get(head.len()..)?;
    if room.has(body) && is_head_fit(head, room) {
        return Some(bytes.to_vec());
    }
    let fields = Fields::of(head);
    if fields.value("dkim-signature").is_some() {
        return None;
    }
    if fields.value("mime-version").is_some() {
        return part(bytes, room, 0);
    }
    // A message of old is plain text, whose letters nobody has named. Source: RFC 1428 section 3.
    if fields.value("content-transfer-encoding").is_some() {
        return None;
    }
    let mut out = b"MIME-Version: 1.0\r\n".to_vec();
    if fields.value("content-type").is_none() && !room.has(body) {
        let charset = if body.is_ascii() { "us-ascii" } else { "unknown-8bit" };
        out.extend_from_slice(
            format!("Content-Type: text/plain; charset={charset}\r\n").as_bytes(),
        );
    }
    out.extend(part(bytes, room, 0)?);
    Some(out)
}

fn is_head_fit(head: &[u8], room: Room) -> bool {
    (room.utf8 || head.is_ascii()) && has_clean_text(head)
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

fn part(bytes: &[u8], room: Room, depth: usize) -> Option<Vec<u8>> {
    let head = header(bytes);
    if depth > DEPTH_MAX {
        return None;
    }
    let fields = Fields::of(head);
    let whole = bytes.get(head.len()..)?;
    let body = whole.strip_prefix(b"\r\n").unwrap_or(whole);
    let kind = fields.value("content-type").unwrap_or_else(|| "text/plain".to_owned());
    let lower = kind.to_ascii_lowercase();
    let (body, encoding) = if room.has(body) || lower.starts_with("multipart/signed") {
        // Nothing is to be done to the body; a signature is over the bytes as they are.
        let head = fields.folded(room).filter(|_| room.has(body))?;
        return Some([&head, whole].concat());
    } else if lower.starts_with("multipart/") {
        let body = multipart(body, &mime::boundary(&kind)?, room, depth)?;
        let encoding = plain(&body);
        (body, encoding)
    } else if lower.starts_with("message/rfc822") || lower.starts_with("message/global") {
        let body = part(body, room, depth.saturating_add(1))?;
        let encoding = plain(&body);
        (body, encoding)
    } else if is_encoded(&fields) {
        return None;
    } else if lower.starts_with("text/") && !body.contains(&0) {
        (quoted_printable(body), "quoted-printable")
    } else {
        (base64(body), "base64")
    };
    let mut out = fields.without("content-transfer-encoding").folded(room)?;
    out.extend_from_slice(b"Content-Transfer-Encoding: ");
    out.extend_from_slice(encoding.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(&body);
    Some(out)
}

/// How octets that are not encoded are called.
fn plain(body: &[u8]) -> &'static str {
    if body.is_ascii() { "7bit" } else { "8bit" }
}

/// Whether a part claims an encoding already; then its octets over 127 are an error of others.
fn is_encoded(fields: &Fields<'_>) -> bool {
    fields.value("content-transfer-encoding").is_some_and(|encoding| {
        !["7bit", "8bit", "binary"].iter().any(|one| encoding.trim().eq_ignore_ascii_case(one))
    })
}

/// The parts of `body`, each for itself; `None` also when it has none, because then what is in it
/// is not what its header says.
fn multipart(body: &[u8], boundary: &[u8], room: Room, depth: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    let mut current: Option<Vec<u8>> = None;
    let (mut begun, mut over, mut at_start) = (false, false, true);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        // Within a binary part an LF ends no line.
        let found = mime::delimiter(line, boundary).filter(|_| !over && at_start);
        at_start = line.ends_with(b"\r\n");
        let Some(kind) = found else {
            match &mut current {
                Some(part) => part.extend_from_slice(line),
                // What stands before the first part and behind the last is for nobody.
                None if room.has(line) => out.extend_from_slice(line),
                None => {}
            }
            continue;
        };
        if let Some(inner) = current.take() {
            // The CRLF before a delimiter belongs to it.
            let inner = inner.strip_suffix(b"\r\n").unwrap_or(&inner);
            out.extend_from_slice(&part(inner, room, depth.saturating_add(1))?);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(line);
        over = kind == Delimiter::End;
        begun |= !over;
        current = (!over).then(Vec::new);
    }
    if let Some(inner) = current {
        out.extend_from_slice(&part(&inner, room, depth.saturating_add(1))?);
    }
    begun.then_some(out)
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

    /// All fields but those of this name.
    fn without(&self, name: &str) -> Self {
        Self(self.0.iter().copied().filter(|field| !is_named(field, name)).collect())
    }

    /// All fields as bytes, with lines that are too long folded where they have a blank.
    ///
    /// Source: RFC 5322 section 2.2.3.
    fn folded(&self, room: Room) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for line in self.0.iter().flat_map(|field| field.split_inclusive(|byte| *byte == b'\n')) {
            let mut rest = line;
            while rest.len() > LINE_MAX + 2 {
                let near = rest.get(1..LINE_MAX)?;
                let at = near.iter().rposition(|byte| matches!(byte, b' ' | b'\t'))? + 1;
                let (text, further) = rest.split_at(at);
                if further.trim_ascii().is_empty() {
                    return None;
                }
                out.extend_from_slice(text);
                out.extend_from_slice(b"\r\n");
                rest = further;
            }
            out.extend_from_slice(rest);
        }
        is_head_fit(&out, room).then_some(out)
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

    const SEVEN: Room = Room { octets: false, utf8: false };
    const EIGHT: Room = Room { octets: true, utf8: false };

    fn converted(text: &str) -> Option<String> {
        message(text.as_bytes(), SEVEN).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn what_fits_stays() {
        let text = "Subject: x\r\n\r\nplain\r\n";
        assert_eq!(converted(text).as_deref(), Some(text));
        let text = "Subject: x\r\n\r\ngr\u{fc}n\r\n".as_bytes();
        assert_eq!(message(text, EIGHT).as_deref(), Some(text));
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
    fn boundaries_are_read_as_everywhere_else() {
        for (parameter, line) in [
            ("boundary=\"a;b\"", "--a;b"),
            ("x=\"; boundary=c\"; boundary=b", "--b"),
            ("boundary=\"a\\=b\"", "--a=b"),
            ("boundary=b (a comment)", "--b"),
            ("boundary=b", "--b"),
        ] {
            let text = format!(
                "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; {parameter}\r\n\r\n\
                 {line}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngr\u{fc}n\r\n{line}--\r\n"
            );
            let out = converted(&text).unwrap_or_default();
            assert!(out.contains("\r\n\r\ngr=C3=BCn\r\n"), "{parameter}: {out}");
        }
    }

    #[test]
    fn a_multipart_without_a_part_is_not_emptied() {
        for body in ["gr\u{fc}n\r\n", "--c\r\n\r\ngr\u{fc}n\r\n--c--\r\n", "gr\u{fc}n\r\n--b--\r\n"]
        {
            let text = format!(
                "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{body}"
            );
            assert_eq!(converted(&text), None, "{body}");
        }
    }

    #[test]
    fn binary_parts_hold_anything_but_their_delimiter() {
        let text = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\
            Content-Transfer-Encoding: binary\r\n\r\n--b\r\nContent-Type: image/x\r\n\
            Content-Transfer-Encoding: binary\r\n\r\na\0\n--b\n\r\n--b--\r\n";
        let wanted = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\
            Content-Transfer-Encoding: 7bit\r\n\r\n--b\r\nContent-Type: image/x\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nYQAKLS1iCg==\r\n\r\n--b--\r\n";
        assert_eq!(converted(text).as_deref(), Some(wanted));
    }

    #[test]
    fn long_lines_are_encoded_and_nothing_else_is() {
        let long = "x".repeat(2000);
        let text = format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\n\r\ngr\u{fc}n\r\n--b\r\nContent-Type: text/html\r\n\r\n{long}\r\n--b--\r\n"
        );
        let out = String::from_utf8(message(text.as_bytes(), EIGHT).unwrap()).unwrap();
        assert!(out.contains("boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n"), "{out}");
        assert!(out.contains("--b\r\n\r\ngr\u{fc}n\r\n--b\r\n"), "{out}");
        assert!(out.contains("html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nxx"));
        assert!(out.lines().all(|line| line.len() < 998));
        // A message of old becomes one of MIME, for its body only.
        let out = converted(&format!("Subject: x\r\n\r\n{long}\r\n")).unwrap();
        let start = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\
            Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nxxx";
        assert!(out.starts_with(start), "{out}");
    }

    #[test]
    fn long_header_lines_are_folded() {
        let words = "word ".repeat(500);
        let text = format!("MIME-Version: 1.0\r\nReferences: {words}\r\nTo: a\r\n\r\nb\r\n");
        let out = converted(&text).unwrap();
        assert!(out.lines().all(|line| line.len() <= 998), "{out}");
        assert_eq!(out.replace("\r\n ", " "), text);
        assert_eq!(converted(&format!("A: {}\r\n\r\nb\r\n", "x".repeat(2000))), None);
    }

    #[test]
    fn what_is_signed_or_unclear_is_left_alone() {
        let long = "x".repeat(1000);
        for text in [
            "DKIM-Signature: v=1\r\nMIME-Version: 1.0\r\n\r\ngr\u{fc}n\r\n",
            "Content-Transfer-Encoding: 8bit\r\n\r\ngr\u{fc}n\r\n",
            "MIME-Version: 1.0\r\nSubject: gr\u{fc}n\r\n\r\nx\r\n",
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\ngr\u{fc}n\r\n",
            "MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\ngr\u{fc}n\r\n",
            "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n\
             --b\r\n\r\n\u{fc}\r\n--b--\r\n",
            &format!("DKIM-Signature: v=1\r\n\r\n{long}\r\n"),
            &format!("MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n{long}\r\n"),
        ] {
            assert_eq!(converted(text), None, "{text}");
        }
    }
}
