//! Mailboxes: the folders of an account and the messages in them.
//!
//! A delivery, its UID and its MODSEQ, the quota and the counters of the folder change in one
//! transaction. A message of the spool arrives in a folder once, however often it is tried.
//! Source: RFC 9051 section 2.3, RFC 7162.

mod append;
mod content;
mod copies;
mod delivery;
mod expunge;
mod flag;
mod folder;
mod import;
mod keyword;
mod late;
mod listing;
mod load;
mod maildrop;
mod meta;
#[cfg(test)]
mod model;
mod relocate;
mod removal;
mod shelf;
mod shown;
#[cfg(test)]
mod tests;
mod transfer;
mod upkeep;

use mailwright_words::{Id, Timestamp};

use self::transfer::transfer;
pub use self::{
    append::{Append, Appended},
    content::{Content, LARGE},
    copies::CopyReader,
    delivery::{Delivered, NewMessage, deliver, deliver_over},
    expunge::{expunge, vanished, without_rows},
    flag::{Change, How, change_flags},
    folder::{Fill, Limits, Named, create, delete_folder, fill, find, named, subscribe, usage},
    import::{Expunged, Origin, was_imported},
    keyword::KEYWORDS_MAX,
    listing::{Copy, Listed, copy, list},
    maildrop::{Maildrop, MaildropRow, maildrop},
    meta::Wanted,
    relocate::Halfway,
    removal::{delete, remove_folders, set_flags},
    shelf::{Happened, News, View},
    shown::shown,
    transfer::{Copied, Transfer},
};
pub(crate) use self::{
    folder::next_uidvalidity,
    late::Late,
    shelf::{Edit, Shelf, What},
};
use crate::{
    engine::{Row, Tx},
    error::StoreError,
    params,
};

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

/// Stands for the folder of suspicious mail, whatever its owner calls it.
pub const JUNK: &str = "\\Junk";

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
        let uidvalidity = next_uidvalidity(tx, account, now)?;
        let added = tx.execute(
            "INSERT INTO mailbox (id, tenant, account, name, special_use, uidvalidity, created)
             SELECT :id, tenant, id, :name, :special_use, :uidvalidity, :now
             FROM principal WHERE id = :account ON CONFLICT (account, name) DO NOTHING",
            params! { id: *id, name, special_use, uidvalidity, now, account },
        )?;
        if added != 1 {
            return Err(StoreError::Exists("folder"));
        }
        tx.execute(
            "INSERT INTO subscription (account, name) VALUES (:account, :name)
             ON CONFLICT (account, name) DO NOTHING",
            params! { account, name },
        )?;
    }
    Ok(())
}

/// The folder of that name; `INBOX` in any case.
pub fn folder(tx: &mut Tx<'_>, account: Id, name: &str) -> Result<Option<Folder>, StoreError> {
    let name = if name.eq_ignore_ascii_case("INBOX") { "INBOX" } else { name };
    tx.query_opt(
        &format!("{FOLDER} WHERE account = :account AND name = :name AND dead = 0"),
        params! { account, name },
        read_folder,
    )
}

/// The folders of an account by name.
pub fn folders(tx: &mut Tx<'_>, account: Id) -> Result<Vec<Folder>, StoreError> {
    tx.query(
        &format!("{FOLDER} WHERE account = :account AND dead = 0 ORDER BY name"),
        params! { account },
        read_folder,
    )
}

/// How many numbers of changes are put on stable storage ahead of their use.
const MODSEQ_AHEAD: u64 = 10_000;

/// The next MODSEQ of an account: one counter for all of its folders.
///
/// Numbers are reserved ahead, on stable storage, so that one that a client saw is not used again
/// when a power cut takes the change itself.
fn next_modseq(tx: &mut Tx<'_>, account: Id) -> Result<u64, StoreError> {
    take_modseq(tx, account, 0)?.ok_or(StoreError::Missing("account"))
}

/// As [`next_modseq`], of a change that adds octets to the account.
///
/// Errors: [`StoreError::OverQuota`]; nothing is changed then.
fn charged_modseq(tx: &mut Tx<'_>, account: Id, bytes: u64) -> Result<u64, StoreError> {
    take_modseq(tx, account, bytes)?.ok_or(StoreError::OverQuota)
}

fn take_modseq(tx: &mut Tx<'_>, account: Id, bytes: u64) -> Result<Option<u64>, StoreError> {
    let taken = tx.query_opt(
        "UPDATE principal SET used_bytes = used_bytes + :bytes, modseq = modseq + 1,
             modseq_reserved = CASE WHEN modseq + 1 > modseq_reserved
                 THEN modseq + :ahead ELSE modseq_reserved END
         WHERE id = :account
             AND (:bytes = 0 OR quota_bytes IS NULL OR used_bytes + :bytes <= quota_bytes)
         RETURNING modseq, modseq_reserved",
        params! { bytes, ahead: MODSEQ_AHEAD, account },
        |row| Ok((row.get::<u64>(0)?, row.get::<u64>(1)?)),
    )?;
    let Some((modseq, reserved)) = taken else { return Ok(None) };
    if reserved.saturating_sub(modseq) == MODSEQ_AHEAD - 1 {
        tx.promise();
    }
    Ok(Some(modseq))
}

/// Whose mailbox it is.
///
/// Errors: [`StoreError::Missing`] when it is gone.
fn account_of(tx: &mut Tx<'_>, mailbox: Id) -> Result<Id, StoreError> {
    tx.query_opt(
        "SELECT account FROM mailbox WHERE id = :mailbox AND dead = 0",
        params! { mailbox },
        |row| row.get(0),
    )?
    .ok_or(StoreError::Missing("mailbox"))
}
