//! What a list shows of a message and what a search looks at, made once and kept beside it.

use mailwright_mime::{
    self as mime, LeafRole, SearchText, Structure, decode_words, each_address, leaves, preview,
    searchable, sent_date,
};
use mailwright_words::{Id, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{error::StoreError, mailbox::LARGE, store::Store};

/// Octets of folded text that are kept of each message; a search opens those that have more.
const WORDS_MAX: usize = 32 << 10;
/// Addresses of a field that are shown in lists.
const ADDRESSES_MAX: usize = 100;
/// Stands between header, parts and body in kept words.
const PART: char = '\u{1}';
/// Stands at the end of kept words that are not all.
const CUT: char = '\u{2}';

/// An address as a field shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The display name, decoded; empty for none.
    pub name: String,
    /// The address.
    pub address: String,
}

/// What a list shows of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// `Message-ID`, without its brackets.
    pub message_id: String,
    /// The subject, decoded.
    pub subject: String,
    /// The moment of `Date`, in milliseconds since 1970.
    pub date: Option<i64>,
    /// The addresses of `From`, at most a hundred, as of each of these fields.
    pub from: Vec<Contact>,
    /// Those of `To`.
    pub to: Vec<Contact>,
    /// Those of `Cc`.
    pub cc: Vec<Contact>,
    /// Those of `Bcc`.
    pub bcc: Vec<Contact>,
    /// Those of `Reply-To`.
    pub reply_to: Vec<Contact>,
    /// The first words.
    pub snippet: String,
    /// Parts beside its text.
    pub attachments: usize,
    /// Parts that its text shows.
    pub inline: usize,
}

impl Summary {
    /// The summary as it is kept.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The summary that was kept; nothing when it was kept by another version.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// A summary, and the words of its message.
#[derive(Debug, Clone)]
pub struct Summed {
    /// What a list shows.
    pub summary: Summary,
    /// The folded text, as [`Words`] reads it.
    pub words: String,
}

/// Sums up a message of the store; one that is gone or damaged has nothing to show.
///
/// Errors: those of the store that may pass.
pub fn of_stored(store: &Store, message: Id) -> Result<Summed, StoreError> {
    let bytes = match store.content(message).and_then(|found| {
        let Some(content) = found else { return Ok(None) };
        let _alone = (content.len() > LARGE).then(|| store.large());
        content.whole().map(Some)
    }) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(StoreError::Corrupt(what)) => {
            tracing::error!(what, %message, "A caught message is damaged.");
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    Ok(of(&bytes))
}

/// Sums up a message.
pub fn of(bytes: &[u8]) -> Summed {
    let structure = Structure::parse(bytes);
    of_structure(&structure, &searchable(&structure))
}

/// Sums up a message that was taken apart.
pub(super) fn of_structure(structure: &Structure<'_>, text: &SearchText) -> Summed {
    Summed { summary: summary(structure), words: words(text) }
}

fn summary(structure: &Structure<'_>) -> Summary {
    let mut summary = Summary { snippet: preview(structure), ..Summary::default() };
    let Some(root) = structure.root() else { return summary };
    for field in root.fields() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name.as_bytes());
        let list = match () {
            () if is("From") => &mut summary.from,
            () if is("To") => &mut summary.to,
            () if is("Cc") => &mut summary.cc,
            () if is("Bcc") => &mut summary.bcc,
            () if is("Reply-To") => &mut summary.reply_to,
            () => {
                if is("Subject") && summary.subject.is_empty() {
                    decode_words(field.value).trim().clone_into(&mut summary.subject);
                } else if is("Message-ID") && summary.message_id.is_empty() {
                    let text = String::from_utf8_lossy(field.value).trim().to_owned();
                    text.trim_matches(['<', '>']).clone_into(&mut summary.message_id);
                } else if is("Date") && summary.date.is_none() {
                    summary.date = sent_date(field.value).map(Timestamp::ms);
                }
                continue;
            }
        };
        contacts(field.value, list);
    }
    for leaf in leaves(structure) {
        match leaf.role {
            LeafRole::Attachment => summary.attachments += 1,
            LeafRole::Inline => summary.inline += 1,
            LeafRole::Text => {}
        }
    }
    summary
}

