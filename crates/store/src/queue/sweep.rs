//! Finding what has expired and what is late, apart from any attempt.

use mailwright_words::{Id, Notify, Timestamp};

use crate::{
    engine::Tx,
    error::StoreError,
    params,
    queue::{CLAIMED, Claimed, read_claimed},
};

/// Rows that one step looks at.
const STEP: i64 = 5000;

/// Who wants to know of delays.
const DELAY: Notify = Notify { never: false, success: false, failure: false, delay: true };

/// Bit of `delay_told`: the sender knows that the message is late.
const DELAY_TOLD: u8 = 1;
/// Bit of `delay_told`: the sender is to be told when the message's time for delivery is over.
pub(crate) const BY_TIME_DUE: u8 = 2;

/// What one step of a sweep found.
#[derive(Debug, Default)]
pub struct Swept {
    /// Past their time, with what was said about them last.
    pub expired: Vec<(Claimed, Option<String>)>,
    /// Late, and their sender has not been told.
    pub late: Vec<Claimed>,
    /// Past the time by which their sender wanted them delivered, which it has not been told.
    pub by_time: Vec<Claimed>,
    /// Where the next step goes on; `None` at the end.
    pub next: Option<Id>,
}

/// Looks at 5,000 recipients behind `after`, in a read: expired ones, and those accepted before
/// `late_before` whose sender knows nothing.
///
/// Held recipients and those that somebody owns are left out. It walks the rows: an index on each
/// of these times would cost more on the way of every message than a look at them now and then.
pub fn sweep(
    tx: &mut Tx<'_>,
    after: Option<Id>,
    now: Timestamp,
    late_before: Timestamp,
) -> Result<Swept, StoreError> {
    let after = after.map_or(-1, Id::get);
    let next = tx.query_opt(
        "SELECT id FROM recipient WHERE id > :after ORDER BY id LIMIT 1 OFFSET :step",
        params! { after, step: STEP - 1 },
        |row| row.get(0),
    )?;
    let mut swept = Swept { next, ..Swept::default() };
    let rows = tx.query(
        &format!(
            "SELECT {CLAIMED}, delay_told, last_reply,
                 CASE WHEN delay_told >= {BY_TIME_DUE}
                     THEN (SELECT deliver_by FROM spool WHERE spool.id = recipient.spool) END
             FROM recipient
             WHERE id > :after AND id <= :last AND state = 'queued' AND owner_node IS NULL
                 AND (expires <= :now OR delay_told >= {BY_TIME_DUE}
                     OR (delay_told & {DELAY_TOLD} = 0 AND notify & :delay <> 0 AND id <= :late))
             ORDER BY id"
        ),
        params! { after, last: next.map_or(i64::MAX, Id::get), now,
        delay: DELAY.as_bits(), late: Id::last_of(late_before) },
        |row| {
            let by: Option<Timestamp> = row.get(18)?;
            Ok((read_claimed(row)?, row.get::<u8>(16)?, row.get(17)?, by))
        },
    )?;
    for (claimed, told, last_reply, by) in rows {
        if claimed.expires <= now {
            swept.expired.push((claimed, last_reply));
        } else if by.is_some_and(|by| by <= now) {
            swept.by_time.push(claimed);
        } else if told & DELAY_TOLD == 0 && claimed.notify.delay && claimed.id.time() <= late_before
        {
            swept.late.push(claimed);
        }
    }
    Ok(swept)
}

/// What a sender is told about a recipient that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// That it is late.
    Late,
    /// That its time for delivery is over.
    ByTime,
}

/// Notes that the sender knows; says `false` when it did already or the recipient is gone.
pub fn mark_told(tx: &mut Tx<'_>, recipient: Id, told: Told) -> Result<bool, StoreError> {
    let (bit, before) = match told {
        Told::Late => (DELAY_TOLD, 0),
        Told::ByTime => (BY_TIME_DUE, BY_TIME_DUE),
    };
    let change = if before == 0 { i64::from(bit) } else { -i64::from(bit) };
    let touched = tx.execute(
        "UPDATE recipient SET delay_told = delay_told + :change
         WHERE id = :recipient AND delay_told & :bit = :before",
        params! { change, recipient, bit, before },
    )?;
    Ok(touched == 1)
}
