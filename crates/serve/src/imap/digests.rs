//! The digests of rows: from the index, or made on the spot of those that it does not have.

use mailwright_mime::{Digest, digest, digest_of_message};
use mailwright_store::{Store, StoreError, index::Indexed, mailbox::Wanted};
use mailwright_view::{Row, Snapshot};
use mailwright_words::Id;

/// Messages that are read in one go.
const ROWS: usize = 512;

/// Where messages are looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) account: Id,
    pub(super) mailbox: Id,
}

impl Place {
    pub(super) fn new(account: Id, snapshot: &Snapshot) -> Self {
        Self { account, mailbox: snapshot.identity().mailbox }
    }
}

/// Calls `each` with every row once, in any order, and the digest of its message; without one when
/// that is gone.
pub(super) fn digests(
    store: &Store,
    place: Place,
    rows: &[Row],
    each: &mut dyn FnMut(&Row, Option<&Digest<'_>>),
) -> Result<(), StoreError> {
    let missing = indexed(store, place, rows, Indexed::Digest, &mut |row, bytes| {
        let digest = Digest::from_bytes(bytes);
        digest.is_some_and(|digest| {
            each(row, Some(&digest));
            true
        })
    });
    let wanted = Wanted { headers: true, order: true, ..Wanted::default() };
    for some in missing.chunks(ROWS) {
        let rendered = store.rendered(place.mailbox, some, wanted)?;
        for (row, rendered) in some.iter().zip(rendered) {
            let bytes = match rendered {
                Some(rendered) => match digest(&rendered) {
                    Some(bytes) => Some(bytes),
                    None => whole(store, row)?.map(|message| digest_of_message(&message)),
                },
                None => None,
            };
            each(row, bytes.as_deref().and_then(Digest::from_bytes).as_ref());
        }
    }
    Ok(())
}

/// Calls `each` with the rows that the index knows, and what it keeps of them; gives the others,
/// and those for which `each` said false.
pub(super) fn indexed(
    store: &Store,
    place: Place,
    rows: &[Row],
    indexed: Indexed,
    each: &mut dyn FnMut(&Row, &[u8]) -> bool,
) -> Vec<Row> {
    // Messages mostly ascend with the UIDs of their rows.
    let mut order: Vec<&Row> = rows.iter().collect();
    order.sort_by_key(|row| row.message);
    let messages: Vec<Id> = order.iter().map(|row| row.message).collect();
    let mut is_open = vec![true; order.len()];
    let mut seen = |place: usize, bytes: &[u8]| {
        if let (Some(row), Some(is_open)) = (order.get(place), is_open.get_mut(place)) {
            *is_open = !each(row, bytes);
        }
        true
    };
    if let Err(error) = store.indexed(place.account, &messages, indexed, &mut seen) {
        tracing::warn!(%error, "The index cannot be read.");
    }
    let open = order.iter().zip(is_open).filter(|(_, is_open)| *is_open);
    let mut missing: Vec<Row> = open.map(|(row, _)| **row).collect();
    missing.sort_unstable_by_key(|row| row.uid);
    missing
}

/// All octets of a message; `None` when it is gone or damaged.
pub(super) fn whole(store: &Store, row: &Row) -> Result<Option<Vec<u8>>, StoreError> {
    let read = store
        .content(row.message)
        .and_then(|content| content.map(|content| content.whole()).transpose());
    match read {
        Err(error @ StoreError::Corrupt(_)) => {
            // It is found by nothing, and the others are found all the same.
            tracing::error!(%error, content = %row.message, "What is stored is damaged.");
            Ok(None)
        }
        read => read,
    }
}
