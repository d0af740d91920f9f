//! Renders a message once, at delivery, for all that clients will ask.

use crate::common::common_headers;
use crate::date::{self, Sent};
use crate::id::{MessageId, message_ids, references};
use crate::imap::{body_structure, envelope};
use crate::parts::Parts;
use crate::search::fold_case;
use crate::structure::Structure;
use crate::subject::{BaseSubject, base_subject};
use crate::text::preview;
use crate::word::decode_words;

/// The version of what [`render`] makes; a row of another one is rendered anew.
pub const VERSION: i64 = 1;

/// What is kept of a message, apart from its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// `ENVELOPE`, as IMAP sends it.
    pub envelope: Vec<u8>,
    /// `BODYSTRUCTURE`, as IMAP sends it.
    pub body_structure: Vec<u8>,
    /// `BODY`, as IMAP sends it.
    pub body: Vec<u8>,
    /// The places of the parts, which [`Parts::from_bytes`] reads.
    pub parts: Vec<u8>,
    /// The common header lines, which [`CommonHeaders`](crate::CommonHeaders) reads.
    pub headers: Vec<u8>,
    /// The first words.
    pub preview: String,
    /// The base subject without case, by which messages are sorted and threaded.
    pub base_subject: String,
    /// Whether the subject was that of a reply or a forward.
    pub is_reply: bool,
    /// The hash of `Message-ID`; nothing when the message has none.
    pub message_id_hash: Option<i64>,
    /// The hashes of the messages it answers, the first of the thread first, without its own.
    pub references: Vec<i64>,
    /// When it says it was sent; nothing when it does not say it in a way that can be read.
    pub sent: Option<Sent>,
}

/// Renders a whole message, header and body in one.
pub fn render(message: &[u8]) -> Rendered {
    render_structure(&Structure::parse(message))
}

/// Renders a whole message that was taken apart.
pub fn render_structure(structure: &Structure<'_>) -> Rendered {
    let mut rendered = Rendered {
        envelope: Vec::new(),
        body_structure: body_structure(structure, true),
        body: body_structure(structure, false),
        parts: Parts::new(structure).to_bytes(),
        headers: Vec::new(),
        preview: preview(structure),
        base_subject: String::new(),
        is_reply: false,
        message_id_hash: None,
        references: Vec::new(),
        sent: None,
    };
    if let Some(root) = structure.root() {
        let known = &root.known;
        let BaseSubject { text, is_reply } =
            base_subject(&known.subject.map(decode_words).unwrap_or_default());
        rendered.base_subject = fold_case(&text);
        rendered.is_reply = is_reply;
        rendered.envelope = envelope(root);
        rendered.headers = common_headers(root.header_bytes());
        rendered.sent = known.date.and_then(date::sent);
        let id = known.message_id.and_then(|value| message_ids(value).into_iter().next());
        rendered.message_id_hash = id.as_ref().map(MessageId::hash);
        let answered = references(known.references, known.in_reply_to);
        let others = answered.iter().filter(|other| id.as_ref() != Some(*other));
        rendered.references = others.map(MessageId::hash).collect();
    }
    rendered
}
