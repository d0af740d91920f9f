//! A message made of what a request says, for those who send over HTTP.
//!
//! Source: RFC 5322, RFC 2045 and 2046 (structure), RFC 2047 (words of a header).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mailwright_words::{Address, Domain, Id, Timestamp, message_id};

use super::{ApiError, summary::Contact};

/// Octets of a line of base64.
const LINE: usize = 76;
/// Octets of text in an encoded word: what fits into 75 characters.
const WORD: usize = 42;
/// Fields that a request may not set: they are made of other parts of it.
const MADE: [&str; 10] = [
    "from",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
];

/// A file that goes along.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) media: String,
    pub(crate) content_id: String,
    pub(crate) bytes: Vec<u8>,
}

/// What a message is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) from: Contact,
    pub(crate) to: Vec<Contact>,
    pub(crate) cc: Vec<Contact>,
    pub(crate) bcc: Vec<Contact>,
    pub(crate) reply_to: Vec<Contact>,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) files: Vec<File>,
}

impl Draft {
    /// Everybody that it goes to.
    ///
    /// Errors: one is no address, or there is none.
    pub(crate) fn recipients(&self) -> Result<Vec<Address>, ApiError> {
        let mut all: Vec<Address> = Vec::new();
        for contact in self.to.iter().chain(&self.cc).chain(&self.bcc) {
            let address = parse(&contact.address)?;
            if !all.contains(&address) {
                all.push(address);
            }
        }
        if all.is_empty() { Err(ApiError::bad("the message has no recipient")) } else { Ok(all) }
    }

    /// The octets of the message; who got it blindly is not in it.
    ///
    /// Errors: an address or the name of a field is none.
    pub(crate) fn build(&self, id: Id, host: &Domain, now: Timestamp) -> Result<Vec<u8>, ApiError> {
        let mut out = String::new();
        field(&mut out, "From", &list(std::slice::from_ref(&self.from))?);
        for (name, contacts) in [("To", &self.to), ("Cc", &self.cc), ("Reply-To", &self.reply_to)] {
            if !contacts.is_empty() {
                field(&mut out, name, &list(contacts)?);
            }
        }
        field(&mut out, "Subject", &encoded(&self.subject));
        let has = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        if !has("Date") {
            field(&mut out, "Date", &now.rfc5322());
        }
        if !has("Message-ID") {
            field(&mut out, "Message-ID", &message_id(host, id));
        }
        for (name, value) in &self.headers {
            let is_name = name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':');
            if name.is_empty() || !is_name {
                return Err(ApiError::bad(format!("{name:?} is no name of a field")));
            }
            if !MADE.contains(&name.to_ascii_lowercase().as_str()) {
                field(&mut out, name, &encoded(value));
            }
        }
        out.push_str("MIME-Version: 1.0\r\n");
        out.push_str(&self.body(id));
        Ok(out.into_bytes())
    }

    fn body(&self, id: Id) -> String {
        let mut texts = Vec::new();
        if !self.text.is_empty() || self.html.is_empty() {
            texts.push(text("plain", &self.text));
        }
        if !self.html.is_empty() {
            texts.push(text("html", &self.html));
        }
        let (shown, beside): (Vec<&File>, Vec<&File>) =
            self.files.iter().partition(|file| !file.content_id.is_empty());
        let mut body = joined("alternative", texts, id, "a");
        if !shown.is_empty() {
            let parts = std::iter::once(body).chain(shown.into_iter().map(attached));
            body = joined("related", parts.collect(), id, "r");
        }
        if !beside.is_empty() {
            let parts = std::iter::once(body).chain(beside.into_iter().map(attached));
            body = joined("mixed", parts.collect(), id, "m");
        }
        body
    }
}

/// Reads an address that a request gave.
///
/// Errors: it is none.
pub(crate) fn parse(text: &str) -> Result<Address, ApiError> {
    let parsed = Address::parse(text.trim());
    parsed.map_err(|error| ApiError::bad(format!("{text:?} is no address: {error}")))
}

fn joined(kind: &str, mut parts: Vec<String>, id: Id, mark: &str) -> String {
    if parts.len() < 2 {
        return parts.pop().unwrap_or_default();
    }
    let boundary = format!("=_{mark}{id}");
    let mut out = format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\n");
    for part in parts {
        out.extend(["--", &boundary, "\r\n", &part, "\r\n"]);
    }
    out.extend(["--", &boundary, "--\r\n"]);
    out
}

fn text(kind: &str, text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n");
    format!(
        "Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        lines(text.as_bytes())
    )
}

