//! Reports to other domains, once a day: how what they sent, or were sent, looked from here.
//!
//! What is to be told is counted in the store by day and domain, and goes when it is told. Each
//! kind of report has a module that tells what is due; here is when, and [`mail`] is how.

mod dmarc;
mod mail;

use std::time::Duration;

use mailwright_net::dns::System;
use mailwright_store::{StoreError, transport};
use mailwright_words::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::{sync::watch, task::JoinSet};

use crate::{office::Office, upkeep::repeat};

/// How often it is looked whether something is due.
const ROUND: Duration = Duration::from_mins(10);
/// After the end of a day, not all servers of the world report in the same second. Source: RFC
/// 8460 section 4.2.
const SPREAD_SECONDS: u64 = 4 * 3600;
/// Days after which what could not be told is of no use.
const DAYS_KEPT: i64 = 3;

/// No report can be made just now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name cannot be looked up.
    #[error("{0}")]
    Dns(String),
    /// The message is not taken just now.
    #[error(transparent)]
    Unsent(#[from] mail::Unsent),
}

/// What a round of reports has to do with.
pub(crate) struct Desk<'a> {
    pub(crate) office: &'a Office,
    pub(crate) dns: System,
    /// The address that reports come from.
    pub(crate) from: String,
    /// Who reports.
    pub(crate) organisation: String,
    /// Days, since 1970, from here on are not over yet.
    pub(crate) before: i64,
    pub(crate) now: Timestamp,
}

/// Starts it.
pub(crate) fn spawn(office: &Office, tasks: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
    let office = office.clone();
    repeat(tasks, stopping, move || {
        let office = office.clone();
        async move {
            let late = delay(&office.config.now().server.hostname);
            let today = transport::day(office.now().minus(late));
            if let Err(error) = send(&office, today).await {
                tracing::warn!(%error, "Reports to other domains wait.");
            }
            office.clock.sleep(ROUND).await;
        }
    });
}

/// Sends every report about days before `before`; says how many.
///
/// Errors: nothing, or not all, can be told just now.
pub(crate) async fn send(office: &Office, before: i64) -> Result<usize, ReportError> {
    let config = office.config.now();
    let mut sent = 0;
    if let Some(from) = config.reports.from.clone() {
        let desk = Desk {
            office,
            dns: System::new(&config.dns).map_err(|error| ReportError::Dns(error.to_string()))?,
            from,
            organisation: config
                .reports
                .organisation
                .clone()
                .unwrap_or_else(|| config.server.hostname.clone()),
            before,
            now: office.now(),
        };
        if config.reports.dmarc {
            sent += dmarc::send(&desk).await?;
        }
    }
    dmarc::forget(office, transport::day(office.now()).saturating_sub(DAYS_KEPT)).await?;
    Ok(sent)
}

/// How long after the end of a day this server begins, the same each day.
fn delay(host: &str) -> Duration {
    let digest = Sha256::digest(host.as_bytes());
    let number = digest.iter().take(4).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    Duration::from_secs(number % SPREAD_SECONDS)
}

impl Desk<'_> {
    /// The first and the last second of a day that is over, or of one up to now.
    pub(crate) fn span(&self, day: i64) -> (u64, u64) {
        let seconds = |at: Timestamp| u64::try_from(at.ms().div_euclid(1000)).unwrap_or(0);
        let begin = seconds(transport::day_begins(day));
        let end = seconds(transport::day_begins(day.saturating_add(1))).saturating_sub(1);
        (begin, end.min(seconds(self.now)).max(begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_begin_at_times_of_their_own() {
        let hosts = ["a.example", "b.example", "c.example"].map(delay);
        assert!(hosts.iter().all(|wait| wait.as_secs() < SPREAD_SECONDS));
        assert!(hosts[0] != hosts[1] && hosts[1] != hosts[2]);
        assert_eq!(delay("a.example"), hosts[0]);
    }
}
