//! Messages read ahead: a client that fetches one after another seldom waits for a thread.
//!
//! The first message is read alone. Each time the reader runs dry while the client goes on in
//! order it reads twice as many, up to a number and to octets that one session may hold.

use std::collections::VecDeque;

use mailwright_store::{Store, StoreError, mailbox::CopyReader};
use mailwright_view::Snapshot;

/// Most messages read at once.
const WINDOW_MAX: u32 = 128;

/// Messages read ahead.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    ready: VecDeque<(u32, Result<CopyReader, StoreError>)>,
    /// The number that follows the last one that was wanted.
    next: u32,
    window: u32,
}

impl Ahead {
    /// The message of this number, which is in `snapshot`.
    pub(super) async fn open(
        &mut self,
        number: u32,
        snapshot: &Snapshot,
        (store, octets_max): (&Store, u64),
    ) -> Result<CopyReader, StoreError> {
        while self.ready.front().is_some_and(|(ahead, _)| *ahead < number) {
            self.ready.pop_front();
        }
        if self.ready.front().is_none_or(|(ahead, _)| *ahead != number) {
            let in_order = number == self.next;
            self.window =
                if in_order { self.window.saturating_mul(2).clamp(1, WINDOW_MAX) } else { 1 };
            self.ready.clear();
            let numbers = number..number.saturating_add(self.window);
            let messages = numbers.map_while(|number| Some(snapshot.row(number)?.message));
            let copies = store.copies(messages.collect(), octets_max).await?;
            self.ready.extend((number..).zip(copies));
        }
        self.next = number.saturating_add(1);
        self.ready.pop_front().map_or(Err(StoreError::Missing("message")), |(_, copy)| copy)
    }
}
