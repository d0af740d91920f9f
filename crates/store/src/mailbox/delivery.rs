//! A delivery into a folder.

use mailwright_words::{Id, Timestamp};

use crate::{
    body::{self, BodyId},
    engine::Tx,
    error::StoreError,
    mailbox::{SEEN, next_modseq},
    params,
};

/// The format of `message_meta.headers`.
const META_VERSION: i64 = 1;

/// A message on its way into a folder.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its number.
    pub id: Id,
    /// Whose it becomes.
    pub account: Id,
    /// The folder; one that does not exist means `INBOX`.
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
    pub flags: i64,
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
        modseq: i64,
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
    let Some(fits) = fits(tx, new)? else { return Ok(Delivered::NoAccount) };
    let mailbox = target(tx, new)?;
    if came_before(tx, new, mailbox)? {
        return Ok(Delivered::Before);
    }
    if !fits {
        return Ok(Delivered::OverQuota);
    }
    insert(tx, new, mailbox)?;
    body::hold(tx, new.body)?;
    let modseq = next_modseq(tx, new.account)?;
    let unseen = new.flags & SEEN == 0;
    let uid: u32 = tx.query_one(
        "UPDATE mailbox SET uidnext = uidnext + 1, highestmodseq = :modseq, total = total + 1,
             unseen = unseen + :unseen, bytes = bytes + :size
         WHERE id = :mailbox RETURNING uidnext - 1",
        params! { modseq, unseen, size: new.size, mailbox },
        |row| row.get(0),
    )?;
    tx.execute(
        "INSERT INTO mailbox_msg (mailbox, uid, message, flags, modseq, size, internal_date,
             save_date)
         VALUES (:mailbox, :uid, :message, :flags, :modseq, :size, :received, :now)",
        params! { mailbox, uid, message: new.id, flags: new.flags, modseq, size: new.size,
        received: new.received, now },
    )?;
    tx.execute(
        "UPDATE principal SET used_bytes = used_bytes + :size WHERE id = :account",
        params! { size: new.size, account: new.account },
    )?;
    Ok(Delivered::New { mailbox, uid, modseq })
}

fn fits(tx: &mut Tx<'_>, new: &NewMessage) -> Result<Option<bool>, StoreError> {
    tx.query_opt(
        "SELECT quota_bytes IS NULL OR used_bytes + :size <= quota_bytes FROM principal
         WHERE id = :account",
        params! { size: new.size, account: new.account },
        |row| row.get(0),
    )
}

/// The folder asked for, in any case of letters, or `INBOX`.
fn target(tx: &mut Tx<'_>, new: &NewMessage) -> Result<Id, StoreError> {
    let wanted = new.folder.as_deref().unwrap_or("INBOX");
    tx.query_opt(
        "SELECT id FROM mailbox WHERE account = :account
             AND (name = 'INBOX' OR lower(name) = lower(:wanted))
         ORDER BY name = 'INBOX', name LIMIT 1",
        params! { account: new.account, wanted },
        |row| row.get(0),
    )?
    .ok_or(StoreError::Missing("INBOX"))
}

fn came_before(tx: &mut Tx<'_>, new: &NewMessage, mailbox: Id) -> Result<bool, StoreError> {
    let Some(origin) = new.origin else { return Ok(false) };
    let found = tx.query_opt(
        "SELECT 1 FROM message WHERE origin = :origin AND first_mailbox = :mailbox",
        params! { origin, mailbox },
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

fn insert(tx: &mut Tx<'_>, new: &NewMessage, mailbox: Id) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO message (id, tenant, account, body, head, head_skip, size, internal_date,
             origin, first_mailbox)
         SELECT :id, tenant, id, :body, :head, :head_skip, :size, :received, :origin, :mailbox
         FROM principal WHERE id = :account",
        params! { id: new.id, body: new.body, head: &new.head, head_skip: new.head_skip,
        size: new.size, received: new.received, origin: new.origin, mailbox,
        account: new.account },
    )?;
    tx.execute(
        "INSERT INTO message_meta (message, version, headers) VALUES (:id, :version, :headers)",
        params! { id: new.id, version: META_VERSION, headers: &new.headers },
    )?;
    Ok(())
}
