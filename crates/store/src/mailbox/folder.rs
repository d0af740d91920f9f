//! The folders of an account: made, renamed, deleted, subscribed to.
//!
//! Levels of a name are parted by `/`, and the levels above a folder are folders too: none is
//! without messages by nature. INBOX is always there; renaming it moves its messages away. A folder
//! with others below it is not deleted. A name that was subscribed to stays so until the client
//! says otherwise. Source: RFC 9051 sections 6.3.4 to 6.3.9.

use mailwright_words::{Id, IdSource, Timestamp};

use crate::{
    engine::Tx,
    error::StoreError,
    mailbox::{Edit, What},
    params,
};

/// A name of an account: a folder, or what is only subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The whole name.
    pub name: String,
    /// The folder of that name.
    pub mailbox: Option<Id>,
    /// What it is for, such as `\Sent`.
    pub special_use: Option<String>,
    /// Whether the name is subscribed to.
    pub subscribed: bool,
}

/// How full a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// The folder.
    pub mailbox: Id,
    /// Stands for the UIDs given out.
    pub uidvalidity: u32,
    /// The UID of the next message.
    pub uidnext: u32,
    /// UIDs from here on were told to no session as recent.
    pub recent_from: u32,
    /// The last change.
    pub highest_modseq: u64,
    /// Messages in it.
    pub total: u32,
    /// Those without `\Seen`.
    pub unseen: u32,
    /// Those with `\Deleted`.
    pub deleted: u32,
    /// Octets of all.
    pub bytes: u64,
    /// Octets of those with `\Deleted`.
    pub deleted_bytes: u64,
    /// Recent ones.
    pub recent: u32,
}

/// The limits of an account's folders.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most folders.
    pub folders_max: usize,
    /// Longest name, in octets.
    pub name_max: usize,
}

/// The names of an account, each once.
pub fn named(tx: &mut Tx<'_>, account: Id) -> Result<Vec<Named>, StoreError> {
    tx.query(
        "SELECT m.name, m.id, m.special_use, s.name IS NOT NULL
         FROM mailbox m LEFT JOIN subscription s ON s.account = m.account AND s.name = m.name
         WHERE m.account = :account AND m.dead = 0
         UNION ALL
         SELECT s.name, NULL, NULL, 1 FROM subscription s WHERE s.account = :account
             AND NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.account = s.account
                 AND m.name = s.name AND m.dead = 0)
         ORDER BY 1",
        params! { account },
        |row| {
            Ok(Named {
                name: row.get(0)?,
                mailbox: row.get(1)?,
                special_use: row.get(2)?,
                subscribed: row.get(3)?,
            })
        },
    )
}

/// The folder of that name.
pub fn find(tx: &mut Tx<'_>, account: Id, name: &str) -> Result<Option<Id>, StoreError> {
    tx.query_opt(
        "SELECT id FROM mailbox WHERE account = :account AND name = :name AND dead = 0",
        params! { account, name },
        |row| row.get(0),
    )
}

/// How full a folder is; `None` when there is none of that name.
pub fn fill(tx: &mut Tx<'_>, account: Id, name: &str) -> Result<Option<Fill>, StoreError> {
    let found = tx.query_opt(
        "SELECT id, uidvalidity, uidnext, recent_from_uid, highestmodseq, total, unseen, deleted,
             bytes FROM mailbox WHERE account = :account AND name = :name AND dead = 0",
        params! { account, name },
        |row| {
            Ok(Fill {
                mailbox: row.get(0)?,
                uidvalidity: row.get(1)?,
                uidnext: row.get(2)?,
                recent_from: row.get(3)?,
                highest_modseq: row.get(4)?,
                total: row.get(5)?,
                unseen: row.get(6)?,
                deleted: row.get(7)?,
                bytes: row.get(8)?,
                deleted_bytes: 0,
                recent: 0,
            })
        },
    )?;
    let Some(mut fill) = found else { return Ok(None) };
    let mailbox = fill.mailbox;
    if fill.deleted > 0 {
        fill.deleted_bytes = tx.query_one(
            "SELECT ifnull(sum(size), 0) FROM mailbox_msg WHERE mailbox = :mailbox AND flags & 8",
            params! { mailbox },
            |row| row.get(0),
        )?;
    }
    if fill.recent_from < fill.uidnext {
        fill.recent = tx.query_one(
            "SELECT count(*) FROM mailbox_msg WHERE mailbox = :mailbox AND uid >= :first",
            params! { mailbox, first: fill.recent_from },
            |row| row.get(0),
        )?;
    }
    Ok(Some(fill))
}

