//! Reports to other domains about the mail that we exchange with them, once a day.
//!
//! What a report tells is counted as it happens; a day that is over is told of, and forgotten. How
//! a report leaves is in [`handover`], each kind has a module of its own.

pub(crate) mod handover;
mod tls;

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use crate::{office::Office, upkeep::repeat};

/// How often it is looked whether a report is due.
const ROUND: Duration = Duration::from_mins(10);

/// Starts it.
pub(crate) fn spawn(office: &Office, tasks: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
    let (office, tls) = (office.clone(), Arc::new(tls::Reporter::new(office.clone())));
    repeat(tasks, stopping, move || {
        let (clock, tls) = (Arc::clone(&office.clock), Arc::clone(&tls));
        async move {
            if let Err(failure) = tls.round().await {
                tracing::warn!(%failure, "Reports about TLS not looked after.");
            }
            clock.sleep(ROUND).await;
        }
    });
}
