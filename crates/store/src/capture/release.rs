//! What was released of caught messages, to whom, and what became of it.

use mailwright_words::{Id, Timestamp};

use crate::{
    body::BodyId,
    engine::Tx,
    error::StoreError,
    mailbox::{Edit, What},
    params,
};

/// A release that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRelease {
    /// The message.
    pub message: Id,
    /// What makes a request the same as one before; each other is a release of its own.
    pub key: String,
    /// Whom it goes to, each once.
    pub addresses: Vec<String>,
    /// The reverse-path, as it is printed.
    pub sender: String,
    /// The time.
    pub at: Timestamp,
    /// Most times that a message is released.
    pub times_max: usize,
}

/// The stored octets of a caught message, as far as a release shares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The inbox.
    pub inbox: Id,
    /// Which body.
    pub body: BodyId,
    /// Octets of the body.
    pub length: u64,
    /// What stands before it.
    pub head: Vec<u8>,
    /// Octets of the body that `head` stands for.
    pub head_skip: u64,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The number of the message in the spool.
    pub spool: Id,
    /// What made it different from others.
    pub key: String,
    /// Whom it went to.
    pub addresses: Vec<String>,
    /// The reverse-path, as it is printed.
    pub sender: String,
    /// When.
    pub at: Timestamp,
    /// What became of it: address, what in a word, what the server there said.
    pub outcomes: Vec<(String, String, Option<String>)>,
}

/// The stored octets of a message, where it is in an inbox.
///
/// Errors: those of the database.
pub fn stored(tx: &mut Tx<'_>, message: Id) -> Result<Option<Stored>, StoreError> {
    tx.query_opt(
        "SELECT m.account, m.body, b.length, m.head, m.head_skip FROM message m
         JOIN body b ON b.id = m.body JOIN mailbox_msg mm ON mm.message = m.id
         JOIN inbox i ON i.mailbox = mm.mailbox WHERE m.id = :message",
        params! { message },
        |row| {
            Ok(Stored {
                inbox: row.get(0)?,
                body: row.get(1)?,
                length: row.get(2)?,
                head: row.get(3)?,
                head_skip: row.get(4)?,
            })
        },
    )
}

/// Notes to which addresses a message is released as `spool`; says of each whether it is new.
pub(crate) fn claim_release(
    tx: &mut Tx<'_>,
    new: &NewRelease,
    spool: Id,
) -> Result<Vec<bool>, StoreError> {
    let message = new.message;
    if stored(tx, message)?.is_none() {
        return Err(StoreError::Missing("message"));
    }
    let mut fresh = Vec::with_capacity(new.addresses.len());
    for address in &new.addresses {
        let noted = tx.execute(
            "INSERT INTO release (message, key, address, spool, sender, at)
             VALUES (:message, :key, :address, :spool, :sender, :at) ON CONFLICT DO NOTHING",
            params! { message, key: &new.key, address, spool, sender: &new.sender, at: new.at },
        )?;
        fresh.push(noted == 1);
    }
    let times: usize = tx.query_one(
        "SELECT count(*) FROM release WHERE message = :message",
        params! { message },
        |row| row.get(0),
    )?;
    if times > new.times_max && fresh.contains(&true) {
        return Err(StoreError::Cannot("the message was released as often as it may be"));
    }
    if fresh.contains(&true) {
        publish(tx, message)?;
    }
    Ok(fresh)
}

/// Tells those who follow the inbox that what is kept beside the message changed.
fn publish(tx: &mut Tx<'_>, message: Id) -> Result<(), StoreError> {
    let places: Vec<(Id, u32)> = tx.query(
        "SELECT mailbox, uid FROM mailbox_msg WHERE message = :message",
        params! { message },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (mailbox, uid) in places {
        let what = What::Beside(mailwright_view::NumberSet::range(uid..=uid));
        tx.publish(Edit { mailbox, modseq: 0, what });
    }
    Ok(())
}

/// The releases of a message, oldest first.
///
/// Errors: those of the database.
pub fn releases(tx: &mut Tx<'_>, message: Id) -> Result<Vec<Release>, StoreError> {
    let rows: Vec<(Id, String, String, String, Timestamp)> = tx.query(
        "SELECT spool, key, address, sender, at FROM release WHERE message = :message
         ORDER BY spool, address",
        params! { message },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )?;
    let mut all: Vec<Release> = Vec::new();
    for (spool, key, address, sender, at) in rows {
        if let Some(last) = all.last_mut().filter(|last| last.spool == spool) {
            last.addresses.push(address);
        } else {
            let (addresses, outcomes) = (vec![address], outcomes(tx, spool)?);
            all.push(Release { spool, key, addresses, sender, at, outcomes });
        }
    }
    Ok(all)
}

/// What is known of the recipients of a message of the spool: those that wait, then what events
/// tell of the others, while events are kept.
fn outcomes(
    tx: &mut Tx<'_>,
    spool: Id,
) -> Result<Vec<(String, String, Option<String>)>, StoreError> {
    let mut all = tx.query(
        "SELECT address, state, last_reply FROM recipient WHERE spool = :spool ORDER BY id",
        params! { spool },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let ended: Vec<(String, String, Option<String>)> = tx.query(
        "SELECT e.address, e.kind, e.detail FROM event e WHERE e.spool = :spool
             AND e.kind <> 'released' AND e.address IS NOT NULL
             AND e.id = (SELECT max(id) FROM event WHERE spool = :spool AND address = e.address)
             AND NOT EXISTS (SELECT 1 FROM recipient WHERE spool = :spool AND address = e.address)
         ORDER BY e.id LIMIT 100",
        params! { spool },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    all.extend(ended);
    Ok(all)
}
