//! What operators see and do: list, show, hold, release, retry, delete.

use mailwright_words::{Id, Timestamp};

use crate::{
    directory::words,
    engine::{Row, Tx},
    error::StoreError,
    event::{self, Event},
    params,
    queue::{Transport, wake},
    spool,
};

words! {
    /// Whether a recipient goes by itself.
    EntryState {
        /// It is tried when it is due.
        Queued = "queued",
        /// It waits for a human.
        Held = "held",
    }
}

/// A recipient as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: Id,
    /// Its message.
    pub message: Id,
    /// Who gets it.
    pub recipient: String,
    /// The reverse-path, in angle brackets.
    pub sender: String,
    /// Under which key it waits.
    pub destination: String,
    /// Whether it goes by itself.
    pub state: EntryState,
    /// Whether it is being tried, or about to be.
    pub is_active: bool,
    /// When it is tried again.
    pub due: Timestamp,
    /// When it is given up.
    pub expires: Timestamp,
    /// Attempts that counted.
    pub attempts: u32,
    /// What was said last.
    pub last_reply: Option<String>,
}

const ENTRY: &str = "SELECT r.id, r.spool, r.address, s.sender, r.destination, r.state,
    r.owner_node IS NOT NULL, r.due, r.expires, r.attempts, r.last_reply
    FROM recipient r JOIN spool s ON s.id = r.spool";

fn read(row: &Row<'_>) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: row.get(0)?,
        message: row.get(1)?,
        recipient: row.get(2)?,
        sender: row.get(3)?,
        destination: row.get(4)?,
        state: EntryState::read(&row.get::<String>(5)?)?,
        is_active: row.get(6)?,
        due: row.get(7)?,
        expires: row.get(8)?,
        attempts: row.get(9)?,
        last_reply: row.get(10)?,
    })
}

/// Up to `limit` recipients in the order they came, those behind `after`.
pub fn list(tx: &mut Tx<'_>, after: Option<Id>, limit: usize) -> Result<Vec<Entry>, StoreError> {
    tx.query(
        &format!("{ENTRY} WHERE r.id > :after ORDER BY r.id LIMIT :limit"),
        params! { after: after.map_or(-1, Id::get), limit },
        read,
    )
}

/// One recipient.
pub fn entry(tx: &mut Tx<'_>, id: Id) -> Result<Option<Entry>, StoreError> {
    tx.query_opt(&format!("{ENTRY} WHERE r.id = :id"), params! { id }, read)
}

/// One attempt at a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// Which in their order.
    pub number: u32,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Who was spoken to.
    pub host: Option<String>,
    /// What became of it, in a word.
    pub outcome: String,
    /// What was said.
    pub reply: Option<String>,
    /// The whole conversation.
    pub transcript: Option<String>,
    /// How safe the road was to be, and was.
    pub transport: Option<Transport>,
}

/// The recipients of a message that are still in the queue.
pub fn of_message(tx: &mut Tx<'_>, message: Id) -> Result<Vec<Entry>, StoreError> {
    tx.query(&format!("{ENTRY} WHERE r.spool = :message ORDER BY r.id"), params! { message }, read)
}

/// The message of a recipient that was tried, also of one that is gone.
pub fn message_of(tx: &mut Tx<'_>, recipient: Id) -> Result<Option<Id>, StoreError> {
    tx.query_opt(
        "SELECT spool FROM attempt WHERE recipient = :recipient LIMIT 1",
        params! { recipient },
        |row| row.get(0),
    )
}

/// The last `limit` attempts at a recipient, also of one that is gone, newest first.
pub fn attempts(
    tx: &mut Tx<'_>,
    recipient: Id,
    limit: usize,
) -> Result<Vec<AttemptRow>, StoreError> {
    tx.query(
        "SELECT number, started, ended, host, outcome, reply, transcript, tls_asked,
             tls_got, tls_why FROM attempt
         WHERE recipient = :recipient ORDER BY id DESC LIMIT :limit",
        params! { recipient, limit },
        |row| {
            Ok(AttemptRow {
                number: row.get(0)?,
                started: row.get(1)?,
                ended: row.get(2)?,
                host: row.get(3)?,
                outcome: row.get(4)?,
                reply: row.get(5)?,
                transcript: row.get(6)?,
                transport: transport(row)?,
            })
        },
    )
}

