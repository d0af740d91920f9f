//! Finding what has expired and what is late, apart from any attempt.

use mailwright_words::{Id, Timestamp};

use crate::{
    engine::Tx,
    error::StoreError,
    params,
    queue::{CLAIMED, Claimed, read_claimed},
};

/// Rows that one step looks at.
const STEP: usize = 1000;

/// What one step of a sweep found.
#[derive(Debug, Default)]
pub struct Swept {
    /// Past their time.
    pub expired: Vec<Claimed>,
    /// Late, and their sender has not been told.
    pub late: Vec<Claimed>,
    /// Where the next step goes on; `None` at the end.
    pub next: Option<Id>,
}

/// Looks at 1,000 recipients behind `after`, in a read: expired ones, and those accepted before
/// `late_before` whose sender knows nothing.
///
/// Held recipients and those that somebody owns are left out.
pub fn sweep(
    tx: &mut Tx<'_>,
    after: Option<Id>,
    now: Timestamp,
    late_before: Timestamp,
) -> Result<Swept, StoreError> {
    let rows = tx.query(
        &format!(
            "SELECT {CLAIMED}, state = 'queued' AND owner_node IS NULL, delay_told
             FROM recipient WHERE id > :after ORDER BY id LIMIT :step"
        ),
        params! { after: after.map_or(-1, Id::get), step: STEP },
        |row| Ok((read_claimed(row)?, row.get::<bool>(16)?, row.get::<bool>(17)?)),
    )?;
    let mut swept = Swept::default();
    if rows.len() == STEP {
        swept.next = rows.last().map(|(claimed, ..)| claimed.id);
    }
    for (claimed, waits, told) in rows {
        if !waits {
            continue;
        }
        if claimed.expires <= now {
            swept.expired.push(claimed);
        } else if !told && claimed.notify.delay && claimed.id.time() <= late_before {
            swept.late.push(claimed);
        }
    }
    Ok(swept)
}

/// Notes that the sender knows; says `false` when it did already or the recipient is gone.
pub fn mark_delay_told(tx: &mut Tx<'_>, recipient: Id) -> Result<bool, StoreError> {
    let touched = tx.execute(
        "UPDATE recipient SET delay_told = 1 WHERE id = :recipient AND delay_told = 0",
        params! { recipient },
    )?;
    Ok(touched == 1)
}
