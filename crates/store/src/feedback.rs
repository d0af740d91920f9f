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

/// The recipient that is meant: of one of the messages, the one of that address; where the report
/// names nobody, the only one that there is.
fn served(tx: &mut Tx<'_>, told: &Told) -> Result<Option<Served>, StoreError> {
    for spool in &told.messages {
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
}
