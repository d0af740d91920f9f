//! Deliveries to webhooks: due, tried, ended.

use std::time::Duration;

use mailwright_words::{Id, Timestamp};

use super::{CAUGHT, disable, hook};
use crate::{
    directory::DEFAULT_TENANT,
    engine::{Row, Tx},
    error::StoreError,
    event::{self, Event},
    params,
};

/// Deliveries that wait for one webhook; further causes are not told.
const WAITING_MAX: u32 = 10_000;
/// Deliveries of a webhook that are kept when they have ended.
const KEPT: u32 = 200;
/// Characters that are kept of an error.
const ERROR_MAX: usize = 300;

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: u64,
    /// The webhook.
    pub webhook: Id,
    /// What is told.
    pub kind: String,
    /// The message it is about.
    pub message: Option<Id>,
    /// What is sent; none before the first attempt, for a message.
    pub payload: Option<String>,
    /// When its cause was.
    pub at: Timestamp,
    /// When it is tried next; none when it has ended.
    pub due: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried last.
    pub tried: Option<Timestamp>,
    /// What the server said last, as a code.
    pub status: Option<u16>,
    /// Why the last attempt did not work.
    pub error: Option<String>,
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What the server said, as a code.
    pub status: Option<u16>,
    /// Why it did not work; none when it did.
    pub error: Option<String>,
    /// When it is tried again, if it did not work; none, and it is given up.
    pub again: Option<Timestamp>,
    /// Whether the server wants to hear nothing more at all.
    pub is_gone: bool,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Arrived,
    /// It is tried again.
    Again,
    /// It is given up.
    GivenUp,
    /// The webhook is switched off.
    Disabled,
    /// It has gone, or has ended otherwise.
    Gone,
}

const DELIVERY: &str = "id, webhook, kind, message, payload, at, due, attempts, tried, status,
     error";

fn read(row: &Row<'_>) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.get(0)?,
        webhook: row.get(1)?,
        kind: row.get(2)?,
        message: row.get(3)?,
        payload: row.get(4)?,
        at: row.get(5)?,
        due: row.get(6)?,
        attempts: row.get(7)?,
        tried: row.get(8)?,
        status: row.get::<Option<u32>>(9)?.and_then(|code| u16::try_from(code).ok()),
        error: row.get(10)?,
    })
}

/// Notes what happened for one webhook, whichever kinds it wants; gives the delivery's number.
///
/// Errors: [`StoreError::Cannot`] when too many wait already, or it is switched off.
pub fn announce(
    tx: &mut Tx<'_>,
    webhook: Id,
    (kind, payload): (&str, &str),
    now: Timestamp,
) -> Result<u64, StoreError> {
    take_place(tx, webhook)?;
    tx.query_one(
        "INSERT INTO webhook_delivery (webhook, kind, payload, at, due)
         VALUES (:webhook, :kind, :payload, :now, :now) RETURNING id",
        params! { webhook, kind, payload, now },
        |row| row.get(0),
    )
}

/// One delivery more waits for a webhook.
fn take_place(tx: &mut Tx<'_>, webhook: Id) -> Result<(), StoreError> {
    let touched = tx.execute(
        "UPDATE webhook SET waiting = waiting + 1
         WHERE id = :webhook AND disabled IS NULL AND waiting < :most",
        params! { webhook, most: WAITING_MAX },
    )?;
    match touched {
        1 => Ok(()),
        _ => Err(StoreError::Cannot("the webhook is switched off, or too much waits for it")),
    }
}

/// Notes for the webhooks of an inbox that a message came into it.
pub(crate) fn announce_caught(tx: &mut Tx<'_>, inbox: Id, message: Id) -> Result<(), StoreError> {
    let wanting = wanting(tx, inbox, CAUGHT)?;
    for webhook in wanting {
        tx.execute(
            "INSERT INTO webhook_delivery (webhook, kind, message, at, due)
             SELECT :webhook, :kind, id, internal_date, internal_date FROM message
             WHERE id = :message",
            params! { webhook, kind: CAUGHT, message },
        )?;
        tx.execute(
            "UPDATE webhook SET waiting = waiting + 1 WHERE id = :webhook",
            params! { webhook },
        )?;
    }
    Ok(())
}

/// The webhooks of an inbox that want to be told of this, and can be.
fn wanting(tx: &mut Tx<'_>, inbox: Id, kind: &str) -> Result<Vec<Id>, StoreError> {
    tx.query(
        "SELECT id FROM webhook WHERE inbox = :inbox AND disabled IS NULL AND waiting < :most
             AND instr(char(10) || kinds || char(10), char(10) || :kind || char(10)) > 0",
        params! { inbox, most: WAITING_MAX, kind },
        |row| row.get(0),
    )
}

/// Notes what happened for the webhooks of an inbox that want to be told of it.
///
/// Errors: those of the database.
pub fn announce_to(
    tx: &mut Tx<'_>,
    inbox: Id,
    (kind, payload): (&str, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    for webhook in wanting(tx, inbox, kind)? {
        announce(tx, webhook, (kind, payload), now)?;
    }
    Ok(())
}

/// Whether any webhook wants to be told of this.
///
/// Errors: those of the database.
pub fn is_wanted(tx: &mut Tx<'_>, kind: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM webhook WHERE disabled IS NULL AND instr(kinds, :kind) > 0 LIMIT 1";
    Ok(tx.query_opt(sql, params! { kind }, |row| row.get::<i64>(0))?.is_some())
}

/// Up to `each` deliveries of each webhook that are due, the longest due first.
///
/// Errors: those of the database.
pub fn due(tx: &mut Tx<'_>, now: Timestamp, each: usize) -> Result<Vec<Delivery>, StoreError> {
    let hooks: Vec<Id> =
        tx.query("SELECT id FROM webhook WHERE waiting > 0", params! {}, |row| row.get(0))?;
    let mut all = Vec::new();
    for webhook in hooks {
        let some = tx.query(
            &format!(
                "SELECT {DELIVERY} FROM webhook_delivery
                 WHERE webhook = :webhook AND due <= :now ORDER BY due LIMIT :each"
            ),
            params! { webhook, now, each },
            read,
        )?;
        all.extend(some);
    }
    Ok(all)
}

/// When the next delivery is due.
///
/// Errors: those of the database.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, StoreError> {
    tx.query_one(
        "SELECT min((SELECT min(due) FROM webhook_delivery d
              WHERE d.webhook = w.id AND d.due IS NOT NULL)) FROM webhook w WHERE w.waiting > 0",
        params! {},
        |row| row.get(0),
    )
}

