//! The queue's rows: who is due, who owns it, what became of it.
//!
//! Invariant: a recipient has at most one owner, a node in one of its lives. The one statement
//! that claims keeps it; every later write names the owner and touches nothing when it is
//! another's by now. Claims go destination by destination, and inside of one by tenant and stream,
//! so that a million recipients of a dead site fill nothing.

mod admin;
mod claim;
mod gauge;
mod settle;
mod sweep;
#[cfg(test)]
mod tests;

use mailwright_words::{BodyType, ByMode, Id, Notify, Ret, Timestamp, TlsWish};

pub(crate) use self::sweep::BY_TIME_DUE;
pub use self::{
    admin::{
        AttemptRow, Entry, EntryState, attempts, delete, entry, held, hold, list, message_of,
        of_message, retry, unhold,
    },
    claim::{
        Block, Site, block, claim, claim_one, due_site, due_sites, forget_idle, next_due, owned,
        release, release_foreign, unblock,
    },
    gauge::{Gauge, blocked, gauges},
    settle::{Child, Settlement, Transport, Verdict, ours, settle},
    sweep::{Swept, Told, mark_told, sweep},
};
use crate::{
    body::BodyId,
    engine::{Row, Tx},
    error::StoreError,
    params,
    spool::Class,
};

/// A recipient that this node owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Its number.
    pub id: Id,
    /// Its message.
    pub spool: Id,
    /// Whose message.
    pub tenant: i64,
    /// The sender's class of mail.
    pub stream: String,
    /// More urgent ones first; 0 is ordinary.
    pub priority: i32,
    /// The final address.
    pub address: String,
    /// The address as it was accepted, before aliases.
    pub original: String,
    /// The address its sender first wrote.
    pub orcpt: Option<String>,
    /// What the sender wants to be told.
    pub notify: Notify,
    /// What becomes of it.
    pub class: Class,
    /// Under which key it is gathered.
    pub destination: String,
    /// Whether it may not leave.
    pub confined: bool,
    /// Attempts so far that counted.
    pub attempts: u32,
    /// When delivery is given up.
    pub expires: Timestamp,
}

/// The columns that [`read_claimed`] reads.
const CLAIMED: &str = "id, spool, tenant, stream, priority, address, original, orcpt, notify,
    class, principal, folder, destination, confined, attempts, expires";

fn read_claimed(row: &Row<'_>) -> Result<Claimed, StoreError> {
    let destination: String = row.get(12)?;
    let class = match row.get::<String>(9)?.as_str() {
        "local" => {
            let principal: Option<Id> = row.get(10)?;
            Class::Local {
                principal: principal.ok_or(StoreError::Corrupt("class"))?,
                folder: row.get(11)?,
            }
        }
        "relay" => Class::Relay { site: destination.clone() },
        "capture" => {
            let inbox: Option<Id> = row.get(10)?;
            Class::Capture { inbox: inbox.ok_or(StoreError::Corrupt("class"))? }
        }
        _ => return Err(StoreError::Corrupt("class")),
    };
    Ok(Claimed {
        id: row.get(0)?,
        spool: row.get(1)?,
        tenant: row.get(2)?,
        stream: row.get(3)?,
        priority: row.get(4)?,
        address: row.get(5)?,
        original: row.get(6)?,
        orcpt: row.get(7)?,
        notify: Notify::from_bits(row.get(8)?),
        class,
        destination,
        confined: row.get(13)?,
        attempts: row.get(14)?,
        expires: row.get(15)?,
    })
}

/// A message of the spool, without its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub id: Id,
    /// Whose it is.
    pub tenant: Id,
    /// The bytes as they came.
    pub body: BodyId,
    /// Octets of a copy.
    pub size: u64,
    /// What stands in front of the body.
    pub head: Vec<u8>,
    /// Where in the body a copy goes on.
    pub head_skip: u64,
    /// The reverse-path as it is printed, `<>` or `<a@b>`.
    pub sender: String,
    /// The sender's name for the transaction.
    pub envid: Option<String>,
    /// How much of it reports bring back.
    pub ret: Option<Ret>,
    /// What octets it holds.
    pub body_type: BodyType,
    /// Whether it needs SMTPUTF8.
    pub smtputf8: bool,
    /// Whether nothing of it may leave.
    pub confined: bool,
    /// The sender's class of mail.
    pub stream: String,
    /// More urgent ones first.
    pub priority: i32,
    /// When it was accepted.
    pub arrived: Timestamp,
    /// When delivery is given up.
    pub expires: Timestamp,
    /// Until when delivery makes sense, what happens then, and whether relays are reported.
    pub deliver_by: Option<(Timestamp, ByMode, bool)>,
    /// How many messages it is away from the one that came in.
    pub depth: u32,
    /// The domain of its author, when the message is ours to sign.
    pub sign_as: Option<String>,
    /// What its sender asks of the road.
    pub tls: TlsWish,
}

/// The message with that number.
pub fn message(tx: &mut Tx<'_>, id: Id) -> Result<Option<Message>, StoreError> {
    tx.query_opt(
        "SELECT id, tenant, body, size, head, head_skip, sender, envid, ret, body_type, smtputf8,
             confined, stream, priority, arrived, expires, deliver_by, by_mode, by_trace, depth,
              sign_as, tls_wish
         FROM spool WHERE id = :id",
        params! { id },
        read_message,
    )
}

fn read_message(row: &Row<'_>) -> Result<Message, StoreError> {
    Ok(Message {
        id: row.get(0)?,
        tenant: row.get(1)?,
        body: row.get(2)?,
        size: row.get(3)?,
        head: row.get(4)?,
        head_skip: row.get(5)?,
        sender: row.get(6)?,
        envid: row.get(7)?,
        ret: match row.get::<Option<String>>(8)?.as_deref() {
            Some("full") => Some(Ret::Full),
            Some(_) => Some(Ret::Hdrs),
            None => None,
        },
        body_type: match row.get::<String>(9)?.as_str() {
            "7bit" => BodyType::SevenBit,
            "8bitmime" => BodyType::EightBitMime,
            _ => BodyType::BinaryMime,
        },
        smtputf8: row.get(10)?,
        confined: row.get(11)?,
        stream: row.get(12)?,
        priority: row.get(13)?,
        arrived: row.get(14)?,
        expires: row.get(15)?,
        deliver_by: deliver_by(row)?,
        depth: row.get(19)?,
        sign_as: row.get(20)?,
        tls: TlsWish::read(row.get::<Option<String>>(21)?.as_deref()),
    })
}

fn deliver_by(row: &Row<'_>) -> Result<Option<(Timestamp, ByMode, bool)>, StoreError> {
    let Some(at) = row.get::<Option<Timestamp>>(16)? else { return Ok(None) };
    let mode = match row.get::<Option<String>>(17)?.as_deref() {
        Some("return") => ByMode::Return,
        _ => ByMode::Notify,
    };
    Ok(Some((at, mode, row.get(18)?)))
}

/// Lets a claim find a recipient of `site` from `due` on; a block of the site holds.
pub(crate) fn wake(tx: &mut Tx<'_>, site: &str, due: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO destination (site, next_due, changed) VALUES (:site, :due, :due)
         ON CONFLICT (site) DO UPDATE SET next_due = max(excluded.next_due, blocked_until)
         WHERE max(excluded.next_due, blocked_until) < next_due",
        params! { site, due },
    )?;
    Ok(())
}
