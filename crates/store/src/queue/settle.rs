//! Settling a claim: the outcome, the attempt and the event in one transaction.

use std::time::Duration;

use mailwright_words::{Id, Timestamp};

use crate::{
    engine::Tx,
    error::StoreError,
    event::{self, Event},
    params,
    queue::{Claimed, wake},
    spool::{self, Class},
    store::Owner,
};

/// How long a recipient that met a fault of ours may still be tried after it is due again.
const POSTPONED: Duration = Duration::from_hours(1);

/// What became of a claimed recipient.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The recipient, as it was claimed.
    pub claimed: Claimed,
    /// When the attempt began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// The host that was spoken to.
    pub host: Option<String>,
    /// What it said, or why.
    pub reply: Option<String>,
    /// The whole conversation.
    pub transcript: Option<String>,
    /// How safe the road was to be, and was.
    pub transport: Option<Transport>,
    /// What follows.
    pub verdict: Verdict,
}

/// How safe the road of an attempt was to be, and was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// What was asked of the host, in a word: `dane`, `mta-sts`, `opportunistic`; where it was left
    /// alone, what was wrong.
    pub asked: String,
    /// Version, cipher and certificate; none where nothing was encrypted.
    pub got: Option<String>,
    /// Why it was asked, and what went wrong.
    pub why: String,
}

/// What follows an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in a mailbox.
    Delivered,
    /// Another server has it.
    Relayed,
    /// It became these, of the same message.
    Expanded(Vec<Child>),
    /// It is over; a report is due elsewhere.
    Failed,
    /// It is tried again then.
    Deferred(Timestamp),
    /// It is tried again then because of a fault of ours, which does not count and lets nothing
    /// expire.
    Postponed(Timestamp),
    /// It waits for a human.
    Held,
}

impl Verdict {
    /// The word of attempts and events.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded(_) => "expanded",
            Self::Failed => "failed",
            Self::Deferred(_) => "deferred",
            Self::Postponed(_) => "postponed",
            Self::Held => "held",
        }
    }
}

/// A recipient that an alias leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its number.
    pub id: Id,
    /// Its address.
    pub address: String,
    /// What becomes of it.
    pub class: Class,
}

/// Settles a claim, and lets go of the message with its last recipient.
///
/// Says `false`, and touches nothing, when another life owns the recipient by now.
pub fn settle(
    tx: &mut Tx<'_>,
    owner: Owner,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let owned = match &settlement.verdict {
        Verdict::Deferred(due) => defer(tx, owner, settlement, *due)?,
        Verdict::Postponed(due) => postpone(tx, owner, settlement, *due)?,
        Verdict::Held => hold(tx, owner, settlement)?,
        Verdict::Expanded(children) => {
            // The children first: the message must not look finished in between.
            is_owned(tx, owner, settlement.claimed.id)? && {
                expand(tx, &settlement.claimed, children, now)?;
                finish(tx, owner, settlement, now)?
            }
        }
        Verdict::Delivered | Verdict::Relayed | Verdict::Failed => {
            finish(tx, owner, settlement, now)?
        }
    };
    if owned {
        write_down(tx, settlement, now)?;
    }
    Ok(owned)
}

/// Those of `recipients` that `owner` owns still, in their order.
pub fn ours(tx: &mut Tx<'_>, owner: Owner, recipients: &[Id]) -> Result<Vec<Id>, StoreError> {
    let mut found = Vec::new();
    for id in recipients {
        if is_owned(tx, owner, *id)? {
            found.push(*id);
        }
    }
    Ok(found)
}

fn is_owned(tx: &mut Tx<'_>, owner: Owner, recipient: Id) -> Result<bool, StoreError> {
    let found = tx.query_opt(
        "SELECT 1 FROM recipient
         WHERE id = :recipient AND owner_node = :node AND owner_epoch = :epoch",
        params! { recipient, node: owner.node, epoch: owner.epoch },
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

fn defer(
    tx: &mut Tx<'_>,
    owner: Owner,
    settlement: &Settlement,
    due: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE recipient SET owner_node = NULL, owner_epoch = NULL, due = :due,
             attempts = attempts + 1, last_reply = :reply
         WHERE id = :id AND owner_node = :node AND owner_epoch = :epoch",
        params! { due, reply: settlement.reply.as_deref(), id: settlement.claimed.id,
        node: owner.node, epoch: owner.epoch },
    )?;
    if touched == 1 {
        wake(tx, &settlement.claimed.destination, due)?;
    }
    Ok(touched == 1)
}

/// Whoever met a fault of ours is tried at least once more before it expires.
fn postpone(
    tx: &mut Tx<'_>,
    owner: Owner,
    settlement: &Settlement,
    due: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE recipient SET owner_node = NULL, owner_epoch = NULL, due = :due,
             expires = max(expires, :earliest), last_reply = :reply
         WHERE id = :id AND owner_node = :node AND owner_epoch = :epoch",
        params! { due, earliest: due.plus(POSTPONED), reply: settlement.reply.as_deref(),
        id: settlement.claimed.id, node: owner.node, epoch: owner.epoch },
    )?;
    if touched == 1 {
        wake(tx, &settlement.claimed.destination, due)?;
    }
    Ok(touched == 1)
}

