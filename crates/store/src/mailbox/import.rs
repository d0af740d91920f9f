//! Messages from elsewhere, each taken in once however often it is brought.
//!
//! A message of an import has an origin, as one of the spool has; origins of imports are negative,
//! so that the two never meet. While the content is in any folder, the same origin is not put into
//! the same folder again.

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

/// What a message of an import is known by in its folder: any bits, but for the sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(i64);

impl Origin {
    /// The origin for these bits of a checksum.
    pub const fn new(bits: u64) -> Self {
        Self(bits.cast_signed() | i64::MIN)
    }
}

/// Whether a message of this origin was put into the folder, and its content is still there.
pub fn was_imported(tx: &mut Tx<'_>, mailbox: Id, origin: Origin) -> Result<bool, StoreError> {
    tx.query_opt(
        "SELECT 1 FROM message WHERE origin = :origin AND first_mailbox = :mailbox",
        params! { origin: origin.0, mailbox },
        |row| row.get::<i64>(0),
    )
    .map(|found| found.is_some())
}

impl Store {
    /// Appends a message of an import, unless it came before; its UID where it was appended.
    ///
    /// Errors: as those of [`Store::append_messages`].
    pub async fn import_message(
        &self,
        mailbox: Id,
        message: Append,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let (ready, body) = Ready::new(message, self.ids().next(now));
        let (id, ready) = (body.id(), Arc::new([ready]));
        self.write_body(body, move |tx| import(tx, mailbox, (&ready, id), origin, now)).await
    }
}

fn import(
    tx: &mut Tx<'_>,
    mailbox: Id,
    (ready, body): (&[Ready; 1], BodyId),
    origin: Origin,
    now: Timestamp,
) -> Result<Option<u32>, StoreError> {
    if was_imported(tx, mailbox, origin)? {
        body::release(tx, body, now)?;
        return Ok(None);
    }
    let appended = append(tx, mailbox, ready, now)?;
    let [message] = ready;
    tx.render_later(message.id());
    tx.execute(
        "UPDATE message SET origin = :origin, first_mailbox = :mailbox WHERE id = :id",
        params! { origin: origin.0, mailbox, id: message.id() },
    )?;
    Ok(appended.uids.iter().next())
}
