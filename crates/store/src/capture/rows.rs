//! Lists of what an inbox has, newest first, page by page.

use mailwright_view::NumberSet;
use mailwright_words::{Id, Timestamp};

use super::lines;
use crate::{
    engine::{Row, Tx},
    error::StoreError,
    mailbox::expunge,
    params,
};

/// A message of an inbox, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub inbox: Id,
    /// The message.
    pub message: Id,
    /// Its number in the inbox, greater than that of all before it.
    pub uid: u32,
    /// Its flags, as a mailbox keeps them.
    pub flags: u8,
    /// Octets of it.
    pub size: u64,
    /// When it came.
    pub received: Timestamp,
    /// The reverse-path, as it is printed.
    pub sender: String,
    /// The forward-paths.
    pub recipients: Vec<String>,
    /// As whom its client authenticated.
    pub username: Option<String>,
    /// What it was marked with.
    pub tags: Vec<String>,
    /// What was summed up of it, if that was done.
    pub summary: Option<String>,
}

/// A message of an inbox, as a search looks at it.
#[derive(Debug)]
pub struct Scanned {
    /// As a list shows it.
    pub entry: Entry,
    /// The text that words are looked for in, if it was gathered.
    pub words: Option<String>,
}

const ENTRY: &str = "m.account, mm.message, mm.uid, mm.flags, mm.size, mm.internal_date,
     ifnull(c.sender, ''), ifnull(c.recipients, ''), c.username,
     (SELECT group_concat(name, char(10)) FROM capture_tag t WHERE t.message = mm.message),
     c.summary";
const FROM: &str = "FROM mailbox_msg mm JOIN mailbox m ON m.id = mm.mailbox
     LEFT JOIN capture c ON c.message = mm.message";

fn read(row: &Row<'_>) -> Result<Entry, StoreError> {
    Ok(Entry {
        inbox: row.get(0)?,
        message: row.get(1)?,
        uid: row.get(2)?,
        flags: row.get(3)?,
        size: row.get(4)?,
        received: row.get(5)?,
        sender: row.get(6)?,
        recipients: lines(&row.get::<String>(7)?),
        username: row.get(8)?,
        tags: row.get::<Option<String>>(9)?.as_deref().map(lines).unwrap_or_default(),
        summary: row.get(10)?,
    })
}

/// Up to `limit` messages with numbers below `before`, newest first, `skip` of them left out.
///
/// Errors: those of the database.
pub fn list(
    tx: &mut Tx<'_>,
    mailbox: Id,
    (before, skip, limit): (u32, usize, usize),
) -> Result<Vec<Entry>, StoreError> {
    tx.query(
        &format!(
            // What is left out is counted by numbers alone.
            "SELECT {ENTRY} {FROM} WHERE mm.mailbox = :mailbox AND mm.uid <=
                 (SELECT uid FROM mailbox_msg WHERE mailbox = :mailbox AND uid < :before
                  ORDER BY uid DESC LIMIT 1 OFFSET :skip)
             ORDER BY mm.uid DESC LIMIT :limit"
        ),
        params! { mailbox, before, limit, skip },
        read,
    )
}

