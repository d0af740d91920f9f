//! The inbox as POP3 sees it: messages by UID.
//!
//! Source: RFC 1939.

use mailwright_words::Id;

use crate::{
    engine::Tx,
    error::StoreError,
    mailbox::{Folder, folder},
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
