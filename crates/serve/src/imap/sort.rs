//! SORT and THREAD: the rows that match, in an order or as conversations.
//!
//! Source: RFC 5256, RFC 5957.

use std::sync::Arc;

use mailwright_imap::{Algorithm, Answer, Program, Refusal, SortKey};
use mailwright_search::{Conversations, Order};
use mailwright_view::Snapshot;

use super::{
    conversation::{Conversation, refusal},
    digests::{Place, digests},
};

impl Conversation {
    pub(super) async fn sort(
        &self,
        snapshot: Snapshot,
        program: Arc<Program>,
        keys: Vec<SortKey>,
    ) -> Result<Answer, Refusal> {
        let rows = self.matching(&snapshot, &program).await?;
        let mut order = Order::new(&keys);
        if Order::needs_only_rows(&keys) {
            for row in &rows {
                order.add(row, None);
            }
            return Ok(Answer::Sorted(order.finish()));
        }
        let place = Place::new(self.account()?, &snapshot);
        let sorted = self.door.store.off_thread(move |store| {
            digests(store, place, &rows, &mut |row, digest| order.add(row, digest))?;
            Ok(order.finish())
        });
        Ok(Answer::Sorted(sorted.await.map_err(|error| refusal(&error))?))
    }

    pub(super) async fn thread(
        &self,
        snapshot: Snapshot,
        program: Arc<Program>,
        algorithm: Algorithm,
    ) -> Result<Answer, Refusal> {
        let rows = self.matching(&snapshot, &program).await?;
        let place = Place::new(self.account()?, &snapshot);
        let threads = self.door.store.off_thread(move |store| {
            let mut all = Conversations::default();
            digests(store, place, &rows, &mut |row, digest| all.add(row, digest))?;
            Ok(all.finish(algorithm))
        });
        Ok(Answer::Threads(threads.await.map_err(|error| refusal(&error))?))
    }
}
