//! What others say became of messages of ours, as events of the recipients concerned.
//!
//! Invariant: nothing but events is written here. Anybody can write such a report; neither the
//! queue, nor an address, nor what is already known of a message changes by it.

use mailwright_words::{Id, Timestamp};

use crate::{
    engine::Tx,
    error::StoreError,
    event::{self, Event},
    params,
};

/// What is told of one recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// `reported` for a report on delivery, `complaint` for a complaint.
    pub kind: String,
    /// What the message may be, the likeliest first.
    pub messages: Vec<Id>,
    /// The name that the sender gave to the transaction.
    pub envid: Option<String>,
    /// What its address may be, the likeliest first; none where the report does not say.
    pub addresses: Vec<String>,
    /// What is told.
    pub detail: String,
}

/// A recipient that was served: its message, its owner, its address.
type Served = (Id, i64, Option<Id>, String);

/// Writes down what is told, if it is about a recipient that went to another server; whether it
/// is. What is already there word for word is not written again.
///
/// Errors: those of the database.
pub fn append(tx: &mut Tx<'_>, told: &Told, at: Timestamp) -> Result<bool, StoreError> {
    let Some((spool, tenant, recipient, address)) = served(tx, told)? else { return Ok(false) };
    let again: Option<i64> = tx.query_opt(
        "SELECT id FROM event WHERE spool = :spool AND kind = :kind AND address = :address
             AND detail = :detail LIMIT 1",
        params! { spool, kind: &told.kind, address: &address, detail: &told.detail },
        |row| row.get(0),
    )?;
    if again.is_none() {
        let (kind, detail) = (told.kind.clone(), Some(told.detail.clone()));
        let (spool, address) = (Some(spool), Some(address));
        event::append(tx, &Event { tenant, at, kind, spool, recipient, address, detail })?;
    }
    Ok(true)
}

/// Remembers the name of a message's transaction, for reports that give nothing else.
///
/// Errors: those of the database.
pub(crate) fn remember(tx: &mut Tx<'_>, spool: Id, envid: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO envelope (spool, envid) VALUES (:spool, :envid) ON CONFLICT DO NOTHING",
        params! { spool, envid },
    )?;
    Ok(())
}

/// Forgets up to 500 names of messages from before `before`.
///
/// Errors: those of the database.
pub(crate) fn forget_before(tx: &mut Tx<'_>, before: Timestamp) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM envelope WHERE spool IN
             (SELECT spool FROM envelope WHERE spool <= :last ORDER BY spool LIMIT 500)",
        params! { last: Id::last_of(before) },
    )
}

/// The message whose transaction has a name; none where several have it, since senders are free in
/// their choice. Source: RFC 3464 section 2.2.1.
fn named(tx: &mut Tx<'_>, envid: Option<&str>) -> Result<Option<Id>, StoreError> {
    let Some(envid) = envid else { return Ok(None) };
    let found: Vec<Id> = tx.query(
        "SELECT spool FROM envelope WHERE envid = :envid LIMIT 2",
        params! { envid },
        |row| row.get(0),
    )?;
    match found.as_slice() {
        [one] => Ok(Some(*one)),
        _ => Ok(None),
    }
}

