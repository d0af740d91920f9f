//! A message as the checks see it: its fields, its text and its HTML, decoded once.

use std::borrow::Cow;
use std::ops::Range;

use mailwright_mime::{
    Fields, Kind, Part, Structure, charset, decode_words, each_address, part_text,
};

/// The most header fields that are looked at.
pub const FIELDS_MAX: usize = 1_000;
/// The most octets of one header field that are decoded.
const VALUE_MAX: usize = 64 << 10;
/// The most octets of a text or of HTML that are looked at.
const TEXT_MAX: usize = 2 << 20;

/// A message taken apart.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// Its octets.
    pub bytes: &'a [u8],
    /// Its parts.
    pub structure: Structure<'a>,
    /// Its header fields, in their order.
    pub fields: Vec<HeaderField<'a>>,
    /// Its first HTML that is no attachment.
    pub html: Option<Text>,
    /// Its first plain text that is no attachment.
    pub text: Option<Text>,
}

/// A field of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderField<'a> {
    /// Its name in lower case.
    pub name: String,
    /// All behind the colon, as it stands.
    pub raw: &'a [u8],
    /// Its value on one line, encoded words decoded.
    pub text: String,
    /// Its octets in the message.
    pub range: Range<usize>,
}

/// A part that is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The place of the part in [`Structure::parts`].
    pub part: usize,
    /// What it says, transfer encoding and charset undone.
    pub text: String,
}

/// An address of a header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name shown, decoded; empty where there is none.
    pub name: String,
    /// What stands before the `@`.
    pub local: String,
    /// What stands behind it, in lower case; empty where there is none.
    pub domain: String,
}

impl Person {
    /// `local@domain`.
    pub fn address(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }
}

impl<'a> Message<'a> {
    /// Takes a message apart. It never fails.
    pub fn read(bytes: &'a [u8]) -> Self {
        let structure = Structure::parse(bytes);
        let fields = Fields::new(bytes, 0).take(FIELDS_MAX).map(|field| {
            let value = field.value.get(..VALUE_MAX).unwrap_or(field.value);
            HeaderField {
                name: String::from_utf8_lossy(field.name).to_ascii_lowercase(),
                raw: field.value,
                text: decode_words(value),
                range: field.range,
            }
        });
        let fields = fields.collect();
        let html = first(&structure, "html", |part| decoded(part));
        let text = first(&structure, "plain", |part| part_text(part).into_owned());
        Self { bytes, structure, fields, html, text }
    }

    /// The first field of this name, which is in lower case.
    pub fn field(&self, name: &str) -> Option<&HeaderField<'a>> {
        self.all(name).next()
    }

    /// All fields of this name, which is in lower case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &HeaderField<'a>> {
        self.fields.iter().filter(move |field| field.name == name)
    }

    /// The text of the first field of this name; empty where there is none.
    pub fn value(&self, name: &str) -> &str {
        self.field(name).map_or("", |field| field.text.as_str())
    }

    /// The addresses in all fields of this name.
    pub fn people(&self, name: &str) -> Vec<Person> {
        let mut people = Vec::new();
        for field in self.all(name) {
            each_address(field.raw, |entry| {
                let mailwright_mime::Entry::Mailbox(mailbox) = entry else { return };
                people.push(Person {
                    name: mailbox.name.map(decode_words).unwrap_or_default(),
                    local: String::from_utf8_lossy(mailbox.local).into_owned(),
                    domain: String::from_utf8_lossy(mailbox.domain).to_ascii_lowercase(),
                });
            });
        }
        people
    }

    /// The parts that hold no other parts, with their places.
    pub fn leaves(&self) -> impl Iterator<Item = (usize, &Part<'a>)> {
        self.structure.parts().iter().enumerate().filter(|(_, part)| part.kind() == Kind::Leaf)
    }

    /// The media type of a part in lower case, such as `image/png`.
    pub fn media(part: &Part<'_>) -> String {
        let media = part.media();
        let word = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_ascii_lowercase();
        format!("{}/{}", word(media.top), word(media.sub))
    }

    /// The header fields' names in lower case.
    pub fn names(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.name.clone()).collect()
    }

    /// The media types of all parts in lower case.
    pub fn medias(&self) -> Vec<String> {
        self.leaves().map(|(_, part)| Self::media(part)).collect()
    }

    /// The line of the message on which an octet stands; the first is 1.
    pub fn line(&self, at: usize) -> usize {
        let before = self.bytes.get(..at).unwrap_or(self.bytes);
        before.split(|byte| *byte == b'\n').count()
    }
}

/// The first leaf of `text/sub` that is no attachment and not in an attached message.
fn first<'a>(
    structure: &Structure<'a>,
    sub: &str,
    decode: impl Fn(&Part<'a>) -> String,
) -> Option<Text> {
    let attached = |place: usize| {
        structure.parts().iter().take(place).any(|outer| {
            outer.kind() == Kind::Message
                && structure.part(place).is_some_and(|part| {
                    outer.body().start <= part.header().start && part.body().end <= outer.body().end
                })
        })
    };
    let parts = structure.parts().iter().enumerate();
    let mut fitting = parts.filter(|(_, part)| {
        part.kind() == Kind::Leaf && part.media().is("text", sub) && !is_attachment(part)
    });
    let (place, part) = fitting.find(|(place, _)| !attached(*place))?;
    let mut text = decode(part);
    let mut end = TEXT_MAX.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    Some(Text { part: place, text })
}

/// Whether a part asks to be kept as a file.
pub fn is_attachment(part: &Part<'_>) -> bool {
    part.disposition().is_some_and(|disposition| disposition.is_top("attachment"))
}

/// The HTML of a part.
fn decoded(part: &Part<'_>) -> String {
    let label: Cow<'_, [u8]> = part.media().raw_parameter("charset").unwrap_or_default();
    charset::decode(&label, &part.decoded()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_apart() {
        let bytes = b"From: =?utf-8?q?J=C3=B6rg?= <j@Example.ORG>\r\nSUBJECT: a\r\n b\r\n\
            Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\r\nplain\r\n--x\r\n\
            Content-Type: text/html; charset=iso-8859-1\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>=E9</p>\r\n--x--\r\n";
        let message = Message::read(bytes);
        assert_eq!(message.value("subject"), "a b");
        let from = &message.people("from")[0];
        assert_eq!((from.name.as_str(), from.address()), ("J\u{f6}rg", "j@example.org".to_owned()));
        assert_eq!(message.html.as_ref().unwrap().text, "<p>\u{e9}</p>");
        assert_eq!(message.text.as_ref().unwrap().text, "plain");
        assert_eq!(message.medias(), ["text/plain", "text/html"]);
        assert_eq!(message.line(message.fields[1].range.start), 2);
    }

    #[test]
    fn texts_of_attachments_are_not_the_message() {
        let bytes = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
            Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner\r\n--x\r\n\
            Content-Type: text/html\r\nContent-Disposition: attachment\r\n\r\n<p>\r\n--x--\r\n";
        let message = Message::read(bytes);
        assert_eq!((message.html.is_none(), message.text.is_none()), (true, true));
        let nothing = Message::read(b"");
        assert!(nothing.fields.is_empty() && nothing.html.is_none());
    }
}
