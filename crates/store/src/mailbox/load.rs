//! A mailbox's rows as a view has them.

use mailwright_view::{Flags, Identity, Row as Message, Snapshot};
use mailwright_words::Id;

use crate::{
    engine::{Row, Tx},
    error::StoreError,
    mailbox::keyword,
    params,
};

/// The columns of `mailbox_msg` that [`row`] reads, in its order.
pub(super) const COLUMNS: &str =
    "uid, flags, keywords, message, modseq, size, internal_date, save_date";

/// Reads the columns of [`COLUMNS`].
pub(super) fn row(row: &Row<'_>) -> Result<Message, StoreError> {
    Ok(Message {
        uid: row.get(0)?,
        flags: Flags { system: row.get(1)?, keywords: row.get::<i64>(2)?.cast_unsigned() },
        message: row.get(3)?,
        modseq: row.get(4)?,
        size: row.get(5)?,
        internal_date: row.get(6)?,
        save_date: row.get(7)?,
    })
}

/// The snapshot of a mailbox, and the first UID that is recent; `None` when it is not there.
pub(super) fn load(tx: &mut Tx<'_>, mailbox: Id) -> Result<Option<(Snapshot, u32)>, StoreError> {
    let found = tx.query_opt(
        "SELECT uidvalidity, uidnext, highestmodseq, recent_from_uid FROM mailbox
         WHERE id = :mailbox AND dead = 0",
        params! { mailbox },
        |row| {
            let identity = Identity {
                mailbox,
                uidvalidity: row.get(0)?,
                uidnext: row.get(1)?,
                highest_modseq: row.get(2)?,
            };
            Ok((identity, row.get(3)?))
        },
    )?;
    let Some((identity, recent_from)) = found else { return Ok(None) };
    let keywords = keyword::names(tx, mailbox)?;
    let sql = format!("SELECT {COLUMNS} FROM mailbox_msg WHERE mailbox = :mailbox ORDER BY uid");
    let rows = tx.query(&sql, params! { mailbox }, row)?;
    Ok(Some((Snapshot::new(identity, keywords, rows), recent_from)))
}
