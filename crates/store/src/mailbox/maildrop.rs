//! The inbox as POP3 sees it: messages by UID, removed as a set.
//!
//! Source: RFC 1939.

use mailwright_words::{Id, Timestamp};

use crate::{
    engine::Tx,
    error::StoreError,
    mailbox::{DELETED, Folder, SEEN, folder, next_modseq, removal::drop_message},
    params,
};

/// An inbox with its messages.
#[derive(Debug, Clone)]
pub struct Maildrop {
    /// The folder.
    pub folder: Folder,
    /// Its messages by UID.
    pub messages: Vec<MaildropRow>,
}

/// A message of an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaildropRow {
    /// Its UID.
    pub uid: u32,
    /// The message.
    pub message: Id,
    /// Octets of the copy.
    pub size: u64,
}

/// The inbox of an account.
///
/// Errors: [`StoreError::Missing`].
pub fn maildrop(tx: &mut Tx<'_>, account: Id) -> Result<Maildrop, StoreError> {
    let folder = folder(tx, account, "INBOX")?.ok_or(StoreError::Missing("inbox"))?;
    let messages = tx.query(
        "SELECT uid, message, size FROM mailbox_msg WHERE mailbox = :mailbox ORDER BY uid",
        params! { mailbox: folder.id },
        |row| Ok(MaildropRow { uid: row.get(0)?, message: row.get(1)?, size: row.get(2)? }),
    )?;
    Ok(Maildrop { folder, messages })
}

/// Expunges the messages of these UIDs, ascending, from one folder; those that are gone already
/// are left out. Gives how many were there.
///
/// Errors: [`StoreError::Missing`] when the folder is gone.
pub fn remove(
    tx: &mut Tx<'_>,
    mailbox: Id,
    uids: &[u32],
    now: Timestamp,
) -> Result<usize, StoreError> {
    let account: Id = tx
        .query_opt("SELECT account FROM mailbox WHERE id = :mailbox", params! { mailbox }, |row| {
            row.get(0)
        })?
        .ok_or(StoreError::Missing("folder"))?;
    let modseq = next_modseq(tx, account)?;
    let (mut unseen, mut deleted, mut bytes, mut gone) = (0_i64, 0_i64, 0_u64, Vec::new());
    for uid in uids {
        let removed: Option<(Id, i64, u64)> = tx.query_opt(
            "DELETE FROM mailbox_msg WHERE mailbox = :mailbox AND uid = :uid
             RETURNING message, flags, size",
            params! { mailbox, uid: *uid },
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let Some((message, flags, size)) = removed else { continue };
        unseen += i64::from(flags & SEEN == 0);
        deleted += i64::from(flags & DELETED != 0);
        bytes = bytes.saturating_add(size);
        gone.push(*uid);
        let sql = "SELECT 1 FROM mailbox_msg WHERE message = :message LIMIT 1";
        let elsewhere: Option<i64> = tx.query_opt(sql, params! { message }, |row| row.get(0))?;
        if elsewhere.is_none() {
            drop_message(tx, message, now)?;
        }
    }
    tx.execute(
        "UPDATE mailbox SET highestmodseq = :modseq, total = total - :total,
             unseen = unseen - :unseen, deleted = deleted - :deleted, bytes = bytes - :bytes
         WHERE id = :mailbox",
        params! { modseq, total: gone.len(), unseen, deleted, bytes, mailbox },
    )?;
    for run in gone.chunk_by(|one, next| one.saturating_add(1) == *next) {
        let (Some(low), Some(high)) = (run.first(), run.last()) else { continue };
        tx.execute(
            "INSERT INTO mailbox_change (mailbox, modseq, uid_low, uid_high, kind)
             VALUES (:mailbox, :modseq, :low, :high, 'expunged')",
            params! { mailbox, modseq, low: *low, high: *high },
        )?;
    }
    Ok(gone.len())
}