fn hold(tx: &mut Tx<'_>, owner: Owner, settlement: &Settlement) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE recipient SET owner_node = NULL, owner_epoch = NULL, state = 'held',
             last_reply = :reply
         WHERE id = :id AND owner_node = :node AND owner_epoch = :epoch",
        params! { reply: settlement.reply.as_deref(), id: settlement.claimed.id,
        node: owner.node, epoch: owner.epoch },
    )?;
    Ok(touched == 1)
}

fn finish(
    tx: &mut Tx<'_>,
    owner: Owner,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "DELETE FROM recipient
         WHERE id = :id AND owner_node = :node AND owner_epoch = :epoch",
        params! { id: settlement.claimed.id, node: owner.node, epoch: owner.epoch },
    )?;
    if touched == 1 {
        spool::remove(tx, settlement.claimed.spool, now)?;
    }
    Ok(touched == 1)
}

/// Gives the message the recipients that an alias leads to; one that it has already stays one.
fn expand(
    tx: &mut Tx<'_>,
    parent: &Claimed,
    children: &[Child],
    now: Timestamp,
) -> Result<(), StoreError> {
    for child in children {
        let (class, principal, folder) = child.class.columns();
        let site = child.class.destination();
        tx.execute(
            "INSERT INTO recipient (id, spool, tenant, address, original, orcpt, notify, class,
                 principal, folder, destination, confined, stream, priority, state, due,
                 delay_told, expires)
             VALUES (:id, :spool, :tenant, :address, :original, :orcpt, :notify, :class,
                 :principal, :folder, :site, :confined, :stream, :priority, 'queued', :now,
                 (SELECT delay_told FROM recipient AS parent WHERE parent.id = :parent), :expires)
             ON CONFLICT (spool, address) DO NOTHING",
            params! { id: child.id, parent: parent.id, spool: parent.spool, tenant: parent.tenant,
            address: &child.address, original: &parent.original,
            orcpt: parent.orcpt.as_deref(), notify: parent.notify.as_bits(), class: class,
            principal: principal, folder: folder, site: site, confined: parent.confined,
            stream: &parent.stream, priority: parent.priority, now, expires: parent.expires },
        )?;
        wake(tx, site, now)?;
    }
    Ok(())
}

fn write_down(tx: &mut Tx<'_>, settlement: &Settlement, now: Timestamp) -> Result<(), StoreError> {
    let (claimed, transport) = (&settlement.claimed, settlement.transport.as_ref());
    tx.execute(
        "INSERT INTO attempt (recipient, spool, number, started, ended, host, outcome, reply,
             transcript, tls_asked, tls_got, tls_why)
         VALUES (:recipient, :spool, :number, :started, :ended, :host, :outcome, :reply,
             :transcript, :asked, :got, :why)",
        params! { recipient: claimed.id, spool: claimed.spool,
        number: claimed.attempts.saturating_add(1), started: settlement.started,
        ended: settlement.ended, host: settlement.host.as_deref(),
        outcome: settlement.verdict.as_str(), reply: settlement.reply.as_deref(),
        transcript: settlement.transcript.as_deref(),
        asked: transport.map(|transport| transport.asked.as_str()),
        got: transport.and_then(|transport| transport.got.as_deref()),
        why: transport.map(|transport| transport.why.as_str()) },
    )?;
    event::append(
        tx,
        &Event {
            tenant: claimed.tenant,
            at: now,
            kind: settlement.verdict.as_str().to_owned(),
            spool: Some(claimed.spool),
            recipient: Some(claimed.id),
            address: Some(claimed.address.clone()),
            detail: settlement.reply.clone(),
        },
    )
}
