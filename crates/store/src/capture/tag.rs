//! Tags: words that people and programs mark messages of inboxes with.

use mailwright_view::NumberSet;
use mailwright_words::Id;

use crate::{
    engine::Tx,
    error::StoreError,
    mailbox::{Edit, What},
    params,
};

/// Gives a message these tags in place of those that it has.
///
/// Errors: those of the database.
pub fn set_tags(tx: &mut Tx<'_>, message: Id, tags: &[String]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM capture_tag WHERE message = :message", params! { message })?;
    for name in tags {
        tx.execute(
            "INSERT INTO capture_tag (message, name)
             SELECT message, :name FROM capture WHERE message = :message
             ON CONFLICT DO NOTHING",
            params! { name, message },
        )?;
    }
    let places = tx.query(
        "SELECT mm.mailbox, mm.uid FROM mailbox_msg mm JOIN capture c ON c.message = mm.message
         WHERE mm.message = :message",
        params! { message },
        |row| Ok((row.get(0)?, row.get::<u32>(1)?)),
    )?;
    for (mailbox, uid) in places {
        publish(tx, mailbox, NumberSet::range(uid..=uid));
    }
    Ok(())
}

/// Messages of all inboxes that have a tag of which `is_meant` is true, ascending.
///
/// Errors: those of the database.
pub fn tagged(
    tx: &mut Tx<'_>,
    mut is_meant: impl FnMut(&str) -> bool,
) -> Result<Vec<Id>, StoreError> {
    let mut found = Vec::new();
    tx.each("SELECT message, name FROM capture_tag ORDER BY message", &[], |row| {
        let message: Id = row.get(0)?;
        if found.last() != Some(&message) && is_meant(&row.get::<String>(1)?) {
            found.push(message);
        }
        Ok(true)
    })?;
    Ok(found)
}

/// Tells those who follow a mailbox that what is kept beside these messages changed.
fn publish(tx: &mut Tx<'_>, mailbox: Id, uids: NumberSet) {
    tx.publish(Edit { mailbox, modseq: 0, what: What::Beside(uids) });
}

/// Tells of all messages of an inbox that have this tag.
fn publish_tagged(tx: &mut Tx<'_>, inbox: Id, name: &str) -> Result<(), StoreError> {
    let places: Vec<(Id, u32)> = tx.query(
        "SELECT mm.mailbox, mm.uid FROM capture_tag t JOIN capture c ON c.message = t.message
         JOIN mailbox_msg mm ON mm.message = t.message
         WHERE t.name = :name AND c.inbox = :inbox ORDER BY mm.uid",
        params! { name, inbox },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let Some((mailbox, _)) = places.first().copied() else { return Ok(()) };
    publish(tx, mailbox, places.into_iter().map(|(_, uid)| uid).collect());
    Ok(())
}

/// The tags of a message.
///
/// Errors: those of the database.
pub fn tags_of(tx: &mut Tx<'_>, message: Id) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT name FROM capture_tag WHERE message = :message ORDER BY name",
        params! { message },
        |row| row.get(0),
    )
}

/// Every tag of an inbox's messages, and how many have it.
///
/// Errors: those of the database.
pub fn tags(tx: &mut Tx<'_>, inbox: Id) -> Result<Vec<(String, u64)>, StoreError> {
    tx.query(
        "SELECT t.name, count(*) FROM capture_tag t JOIN capture c ON c.message = t.message
         WHERE c.inbox = :inbox
           AND EXISTS (SELECT 1 FROM mailbox_msg mm WHERE mm.message = t.message)
         GROUP BY t.name ORDER BY t.name",
        params! { inbox },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Calls a tag of an inbox's messages otherwise.
///
/// Errors: those of the database.
pub fn rename_tag(tx: &mut Tx<'_>, inbox: Id, old: &str, new: &str) -> Result<(), StoreError> {
    if old == new {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO capture_tag (message, name)
         SELECT t.message, :new FROM capture_tag t JOIN capture c ON c.message = t.message
         WHERE t.name = :old AND c.inbox = :inbox ON CONFLICT DO NOTHING",
        params! { new, old, inbox },
    )?;
    drop_tag(tx, inbox, old)
}

/// Takes a tag from all messages of an inbox.
///
/// Errors: those of the database.
pub fn drop_tag(tx: &mut Tx<'_>, inbox: Id, name: &str) -> Result<(), StoreError> {
    publish_tagged(tx, inbox, name)?;
    tx.execute(
        "DELETE FROM capture_tag WHERE name = :name AND message IN
             (SELECT message FROM capture WHERE inbox = :inbox)",
        params! { name, inbox },
    )
    .map(drop)
}
