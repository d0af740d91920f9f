//! Reads what the index keeps of many messages, in the order in which it lies there.

use mailwright_words::Id;

use super::Index;
use crate::{engine::Row, error::StoreError, params};

/// Entries that are passed over one after the other; past them a new start is quicker.
const PASSED_MAX: u32 = 12;

/// A column of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexed {
    /// Digests: what a mailbox is sorted and threaded by.
    Digest,
    /// Signatures: what a text may hold.
    Signature,
    /// Briefs: envelopes and attachments of caught messages.
    Brief,
}

impl Indexed {
    const fn sql(self) -> &'static str {
        match self {
            Self::Digest => {
                "SELECT message, digest FROM digest
                 WHERE account = :account AND message BETWEEN :first AND :last ORDER BY message"
            }
            Self::Signature => {
                "SELECT message, signature FROM signature
                 WHERE account = :account AND message BETWEEN :first AND :last ORDER BY message"
            }
            Self::Brief => {
                "SELECT message, brief FROM brief
                 WHERE account = :account AND message BETWEEN :first AND :last ORDER BY message"
            }
        }
    }
}

impl Index {
    /// Calls `each` with the place and the octets of those of `messages` that have an entry;
    /// `messages` ascend. It ends when `each` says false.
    pub(crate) fn scan(
        &self,
        account: Id,
        messages: &[Id],
        indexed: Indexed,
        each: &mut dyn FnMut(usize, &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let Some(&last) = messages.last() else { return Ok(()) };
        self.readers.run(|tx| {
            let mut walk = Walk { messages, next: 0, passed: 0, goes_on: true, each };
            while let Some(&first) = messages.get(walk.next) {
                walk.passed = 0;
                let sql = indexed.sql();
                let is_over =
                    tx.each(sql, params! { account, first, last }, |row| walk.meet(row))?;
                if is_over || !walk.goes_on {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// A walk over entries and the messages that are looked for, side by side.
struct Walk<'a> {
    messages: &'a [Id],
    next: usize,
    /// Entries since the last one that was looked for.
    passed: u32,
    goes_on: bool,
    each: &'a mut dyn FnMut(usize, &[u8]) -> bool,
}

impl Walk<'_> {
    /// Takes the next entry; says whether the walk goes on.
    fn meet(&mut self, row: &Row<'_>) -> Result<bool, StoreError> {
        let message: Id = row.get(0)?;
        while self.messages.get(self.next).is_some_and(|wanted| *wanted < message) {
            self.next += 1;
        }
        self.passed += 1;
        while self.messages.get(self.next) == Some(&message) {
            self.passed = 0;
            self.goes_on &= (self.each)(self.next, row.bytes(1)?);
            self.next += 1;
        }
        Ok(self.goes_on && self.passed < PASSED_MAX)
    }
}
