//! What an inbox caught goes on to others, as a message of its own on the same body.
//!
//! Which addresses had it before is asked in the transaction that puts it into the spool, so that
//! a request that comes twice, at once or after a crash, releases nothing twice.

use mailwright_words::Id;

use crate::{
    body::hold,
    capture::{self, NewRelease},
    engine::Tx,
    error::StoreError,
    event::{self, Event},
    spool::{Accepted, Content, SpoolError, rows, rows::Rows},
    store::Store,
};

/// Which addresses a message was released to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The number of the message in the spool, where any address is new.
    pub spool: Option<Id>,
    /// For each address that was asked for, whether it had not had the message before.
    pub fresh: Vec<bool>,
}

/// Puts a released message into the spool for those of the addresses of `new` that did not have
/// it before, and wakes the queue.
///
/// `owners` says for each recipient of the envelope, in its order, which of those addresses leads
/// there.
///
/// Errors: [`SpoolError`]; [`StoreError::Missing`] in it when the message has gone,
/// [`StoreError::Cannot`] when it was released as often as may be. Nothing is released then.
pub async fn release(
    store: &Store,
    (accepted, owners): (Accepted, Vec<usize>),
    new: NewRelease,
) -> Result<Released, SpoolError> {
    let rows = Rows::new(store.ids(), &accepted)?;
    let Content::Stored { body, .. } = accepted.content else {
        return Err(SpoolError::Store(StoreError::Missing("body")));
    };
    let put = move |tx: &mut Tx<'_>| {
        let fresh = capture::claim_release(tx, &new, rows.id())?;
        if !fresh.contains(&true) {
            return Ok(Released { spool: None, fresh });
        }
        hold(tx, body)?;
        let owner = |place: usize| owners.get(place).and_then(|owner| fresh.get(*owner).copied());
        rows::insert_for(tx, &rows, |place| owner(place) == Some(true))?;
        for (address, _) in new.addresses.iter().zip(&fresh).filter(|(_, fresh)| **fresh) {
            event::append(tx, &told(&new, address, rows.id()))?;
        }
        Ok(Released { spool: Some(rows.id()), fresh })
    };
    Ok(store.write_spool(None, |done: &Released| done.spool.is_some(), put).await?)
}

/// The event of a release to one address.
fn told(new: &NewRelease, address: &str, spool: Id) -> Event {
    Event {
        tenant: crate::directory::DEFAULT_TENANT,
        at: new.at,
        kind: "released".to_owned(),
        spool: Some(spool),
        recipient: None,
        address: Some(address.to_owned()),
        detail: Some(new.message.to_string()),
    }
}