/// Makes a folder, and those above it that are missing.
///
/// Errors: [`StoreError::Exists`], [`StoreError::Limit`].
pub fn create(
    tx: &mut Tx<'_>,
    (account, name): (Id, &str),
    special_use: Option<&str>,
    (ids, limits): (&IdSource, Limits),
    now: Timestamp,
) -> Result<Id, StoreError> {
    if find(tx, account, name)?.is_some() {
        return Err(StoreError::Exists("mailbox"));
    }
    if name.len() > limits.name_max {
        return Err(StoreError::Limit("the name of a mailbox"));
    }
    parents(tx, (account, name), (ids, limits), now)?;
    insert(tx, (account, name), special_use, (ids, limits), now)
}

fn parents(
    tx: &mut Tx<'_>,
    (account, name): (Id, &str),
    of: (&IdSource, Limits),
    now: Timestamp,
) -> Result<(), StoreError> {
    for (end, _) in name.match_indices('/') {
        let above = name.get(..end).unwrap_or_default();
        if find(tx, account, above)?.is_none() {
            insert(tx, (account, above), None, of, now)?;
        }
    }
    Ok(())
}

fn insert(
    tx: &mut Tx<'_>,
    (account, name): (Id, &str),
    special_use: Option<&str>,
    (ids, limits): (&IdSource, Limits),
    now: Timestamp,
) -> Result<Id, StoreError> {
    let count: usize = tx.query_one(
        "SELECT count(*) FROM mailbox WHERE account = :account AND dead = 0",
        params! { account },
        |row| row.get(0),
    )?;
    if count >= limits.folders_max {
        return Err(StoreError::Limit("folders of an account"));
    }
    let uidvalidity = next_uidvalidity(tx, account, now)?;
    let id = ids.next(now);
    tx.execute(
        "INSERT INTO mailbox (id, tenant, account, name, special_use, uidvalidity, created)
         SELECT :id, tenant, id, :name, :special_use, :uidvalidity, :now
         FROM principal WHERE id = :account",
        params! { id, name, special_use, uidvalidity, now, account },
    )?;
    Ok(id)
}

/// A UIDVALIDITY that no mailbox of the account ever had.
pub(crate) fn next_uidvalidity(
    tx: &mut Tx<'_>,
    account: Id,
    now: Timestamp,
) -> Result<u32, StoreError> {
    let seconds = (now.ms() / 1000).clamp(1, i64::from(u32::MAX - 1_000_000));
    tx.query_opt(
        "UPDATE principal SET uidvalidity = max(uidvalidity + 1, :seconds) WHERE id = :account
         RETURNING uidvalidity",
        params! { seconds, account },
        |row| row.get(0),
    )?
    .ok_or(StoreError::Missing("account"))
}

/// Deletes a folder; its rows go later, by [`Store::sweep_mailboxes`](crate::Store).
///
/// Errors: [`StoreError::Missing`], [`StoreError::HasChildren`], [`StoreError::Cannot`] for INBOX.
pub fn delete_folder(tx: &mut Tx<'_>, account: Id, name: &str) -> Result<(), StoreError> {
    if name == "INBOX" {
        return Err(StoreError::Cannot("INBOX is not deleted"));
    }
    let mailbox = find(tx, account, name)?.ok_or(StoreError::Missing("mailbox"))?;
    let below = format!("{name}/");
    let child = tx.query_opt(
        "SELECT 1 FROM mailbox WHERE account = :account AND dead = 0
             AND substr(name, 1, length(:below)) = :below LIMIT 1",
        params! { account, below: &below },
        |row| row.get::<i64>(0),
    )?;
    if child.is_some() {
        return Err(StoreError::HasChildren);
    }
    let modseq = super::next_modseq(tx, account)?;
    // No client can write such a name, so the old one is free for another folder.
    let buried = format!("\u{1}{mailbox}");
    tx.execute(
        "UPDATE principal SET used_bytes = max(0, used_bytes - (SELECT bytes FROM mailbox
             WHERE id = :mailbox)) WHERE id = :account",
        params! { mailbox, account },
    )?;
    tx.execute(
        "UPDATE mailbox SET dead = 1, name = :buried, highestmodseq = :modseq WHERE id = :mailbox",
        params! { buried: &buried, modseq, mailbox },
    )?;
    tx.publish(Edit { mailbox, modseq, what: What::Gone });
    Ok(())
}

