//! A delivery into a folder.

use std::sync::Arc;

use mailwright_view::{Flags, Row};
use mailwright_words::{Id, Timestamp};

use crate::{
    body::{self, BodyId},
    capture::Extract,
    engine::Tx,
    error::StoreError,
    index::Entry,
    mailbox::{append::insert_row, charged_modseq, meta},
    params,
};

/// The version of a row of `message_meta` that has header lines for lists alone.
const LINES_ONLY: i64 = 0;

/// A message on its way into a folder.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its number.
    pub id: Id,
    /// Whose it becomes.
    pub account: Id,
    /// The folder, by name or by its use such as [`JUNK`](super::JUNK); one that does not exist
    /// means `INBOX`.
    pub folder: Option<String>,
    /// The bytes as they came.
    pub body: BodyId,
    /// What stands in front of them here: Return-Path, Delivered-To, and what acceptance added.
    pub head: Vec<u8>,
    /// Where in the body the copy goes on behind the head.
    pub head_skip: u64,
    /// Octets of the copy.
    pub size: u64,
    /// The header fields to show in lists, each unfolded on a line `Name: value\r\n`.
    pub headers: Vec<u8>,
    /// When it was accepted.
    pub received: Timestamp,
    /// The message of the spool it comes from; it arrives in a folder once.
    pub origin: Option<Id>,
    /// Flags it begins with.
    pub flags: u8,
    /// What was drawn from it, in place of `headers`; without it, it is rendered and indexed soon.
    pub extract: Option<Arc<Extract>>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It is in the folder.
    New {
        /// The folder.
        mailbox: Id,
        /// Its UID there.
        uid: u32,
        /// The change that it is.
        modseq: u64,
    },
    /// It came here before, so nothing was done.
    Before,
    /// It would take the account over its quota, so nothing was done.
    OverQuota,
    /// The account is gone, so nothing was done.
    NoAccount,
}

/// Puts a message into a folder, once for each message of the spool.
///
/// Takes a reference of its own to the body.
///
/// Errors: those of the database; nothing is delivered then.
pub fn deliver(tx: &mut Tx<'_>, new: &NewMessage, now: Timestamp) -> Result<Delivered, StoreError> {
    let delivered = deliver_over(tx, new, now)?;
    if matches!(delivered, Delivered::New { .. }) {
        body::hold(tx, new.body)?;
    }
    Ok(delivered)
}

/// As [`deliver`], taking over the reference that the body's row began with when the message is
/// new in the folder.
///
/// Errors: those of the database; nothing is delivered then.
pub fn deliver_over(
    tx: &mut Tx<'_>,
    new: &NewMessage,
    now: Timestamp,
) -> Result<Delivered, StoreError> {
    let Some(mailbox) = target(tx, new)? else { return no_folder(tx, new) };
    if !insert(tx, new, mailbox)? {
        return Ok(Delivered::Before);
    }
    let modseq = match charged_modseq(tx, new.account, new.size) {
        Err(StoreError::OverQuota) => {
            let sql = "DELETE FROM message WHERE id = :id";
            tx.execute(sql, params! { id: new.id })?;
            return Ok(Delivered::OverQuota);
        }
        taken => taken?,
    };
    show(tx, new)?;
    let flags = Flags::system(new.flags);
    let (unseen, deleted) = (!flags.has(Flags::SEEN), flags.has(Flags::DELETED));
    let uid: u32 = tx.query_one(
        "UPDATE mailbox SET uidnext = uidnext + 1, highestmodseq = :modseq, total = total + 1,
             unseen = unseen + :unseen, deleted = deleted + :deleted, bytes = bytes + :size
         WHERE id = :mailbox RETURNING uidnext - 1",
        params! { modseq, unseen, deleted, size: new.size, mailbox },
        |row| row.get(0),
    )?;
    let row = Row {
        uid,
        flags,
        message: new.id,
        modseq,
        size: new.size,
        internal_date: new.received,
        save_date: now,
    };
    insert_row(tx, mailbox, &row)?;
    Ok(Delivered::New { mailbox, uid, modseq })
}

/// The folder asked for, by its use or its name in any case of letters, or `INBOX`.
fn target(tx: &mut Tx<'_>, new: &NewMessage) -> Result<Option<Id>, StoreError> {
    let Some(wanted) = new.folder.as_deref() else {
        return tx.query_opt(
            "SELECT id FROM mailbox WHERE account = :account AND name = 'INBOX'",
            params! { account: new.account },
            |row| row.get(0),
        );
    };
    tx.query_opt(
        "SELECT id FROM mailbox WHERE account = :account AND dead = 0
             AND (name = 'INBOX' OR lower(name) = lower(:wanted) OR special_use = :wanted)
         ORDER BY name = 'INBOX', name LIMIT 1",
        params! { account: new.account, wanted },
        |row| row.get(0),
    )
}

/// There is no INBOX, so there should be no account.
fn no_folder(tx: &mut Tx<'_>, new: &NewMessage) -> Result<Delivered, StoreError> {
    let sql = "SELECT 1 FROM principal WHERE id = :account";
    match tx.query_opt(sql, params! { account: new.account }, |row| row.get::<i64>(0))? {
        Some(_) => Err(StoreError::Missing("INBOX")),
        None => Ok(Delivered::NoAccount),
    }
}

/// Makes the row of the content; false when it came before.
fn insert(tx: &mut Tx<'_>, new: &NewMessage, mailbox: Id) -> Result<bool, StoreError> {
    let made = tx.execute(
        "INSERT INTO message (id, tenant, account, body, head, head_skip, size, internal_date,
             origin, first_mailbox)
         SELECT :id, tenant, id, :body, :head, :head_skip, :size, :received, :origin, :mailbox
         FROM principal WHERE id = :account ON CONFLICT (origin, first_mailbox) DO NOTHING",
        params! { id: new.id, body: new.body, head: &new.head, head_skip: new.head_skip,
        size: new.size, received: new.received, origin: new.origin, mailbox,
        account: new.account },
    )?;
    Ok(made == 1)
}

fn show(tx: &mut Tx<'_>, new: &NewMessage) -> Result<(), StoreError> {
    if let Some(extract) = &new.extract {
        let imprint = Arc::clone(&extract.imprint);
        tx.index(Entry { account: new.account, message: new.id, imprint });
        return meta::keep(tx, new.id, &extract.rendered);
    }
    tx.render_later(new.id);
    tx.execute(
        "INSERT INTO message_meta (message, version, headers) VALUES (:id, :version, :headers)",
        params! { id: new.id, version: LINES_ONLY, headers: &new.headers },
    )
    .map(drop)
}
