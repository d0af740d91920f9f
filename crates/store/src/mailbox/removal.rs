//! Changes of what is in a mailbox: flags, expunging, an account that goes.

use mailwright_words::{Id, Timestamp};

use crate::{
    body::{self, BodyId},
    engine::Tx,
    error::StoreError,
    mailbox::{DELETED, SEEN, next_modseq},
    params,
};

/// Sets the flags of a message in every folder that has it.
///
/// Errors: [`StoreError::Missing`].
pub fn set_flags(tx: &mut Tx<'_>, message: Id, flags: i64) -> Result<(), StoreError> {
    let places = places(tx, message)?;
    let account = places.first().ok_or(StoreError::Missing("message"))?.account;
    let modseq = next_modseq(tx, account)?;
    for place in places {
        let seen = i64::from(flags & SEEN != 0) - i64::from(place.flags & SEEN != 0);
        let deleted = i64::from(flags & DELETED != 0) - i64::from(place.flags & DELETED != 0);
        tx.execute(
            "UPDATE mailbox_msg SET flags = :flags, modseq = :modseq
             WHERE mailbox = :mailbox AND uid = :uid",
            params! { flags, modseq, mailbox: place.mailbox, uid: place.uid },
        )?;
        tx.execute(
            "UPDATE mailbox SET highestmodseq = :modseq, unseen = unseen - :seen,
                 deleted = deleted + :deleted WHERE id = :mailbox",
            params! { modseq, seen, deleted, mailbox: place.mailbox },
        )?;
        note(tx, &place, modseq, "changed")?;
    }
    Ok(())
}

/// Expunges a message from every folder; its bytes go when nobody else uses them.
///
/// Errors: [`StoreError::Missing`].
pub fn delete(tx: &mut Tx<'_>, message: Id, now: Timestamp) -> Result<(), StoreError> {
    let places = places(tx, message)?;
    let account = places.first().ok_or(StoreError::Missing("message"))?.account;
    let modseq = next_modseq(tx, account)?;
    for place in places {
        tx.execute(
            "DELETE FROM mailbox_msg WHERE mailbox = :mailbox AND uid = :uid",
            params! { mailbox: place.mailbox, uid: place.uid },
        )?;
        tx.execute(
            "UPDATE mailbox SET highestmodseq = :modseq, total = total - 1,
                 unseen = unseen - :unseen, deleted = deleted - :deleted, bytes = bytes - :size
             WHERE id = :mailbox",
            params! { modseq, unseen: place.flags & SEEN == 0,
            deleted: place.flags & DELETED != 0, size: place.size, mailbox: place.mailbox },
        )?;
        note(tx, &place, modseq, "expunged")?;
    }
    drop_message(tx, message, now)
}

/// Removes up to 200 messages of an account and, once none is left, its folders.
///
/// Says whether all is gone; call it again until it is.
pub fn remove_folders(tx: &mut Tx<'_>, account: Id, now: Timestamp) -> Result<bool, StoreError> {
    let messages: Vec<Id> = tx.query(
        "SELECT mm.message FROM mailbox m JOIN mailbox_msg mm ON mm.mailbox = m.id
         WHERE m.account = :account LIMIT 200",
        params! { account },
        |row| row.get(0),
    )?;
    for message in &messages {
        let sql = "DELETE FROM mailbox_msg WHERE message = :message";
        if tx.execute(sql, params! { message: *message })? > 0 {
            drop_message(tx, *message, now)?;
        }
    }
    if messages.len() == 200 {
        return Ok(false);
    }
    for sql in [
        "DELETE FROM keyword WHERE mailbox IN (SELECT id FROM mailbox WHERE account = :account)",
        "DELETE FROM mailbox_change WHERE mailbox IN
             (SELECT id FROM mailbox WHERE account = :account)",
        "DELETE FROM mailbox WHERE account = :account",
    ] {
        tx.execute(sql, params! { account })?;
    }
    Ok(true)
}

/// Where a message is.
struct Place {
    account: Id,
    mailbox: Id,
    uid: u32,
    flags: i64,
    size: u64,
}

fn places(tx: &mut Tx<'_>, message: Id) -> Result<Vec<Place>, StoreError> {
    tx.query(
        "SELECT m.account, mm.mailbox, mm.uid, mm.flags, mm.size
         FROM mailbox_msg mm JOIN mailbox m ON m.id = mm.mailbox WHERE mm.message = :message",
        params! { message },
        |row| {
            Ok(Place {
                account: row.get(0)?,
                mailbox: row.get(1)?,
                uid: row.get(2)?,
                flags: row.get(3)?,
                size: row.get(4)?,
            })
        },
    )
}

fn note(tx: &mut Tx<'_>, place: &Place, modseq: i64, kind: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO mailbox_change (mailbox, modseq, uid_low, uid_high, kind)
         VALUES (:mailbox, :modseq, :uid, :uid, :kind)",
        params! { mailbox: place.mailbox, modseq, uid: place.uid, kind },
    )?;
    Ok(())
}

/// Removes the row of a message that is in no folder, with its use of the body and the quota.
pub(super) fn drop_message(tx: &mut Tx<'_>, message: Id, now: Timestamp) -> Result<(), StoreError> {
    tx.execute("DELETE FROM message_meta WHERE message = :message", params! { message })?;
    let (body, account, size): (BodyId, Id, u64) = tx.query_one(
        "DELETE FROM message WHERE id = :message RETURNING body, account, size",
        params! { message },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    tx.execute(
        "UPDATE principal SET used_bytes = max(0, used_bytes - :size) WHERE id = :account",
        params! { size, account },
    )?;
    body::release(tx, body, now)
}
