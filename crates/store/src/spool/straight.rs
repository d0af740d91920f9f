//! Mailboxes without the queue: what can be delivered is delivered in the commit that makes the
//! message durable.
//!
//! So a message for mailboxes alone costs one transaction and never lies in the spool. Whoever
//! cannot be delivered to is queued in the same transaction, as if nothing had been tried.

use std::cell::Cell;

use crate::{
    body::hold,
    engine::Tx,
    error::StoreError,
    event,
    mailbox::Delivered,
    spool::{
        Accepted, Content, Delivery, Durable, SpoolError, copy_ids, further, insert_further,
        rows::{self, Rows},
    },
    store::Store,
};

/// As [`commit_all`](super::commit_all), with the copies of those recipients of the first message
/// that `into` delivers to.
///
/// `into` is asked about each recipient of whom `may` is true, inside the transaction, and takes
/// over the body's reference with a new copy while its last argument is true. When it fails the
/// whole message is queued instead. The second answer says which recipients have their copy.
///
/// Errors: [`SpoolError`], all of them temporary; nothing of the message remains then.
pub async fn commit_straight<F>(
    store: &Store,
    (accepted, others): (Accepted, Vec<Accepted>),
    may: Vec<bool>,
    into: F,
) -> Result<(Durable, Vec<bool>), SpoolError>
where
    F: Fn(&mut Tx<'_>, &Delivery<'_>, bool) -> Result<Delivered, StoreError> + Send + 'static,
{
    let rows = Rows::new(store.ids(), &accepted)?;
    let id = rows.id();
    let further = further(store, others)?;
    let Accepted { envelope, classes, head, head_skip, content, origin: _, terms } = accepted;
    let (number, length) = content.body();
    let fresh = matches!(content, Content::New(_));
    let ids = copy_ids(store, &envelope, terms.arrived);
    // After a failure the writer runs the closure again, then without `into`.
    let tries = Cell::new(true);
    let each = move |tx: &mut Tx<'_>| {
        let mut gives = fresh;
        let mut copies = vec![false; classes.len()];
        let places = copies.iter_mut().zip(&ids).zip(&may);
        let all = envelope.recipients.iter().zip(&classes).zip(places);
        let may = |(_, (_, may)): &(_, (_, &bool))| **may && tries.get();
        for ((recipient, class), ((copied, copy), _)) in all.filter(may) {
            let (envelope, head, terms) = (&envelope, head.as_slice(), &terms);
            let (spool, body, body_length) = (id, number, length);
            let of = Delivery {
                spool,
                copy: *copy,
                envelope,
                recipient,
                class,
                classes: &classes,
                head,
                head_skip,
                body,
                body_length,
                terms,
            };
            tries.set(false);
            let delivered = into(tx, &of, gives)?;
            tries.set(true);
            *copied = matches!(delivered, Delivered::New { .. } | Delivered::Before);
            gives &= !matches!(delivered, Delivered::New { .. });
        }
        finish(tx, &rows, &copies, gives)?;
        insert_further(tx, &further)?;
        Ok((copies, further.is_empty()))
    };
    let body = match content {
        Content::New(body) => Some(body),
        Content::Stored { .. } => None,
    };
    let is_for_queue = |(copies, alone): &(Vec<bool>, bool)| !alone || copies.contains(&false);
    let (copies, _) = store.write_spool(body, is_for_queue, each).await?;
    Ok((Durable(id), copies))
}

/// Writes down who has a copy, and queues the others. `gives` while the body's first reference is
/// not taken.
fn finish(tx: &mut Tx<'_>, rows: &Rows, copies: &[bool], gives: bool) -> Result<(), StoreError> {
    rows.tell(tx)?;
    for (place, _) in copies.iter().enumerate().filter(|(_, copied)| **copied) {
        if let Some(event) = rows.delivered(place) {
            event::append(tx, &event)?;
        }
    }
    if copies.iter().all(|copied| *copied) {
        return if gives { rows.release(tx) } else { Ok(()) };
    }
    if !gives {
        hold(tx, rows.body())?;
    }
    rows::insert_for(tx, rows, |place| copies.get(place).is_none_or(|copied| !copied))
}