fn transport(row: &Row<'_>) -> Result<Option<Transport>, StoreError> {
    let Some(asked) = row.get(7)? else { return Ok(None) };
    let why: Option<String> = row.get(9)?;
    Ok(Some(Transport { asked, got: row.get(8)?, why: why.unwrap_or_default() }))
}

/// Keeps a recipient from being tried; an attempt that runs finishes.
///
/// Errors: [`StoreError::Missing`].
pub fn hold(tx: &mut Tx<'_>, id: Id, now: Timestamp) -> Result<(), StoreError> {
    let touched =
        tx.execute("UPDATE recipient SET state = 'held' WHERE id = :id", params! { id })?;
    told(tx, touched, id, ("held", now))
}

/// Those of `recipients` that are held, in their order.
pub fn held(tx: &mut Tx<'_>, recipients: &[Id]) -> Result<Vec<Id>, StoreError> {
    let mut found = Vec::new();
    for id in recipients {
        let one = tx.query_opt(
            "SELECT id FROM recipient WHERE id = :id AND state = 'held'",
            params! { id: *id },
            |row| row.get::<Id>(0),
        )?;
        found.extend(one);
    }
    Ok(found)
}

/// Lets a held recipient go by itself again, at once.
///
/// Errors: [`StoreError::Missing`].
pub fn unhold(tx: &mut Tx<'_>, id: Id, now: Timestamp) -> Result<(), StoreError> {
    let touched = tx.execute(
        "UPDATE recipient SET state = 'queued', due = :now WHERE id = :id AND state = 'held'",
        params! { now, id },
    )?;
    told(tx, touched, id, ("released", now))?;
    awake(tx, id, now)
}

/// Tries a recipient now, also where its destination is blocked: where one alone goes, to see
/// whether the destination is back, it is this one.
///
/// Errors: [`StoreError::Missing`].
pub fn retry(tx: &mut Tx<'_>, id: Id, now: Timestamp) -> Result<(), StoreError> {
    let touched = tx.execute(
        "UPDATE recipient SET state = 'queued', due = min(due, :now) WHERE id = :id",
        params! { now, id },
    )?;
    tx.execute(
        "UPDATE destination SET blocked_until = 0
         WHERE site = (SELECT destination FROM recipient WHERE id = :id)",
        params! { id },
    )?;
    told(tx, touched, id, ("retried", now))?;
    awake(tx, id, now)?;
    tx.execute(
        "UPDATE destination SET asked = :id
         WHERE site = (SELECT destination FROM recipient
             WHERE id = :id AND owner_node IS NULL)",
        params! { id },
    )
    .map(drop)
}

/// Takes a recipient out of the queue without a report.
///
/// Errors: [`StoreError::Missing`]; [`StoreError::Exists`] while an attempt at it runs.
pub fn delete(tx: &mut Tx<'_>, id: Id, now: Timestamp) -> Result<(), StoreError> {
    let found = entry(tx, id)?.ok_or(StoreError::Missing("recipient"))?;
    if found.is_active {
        return Err(StoreError::Exists("an attempt at this recipient"));
    }
    told(tx, 1, id, ("cancelled", now))?;
    tx.execute("DELETE FROM recipient WHERE id = :id", params! { id })?;
    spool::remove(tx, found.message, now)?;
    Ok(())
}

fn awake(tx: &mut Tx<'_>, id: Id, now: Timestamp) -> Result<(), StoreError> {
    let site: String =
        tx.query_one("SELECT destination FROM recipient WHERE id = :id", params! { id }, |row| {
            row.get(0)
        })?;
    wake(tx, &site, now)
}

/// Writes the operator's deed down.
fn told(
    tx: &mut Tx<'_>,
    touched: usize,
    id: Id,
    (kind, at): (&str, Timestamp),
) -> Result<(), StoreError> {
    if touched == 0 {
        return Err(StoreError::Missing("recipient"));
    }
    let (tenant, spool, address) = tx.query_one(
        "SELECT tenant, spool, address FROM recipient WHERE id = :id",
        params! { id },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    event::append(
        tx,
        &Event {
            tenant,
            at,
            kind: kind.to_owned(),
            spool: Some(spool),
            recipient: Some(id),
            address: Some(address),
            detail: None,
        },
    )
}
