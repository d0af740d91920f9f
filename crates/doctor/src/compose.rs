//! A message from its parts, as `mailwright send` is given them.
//!
//! What is written is plain: ASCII on lines of at most 998 octets, text that needs it as
//! quoted-printable, files as base64. Source: RFC 5322, RFC 2045, RFC 2047, RFC 2231.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mailwright_words::{Timestamp, percent::escaped};

/// Octets of text in one encoded word: 45 make 60 of base64, and 72 with what is around them.
const WORD_BYTES: usize = 45;
/// Octets of a line of base64.
const BASE64_LINE: usize = 57;
/// Columns of a line of quoted-printable, the last of them for `=`.
const QUOTED_LINE: usize = 76;
/// Longest line that needs no encoding. Source: RFC 5322 section 2.1.1.
const LINE_MAX: usize = 998;

/// A file to be sent along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, without a folder.
    pub name: String,
    /// What it is, such as `image/png`.
    pub kind: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The parts of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Header fields that were asked for: each takes the place of one made here.
    pub fields: Vec<(String, String)>,
    /// Who it says it is from.
    pub from: String,
    /// Who it says it is for.
    pub to: Vec<String>,
    /// What it is about.
    pub subject: String,
    /// When it was written.
    pub date: Timestamp,
    /// Its id, without angle brackets.
    pub id: String,
    /// What it says.
    pub text: String,
    /// The same as HTML, for those who would rather have that.
    pub html: Option<String>,
    /// What is sent along.
    pub attachments: Vec<Attachment>,
    /// What separates parts; it may not occur in them.
    pub boundary: String,
    /// Whether header fields are UTF-8 as they are. Source: RFC 6532.
    pub is_utf8: bool,
}

/// A header field cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no header field: it has to be `Name: value`, on one line")]
pub struct Unfit(pub String);

/// Reads a field as people give it: `Name: value`.
///
/// Errors: [`Unfit`].
pub fn field(text: &str) -> Result<(String, String), Unfit> {
    let unfit = || Unfit(text.to_owned());
    let (name, value) = text.split_once(':').ok_or_else(unfit)?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_name || value.contains(|c: char| c.is_control() && c != '\t') {
        return Err(unfit());
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// Letters and digits that nobody used before, for an id or a boundary.
///
/// Errors: the system gives no random numbers.
pub fn token() -> Result<String, getrandom::Error> {
    Ok(format!("{:016x}{:08x}", getrandom::u64()?, getrandom::u32()?))
}

/// What a file is, by the end of its name.
pub fn kind_of(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    match end.as_deref() {
        Some("txt" | "log") => "text/plain",
        Some("html" | "htm") => "text/html",
        Some("csv") => "text/csv",
        Some("ics") => "text/calendar",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("pdf") => "application/pdf",
        Some("zip") => "application/zip",
        Some("gz") => "application/gzip",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("svg") => "image/svg+xml",
        Some("eml") => "message/rfc822",
        _ => "application/octet-stream",
    }
}

/// Writes the message.
pub fn message(draft: &Draft) -> Vec<u8> {
    let mut out = Writer { text: String::new(), is_utf8: draft.is_utf8 };
    let made = [
        ("Date", draft.date.rfc5322()),
        ("From", draft.from.clone()),
        ("To", draft.to.join(", ")),
        ("Subject", draft.subject.clone()),
        ("Message-ID", format!("<{}>", draft.id)),
    ];
    for (name, value) in &made {
        let is_given = draft.fields.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if !is_given && !value.is_empty() {
            out.field(name, value);
        }
    }
    for (name, value) in &draft.fields {
        out.field(name, value);
    }
    out.line("MIME-Version: 1.0");
    if draft.attachments.is_empty() {
        out.says(draft);
        return out.text.into_bytes();
    }
    let boundary = &draft.boundary;
    out.line(&format!("Content-Type: multipart/mixed; boundary=\"{boundary}\""));
    out.line("");
    out.line(&format!("--{boundary}"));
    out.says(draft);
    for attachment in &draft.attachments {
        out.line(&format!("--{boundary}"));
        out.file(attachment);
    }
    out.line(&format!("--{boundary}--"));
    out.text.into_bytes()
}

/// Gives each line of a text its CRLF, whatever ended it before.
pub fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 32);
    let mut last = 0;
    for &byte in text {
        match byte {
            b'\n' if last == b'\r' => out.push(b'\n'),
            b'\n' => out.extend_from_slice(b"\r\n"),
            _ => {
                if last == b'\r' {
                    out.push(b'\n');
                }
                out.push(byte);
            }
        }
        last = byte;
    }
    if last == b'\r' {
        out.push(b'\n');
    } else if last != b'\n' && !out.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
    out
}

