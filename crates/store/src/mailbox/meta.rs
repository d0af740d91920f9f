//! What was rendered of a message, kept beside it, and read for many at once.
//!
//! A row of another version than the one this program renders counts as none: it is rendered anew
//! when it is asked for.

use mailwright_mime::{Rendered, Sent, VERSION};
use mailwright_words::{Id, Timestamp};

use crate::{
    engine::{Row, Tx},
    error::StoreError,
    params,
};

/// Which columns are read; the others stay empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// `ENVELOPE`.
    pub envelope: bool,
    /// `BODYSTRUCTURE`.
    pub body_structure: bool,
    /// `BODY`.
    pub body: bool,
    /// Places of parts.
    pub parts: bool,
    /// Common header lines.
    pub headers: bool,
    /// The first words.
    pub preview: bool,
    /// What messages are sorted and threaded by.
    pub order: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Self = Self {
        envelope: true,
        body_structure: true,
        body: true,
        parts: true,
        headers: true,
        preview: true,
        order: true,
    };

    /// Whether nothing is read.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn columns(self) -> String {
        let column = |wanted: bool, name: &'static str| if wanted { name } else { "NULL" };
        [
            column(self.envelope, "meta.envelope"),
            column(self.body_structure, "meta.bodystructure"),
            column(self.body, "meta.body"),
            column(self.parts, "meta.parts"),
            column(self.headers, "meta.headers"),
            column(self.preview, "meta.preview"),
            column(self.order, "meta.base_subject"),
            column(self.order, "meta.is_reply"),
            column(self.order, "meta.message_id_hash"),
            column(self.order, "meta.refs"),
            column(self.order, "meta.sent"),
            column(self.order, "meta.sent_day"),
        ]
        .join(", ")
    }
}

/// Keeps what was rendered of a message, in place of what was kept before.
pub(super) fn keep(tx: &mut Tx<'_>, message: Id, rendered: &Rendered) -> Result<(), StoreError> {
    let refs: Vec<u8> = rendered.references.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    let sent = rendered.sent.as_ref();
    tx.execute(
        "INSERT INTO message_meta (message, version, envelope, bodystructure, body, parts, headers,
             preview, base_subject, is_reply, message_id_hash, refs, sent, sent_day)
         VALUES (:message, :version, :envelope, :bodystructure, :body, :parts, :headers,
             :preview, :base_subject, :is_reply, :message_id_hash, :refs, :sent, :sent_day)
         ON CONFLICT (message) DO UPDATE SET version = excluded.version,
             envelope = excluded.envelope, bodystructure = excluded.bodystructure,
             body = excluded.body, parts = excluded.parts, headers = excluded.headers,
             preview = excluded.preview, base_subject = excluded.base_subject,
             is_reply = excluded.is_reply, message_id_hash = excluded.message_id_hash,
             refs = excluded.refs, sent = excluded.sent, sent_day = excluded.sent_day",
        params! {
            message, version: VERSION, envelope: &rendered.envelope,
            bodystructure: &rendered.body_structure, body: &rendered.body,
            parts: &rendered.parts, headers: &rendered.headers, preview: &rendered.preview,
            base_subject: &rendered.base_subject, is_reply: rendered.is_reply,
            message_id_hash: rendered.message_id_hash, refs: &refs,
            sent: sent.map(|sent| sent.at), sent_day: sent.map(|sent| sent.day),
        },
    )
    .map(drop)
}

fn read(row: &Row<'_>) -> Result<(Id, Rendered), StoreError> {
    let bytes = |column: usize| row.get::<Option<Vec<u8>>>(column).map(Option::unwrap_or_default);
    let text = |column: usize| row.get::<Option<String>>(column).map(Option::unwrap_or_default);
    let (at, day): (Option<Timestamp>, Option<i64>) = (row.get(11)?, row.get(12)?);
    let refs = bytes(10)?;
    let rendered = Rendered {
        envelope: bytes(1)?,
        body_structure: bytes(2)?,
        body: bytes(3)?,
        parts: bytes(4)?,
        headers: bytes(5)?,
        preview: text(6)?,
        base_subject: text(7)?,
        is_reply: row.get::<Option<bool>>(8)?.unwrap_or(false),
        message_id_hash: row.get(9)?,
        references: refs.chunks_exact(8).filter_map(hash).collect(),
        sent: at.zip(day).map(|(at, day)| Sent { at, day }),
    };
    Ok((row.get(0)?, rendered))
}

fn hash(bytes: &[u8]) -> Option<i64> {
    bytes.first_chunk::<8>().map(|bytes| i64::from_le_bytes(*bytes))
}

/// What is kept of the messages of a mailbox from UID `low` to `high`, by UID.
pub(super) fn of_run(
    tx: &mut Tx<'_>,
    mailbox: Id,
    (low, high): (u32, u32),
    wanted: Wanted,
) -> Result<Vec<(Id, Rendered)>, StoreError> {
    let sql = format!(
        "SELECT mm.message, {} FROM mailbox_msg mm CROSS JOIN message_meta meta
             ON meta.message = mm.message
         WHERE mm.mailbox = :mailbox AND mm.uid BETWEEN :low AND :high
             AND meta.version = :version ORDER BY mm.uid",
        wanted.columns()
    );
    tx.query(&sql, params! { mailbox, low, high, version: VERSION }, read)
}

/// What is kept of one message, in any mailbox or none.
pub(super) fn of_message(
    tx: &mut Tx<'_>,
    message: Id,
    wanted: Wanted,
) -> Result<Option<Rendered>, StoreError> {
    let sql = format!(
        "SELECT meta.message, {} FROM message_meta meta
         WHERE meta.message = :message AND meta.version = :version",
        wanted.columns()
    );
    let found = tx.query_opt(&sql, params! { message, version: VERSION }, read)?;
    Ok(found.map(|(_, rendered)| rendered))
}
