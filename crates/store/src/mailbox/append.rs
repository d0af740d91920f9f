//! Messages that a client puts into a mailbox, all of them or none.
//!
//! Source: RFC 9051 section 6.3.12, RFC 3502.

use std::sync::Arc;

use mailwright_mime::Rendered;
use mailwright_view::{Flags, NumberSet, Row};
use mailwright_words::{Id, Timestamp};
use tokio::task::JoinSet;

use crate::{
    StoreError,
    body::{self, Body, BodyId},
    engine::Tx,
    mailbox::{Edit, What, charged_modseq, keyword, meta},
    params,
    store::Store,
};

/// A message to append.
#[derive(Debug)]
pub struct Append {
    /// Its bytes.
    pub body: Body,
    /// Flags of the standard.
    pub system: u8,
    /// Keywords.
    pub keywords: Vec<Box<str>>,
    /// When it was received.
    pub internal_date: Timestamp,
    /// What is shown of it; without it, it is rendered when it is asked for.
    pub rendered: Option<Rendered>,
}

/// What an append came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Of the mailbox.
    pub uidvalidity: u32,
    /// The UIDs of the messages, in their order.
    pub uids: NumberSet,
}

/// A message whose body has its row.
pub(super) struct Ready {
    id: Id,
    body: BodyId,
    size: u64,
    system: u8,
    keywords: Vec<Box<str>>,
    internal_date: Timestamp,
    rendered: Option<Rendered>,
}

impl Ready {
    /// The message `id`, and its bytes apart.
    pub(super) fn new(message: Append, id: Id) -> (Self, Body) {
        let Append { body, system, keywords, internal_date, rendered } = message;
        let size = body.length();
        let ready = Self { id, body: body.id(), size, system, keywords, internal_date, rendered };
        (ready, body)
    }

    /// Its number.
    pub(super) fn id(&self) -> Id {
        self.id
    }
}

impl Store {
    /// Appends messages to a mailbox; when it returns they are on stable storage.
    ///
    /// Errors: [`StoreError::Missing`], [`StoreError::OverQuota`], [`StoreError::Limit`]; nothing
    /// is appended then.
    pub async fn append_messages(
        &self,
        mailbox: Id,
        messages: Vec<Append>,
        now: Timestamp,
    ) -> Result<Appended, StoreError> {
        let count = messages.len();
        let mut bodies = Vec::with_capacity(count);
        let mut ready = Vec::with_capacity(count);
        for message in messages {
            let (message, body) = Ready::new(message, self.ids().next(now));
            ready.push(message);
            bodies.push(body);
        }
        let Some(last) = bodies.pop() else { return Err(StoreError::Missing("message")) };
        // Nobody uses the others yet; the grace time of bodies keeps them until all is written.
        // They are written side by side, so that they share the syncs.
        let mut writes = JoinSet::new();
        for body in bodies {
            let (store, id) = (self.clone(), body.id());
            writes.spawn(async move {
                store.write_body(body, move |tx| body::release(tx, id, now)).await
            });
        }
        while let Some(written) = writes.join_next().await {
            written.map_err(|error| StoreError::Panicked(error.to_string().into()))??;
        }
        let ready = Arc::new(ready);
        self.write_body(last, move |tx| append(tx, mailbox, &ready, now)).await
    }
}

pub(super) fn append(
    tx: &mut Tx<'_>,
    mailbox: Id,
    messages: &[Ready],
    now: Timestamp,
) -> Result<Appended, StoreError> {
    let account = super::account_of(tx, mailbox)?;
    let bytes = messages.iter().fold(0_u64, |sum, message| sum.saturating_add(message.size));
    let modseq = charged_modseq(tx, account, bytes)?;
    let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
    let seen = |message: &&Ready| message.system & Flags::SEEN != 0;
    let deleted = |message: &&Ready| message.system & Flags::DELETED != 0;
    let (seen, deleted) =
        (messages.iter().filter(seen).count(), messages.iter().filter(deleted).count());
    let (first, uidvalidity): (u32, u32) = tx.query_one(
        "UPDATE mailbox SET uidnext = uidnext + :count, highestmodseq = :modseq,
             total = total + :count, unseen = unseen + :count - :seen,
             deleted = deleted + :deleted, bytes = bytes + :bytes
         WHERE id = :mailbox RETURNING uidnext - :count, uidvalidity",
        params! { count, modseq, seen, deleted, bytes, mailbox },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut uids = NumberSet::new();
    for (uid, (place, message)) in (first..).zip(messages.iter().enumerate()) {
        if place + 1 < messages.len() {
            body::hold(tx, message.body)?;
        }
        let keywords = keyword::make(tx, mailbox, &message.keywords, modseq)?;
        let row = Row {
            uid,
            flags: Flags { system: message.system, keywords },
            message: message.id,
            modseq,
            size: message.size,
            internal_date: message.internal_date,
            save_date: now,
        };
        insert(tx, account, message)?;
        insert_row(tx, mailbox, &row)?;
        uids.extend([uid]);
    }
    Ok(Appended { uidvalidity, uids })
}

fn insert(tx: &mut Tx<'_>, account: Id, message: &Ready) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO message (id, tenant, account, body, head, head_skip, size, internal_date)
         SELECT :id, tenant, id, :body, X'', 0, :size, :date FROM principal WHERE id = :account",
        params! { id: message.id, body: message.body, size: message.size,
        date: message.internal_date, account },
    )?;
    match &message.rendered {
        Some(rendered) => meta::keep(tx, message.id, rendered),
        None => Ok(()),
    }
}

/// Puts a row into its mailbox, whose counters have it already.
pub(super) fn insert_row(tx: &mut Tx<'_>, mailbox: Id, row: &Row) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO mailbox_msg (mailbox, uid, message, flags, keywords, modseq, size,
             internal_date, save_date)
         VALUES (:mailbox, :uid, :message, :flags, :keywords, :modseq, :size, :date, :now)",
        params! { mailbox, uid: row.uid, message: row.message, flags: row.flags.system,
        keywords: row.flags.keywords.cast_signed(), modseq: row.modseq, size: row.size,
        date: row.internal_date, now: row.save_date },
    )?;
    tx.publish(Edit { mailbox, modseq: row.modseq, what: What::Append(*row) });
    Ok(())
}