struct Writer {
    text: String,
    is_utf8: bool,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push_str("\r\n");
    }

    fn field(&mut self, name: &str, value: &str) {
        if value.is_ascii() || self.is_utf8 {
            return self.line(&format!("{name}: {value}"));
        }
        let words: Vec<String> = value.split(' ').map(str::to_owned).collect();
        // What is ASCII stays as it is, so that an address stays one.
        let mut groups: Vec<String> = Vec::new();
        let mut was_encoded = false;
        for word in words {
            let is_encoded = !word.is_ascii();
            match groups.last_mut() {
                Some(group) if is_encoded == was_encoded => {
                    group.push(' ');
                    group.push_str(&word);
                }
                _ => groups.push(word),
            }
            was_encoded = is_encoded;
        }
        let encoded = groups
            .iter()
            .map(|group| if group.is_ascii() { group.clone() } else { encoded_words(group) });
        let value = encoded.collect::<Vec<_>>().join("\r\n ");
        self.line(&format!("{name}: {value}"));
    }

    /// What the message says, in one form or two.
    fn says(&mut self, draft: &Draft) {
        let Some(html) = &draft.html else { return self.words("plain", &draft.text) };
        let boundary = format!("or{}", draft.boundary);
        self.line(&format!("Content-Type: multipart/alternative; boundary=\"{boundary}\""));
        self.line("");
        for (kind, text) in [("plain", &draft.text), ("html", html)] {
            self.line(&format!("--{boundary}"));
            self.words(kind, text);
        }
        self.line(&format!("--{boundary}--"));
    }

    /// A part of text.
    fn words(&mut self, kind: &str, text: &str) {
        let text = with_crlf(text.as_bytes());
        let text = String::from_utf8_lossy(&text);
        let is_plain = text.is_ascii()
            && !text.contains('\0')
            && text.split("\r\n").all(|line| line.len() <= LINE_MAX);
        let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
        self.line(&format!("Content-Type: text/{kind}; charset={charset}"));
        if is_plain {
            self.line("");
            self.text.push_str(&text);
        } else {
            self.line("Content-Transfer-Encoding: quoted-printable");
            self.line("");
            self.text.push_str(&quoted_printable(&text));
        }
    }

    fn file(&mut self, attachment: &Attachment) {
        let Attachment { name, kind, bytes } = attachment;
        self.line(&format!("Content-Type: {kind}"));
        self.line(&format!("Content-Disposition: attachment;\r\n {}", parameter(name)));
        self.line("Content-Transfer-Encoding: base64");
        self.line("");
        for piece in bytes.chunks(BASE64_LINE) {
            self.line(&STANDARD.encode(piece));
        }
    }
}

/// Source: RFC 2047 section 2.
fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut piece = String::new();
    for character in text.chars() {
        if piece.len() + character.len_utf8() > WORD_BYTES {
            words.push(std::mem::take(&mut piece));
        }
        piece.push(character);
    }
    words.push(piece);
    let words = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
    words.collect::<Vec<_>>().join("\r\n ")
}

/// The name of a file. Source: RFC 2183 section 2.3, RFC 2231 section 4.
fn parameter(name: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if name.bytes().all(is_plain) {
        return format!("filename=\"{name}\"");
    }
    format!("filename*=utf-8''{}", escaped(name, b""))
}

