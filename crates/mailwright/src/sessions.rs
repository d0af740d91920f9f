//! Sessions with other servers, counted for reports to their domains.
//!
//! Counts gather in memory and go to the store now and then; what a crash takes of them is not
//! missed. Source: RFC 8460.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use mailwright_deliver::ledger::{Ledger, Policy, Session};
use mailwright_net::Clock;
use mailwright_store::{
    Lane, Store,
    transport::{self, SessionRow},
};
use serde_json::json;

/// Kinds of sessions that are counted apart between two visits to the store.
const KINDS_MAX: usize = 10_000;

/// Counts sessions.
#[derive(Debug)]
pub(crate) struct Counter {
    clock: Arc<dyn Clock>,
    counts: Mutex<HashMap<(i64, Session), u64>>,
}

impl Counter {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    /// Drops what was counted: nobody is told.
    pub(crate) fn drop_all(&self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Takes what was counted to the store.
    pub(crate) async fn flush(&self, store: &Store) {
        let counts =
            std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        let rows: Vec<SessionRow> = counts.into_iter().map(row).collect();
        // In chunks, so that mail does not wait for it.
        for chunk in rows.chunks(500) {
            let chunk = chunk.to_vec();
            let write =
                move |tx: &mut mailwright_store::Tx<'_>| transport::count_sessions(tx, &chunk);
            if let Err(error) = store.write(Lane::Bulk, write).await {
                tracing::warn!(%error, "Sessions with other servers not counted.");
            }
        }
    }
}

impl Ledger for Counter {
    fn note(&self, session: Session) {
        let day = transport::day(self.clock.now());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < KINDS_MAX || counts.contains_key(&(day, session.clone())) {
            *counts.entry((day, session)).or_default() += 1;
        }
    }
}

fn row(((day, session), count): ((i64, Session), u64)) -> SessionRow {
    let Session { domain, policy, host, address, failure } = session;
    let failure = failure.map(mailwright_deliver::ledger::Failure::as_str).unwrap_or_default();
    SessionRow {
        day,
        domain,
        policy: described(&policy).to_string(),
        host,
        address,
        failure: failure.to_owned(),
        count,
    }
}

/// The policy as a report has it. Source: RFC 8460 section 4.4.
fn described(policy: &Policy) -> serde_json::Value {
    match policy {
        Policy::Tlsa(records) => json!({"policy-type": "tlsa", "policy-string": records}),
        Policy::Sts(lines, patterns) => {
            json!({"policy-type": "sts", "policy-string": lines, "mx-host": patterns})
        }
        Policy::None => json!({"policy-type": "no-policy-found"}),
    }
}

#[cfg(test)]
mod tests {
    use mailwright_deliver::ledger::Failure;
    use mailwright_net::clock::Manual;
    use mailwright_store::Options;
    use mailwright_words::Timestamp;

    use super::*;

    #[tokio::test]
    async fn what_was_counted_goes_to_the_store_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Options::new(folder.path()), Timestamp::new(0)).unwrap();
        let counter = Counter::new(Arc::new(Manual::new(Timestamp::new(86_400_000 * 3))));
        let session = |failure| Session {
            domain: "x.example".to_owned(),
            policy: Policy::Tlsa(vec!["3 1 1 00".to_owned()]),
            host: "mx.x.example".to_owned(),
            address: "192.0.2.1".to_owned(),
            failure,
        };
        for failure in [None, None, Some(Failure::TlsaInvalid)] {
            counter.note(session(failure));
        }
        counter.flush(&store).await;
        counter.flush(&store).await;
        let found = store.read(|tx| transport::sessions(tx, (3, "x.example"), 10)).await.unwrap();
        let found: Vec<(&str, u64)> =
            found.iter().map(|row| (row.failure.as_str(), row.count)).collect();
        assert_eq!(found, [("", 2), ("tlsa-invalid", 1)]);
    }
}