fn attached(file: &File) -> String {
    let clean = |text: &str| -> String { text.chars().filter(|c| !c.is_control()).collect() };
    let is_media = |text: &str| {
        text.contains('/') && text.bytes().all(|o| o.is_ascii_graphic() && !b"\"();,".contains(&o))
    };
    let media =
        if is_media(&file.media) { file.media.as_str() } else { "application/octet-stream" };
    let id = clean(&file.content_id);
    let (kind, id) = match id.as_str() {
        "" => ("attachment", String::new()),
        id => ("inline", format!("Content-ID: <{id}>\r\n")),
    };
    let name = quoted(&encoded(&clean(&file.name)));
    format!(
        "Content-Type: {media}; name={name}\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: {kind}; filename={name}\r\n{id}\r\n{}",
        lines(&file.bytes)
    )
}

fn lines(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut out = String::with_capacity(text.len() + text.len() / LINE * 2 + 2);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        out.extend([line, "\r\n"]);
        rest = next;
    }
    out
}

fn field(out: &mut String, name: &str, value: &str) {
    out.extend([name, ": ", value, "\r\n"]);
}

fn list(contacts: &[Contact]) -> Result<String, ApiError> {
    let mut all = Vec::new();
    for contact in contacts {
        let address = parse(&contact.address)?;
        all.push(match contact.name.trim() {
            "" => address.to_string(),
            name if name.is_ascii() => format!("{} <{address}>", quoted(&one_line(name))),
            name => format!("{} <{address}>", encoded(name)),
        });
    }
    Ok(all.join(",\r\n "))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control()).collect::<Vec<_>>().join(" ")
}

/// A value of a field, on one line, in encoded words where it is not ASCII.
fn encoded(text: &str) -> String {
    let text = one_line(text);
    if text.is_ascii() {
        return text;
    }
    let (mut words, mut rest) = (Vec::new(), text.as_str());
    while !rest.is_empty() {
        let end = rest.floor_char_boundary(WORD.min(rest.len()));
        let (word, next) = rest.split_at_checked(end).unwrap_or((rest, ""));
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
        rest = next;
    }
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{summary, whole};
    use mailwright_mime::Structure;

    fn contact(name: &str, address: &str) -> Contact {
        Contact { name: name.into(), address: address.into() }
    }

    #[test]
    fn what_was_put_in_is_what_is_read() {
        let draft = Draft {
            from: contact("J\u{fc}rgen \"J\"", "j@a.example"),
            to: vec![contact("", "b@b.example"), contact("B, \"C\"", "c@c.example")],
            bcc: vec![contact("", "d@d.example")],
            subject: "Gr\u{fc}\u{df}e ".repeat(12).trim().to_owned(),
            text: "one\ntwo".into(),
            html: "<p>\u{e4}</p>".into(),
            headers: vec![("X-A".into(), "b\r\nX-Injected: c".into()), ("To".into(), "x".into())],
            files: vec![
                File {
                    name: "a.txt".into(),
                    media: "text/plain".into(),
                    bytes: vec![0, 255],
                    ..File::default()
                },
                File {
                    name: "p.png".into(),
                    media: "image/png".into(),
                    content_id: "p".into(),
                    bytes: vec![1],
                },
            ],
            ..Draft::default()
        };
        let host = Domain::parse("mx.example").unwrap();
        let bytes = draft.build(Id::from_i64(9), &host, Timestamp::new(0)).unwrap();
        let summary = summary::of(&bytes).summary;
        assert_eq!((&summary.from[0], &summary.to), (&draft.from, &draft.to));
        assert_eq!(summary.subject, draft.subject);
        assert!(summary.bcc.is_empty() && draft.recipients().unwrap().len() == 3);
        let structure = Structure::parse(&bytes);
        let leaves = whole::leaves(&structure);
        let texts = whole::texts(&structure, &leaves);
        assert_eq!(texts.plain.trim_end(), "one\r\ntwo");
        assert_eq!(texts.html.trim_end(), "<p>\u{e4}</p>");
        assert_eq!((summary.attachments, summary.inline), (1, 1));
        let names: Vec<_> = whole::headers(&structure).into_iter().map(|(name, _)| name).collect();
        assert!(!names.contains(&"X-Injected".to_owned()), "{names:?}");
        assert_eq!(names.iter().filter(|name| *name == "To").count(), 1);
        let odd = Draft { headers: vec![("A b".into(), "c".into())], ..draft };
        assert!(odd.build(Id::from_i64(9), &host, Timestamp::new(0)).is_err());
    }
}
