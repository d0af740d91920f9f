//! What guards the server is swept: blocks that are over, old rows of the audit log, what the
//! greylist and the limits of accounts remember.

use std::time::Duration;

use mailwright_directory::DirectoryError;
use tokio::{sync::watch, task::JoinSet};

use super::{BETWEEN_CHUNKS, repeat};
use crate::office::Office;

/// How often.
const ROUND: Duration = Duration::from_mins(1);

/// Starts it.
pub(super) fn spawn(office: &Office, tasks: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
    let office = office.clone();
    repeat(tasks, stopping, move || {
        let office = office.clone();
        async move {
            if let Err(error) = round(&office).await {
                tracing::warn!(%error, "Blocks and audit log not swept.");
            }
            office.clock.sleep(ROUND).await;
        }
    });
}

async fn round(office: &Office) -> Result<(), DirectoryError> {
    let (directory, kept) = (&office.directory, office.config.now().auth.audit_kept);
    let released = directory.release_blocks(office.now()).await?;
    if released > 0 {
        tracing::info!(released, "Blocks ended.");
    }
    while office.intake.sweep_guard(office.now()).await? > 0 {
        office.clock.sleep(BETWEEN_CHUNKS).await;
    }
    while directory.prune_audit(office.now().minus(kept)).await? > 0 {
        office.clock.sleep(BETWEEN_CHUNKS).await;
    }
    Ok(())
}
