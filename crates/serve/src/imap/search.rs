//! SEARCH: rows first, then digests, then signatures, and contents only where all of them leave it
//! open.
//!
//! Contents are decoded side by side, a few messages at a time, so that a search holds no thread
//! for long and its time has a limit. Source: RFC 9051 section 6.4.4.

use std::sync::Arc;

use mailwright_imap::{Answer, Program, Refusal};
use mailwright_mime::Signature;
use mailwright_search::{Condition, Content, Facts};
use mailwright_store::{Store, StoreError, index::Indexed, mailbox::LARGE};
use mailwright_view::{NumberSet, Row, Snapshot};
use tokio::task::JoinSet;

use super::{
    conversation::{Conversation, refusal},
    digests::{Place, digests, indexed, whole},
};

/// Messages whose contents are decoded in one go.
const ROWS: usize = 64;

impl Conversation {
    pub(super) async fn search(
        &self,
        snapshot: Snapshot,
        program: Arc<Program>,
    ) -> Result<Answer, Refusal> {
        let rows = self.matching(&snapshot, &program).await?;
        Ok(Answer::Found(rows.iter().map(|row| row.uid).collect::<NumberSet>()))
    }

    /// The rows that match, by UID.
    ///
    /// Errors: [`Refusal::TooCostly`] when it takes longer than one may, waiting for others
    /// included; [`Refusal::Unavailable`] when nobody waits for it any more.
    pub(super) async fn matching(
        &self,
        snapshot: &Snapshot,
        program: &Program,
    ) -> Result<Vec<Row>, Refusal> {
        let condition = Arc::new(Condition::new(program, snapshot, self.door.clock.now()));
        let (mut found, mut open) = (Vec::new(), Vec::new());
        for row in snapshot.rows() {
            match condition.holds(&Facts::of_row(row)) {
                Some(true) => found.push(*row),
                Some(false) => {}
                None => open.push(*row),
            }
        }
        if open.is_empty() {
            return Ok(found);
        }
        let mailboxes = &self.door.config.mailboxes;
        let place = Place::new(self.account()?, snapshot);
        let looking = tokio::time::timeout(mailboxes.search_time_max, async {
            let _turn = self.door.shared.search(place.account, mailboxes.searches_max).await;
            self.looked(place, condition, open).await
        });
        let looked = tokio::select! {
            looked = looking => looked,
            () = self.client_gone() => return Err(Refusal::Unavailable),
        };
        let more = looked.ok().ok_or(Refusal::TooCostly)?;
        found.extend(more.map_err(|error| refusal(&error))?);
        found.sort_unstable_by_key(|row| row.uid);
        Ok(found)
    }

    /// Waits until the client hangs up.
    async fn client_gone(&self) {
        match &self.gone {
            Some(gone) => gone.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Those of the rows that match, by what else is known of them.
    async fn looked(
        &self,
        place: Place,
        condition: Arc<Condition>,
        open: Vec<Row>,
    ) -> Result<Vec<Row>, StoreError> {
        let store = &self.door.store;
        let asked = Arc::clone(&condition);
        let (mut found, open) =
            store.off_thread(move |store| narrowed(store, place, &asked, open)).await?;
        // Dropped with the search, which ends what has not begun.
        let mut tasks: JoinSet<Result<Vec<Row>, StoreError>> = JoinSet::new();
        let mut pieces = open.chunks(ROWS);
        let threads = self.door.config.mailboxes.search_threads.max(1);
        loop {
            while tasks.len() < threads {
                let Some(piece) = pieces.next().map(<[Row]>::to_vec) else { break };
                let (store, condition) = (store.clone(), Arc::clone(&condition));
                tasks.spawn(async move {
                    store.off_thread(move |store| decoded(store, &condition, piece)).await
                });
            }
            let Some(done) = tasks.join_next().await else { break };
            let lost =
                |error: tokio::task::JoinError| StoreError::Panicked(error.to_string().into());
            found.extend(done.map_err(lost)??);
        }
        Ok(found)
    }
}

/// The rows that match by digest or signature, and those that stay open.
fn narrowed(
    store: &Store,
    place: Place,
    condition: &Condition,
    open: Vec<Row>,
) -> Result<(Vec<Row>, Vec<Row>), StoreError> {
    let (mut found, mut left) = (Vec::new(), open);
    if condition.needs().digest {
        let asked = std::mem::take(&mut left);
        digests(store, place, &asked, &mut |row, digest| {
            let facts = Facts { digest: digest.copied(), ..Facts::of_row(row) };
            match condition.holds(&facts) {
                Some(true) => found.push(*row),
                // A message that is gone matches nothing.
                None if digest.is_some() => left.push(*row),
                _ => {}
            }
        })?;
        left.sort_unstable_by_key(|row| row.uid);
    }
    if left.is_empty() {
        return Ok((found, left));
    }
    let mut open = Vec::new();
    let missing = indexed(store, place, &left, Indexed::Signature, &mut |row, bytes| {
        let signature = Signature::from_bytes(bytes);
        match condition.holds(&Facts { signature, ..Facts::of_row(row) }) {
            Some(true) => found.push(*row),
            Some(false) => {}
            None => open.push(*row),
        }
        true
    });
    store.index_soon(missing.iter().map(|row| row.message));
    open.extend(missing);
    // Contents lie on disk in the order in which they came.
    open.sort_unstable_by_key(|row| row.message);
    Ok((found, open))
}

/// Those of the rows whose contents match.
fn decoded(store: &Store, condition: &Condition, rows: Vec<Row>) -> Result<Vec<Row>, StoreError> {
    let mut found = Vec::new();
    for row in rows {
        let _alone = (row.size > LARGE).then(|| store.large());
        let Some(message) = whole(store, &row)? else { continue };
        let content = Content::new(&message);
        let facts = Facts { content: Some(&content), ..Facts::of_row(&row) };
        if condition.holds(&facts) == Some(true) {
            found.push(row);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
