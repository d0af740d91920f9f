//! Reports of others: read out of the messages that were noted, and forgotten when they are old.

use std::time::Duration;

use mailwright_store::{
    Lane, StoreError, Tx,
    feedback::{self, Told},
    report::{self, ReportMail},
};
use tokio::{sync::watch, task::JoinSet};

use super::{BETWEEN_CHUNKS, repeat};
use crate::{
    Failure,
    office::Office,
    report::{FILE_MAX, Sender, read, rows},
};

/// How often it is looked whether one came.
const ROUND: Duration = Duration::from_secs(3);
/// How many are read in a round.
const AT_A_TIME: usize = 20;
/// How often old ones are looked for.
const OLD_ROUND: Duration = Duration::from_hours(1);

/// Starts it.
pub(super) fn spawn(office: &Office, tasks: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
    let reading = office.clone();
    repeat(tasks, stopping, move || {
        let office = reading.clone();
        async move {
            if let Err(error) = round(&office).await {
                tracing::warn!(%error, "Reports not read; they wait.");
            }
            office.clock.sleep(ROUND).await;
        }
    });
    let forgetting = office.clone();
    repeat(tasks, stopping, move || {
        let office = forgetting.clone();
        async move {
            if let Err(error) = forget(&office).await {
                tracing::warn!(%error, "Old reports not removed.");
            }
            office.clock.sleep(OLD_ROUND).await;
        }
    });
}

async fn round(office: &Office) -> Result<(), Failure> {
    for mail in office.store.read(|tx| report::noted(tx, AT_A_TIME)).await? {
        let (found, told) = match octets(office, &mail).await {
            Ok(Some(octets)) => parse(office, octets, &mail).await,
            Ok(None) => (Vec::new(), Vec::new()),
            // It was deleted before anybody looked, or cannot be read any more.
            Err(error @ (StoreError::Missing(_) | StoreError::Corrupt(_))) => {
                tracing::warn!(%error, "A message that may hold a report is not read.");
                (Vec::new(), Vec::new())
            }
            Err(error) => return Err(error.into()),
        };
        let sender = Sender { author: mail.author, proven: mail.proven };
        let rows = rows(office, found, &sender, mail.arrived).await?;
        let (body, arrived) = (mail.body, mail.arrived);
        let keep = move |tx: &mut Tx<'_>| {
            let mut kept = 0_usize;
            for row in &rows {
                kept = kept.saturating_add(usize::from(report::keep(tx, row)?));
            }
            for one in &told {
                kept = kept.saturating_add(usize::from(feedback::append(tx, one, arrived)?));
            }
            report::forget(tx, body).map(|()| kept)
        };
        let kept = office.store.write(Lane::Bulk, keep).await?;
        if kept > 0 {
            tracing::info!(kept, author = sender.author, proven = sender.proven, "Reports kept.");
        }
    }
    Ok(())
}

/// The message; nothing when it is too large for a report.
async fn octets(office: &Office, mail: &ReportMail) -> Result<Option<Vec<u8>>, StoreError> {
    let reader = office.store.bodies().open(mail.body).await?;
    if reader.length() > FILE_MAX {
        return Ok(None);
    }
    office.store.bodies().read(mail.body).await.map(Some)
}

/// The reports about domains, and what is told about messages of ours.
async fn parse(
    office: &Office,
    octets: Vec<u8>,
    mail: &ReportMail,
) -> (Vec<mailwright_mailauth::report::Report>, Vec<Told>) {
    let host = office.config.now().server.hostname.clone();
    let author = Some(mail.author.clone()).filter(|_| mail.proven);
    let about = mail.about;
    let work = move || {
        let told = crate::feedback::read(&octets, &host, (author.as_deref(), about));
        let reports = if told.is_empty() { read(&octets) } else { Ok(Vec::new()) };
        (reports, told)
    };
    // One that breaks its reader would else be the first of every later round, too.
    let (reports, told) = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, author = mail.author, "A report broke its reader.");
        (Ok(Vec::new()), Vec::new())
    });
    let reports = reports.unwrap_or_else(|error| {
        tracing::debug!(%error, author = mail.author, "A message holds no report.");
        Vec::new()
    });
    (reports, told)
}

async fn forget(office: &Office) -> Result<(), StoreError> {
    loop {
        let before = office.now().minus(office.config.now().storage.reports);
        if office.store.write(Lane::Bulk, move |tx| report::prune(tx, before)).await? == 0 {
            return Ok(());
        }
        office.clock.sleep(BETWEEN_CHUNKS).await;
    }
}
