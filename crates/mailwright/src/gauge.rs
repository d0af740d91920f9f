//! The gauges of the queue, counted when somebody asks for them.

use std::{sync::Arc, time::Duration};

use mailwright_store::{StoreError, queue};
use mailwright_words::{Timestamp, metric};
use tokio::sync::Mutex;

use crate::office::Office;

/// How long a count stands; the queue's rows are not counted more often.
const FRESH: Duration = Duration::from_secs(5);
/// Classes and states, so that what is gone is told as 0.
const CLASSES: [&str; 3] = ["local", "relay", "capture"];
const STATES: [&str; 4] = ["queued", "due", "active", "held"];

/// Counts the queue for whoever asks.
#[derive(Clone)]
pub(crate) struct Gauges {
    office: Office,
    counted: Arc<Mutex<Option<Duration>>>,
}

impl Gauges {
    pub(crate) fn new(office: Office) -> Self {
        Self { office, counted: Arc::default() }
    }

    /// Counts, unless that was done a moment ago.
    pub(crate) async fn refresh(&self) {
        let mut counted = self.counted.lock().await;
        let now = self.office.clock.elapsed();
        if counted.is_some_and(|at| now.saturating_sub(at) < FRESH) {
            return;
        }
        *counted = Some(now);
        if let Err(error) = self.count(self.office.now()).await {
            tracing::warn!(%error, "The queue was not counted.");
        }
    }

    async fn count(&self, now: Timestamp) -> Result<(), StoreError> {
        let read = self
            .office
            .store
            .read(move |tx| Ok((queue::gauges(tx, now)?, queue::blocked(tx, now)?)));
        let (rows, blocked) = read.await?;
        metrics::gauge!(metric::QUEUE_BLOCKED).set(number(blocked));
        for class in CLASSES {
            let of_class = rows.iter().filter(|row| row.class == class);
            let oldest = of_class.clone().map(|row| row.oldest).min();
            let age = oldest.map_or(Duration::ZERO, |id| now.since(id.time()));
            metrics::gauge!(metric::QUEUE_OLDEST_SECONDS, "class" => class).set(age);
            for state in STATES {
                let count = of_class.clone().filter(|row| row.state == state).map(|row| row.count);
                metrics::gauge!(metric::QUEUE_RECIPIENTS, "class" => class, "state" => state)
                    .set(number(count.sum()));
            }
        }
        Ok(())
    }
}

/// A count as a gauge has it.
fn number(count: i64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
