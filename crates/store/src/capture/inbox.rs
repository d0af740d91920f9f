//! Inboxes: principals with one mailbox, and a small number beside their name.

use mailwright_words::{Id, Timestamp};

use crate::{
    directory::{NewPrincipal, PrincipalKind, add_principal},
    engine::{Row, Tx},
    error::StoreError,
    mailbox::next_uidvalidity,
    params,
};

/// An inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// The principal that it is.
    pub principal: Id,
    /// A small number, for programs that know inboxes by numbers.
    pub number: u64,
    /// Its one mailbox.
    pub mailbox: Id,
    /// Its name, by which one logs in.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it goes by itself.
    pub expires: Option<Timestamp>,
    /// Messages in it.
    pub total: u64,
    /// Those that nobody read.
    pub unseen: u64,
    /// Octets of all.
    pub bytes: u64,
    /// What it goes by, as text that means nothing here.
    pub settings: Option<String>,
}

/// An inbox to make.
#[derive(Debug, Clone)]
pub struct NewInbox {
    /// The number of its principal.
    pub principal: Id,
    /// The number of its mailbox.
    pub mailbox: Id,
    /// Its name.
    pub name: String,
    /// When it goes by itself.
    pub expires: Option<Timestamp>,
}

const INBOX: &str =
    "SELECT i.principal, i.number, i.mailbox, p.name, p.created, i.expires, m.total,
         m.unseen, m.bytes, i.settings
     FROM inbox i JOIN principal p ON p.id = i.principal JOIN mailbox m ON m.id = i.mailbox";

fn read(row: &Row<'_>) -> Result<Inbox, StoreError> {
    Ok(Inbox {
        principal: row.get(0)?,
        number: row.get(1)?,
        mailbox: row.get(2)?,
        name: row.get(3)?,
        created: row.get(4)?,
        expires: row.get(5)?,
        total: row.get(6)?,
        unseen: row.get(7)?,
        bytes: row.get(8)?,
        settings: row.get(9)?,
    })
}

/// Makes an inbox, unless there are `inboxes_max`.
///
/// Errors: [`StoreError::Exists`] when the name is taken, also by an account;
/// [`StoreError::Cannot`] when there are too many.
pub fn add_inbox(
    tx: &mut Tx<'_>,
    new: &NewInbox,
    inboxes_max: usize,
    now: Timestamp,
) -> Result<Inbox, StoreError> {
    let (count, last): (usize, u64) =
        tx.query_one("SELECT count(*), ifnull(max(number), 0) FROM inbox", params! {}, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if count >= inboxes_max {
        return Err(StoreError::Cannot("there are as many inboxes as there may be"));
    }
    let (name, kind) = (new.name.clone(), PrincipalKind::Inbox);
    add_principal(tx, &NewPrincipal { id: new.principal, kind, name, quota_bytes: None }, now)?;
    let uidvalidity = next_uidvalidity(tx, new.principal, now)?;
    tx.execute(
        "INSERT INTO mailbox (id, tenant, account, name, uidvalidity, created)
         SELECT :id, tenant, id, 'INBOX', :uidvalidity, :now FROM principal WHERE id = :account",
        params! { id: new.mailbox, uidvalidity, now, account: new.principal },
    )?;
    tx.execute(
        "INSERT INTO subscription (account, name) VALUES (:account, 'INBOX')",
        params! { account: new.principal },
    )?;
    tx.execute(
        "INSERT INTO inbox (principal, number, mailbox, expires)
         VALUES (:principal, :number, :mailbox, :expires)",
        params! { principal: new.principal, number: last.saturating_add(1), mailbox: new.mailbox,
        expires: new.expires },
    )?;
    inbox_named(tx, &new.name)?.ok_or(StoreError::Missing("inbox"))
}

/// The inbox of that name.
///
/// Errors: those of the database.
pub fn inbox_named(tx: &mut Tx<'_>, name: &str) -> Result<Option<Inbox>, StoreError> {
    tx.query_opt(
        &format!("{INBOX} WHERE p.name = :name AND p.disabled = 0"),
        params! { name },
        read,
    )
}

/// Every inbox, oldest first.
///
/// Errors: those of the database.
pub fn inboxes(tx: &mut Tx<'_>) -> Result<Vec<Inbox>, StoreError> {
    tx.query(&format!("{INBOX} WHERE p.disabled = 0 ORDER BY i.number"), params! {}, read)
}

/// The inboxes whose time is over, and those whose removal did not come to its end.
///
/// Errors: those of the database.
pub fn expired(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Inbox>, StoreError> {
    tx.query(
        &format!("{INBOX} WHERE i.expires <= :now OR p.disabled = 1 ORDER BY i.number LIMIT 100"),
        params! { now },
        read,
    )
}

/// What an inbox goes by.
///
/// Errors: those of the database.
pub fn settings(tx: &mut Tx<'_>, principal: Id) -> Result<Option<String>, StoreError> {
    let sql = "SELECT settings FROM inbox WHERE principal = :principal";
    Ok(tx.query_opt(sql, params! { principal }, |row| row.get(0))?.flatten())
}

/// Whether any inbox goes by settings of its own.
///
/// Errors: those of the database.
pub fn has_settings(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM inbox WHERE settings IS NOT NULL LIMIT 1";
    Ok(tx.query_opt(sql, params! {}, |row| row.get::<i64>(0))?.is_some())
}

/// Has an inbox go by these settings.
///
/// Errors: [`StoreError::Missing`].
pub fn set_settings(tx: &mut Tx<'_>, principal: Id, settings: &str) -> Result<(), StoreError> {
    let sql = "UPDATE inbox SET settings = :settings WHERE principal = :principal";
    match tx.execute(sql, params! { settings, principal })? {
        0 => Err(StoreError::Missing("inbox")),
        _ => Ok(()),
    }
}

/// When an inbox goes by itself.
///
/// Errors: [`StoreError::Missing`].
pub fn set_expires(
    tx: &mut Tx<'_>,
    principal: Id,
    expires: Option<Timestamp>,
) -> Result<(), StoreError> {
    let sql = "UPDATE inbox SET expires = :expires WHERE principal = :principal";
    match tx.execute(sql, params! { expires, principal })? {
        0 => Err(StoreError::Missing("inbox")),
        _ => Ok(()),
    }
}
