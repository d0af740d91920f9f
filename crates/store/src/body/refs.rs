//! The count of who uses a body, kept in the transaction that makes or removes a user.

use mailwright_words::Timestamp;

use crate::{body::BodyId, engine::Tx, error::StoreError, params};

/// Counts one more user of a body; a dead one within its grace time lives again.
///
/// Errors: [`StoreError::Missing`] when there is no such body.
pub fn hold(tx: &mut Tx<'_>, body: BodyId) -> Result<(), StoreError> {
    let touched = tx.execute(
        "UPDATE body SET refs = refs + 1, dead_since = NULL WHERE id = :body",
        params! { body },
    )?;
    if touched == 1 { Ok(()) } else { Err(StoreError::Missing("body")) }
}

/// Counts one user less; the last one begins the grace time, after which the bytes may go.
///
/// Errors: [`StoreError::Missing`] when there is no such body.
pub fn release(tx: &mut Tx<'_>, body: BodyId, now: Timestamp) -> Result<(), StoreError> {
    let touched = tx.execute(
        "UPDATE body SET refs = refs - 1, dead_since = CASE WHEN refs = 1 THEN :now END
         WHERE id = :body",
        params! { now, body },
    )?;
    if touched == 1 { Ok(()) } else { Err(StoreError::Missing("body")) }
}