/// Keeps what is sent, so that each further attempt sends the same.
///
/// Errors: those of the database.
pub fn keep_payload(tx: &mut Tx<'_>, id: u64, payload: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE webhook_delivery SET payload = :payload WHERE id = :id",
        params! { payload, id },
    )
    .map(drop)
}

/// Writes down how an attempt went. A webhook of which none worked for `patience` is switched off.
///
/// Errors: those of the database.
pub fn attempted(
    tx: &mut Tx<'_>,
    id: u64,
    attempt: &Attempt,
    (patience, now): (Duration, Timestamp),
) -> Result<Outcome, StoreError> {
    let error: Option<String> =
        attempt.error.as_ref().map(|text| text.chars().take(ERROR_MAX).collect());
    let webhook: Option<Id> = tx.query_opt(
        "UPDATE webhook_delivery SET attempts = attempts + 1, tried = :now, status = :status,
             error = :error, due = :again WHERE id = :id AND due IS NOT NULL RETURNING webhook",
        params! { now, status: attempt.status.map(u32::from), error: error.as_deref(),
        again: attempt.again, id },
        |row| row.get(0),
    )?;
    let Some(webhook) = webhook else { return Ok(Outcome::Gone) };
    if attempt.again.is_none() {
        end(tx, webhook)?;
    }
    if attempt.error.is_none() {
        let sql = "UPDATE webhook SET failing = NULL WHERE id = :webhook AND failing IS NOT NULL";
        tx.execute(sql, params! { webhook })?;
        return Ok(Outcome::Arrived);
    }
    let since: Timestamp = tx.query_one(
        "UPDATE webhook SET failing = ifnull(failing, :now) WHERE id = :webhook RETURNING failing",
        params! { now, webhook },
        |row| row.get(0),
    )?;
    let reason = match attempt {
        Attempt { is_gone: true, .. } => Some("the server wants to hear nothing more (410)"),
        _ if now.since(since) >= patience => Some("no delivery worked for too long"),
        _ => None,
    };
    if let Some(reason) = reason {
        switch_off(tx, webhook, reason, now)?;
        return Ok(Outcome::Disabled);
    }
    Ok(if attempt.again.is_some() { Outcome::Again } else { Outcome::GivenUp })
}

/// One delivery less waits; the oldest that have ended go.
fn end(tx: &mut Tx<'_>, webhook: Id) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE webhook SET waiting = max(waiting - 1, 0) WHERE id = :webhook",
        params! { webhook },
    )?;
    tx.execute(
        "DELETE FROM webhook_delivery WHERE due IS NULL AND webhook = :webhook AND id <=
             (SELECT id FROM webhook_delivery WHERE webhook = :webhook AND due IS NULL
              ORDER BY id DESC LIMIT 1 OFFSET :kept)",
        params! { webhook, kept: KEPT },
    )
    .map(drop)
}

/// Switches a webhook off by itself, which is an event.
fn switch_off(
    tx: &mut Tx<'_>,
    webhook: Id,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    disable(tx, webhook, reason, now)?;
    let url = hook(tx, webhook)?.map(|hook| hook.url).unwrap_or_default();
    event::append(
        tx,
        &Event {
            tenant: DEFAULT_TENANT,
            at: now,
            kind: "webhook_disabled".to_owned(),
            spool: None,
            recipient: None,
            address: None,
            detail: Some(format!("{url}: {reason}")),
        },
    )
}

/// The newest deliveries of a webhook, those that wait among them, with numbers below `before`.
///
/// Errors: those of the database.
pub fn deliveries(
    tx: &mut Tx<'_>,
    webhook: Id,
    (before, limit): (u64, usize),
) -> Result<Vec<Delivery>, StoreError> {
    tx.query(
        &format!(
            "SELECT {DELIVERY} FROM webhook_delivery WHERE webhook = :webhook AND id < :before
             ORDER BY id DESC LIMIT :limit"
        ),
        params! { webhook, before, limit },
        read,
    )
}

/// Has a delivery that has ended be tried again.
///
/// Errors: [`StoreError::Missing`] when the webhook has no such one, [`StoreError::Cannot`] when
/// it waits still, or the webhook is switched off.
pub fn again(tx: &mut Tx<'_>, (webhook, id): (Id, u64), now: Timestamp) -> Result<(), StoreError> {
    let waits: Option<bool> = tx.query_opt(
        "SELECT due IS NOT NULL FROM webhook_delivery WHERE id = :id AND webhook = :webhook",
        params! { id, webhook },
        |row| row.get(0),
    )?;
    match waits {
        None => return Err(StoreError::Missing("delivery")),
        Some(true) => return Err(StoreError::Cannot("the delivery waits still")),
        Some(false) => {}
    }
    take_place(tx, webhook)?;
    tx.execute(
        "UPDATE webhook_delivery SET due = :now, attempts = 0 WHERE id = :id",
        params! { now, id },
    )
    .map(drop)
}
