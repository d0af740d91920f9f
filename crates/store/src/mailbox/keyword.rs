//! Keywords: names that a mailbox knows, each a bit of its rows.
//!
//! A name is known by its letters without regard to case, in the spelling that came first. Bits
//! are given out in order and never taken back. Source: RFC 9051 section 2.3.2.

use mailwright_words::Id;

use crate::{
    engine::Tx,
    error::StoreError,
    mailbox::{Edit, What},
    params,
};

/// Most keywords of a mailbox.
pub const KEYWORDS_MAX: usize = 64;

/// The names of a mailbox's keywords, from bit 0 on.
pub(super) fn names(tx: &mut Tx<'_>, mailbox: Id) -> Result<Vec<Box<str>>, StoreError> {
    tx.query(
        "SELECT name FROM keyword WHERE mailbox = :mailbox ORDER BY bit",
        params! { mailbox },
        |row| row.get::<String>(0).map(String::into_boxed_str),
    )
}

/// The bits of `wanted` among `known`, and those that are not known.
pub(super) fn bits<'a>(known: &[Box<str>], wanted: &'a [Box<str>]) -> (u64, Vec<&'a str>) {
    let (mut bits, mut unknown) = (0, Vec::new());
    for name in wanted {
        match known.iter().position(|have| have.eq_ignore_ascii_case(name)) {
            Some(bit) => bits |= bit_of(bit),
            None => unknown.push(&**name),
        }
    }
    (bits, unknown)
}

/// The bits of `wanted`; new names are made, as a part of the change `modseq`.
///
/// Errors: [`StoreError::Limit`] when the mailbox has no more bits.
pub(super) fn make(
    tx: &mut Tx<'_>,
    mailbox: Id,
    wanted: &[Box<str>],
    modseq: u64,
) -> Result<u64, StoreError> {
    if wanted.is_empty() {
        return Ok(0);
    }
    let mut known = names(tx, mailbox)?;
    let (_, unknown) = bits(&known, wanted);
    let before = known.len();
    for name in unknown {
        if known.iter().any(|have| have.eq_ignore_ascii_case(name)) {
            continue;
        }
        if known.len() >= KEYWORDS_MAX {
            return Err(StoreError::Limit("keywords of a mailbox"));
        }
        tx.execute(
            "INSERT INTO keyword (mailbox, bit, name) VALUES (:mailbox, :bit, :name)",
            params! { mailbox, bit: known.len(), name },
        )?;
        known.push(name.into());
    }
    let (bits, _) = bits(&known, wanted);
    if known.len() > before {
        // A view that is being loaded tells by it whether its rows have the names already.
        tx.execute(
            "UPDATE mailbox SET highestmodseq = :modseq WHERE id = :mailbox",
            params! { modseq, mailbox },
        )?;
        tx.publish(Edit { mailbox, modseq, what: What::Keywords(known) });
    }
    Ok(bits)
}

/// The bit of that number.
pub(super) fn bit_of(number: usize) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or(0)
}
