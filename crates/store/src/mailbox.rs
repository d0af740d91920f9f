//! Mailboxes: the folders of an account and the messages in them.
//!
//! A delivery, its UID and its MODSEQ, the quota and the counters of the folder change in one
//! transaction. A message of the spool arrives in a folder once, however often it is tried.
//! Source: RFC 9051 section 2.3, RFC 7162.

mod copies;
mod delivery;
mod listing;
mod maildrop;
mod removal;
#[cfg(test)]
mod tests;

use mailwright_words::{Id, Timestamp};

pub use self::{
    copies::CopyReader,
    delivery::{Delivered, NewMessage, deliver},
    listing::{Copy, Listed, copy, list},
    maildrop::{Maildrop, MaildropRow, maildrop, remove},
    removal::{delete, remove_folders, set_flags},
};
use crate::{
    engine::{Row, Tx},
    error::StoreError,
    params,
};

/// `\Seen`.
pub const SEEN: i64 = 1;
/// `\Answered`.
pub const ANSWERED: i64 = 2;
/// `\Flagged`.
pub const FLAGGED: i64 = 4;
/// `\Deleted`.
pub const DELETED: i64 = 8;
/// `\Draft`.
pub const DRAFT: i64 = 16;

/// The flags with the bits that stand for them.
pub const FLAGS: [(i64, &str); 5] = [
    (SEEN, "\\Seen"),
    (ANSWERED, "\\Answered"),
    (FLAGGED, "\\Flagged"),
    (DELETED, "\\Deleted"),
    (DRAFT, "\\Draft"),
];

/// The folders every account begins with, and what they are for.
///
/// Source: RFC 6154 section 2.
pub const DEFAULT_FOLDERS: [(&str, Option<&str>); 6] = [
    ("INBOX", None),
    ("Sent", Some("\\Sent")),
    ("Drafts", Some("\\Drafts")),
    ("Junk", Some("\\Junk")),
    ("Trash", Some("\\Trash")),
    ("Archive", Some("\\Archive")),
];

/// A folder of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its number.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Stands for the set of UIDs that were given out under this name.
    pub uidvalidity: u32,
    /// The UID of the next message.
    pub uidnext: u32,
    /// The last change in it.
    pub highestmodseq: i64,
    /// Messages in it.
    pub total: u64,
    /// Those without `\Seen`.
    pub unseen: u64,
    /// Octets in it.
    pub bytes: u64,
}

const FOLDER: &str =
    "SELECT id, name, uidvalidity, uidnext, highestmodseq, total, unseen, bytes FROM mailbox";

fn read_folder(row: &Row<'_>) -> Result<Folder, StoreError> {
    Ok(Folder {
        id: row.get(0)?,
        name: row.get(1)?,
        uidvalidity: row.get(2)?,
        uidnext: row.get(3)?,
        highestmodseq: row.get(4)?,
        total: row.get(5)?,
        unseen: row.get(6)?,
        bytes: row.get(7)?,
    })
}

/// Makes the folders of a new account, numbered by `ids`.
///
/// Errors: [`StoreError::Exists`] when it has one of them.
pub fn create_folders(
    tx: &mut Tx<'_>,
    account: Id,
    ids: &[Id; DEFAULT_FOLDERS.len()],
    now: Timestamp,
) -> Result<(), StoreError> {
    for (id, (name, special_use)) in ids.iter().zip(DEFAULT_FOLDERS) {
        let added = tx.execute(
            "INSERT INTO mailbox (id, tenant, account, name, special_use, uidvalidity, created)
             SELECT :id, tenant, id, :name, :special_use, uidvalidity, :now
             FROM principal WHERE id = :account ON CONFLICT (account, name) DO NOTHING",
            params! { id: *id, name, special_use, now, account },
        )?;
        if added != 1 {
            return Err(StoreError::Exists("folder"));
        }
    }
    Ok(())
}

/// The folder of that name; `INBOX` in any case.
pub fn folder(tx: &mut Tx<'_>, account: Id, name: &str) -> Result<Option<Folder>, StoreError> {
    let name = if name.eq_ignore_ascii_case("INBOX") { "INBOX" } else { name };
    tx.query_opt(
        &format!("{FOLDER} WHERE account = :account AND name = :name"),
        params! { account, name },
        read_folder,
    )
}

/// The folders of an account by name.
pub fn folders(tx: &mut Tx<'_>, account: Id) -> Result<Vec<Folder>, StoreError> {
    tx.query(
        &format!("{FOLDER} WHERE account = :account ORDER BY name"),
        params! { account },
        read_folder,
    )
}

/// The next MODSEQ of an account: one counter for all of its folders.
fn next_modseq(tx: &mut Tx<'_>, account: Id) -> Result<i64, StoreError> {
    tx.query_opt(
        "UPDATE principal SET modseq = modseq + 1 WHERE id = :account RETURNING modseq",
        params! { account },
        |row| row.get(0),
    )?
    .ok_or(StoreError::Missing("account"))
}