/// The recipient that is meant: of one of the messages, the one of that address; where the report
/// names nobody, the only one that there is.
fn served(tx: &mut Tx<'_>, told: &Told) -> Result<Option<Served>, StoreError> {
    let by_name = named(tx, told.envid.as_deref())?;
    for spool in told.messages.iter().chain(&by_name) {
        let spool = *spool;
        let rows: Vec<Served> = tx.query(
            "SELECT DISTINCT tenant, recipient, address FROM event
             WHERE spool = :spool AND kind = 'relayed' AND address IS NOT NULL LIMIT 1000",
            params! { spool },
            |row| Ok((spool, row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let named = told.addresses.iter().find_map(|address| {
            rows.iter().find(|(.., known)| known.eq_ignore_ascii_case(address))
        });
        let only = match rows.as_slice() {
            [one] if told.addresses.is_empty() => Some(one),
            _ => None,
        };
        if let Some(found) = named.or(only) {
            return Ok(Some(found.clone()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, Options, Store};

    #[test]
    fn what_is_told_is_tied_to_a_recipient_that_was_sent_to() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), Timestamp::new(0)).unwrap();
        let (at, of) = (Timestamp::new(9), Id::from_i64);
        for (message, recipient, kind, address) in [
            (1, 11, "relayed", "dan@far.example"),
            (1, 12, "relayed", "eva@far.example"),
            (2, 21, "relayed", "dan@far.example"),
            (3, 31, "delivered", "ann@home.example"),
        ] {
            let event = Event {
                tenant: 5,
                at,
                kind: kind.to_owned(),
                spool: Some(of(message)),
                recipient: Some(of(recipient)),
                address: Some(address.to_owned()),
                detail: None,
            };
            store.write_blocking(Lane::Quick, move |tx| event::append(tx, &event)).unwrap();
        }
        let tell = |messages: &[i64], addresses: &[&str], detail: &str| {
            let told = Told {
                kind: "reported".to_owned(),
                messages: messages.iter().map(|id| of(*id)).collect(),
                envid: None,
                addresses: addresses.iter().map(|one| (*one).to_owned()).collect(),
                detail: detail.to_owned(),
            };
            store.write_blocking(Lane::Quick, move |tx| append(tx, &told, at)).unwrap()
        };
        for (messages, addresses, wanted) in [
            (&[1][..], &["Eva@Far.example"][..], true),
            (&[1], &["x@other.example", "dan@far.example"], true),
            (&[1], &["x@other.example"], false),
            (&[1], &[], false),
            (&[2], &[], true),
            (&[9, 2], &["dan@far.example"], true),
            (&[3], &["ann@home.example"], false),
            (&[], &["dan@far.example"], false),
        ] {
            assert_eq!(tell(messages, addresses, "no"), wanted, "{messages:?} {addresses:?}");
        }
        tell(&[2], &[], "no");
        tell(&[2], &[], "other");
        let told = |id: i64| {
            let events = store.read_blocking(move |tx| event::of_message(tx, of(id), 100)).unwrap();
            let told = events.into_iter().filter(|event| event.kind == "reported");
            told.map(|event| (event.tenant, event.recipient, event.detail)).collect::<Vec<_>>()
        };
        let row = |recipient, detail: &str| (5, Some(of(recipient)), Some(detail.to_owned()));
        assert_eq!(told(1), [row(12, "no"), row(11, "no")]);
        assert_eq!(told(2), [row(21, "no"), row(21, "other")]);
    }

    #[test]
    fn the_name_of_a_transaction_ties_where_only_one_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), Timestamp::new(0)).unwrap();
        let at = Timestamp::new(1_800_000_000_000);
        let ids: Vec<Id> = (0..3).map(|_| store.ids().next(at)).collect();
        for (id, envid) in ids.iter().zip(["QQ1", "QQ2", "QQ2"]) {
            let (id, address) = (*id, Some("dan@far.example".to_owned()));
            let (kind, spool) = ("relayed".to_owned(), Some(id));
            let event =
                Event { tenant: 5, at, kind, spool, recipient: None, address, detail: None };
            let write = move |tx: &mut Tx<'_>| {
                remember(tx, id, envid)?;
                event::append(tx, &event)
            };
            store.write_blocking(Lane::Quick, write).unwrap();
        }
        let tell = |envid: &str, address: &str| {
            let told = Told {
                kind: "reported".to_owned(),
                messages: Vec::new(),
                envid: Some(envid.to_owned()),
                addresses: vec![address.to_owned()],
                detail: "no".to_owned(),
            };
            store.write_blocking(Lane::Quick, move |tx| append(tx, &told, at)).unwrap()
        };
        assert!(tell("QQ1", "dan@far.example"));
        assert!(!tell("QQ1", "eva@far.example"), "another recipient");
        assert!(!tell("QQ2", "dan@far.example"), "two messages have this name");
        assert!(!tell("QQ3", "dan@far.example"));
        let forget =
            |at| store.write_blocking(Lane::Bulk, move |tx| forget_before(tx, at)).unwrap();
        assert_eq!(forget(Timestamp::new(1_700_000_000_000)), 0);
        assert_eq!((forget(at), tell("QQ1", "dan@far.example")), (3, false));
    }
}
