//! Webhooks of inboxes: where they lead, what is due to them, and what came of it.
//!
//! A delivery is a row from the transaction on in which its cause is stored, until its last
//! attempt; then it is kept for a while to be looked at. How it is made is not known here.

mod delivery;

use mailwright_words::{Id, Timestamp};

pub(crate) use self::delivery::announce_caught;
pub use self::delivery::{
    Attempt, Delivery, Outcome, again, announce, announce_to, attempted, deliveries, due,
    is_wanted, keep_payload, next_due,
};
use crate::{
    engine::{Row, Tx},
    error::StoreError,
    params,
};

/// A message came into the inbox.
pub const CAUGHT: &str = "message.caught";
/// A sandbox listener refused something.
pub const REFUSED: &str = "session.refused";
/// Somebody wants to see whether it works.
pub const TEST: &str = "webhook.test";

/// A webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its number.
    pub id: Id,
    /// The inbox.
    pub inbox: Id,
    /// Where it leads.
    pub url: String,
    /// What is told there.
    pub kinds: Vec<String>,
    /// What deliveries are signed with.
    pub secret: Vec<u8>,
    /// What they are signed with, too, and until when.
    pub old_secret: Option<(Vec<u8>, Timestamp)>,
    /// When it was made.
    pub created: Timestamp,
    /// Deliveries that are due.
    pub waiting: u64,
    /// Since when none works.
    pub failing: Option<Timestamp>,
    /// When it was switched off, and why.
    pub disabled: Option<(Timestamp, String)>,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("id", &self.id).finish_non_exhaustive()
    }
}

const HOOK: &str = "SELECT id, inbox, url, kinds, secret, old_secret, old_until, created, waiting,
     failing, disabled, reason FROM webhook";

fn read(row: &Row<'_>) -> Result<Hook, StoreError> {
    let old: Option<Vec<u8>> = row.get(5)?;
    let until: Option<Timestamp> = row.get(6)?;
    let disabled: Option<Timestamp> = row.get(10)?;
    let reason: Option<String> = row.get(11)?;
    Ok(Hook {
        id: row.get(0)?,
        inbox: row.get(1)?,
        url: row.get(2)?,
        kinds: super::lines(&row.get::<String>(3)?),
        secret: row.get(4)?,
        old_secret: old.zip(until),
        created: row.get(7)?,
        waiting: row.get(8)?,
        failing: row.get(9)?,
        disabled: disabled.map(|at| (at, reason.unwrap_or_default())),
    })
}

/// Makes a webhook, unless its inbox has `most`.
///
/// Errors: [`StoreError::Cannot`], and [`StoreError::Missing`] when the inbox has gone.
pub fn add_hook(tx: &mut Tx<'_>, hook: &Hook, most: usize) -> Result<(), StoreError> {
    let inbox = hook.inbox;
    if hooks(tx, inbox)?.len() >= most {
        return Err(StoreError::Cannot("the inbox has as many webhooks as it may have"));
    }
    let made = tx.execute(
        "INSERT INTO webhook (id, inbox, url, kinds, secret, created)
         SELECT :id, principal, :url, :kinds, :secret, :created FROM inbox
         WHERE principal = :inbox",
        params! { id: hook.id, url: &hook.url, kinds: &hook.kinds.join("\n"),
        secret: &hook.secret, created: hook.created, inbox },
    )?;
    if made == 1 { Ok(()) } else { Err(StoreError::Missing("inbox")) }
}

/// The webhooks of an inbox, oldest first.
///
/// Errors: those of the database.
pub fn hooks(tx: &mut Tx<'_>, inbox: Id) -> Result<Vec<Hook>, StoreError> {
    tx.query(&format!("{HOOK} WHERE inbox = :inbox ORDER BY id"), params! { inbox }, read)
}

/// The webhook of that number.
///
/// Errors: those of the database.
pub fn hook(tx: &mut Tx<'_>, id: Id) -> Result<Option<Hook>, StoreError> {
    tx.query_opt(&format!("{HOOK} WHERE id = :id"), params! { id }, read)
}

/// Has a webhook be as given: where it leads, what is told there, its secrets, and whether it is
/// on. When it is switched off what waits is given up; switched on, it counts as new.
///
/// Errors: [`StoreError::Missing`].
pub fn set_hook(tx: &mut Tx<'_>, hook: &Hook, now: Timestamp) -> Result<(), StoreError> {
    let (old, until) = hook.old_secret.clone().unzip();
    let touched = tx.execute(
        "UPDATE webhook SET url = :url, kinds = :kinds, secret = :secret, old_secret = :old,
             old_until = :until WHERE id = :id",
        params! { url: &hook.url, kinds: &hook.kinds.join("\n"), secret: &hook.secret,
        old: old.as_deref(), until, id: hook.id },
    )?;
    if touched != 1 {
        return Err(StoreError::Missing("webhook"));
    }
    match &hook.disabled {
        Some((_, reason)) => disable(tx, hook.id, reason, now),
        None => tx
            .execute(
                "UPDATE webhook SET disabled = NULL, reason = NULL, failing = NULL
                 WHERE id = :id AND disabled IS NOT NULL",
                params! { id: hook.id },
            )
            .map(drop),
    }
}

/// Switches a webhook off, and gives up what waits.
pub(super) fn disable(
    tx: &mut Tx<'_>,
    id: Id,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE webhook SET disabled = ifnull(disabled, :now), reason = ifnull(reason, :reason),
             waiting = 0 WHERE id = :id",
        params! { now, reason, id },
    )?;
    tx.execute(
        "UPDATE webhook_delivery SET due = NULL, error = 'the webhook is switched off'
         WHERE webhook = :id AND due IS NOT NULL",
        params! { id },
    )
    .map(drop)
}

/// Removes a webhook with all that is known of it.
///
/// Errors: [`StoreError::Missing`].
pub fn drop_hook(tx: &mut Tx<'_>, id: Id) -> Result<(), StoreError> {
    tx.execute("DELETE FROM webhook_delivery WHERE webhook = :id", params! { id })?;
    match tx.execute("DELETE FROM webhook WHERE id = :id", params! { id })? {
        1 => Ok(()),
        _ => Err(StoreError::Missing("webhook")),
    }
}

/// Removes the webhooks of an inbox that goes.
pub(crate) fn forget_hooks(tx: &mut Tx<'_>, inbox: Id) -> Result<(), StoreError> {
    for hook in hooks(tx, inbox)? {
        drop_hook(tx, hook.id)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
