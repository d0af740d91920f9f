//! An open maildrop: a snapshot of the inbox, and which of its messages are marked as deleted.
//!
//! Numbers stay what they are while the session lasts, also when messages are removed elsewhere.
//! Source: RFC 1939 section 5.

use std::fmt::Write as _;

use mailwright_view::{NumberSet, Row, Snapshot};

/// What a list tells of each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Its octets.
    Size,
    /// Its lasting name.
    Name,
}

/// An open maildrop.
#[derive(Debug)]
pub(crate) struct Maildrop {
    snapshot: Snapshot,
    /// UIDs of messages marked as deleted.
    deleted: NumberSet,
    /// Octets of those.
    deleted_bytes: u64,
}

impl Maildrop {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, deleted: NumberSet::new(), deleted_bytes: 0 }
    }

    /// Messages and octets that are not marked.
    pub(crate) fn size(&self) -> (u64, u64) {
        let count = u64::from(self.snapshot.len()).saturating_sub(self.deleted.len());
        (count, self.snapshot.counts().bytes.saturating_sub(self.deleted_bytes))
    }

    /// The message of this number, unless it is marked.
    pub(crate) fn row(&self, number: u32) -> Option<&Row> {
        self.snapshot.row(number).filter(|row| !self.deleted.contains(row.uid))
    }

    /// Marks the message of this number; false when there is none.
    pub(crate) fn delete(&mut self, number: u32) -> bool {
        let Some(&row) = self.row(number) else { return false };
        self.deleted.insert(row.uid..=row.uid);
        self.deleted_bytes = self.deleted_bytes.saturating_add(row.size);
        true
    }

    /// Marks nothing.
    pub(crate) fn reset(&mut self) {
        self.deleted = NumberSet::new();
        self.deleted_bytes = 0;
    }

    /// Gives the UIDs of what is marked.
    pub(crate) fn into_deleted(self) -> NumberSet {
        self.deleted
    }

    /// What `column` says of the message of this number.
    pub(crate) fn cell(&self, number: u32, column: Column) -> Option<String> {
        let mut text = String::new();
        self.write(number, column, &mut text).then_some(text)
    }

    /// The lines of a list from `first` on, at least one chunk of them, and where to go on.
    pub(crate) fn lines(&self, first: u32, column: Column) -> (Vec<u8>, Option<u32>) {
        const CHUNK: u32 = 1000;
        let last = self.snapshot.len().min(first.saturating_add(CHUNK - 1));
        let mut text = String::new();
        for number in first..=last {
            if self.write(number, column, &mut text) {
                text.push_str("\r\n");
            }
        }
        let next = (last < self.snapshot.len()).then(|| last.saturating_add(1));
        (text.into_bytes(), next)
    }

    /// Writes `number cell`; false when the message is marked, or none.
    fn write(&self, number: u32, column: Column, text: &mut String) -> bool {
        let Some(row) = self.row(number) else { return false };
        // Writing to a String does not fail.
        match column {
            Column::Size => write!(text, "{number} {}", row.size),
            Column::Name => {
                // Of a UIDVALIDITY and a UID each pair is given out once. Source: RFC 9051
                // section 2.3.1.1; RFC 1939 section 7 (UIDL) asks for just this.
                let validity = self.snapshot.identity().uidvalidity;
                write!(text, "{number} {validity:08x}{:08x}", row.uid)
            }
        }
        .is_ok()
    }
}
