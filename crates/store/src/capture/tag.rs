//! Tags: words that people and programs mark messages of inboxes with.

use mailwright_words::Id;

use crate::{engine::Tx, error::StoreError, params};

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
    tx.execute(
        "DELETE FROM capture_tag WHERE name = :name AND message IN
             (SELECT message FROM capture WHERE inbox = :inbox)",
        params! { name, inbox },
    )
    .map(drop)
}