/// Source: RFC 2045 section 6.7.
fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.split_inclusive("\r\n") {
        let (line, end) = match line.strip_suffix("\r\n") {
            Some(line) => (line, "\r\n"),
            None => (line, ""),
        };
        let mut column = 0;
        let mut bytes = line.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let is_last = bytes.peek().is_none();
            let is_plain = matches!(byte, b'!'..=b'~') && byte != b'=';
            let is_blank = matches!(byte, b' ' | b'\t') && !is_last;
            let piece = if is_plain || is_blank {
                char::from(byte).to_string()
            } else {
                format!("={byte:02X}")
            };
            if column + piece.len() > QUOTED_LINE - 1 {
                out.push_str("=\r\n");
                column = 0;
            }
            column += piece.len();
            out.push_str(&piece);
        }
        out.push_str(end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            fields: Vec::new(),
            from: "ann@example.com".to_owned(),
            to: vec!["bob@example.com".to_owned(), "eve@example.com".to_owned()],
            subject: "Hello".to_owned(),
            date: Timestamp::new(1_795_500_937_042),
            id: "1@example.com".to_owned(),
            text: "It works.\n".to_owned(),
            html: None,
            attachments: Vec::new(),
            boundary: "=_b".to_owned(),
            is_utf8: false,
        }
    }

    fn text(draft: &Draft) -> String {
        String::from_utf8(message(draft)).unwrap()
    }

    #[test]
    fn a_message_is_made_of_its_parts() {
        assert_eq!(
            text(&draft()),
            "Date: Tue, 24 Nov 2026 06:15:37 +0000\r\nFrom: ann@example.com\r\n\
             To: bob@example.com, eve@example.com\r\nSubject: Hello\r\n\
             Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\r\nIt works.\r\n"
        );
        let fields = vec![field("subject:  Other").unwrap(), field("X-Test: 1").unwrap()];
        let text = text(&Draft { fields, ..draft() });
        assert!(text.contains("subject: Other\r\nX-Test: 1\r\n") && !text.contains("Hello"));
    }

    #[test]
    fn what_is_not_ascii_is_encoded_unless_the_host_takes_it() {
        let subject = format!("Gr\u{fc}\u{df}e an {}", "\u{e4}".repeat(60));
        let wanted = Draft { subject, text: "\u{e4}=b \nc".to_owned(), ..draft() };
        let encoded = text(&wanted);
        assert!(encoded.is_ascii(), "{encoded}");
        assert!(encoded.split("\r\n").all(|line| line.len() <= 78), "{encoded}");
        assert!(encoded.contains("\r\n an\r\n "), "{encoded}");
        assert!(encoded.ends_with("\r\n\r\n=C3=A4=3Db=20\r\nc\r\n"), "{encoded}");
        assert!(text(&Draft { is_utf8: true, ..wanted }).contains("Subject: Gr\u{fc}\u{df}e an"));
    }

    #[test]
    fn files_are_sent_along() {
        let attachment = |name: &str| Attachment {
            name: name.to_owned(),
            kind: kind_of(name).to_owned(),
            bytes: vec![0; 60],
        };
        let attachments = vec![attachment("a b.PDF"), attachment("\u{e4}.txt")];
        let text = text(&Draft { attachments, ..draft() });
        assert!(text.contains("Content-Type: application/pdf\r\n"), "{text}");
        assert!(text.contains("filename=\"a b.PDF\"\r\n"), "{text}");
        assert!(text.contains("filename*=utf-8''%C3%A4.txt\r\n"), "{text}");
        assert!(text.ends_with("\r\nAAAA\r\n--=_b--\r\n"), "{text}");
    }

    #[test]
    fn html_stands_beside_the_text() {
        let html = Some("<p>It works.</p>\n".to_owned());
        let only = text(&Draft { html: html.clone(), ..draft() });
        assert!(only.contains("boundary=\"or=_b\"\r\n\r\n--or=_b\r\nContent-Type: text/plain"));
        assert!(only.ends_with("\r\n\r\n<p>It works.</p>\r\n--or=_b--\r\n"), "{only}");
        let file =
            Attachment { name: "a".to_owned(), kind: kind_of("a").to_owned(), bytes: vec![] };
        let both = text(&Draft { html, attachments: vec![file], ..draft() });
        assert!(both.contains("--=_b\r\nContent-Type: multipart/alternative"), "{both}");
        assert!(both.contains("--or=_b--\r\n--=_b\r\nContent-Type: application"), "{both}");
    }

    #[test]
    fn a_field_cannot_smuggle_another() {
        for bad in ["no colon", ": x", "a b: c", "X: a\r\nBcc: eve@example.com", "X\u{e4}: b"] {
            assert!(field(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_end_with_crlf_however_they_ended() {
        for (text, wire) in [
            ("", ""),
            ("a", "a\r\n"),
            ("a\nb\r\nc\rd\r", "a\r\nb\r\nc\r\nd\r\n"),
            ("\n\r\n\r\r\n", "\r\n\r\n\r\n\r\n"),
        ] {
            assert_eq!(with_crlf(text.as_bytes()), wire.as_bytes(), "{text:?}");
        }
    }
}
