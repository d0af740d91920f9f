//! What the index keeps of a caught message beside its content: who it came from and for, as whom
//! its client authenticated, and what was attached. Texts are folded.
//!
//! It is made of what never changes: the row that was written with the message, and the message.

use std::fmt::Write as _;

use mailwright_mime::{LeafRole, Structure, fold_case, leaves};
use mailwright_words::Id;

use super::{Caught, lines};
use crate::{engine::Tx, error::StoreError, params};

/// The envelope of a caught message, and its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    username: Option<String>,
}

impl Envelope {
    /// That of a message that came so.
    pub(super) fn of(caught: &Caught) -> Self {
        Self {
            sender: caught.sender.clone(),
            recipients: caught.recipients.clone(),
            username: caught.username.clone(),
        }
    }
}

/// The envelope of a message; nothing for one that was not caught.
pub(crate) fn envelope(tx: &mut Tx<'_>, message: Id) -> Result<Option<Envelope>, StoreError> {
    tx.query_opt(
        "SELECT sender, recipients, username FROM capture WHERE message = :message",
        params! { message },
        |row| {
            Ok(Envelope {
                sender: row.get(0)?,
                recipients: lines(&row.get::<String>(1)?),
                username: row.get(2)?,
            })
        },
    )
}

/// Writes what is kept.
pub(crate) fn write(envelope: &Envelope, structure: &Structure<'_>) -> String {
    let (mut attachments, mut inline) = (0_usize, 0_usize);
    for leaf in leaves(structure) {
        attachments += usize::from(leaf.role == LeafRole::Attachment);
        inline += usize::from(leaf.role == LeafRole::Inline);
    }
    let clean = |text: &str| fold_case(text).replace(char::is_control, " ");
    let mut out = format!("{attachments} {inline}");
    let user = envelope.username.as_deref().unwrap_or_default();
    for text in [user, &envelope.sender] {
        write!(out, "\n{}", clean(text)).unwrap_or_default();
    }
    for recipient in &envelope.recipients {
        write!(out, "\n{}", clean(recipient)).unwrap_or_default();
    }
    out
}

/// What was kept of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brief<'a> {
    /// Parts beside its text.
    pub attachments: usize,
    /// Parts that its text shows.
    pub inline: usize,
    /// As whom its client authenticated; empty for none.
    pub user: &'a str,
    /// The reverse-path.
    pub sender: &'a str,
    /// The forward-paths, one a line.
    pub recipients: &'a str,
}

impl<'a> Brief<'a> {
    /// Reads it; nothing when its octets are not those of one.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (counts, rest) = text.split_once('\n')?;
        let (attachments, inline) = counts.split_once(' ')?;
        let (user, rest) = rest.split_once('\n')?;
        let (sender, recipients) = rest.split_once('\n').unwrap_or((rest, ""));
        let (attachments, inline) = (attachments.parse().ok()?, inline.parse().ok()?);
        Some(Self { attachments, inline, user, sender, recipients })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let envelope = Envelope {
            sender: "App@Shop.example".to_owned(),
            recipients: vec!["a@b.example".to_owned(), "\"C\u{c9}\"@d.example".to_owned()],
            username: Some("X\ny".to_owned()),
        };
        let message = b"Content-Type: application/pdf; name=a.pdf\r\n\r\nx";
        let kept = write(&envelope, &Structure::parse(message));
        let brief = Brief::from_bytes(kept.as_bytes()).unwrap();
        assert_eq!((brief.attachments, brief.inline, brief.user), (1, 0, "x y"));
        assert_eq!(brief.sender, "app@shop.example");
        assert_eq!(brief.recipients.lines().count(), 2);
        assert!(brief.recipients.contains(&fold_case("c\u{e9}")));
        let none = Envelope { recipients: Vec::new(), username: None, ..envelope };
        let kept = write(&none, &Structure::parse(b""));
        let brief = Brief::from_bytes(kept.as_bytes()).unwrap();
        assert_eq!((brief.recipients, brief.user), ("", ""));
        for bytes in [&b""[..], b"1 2", b"1 2\nx", b"x y\n\n", b"1 2\n\xff\n"] {
            assert!(Brief::from_bytes(bytes).is_none());
        }
    }
}