/// The addresses of a field.
pub fn contacts(value: &[u8], list: &mut Vec<Contact>) {
    each_address(value, |entry| {
        let mime::Entry::Mailbox(mailbox) = entry else { return };
        if list.len() >= ADDRESSES_MAX {
            return;
        }
        let local = String::from_utf8_lossy(mailbox.local);
        let domain = String::from_utf8_lossy(mailbox.domain);
        let address =
            if domain.is_empty() { local.into_owned() } else { format!("{local}@{domain}") };
        let name = mailbox.name.map(decode_words).unwrap_or_default();
        list.push(Contact { name, address });
    });
}

/// The text of a message, as far as it is kept.
fn words(text: &SearchText) -> String {
    let mut all = String::new();
    for (place, part) in [&text.header, &text.parts, &text.body].into_iter().enumerate() {
        if place > 0 {
            all.push(PART);
        }
        let room = WORDS_MAX.saturating_sub(all.len());
        let end = part.floor_char_boundary(room.min(part.len()));
        all.push_str(part.get(..end).unwrap_or_default());
        if end < part.len() {
            all.push(CUT);
            break;
        }
    }
    all
}

/// The words of a message as a search reads them.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    text: &'a str,
    /// Whether that is all.
    pub is_whole: bool,
}

impl<'a> Words<'a> {
    /// Reads what was kept.
    pub fn new(kept: &'a str) -> Self {
        match kept.strip_suffix(CUT) {
            Some(text) => Self { text, is_whole: false },
            None => Self { text: kept, is_whole: true },
        }
    }

    /// All of them.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Whether the whole header is in them.
    pub fn has_header(&self) -> bool {
        self.is_whole || self.text.contains(PART)
    }

    /// The fields of the header, folded, one a line.
    pub fn header(&self) -> &'a str {
        self.text.split(PART).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_summed_up() {
        let message = b"From: =?utf-8?q?J=C3=BCrgen?= <j@a.example>\r\n\
            To: b@b.example, C <c@c.example>\r\n\
            Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@a>\r\n\
            Date: Mon, 02 Nov 2026 10:00:00 +0000\r\n\
            Content-Type: multipart/mixed; boundary=x\r\n\r\n\
            --x\r\n\r\nHello  there\r\n\
            --x\r\nContent-Type: image/png\r\nContent-ID: <p>\r\n\r\nx\r\n\
            --x\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nx\r\n--x--\r\n";
        let Summed { summary, words } = of(message);
        assert_eq!(summary.subject, "Gr\u{fc}\u{df}e");
        assert_eq!(summary.from[0].name, "J\u{fc}rgen");
        assert_eq!(summary.to[1], Contact { name: "C".into(), address: "c@c.example".into() });
        assert_eq!((summary.attachments, summary.inline), (1, 1));
        assert_eq!(summary.message_id, "1@a");
        assert_eq!(summary.snippet, "Hello there");
        assert_eq!(Summary::from_json(&summary.to_json()), Some(summary));
        let words = Words::new(&words);
        assert!(words.is_whole && words.text().contains("a.pdf"));
        assert!(words.header().contains("subject: gr") && !words.header().contains("a.pdf"));
    }

    #[test]
    fn what_is_no_message_has_a_summary_too() {
        for bytes in [&b""[..], b"\r\n", b"\0\xff\xfe", b"Subject", b": x\r\n\r\n"] {
            assert_eq!(of(bytes).summary.attachments, 0);
        }
        let long = [b"Subject: x\r\n\r\n".as_slice(), &b"word ".repeat(20_000)].concat();
        let words = of(&long).words;
        assert!(words.len() <= WORDS_MAX + 4 && !Words::new(&words).is_whole);
    }
}
