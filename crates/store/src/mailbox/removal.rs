//! Changes of what is in a mailbox: flags, expunging, an account that goes.

use mailwright_view::{Flags, NumberSet};
use mailwright_words::{Id, Timestamp};

use crate::{
    body::{self, BodyId},
    engine::Tx,
    error::StoreError,
    mailbox::{Change, Edit, How, What, change_flags, import, next_modseq},
    params,
};

/// Sets the flags of a message in every folder that has it; keywords go.
///
/// Errors: [`StoreError::Missing`].
pub fn set_flags(tx: &mut Tx<'_>, message: Id, system: u8) -> Result<(), StoreError> {
    let places = places(tx, message)?;
    if places.is_empty() {
        return Err(StoreError::Missing("message"));
    }
    for Place { mailbox, uid, .. } in places {
        let change = Change { how: How::Set, system, keywords: Vec::new() };
        change_flags(tx, mailbox, &NumberSet::range(uid..=uid), &change, None)?;
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
            params! { modseq, unseen: place.flags & Flags::SEEN == 0,
            deleted: place.flags & Flags::DELETED != 0, size: place.size,
            mailbox: place.mailbox },
        )?;
        tx.execute(
            "INSERT INTO mailbox_change (mailbox, modseq, uid_low, uid_high, kind)
             VALUES (:mailbox, :modseq, :uid, :uid, 'expunged')",
            params! { mailbox: place.mailbox, modseq, uid: place.uid },
        )?;
        let what = What::Expunge(NumberSet::range(place.uid..=place.uid));
        tx.publish(Edit { mailbox: place.mailbox, modseq, what });
        tx.execute(
            "UPDATE principal SET used_bytes = max(0, used_bytes - :size) WHERE id = :account",
            params! { size: place.size, account },
        )?;
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
    let orphans: Vec<Id> = tx.query(
        "SELECT id FROM message WHERE account = :account LIMIT 200",
        params! { account },
        |row| row.get(0),
    )?;
    for message in &orphans {
        drop_message(tx, *message, now)?;
    }
    if orphans.len() == 200 {
        return Ok(false);
    }
    for mailbox in mailboxes(tx, account)? {
        if import::forget(tx, mailbox)? {
            return Ok(false);
        }
    }
    gone(tx, account)?;
    for sql in [
        "DELETE FROM subscription WHERE account = :account",
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
    flags: u8,
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

fn mailboxes(tx: &mut Tx<'_>, account: Id) -> Result<Vec<Id>, StoreError> {
    let sql = "SELECT id FROM mailbox WHERE account = :account";
    tx.query(sql, params! { account }, |row| row.get(0))
}

/// Tells the views of an account's mailboxes that they are gone.
fn gone(tx: &mut Tx<'_>, account: Id) -> Result<(), StoreError> {
    for mailbox in mailboxes(tx, account)? {
        tx.publish(Edit { mailbox, modseq: u64::MAX, what: What::Gone });
    }
    Ok(())
}

/// Removes the row of a message that is in no folder, with its use of the body.
pub(super) fn drop_message(tx: &mut Tx<'_>, message: Id, now: Timestamp) -> Result<(), StoreError> {
    tx.execute("DELETE FROM message_meta WHERE message = :message", params! { message })?;
    tx.execute("DELETE FROM orphan WHERE message = :message", params! { message })?;
    crate::capture::forget(tx, message)?;
    let body: BodyId = tx.query_one(
        "DELETE FROM message WHERE id = :message RETURNING body",
        params! { message },
        |row| row.get(0),
    )?;
    body::release(tx, body, now)
}