/// Numbers and ids of the newest messages of a mailbox.
///
/// Errors: those of the database.
pub fn ids(tx: &mut Tx<'_>, mailbox: Id, limit: usize) -> Result<Vec<(u32, Id)>, StoreError> {
    tx.query(
        "SELECT uid, message FROM mailbox_msg WHERE mailbox = :mailbox
         ORDER BY uid DESC LIMIT :limit",
        params! { mailbox, limit },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// The message, where it is in an inbox.
///
/// Errors: those of the database.
pub fn entry(tx: &mut Tx<'_>, message: Id) -> Result<Option<Entry>, StoreError> {
    tx.query_opt(
        &format!(
            "SELECT {ENTRY} {FROM} JOIN inbox i ON i.mailbox = mm.mailbox
             WHERE mm.message = :message"
        ),
        params! { message },
        read,
    )
}

/// The message with that number in a mailbox.
///
/// Errors: those of the database.
pub fn numbered(tx: &mut Tx<'_>, mailbox: Id, uid: u32) -> Result<Option<Entry>, StoreError> {
    tx.query_opt(
        &format!("SELECT {ENTRY} {FROM} WHERE mm.mailbox = :mailbox AND mm.uid = :uid"),
        params! { mailbox, uid },
        read,
    )
}

/// The message with that number in a mailbox, as a search looks at it.
///
/// Errors: those of the database.
pub fn scanned(tx: &mut Tx<'_>, mailbox: Id, uid: u32) -> Result<Option<Scanned>, StoreError> {
    tx.query_opt(
        &format!("SELECT {ENTRY}, c.words {FROM} WHERE mm.mailbox = :mailbox AND mm.uid = :uid"),
        params! { mailbox, uid },
        |row| Ok(Scanned { entry: read(row)?, words: row.get(11)? }),
    )
}

/// Up to `limit` messages that were not summed up yet, oldest first.
///
/// Errors: those of the database.
pub fn late(tx: &mut Tx<'_>, limit: usize) -> Result<Vec<Id>, StoreError> {
    tx.query(
        "SELECT message FROM capture WHERE summary IS NULL ORDER BY message LIMIT :limit",
        params! { limit },
        |row| row.get(0),
    )
}

/// Keeps what was summed up of a message that is still there: what lists show, and its words.
///
/// Errors: those of the database.
pub fn sum_up(tx: &mut Tx<'_>, message: Id, summary: &str, words: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE capture SET summary = :summary, words = :words WHERE message = :message",
        params! { summary, words, message },
    )
    .map(drop)
}

/// Messages that one call of [`prune`] removes, at most.
const PRUNED: usize = 500;

/// What a mailbox keeps at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Messages.
    pub messages: usize,
    /// Octets of all of them.
    pub octets: u64,
    /// Messages that came since then.
    pub since: Timestamp,
}

/// Removes the oldest messages of a mailbox, as far as it has more than it keeps. Says how many
/// went; call it again until none does.
///
/// Errors: those of the database.
pub fn prune(tx: &mut Tx<'_>, mailbox: Id, kept: Kept, now: Timestamp) -> Result<u64, StoreError> {
    let (total, bytes): (usize, u64) = tx.query_one(
        "SELECT total, bytes FROM mailbox WHERE id = :mailbox",
        params! { mailbox },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let over = total.saturating_sub(kept.messages).min(PRUNED);
    let octets = bytes.saturating_sub(kept.octets);
    let uids: NumberSet = tx
        .query(
            "SELECT uid FROM (SELECT uid, internal_date, row_number() OVER (ORDER BY uid) AS place,
                     sum(size) OVER (ORDER BY uid) - size AS older
                 FROM mailbox_msg WHERE mailbox = :mailbox ORDER BY uid LIMIT :limit)
             WHERE place <= :over OR internal_date < :since OR older < :octets",
            params! { mailbox, limit: PRUNED, over, since: kept.since, octets },
            |row| row.get::<u32>(0),
        )?
        .into_iter()
        .collect();
    if uids.is_empty() {
        return Ok(0);
    }
    Ok(expunge(tx, mailbox, (&uids, false), PRUNED, now)?.len())
}

/// The message of a mailbox that came of this one of the spool.
///
/// Errors: those of the database.
pub fn of_origin(tx: &mut Tx<'_>, mailbox: Id, origin: Id) -> Result<Option<Entry>, StoreError> {
    let message: Option<Id> = tx.query_opt(
        "SELECT id FROM message WHERE origin = :origin AND first_mailbox = :mailbox",
        params! { origin, mailbox },
        |row| row.get(0),
    )?;
    message.map_or(Ok(None), |message| entry(tx, message))
}
