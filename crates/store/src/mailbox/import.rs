//! Messages from elsewhere, each taken in once however often it is brought.
//!
//! What a message is known by in its folder is kept while the folder is, also when the message was
//! expunged since: so an import that is repeated does not bring back what somebody has thrown away,
//! unless it is told to.

use std::sync::Arc;

use mailwright_words::{Id, Timestamp};

use crate::{
    StoreError,
    body::{self, BodyId},
    engine::Tx,
    mailbox::append::{Append, Ready, append},
    params,
    store::Store,
};

/// Origins that one closure forgets.
const CHUNK: usize = 1000;

/// What a message of an import is known by in its folder: any bits, but for the sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(i64);

impl Origin {
    /// The origin for these bits of a checksum.
    pub const fn new(bits: u64) -> Self {
        Self(bits.cast_signed() | i64::MIN)
    }
}

/// Whether what was imported and expunged since is imported again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expunged {
    /// It stays away.
    StaysAway,
    /// It comes back.
    ComesBack,
}

/// Whether a message of this origin need not be put into the folder.
pub fn was_imported(
    tx: &mut Tx<'_>,
    (mailbox, origin): (Id, Origin),
    expunged: Expunged,
) -> Result<bool, StoreError> {
    let message: Option<Id> = tx.query_opt(
        "SELECT message FROM imported WHERE mailbox = :mailbox AND origin = :origin",
        params! { mailbox, origin: origin.0 },
        |row| row.get(0),
    )?;
    match (message, expunged) {
        (None, _) => Ok(false),
        (Some(_), Expunged::StaysAway) => Ok(true),
        (Some(message), Expunged::ComesBack) => tx.query_one(
            "SELECT EXISTS (SELECT 1 FROM mailbox_msg WHERE message = :message)",
            params! { message },
            |row| row.get(0),
        ),
    }
}

impl Store {
    /// Appends a message of an import, unless it came before; its UID where it was appended.
    ///
    /// Errors: as those of [`Store::append_messages`].
    pub async fn import_message(
        &self,
        mailbox: Id,
        message: Append,
        (origin, expunged): (Origin, Expunged),
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let (ready, body) = Ready::new(message, self.ids().next(now));
        let (id, ready) = (body.id(), Arc::new([ready]));
        let known = ((mailbox, origin), expunged);
        self.write_body(body, move |tx| import(tx, (&ready, id), known, now)).await
    }
}

fn import(
    tx: &mut Tx<'_>,
    (ready, body): (&[Ready; 1], BodyId),
    ((mailbox, origin), expunged): ((Id, Origin), Expunged),
    now: Timestamp,
) -> Result<Option<u32>, StoreError> {
    if was_imported(tx, (mailbox, origin), expunged)? {
        body::release(tx, body, now)?;
        return Ok(None);
    }
    let appended = append(tx, mailbox, ready, now)?;
    let [message] = ready;
    tx.render_later(message.id());
    tx.execute(
        "INSERT INTO imported (mailbox, origin, message) VALUES (:mailbox, :origin, :message)
         ON CONFLICT (mailbox, origin) DO UPDATE SET message = excluded.message",
        params! { mailbox, origin: origin.0, message: message.id() },
    )?;
    Ok(appended.uids.iter().next())
}

/// Forgets a chunk of what was imported into a folder that goes; says whether there may be more.
pub(super) fn forget(tx: &mut Tx<'_>, mailbox: Id) -> Result<bool, StoreError> {
    let gone = tx.execute(
        "DELETE FROM imported WHERE mailbox = :mailbox AND origin IN
             (SELECT origin FROM imported WHERE mailbox = :mailbox LIMIT :limit)",
        params! { mailbox, limit: CHUNK },
    )?;
    Ok(gone == CHUNK)
}