/// Messages that are still to be moved from INBOX to the folder that took its name away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moving {
    pub(super) source: Id,
    pub(super) target: Id,
}

/// Renames a folder with all below it; for INBOX, a new folder is made that gets its messages.
///
/// Errors: [`StoreError::Missing`], [`StoreError::Exists`], [`StoreError::Limit`],
/// [`StoreError::Cannot`] for a name below its own.
pub(super) fn rename(
    tx: &mut Tx<'_>,
    (account, from, to): (Id, &str, &str),
    (ids, limits): (&IdSource, Limits),
    now: Timestamp,
) -> Result<Option<Moving>, StoreError> {
    let source = find(tx, account, from)?.ok_or(StoreError::Missing("mailbox"))?;
    if find(tx, account, to)?.is_some() {
        return Err(StoreError::Exists("mailbox"));
    }
    if from == "INBOX" {
        let target = create(tx, (account, to), None, (ids, limits), now)?;
        return Ok(Some(Moving { source, target }));
    }
    let below = format!("{from}/");
    if to.starts_with(&below) {
        return Err(StoreError::Cannot("a mailbox is not renamed below itself"));
    }
    parents(tx, (account, to), (ids, limits), now)?;
    tx.execute(
        "UPDATE mailbox SET name = :to || substr(name, length(:from) + 1)
         WHERE account = :account AND dead = 0
             AND (name = :from OR substr(name, 1, length(:below)) = :below)",
        params! { to, from, account, below: &below },
    )?;
    let longest: usize = tx.query_one(
        "SELECT max(length(CAST(name AS BLOB))) FROM mailbox WHERE account = :account",
        params! { account },
        |row| row.get(0),
    )?;
    if longest > limits.name_max {
        return Err(StoreError::Limit("the name of a mailbox"));
    }
    Ok(None)
}

/// Subscribes to a name, or no longer.
///
/// Errors: [`StoreError::Limit`] past twice as many names as folders.
pub fn subscribe(
    tx: &mut Tx<'_>,
    (account, name): (Id, &str),
    subscribed: bool,
    limits: Limits,
) -> Result<(), StoreError> {
    if !subscribed {
        let sql = "DELETE FROM subscription WHERE account = :account AND name = :name";
        return tx.execute(sql, params! { account, name }).map(drop);
    }
    let count: usize = tx.query_one(
        "SELECT count(*) FROM subscription WHERE account = :account",
        params! { account },
        |row| row.get(0),
    )?;
    if count >= limits.folders_max.saturating_mul(2) || name.len() > limits.name_max {
        return Err(StoreError::Limit("subscriptions of an account"));
    }
    tx.execute(
        "INSERT INTO subscription (account, name) VALUES (:account, :name)
         ON CONFLICT (account, name) DO NOTHING",
        params! { account, name },
    )
    .map(drop)
}

/// Octets used and allowed, and messages used, of an account.
pub fn usage(tx: &mut Tx<'_>, account: Id) -> Result<(u64, Option<u64>, u64), StoreError> {
    tx.query_opt(
        "SELECT used_bytes, quota_bytes, (SELECT ifnull(sum(total), 0) FROM mailbox
             WHERE account = :account AND dead = 0) FROM principal WHERE id = :account",
        params! { account },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?
    .ok_or(StoreError::Missing("account"))
}
