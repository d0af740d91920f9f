//! Policies in the store.

use mailwright_store::transport::{self, StsRow};
use mailwright_store::{Lane, Store};
use mailwright_words::Timestamp;

use super::cache::{Kept, Shelf};
use super::policy::Policy;
use crate::outcome::Later;

/// Policies looked through at once.
const ROWS_MAX: usize = 1000;

/// Keeps policies in the store. What the store does not answer is as if there were nothing, and
/// what it does not take is fetched again.
#[derive(Debug, Clone)]
pub struct StoreShelf {
    store: Store,
}

impl StoreShelf {
    /// A shelf in `store`.
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Shelf for StoreShelf {
    fn load<'a>(&'a self, domain: &'a str) -> Later<'a, Option<Kept>> {
        let domain = domain.to_owned();
        Box::pin(async move {
            match self.store.read(move |tx| transport::policy(tx, &domain)).await {
                Ok(row) => row.and_then(kept),
                Err(error) => {
                    tracing::warn!(%error, "MTA-STS policy not read.");
                    None
                }
            }
        })
    }

    fn older(&self, before: Timestamp) -> Later<'_, Vec<Kept>> {
        Box::pin(async move {
            let rows =
                self.store.read(move |tx| transport::policies_before(tx, before, ROWS_MAX)).await;
            rows.unwrap_or_default().into_iter().filter_map(kept).collect()
        })
    }

    fn keep(&self, kept: Kept) -> Later<'_, ()> {
        let Kept { domain, id, policy, fetched, expires } = kept;
        let row = StsRow { domain, id, text: policy.lines().join("\n"), fetched, expires };
        Box::pin(async move {
            let kept = self.store.write(Lane::Bulk, move |tx| transport::keep_policy(tx, &row));
            if let Err(error) = kept.await {
                tracing::warn!(%error, "MTA-STS policy not kept.");
            }
        })
    }
}

/// Keeps nothing: each policy is fetched when it is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unkept;

impl Shelf for Unkept {
    fn load<'a>(&'a self, _domain: &'a str) -> Later<'a, Option<Kept>> {
        Box::pin(std::future::ready(None))
    }

    fn older(&self, _before: Timestamp) -> Later<'_, Vec<Kept>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn keep(&self, _kept: Kept) -> Later<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn kept(row: StsRow) -> Option<Kept> {
    let StsRow { domain, id, text, fetched, expires } = row;
    Some(Kept { domain, id, policy: Policy::parse(&text)?, fetched, expires })
}
