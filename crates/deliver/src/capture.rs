//! Delivery into a sandbox inbox, of what acceptance left to the queue.
//!
//! An inbox shows the bytes as they came, so nothing is put before them. Runs inside a transaction
//! of the store, as a delivery into a mailbox does.

use mailwright_store::capture::{self, Caught};
use mailwright_store::mailbox::{self, Delivered, NewMessage};
use mailwright_store::{StoreError, Tx};
use mailwright_words::headers::HeaderBlock;
use mailwright_words::status::Status;
use mailwright_words::{Id, Timestamp};

use crate::mailbox::Arrival;
use crate::outcome::{Outcome, Reason};

/// Puts the message into its inbox, beside what is known of how it came.
///
/// Errors: those of the store; nothing is delivered then, and it may be tried again.
pub fn deliver(
    tx: &mut Tx<'_>,
    arrival: &Arrival<'_>,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let Arrival { id, account: inbox, .. } = *arrival;
    // A report has no bytes but its head.
    let is_whole = arrival.head_skip < arrival.body_length;
    let (head, head_skip) =
        if is_whole { (Vec::new(), 0) } else { (arrival.head.to_vec(), arrival.head_skip) };
    let octets = u64::try_from(head.len()).unwrap_or(u64::MAX);
    let new = NewMessage {
        id,
        account: inbox,
        folder: None,
        body: arrival.body,
        size: arrival.body_length.saturating_sub(head_skip).saturating_add(octets),
        head,
        head_skip,
        headers: mailbox::shown(&HeaderBlock::new(arrival.header)),
        received: arrival.received,
        origin: Some(arrival.spool),
        flags: 0,
        extract: None,
    };
    Ok(match mailbox::deliver(tx, &new, now)? {
        Delivered::New { .. } => {
            keep(tx, (inbox, id), arrival)?;
            Outcome::Delivered
        }
        Delivered::Before => Outcome::Delivered,
        // Nothing of it may go elsewhere: a person has to look.
        Delivered::OverQuota | Delivered::NoAccount => {
            Outcome::Held(Reason::ours(450, Status::new(4, 2, 1), "the inbox is gone"))
        }
    })
}

fn keep(tx: &mut Tx<'_>, place: (Id, Id), arrival: &Arrival<'_>) -> Result<(), StoreError> {
    let caught = Caught {
        sender: arrival.from.to_string(),
        recipients: vec![arrival.recipient.to_string()],
        ..Caught::default()
    };
    capture::keep(tx, place, &caught, None)
}
