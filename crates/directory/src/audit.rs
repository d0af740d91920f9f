//! What is kept of who did what: logins, administration, blocks.
//!
//! A row that cannot be written keeps nobody from working; the log says so instead.

use mailwright_store::Lane;
use mailwright_store::guard::{self as row, Audit};
use mailwright_words::Timestamp;

use crate::{Directory, DirectoryError};

/// Octets of a detail that are kept.
const DETAIL_MAX: usize = 1000;

impl Directory {
    /// Writes down what somebody did: in a word, who and from where, and what exactly.
    pub async fn audit(
        &self,
        (kind, who, peer): (&'static str, &str, &str),
        detail: String,
        now: Timestamp,
    ) {
        let short = |text: &str| {
            let end = text.floor_char_boundary(DETAIL_MAX);
            text.get(..end).unwrap_or_default().to_owned()
        };
        let audit = Audit {
            at: now,
            kind: kind.to_owned(),
            who: short(who),
            peer: peer.to_owned(),
            detail: short(&detail),
        };
        let written = self.0.store.write_relaxed(move |tx| row::audit(tx, &audit)).await;
        if let Err(error) = written {
            tracing::warn!(%error, kind, "Not written into the audit log.");
        }
    }

    /// The newest rows of the audit log, of one kind or of all, the newest first.
    ///
    /// Errors: the store's.
    pub async fn audits(
        &self,
        kind: Option<String>,
        limit: usize,
    ) -> Result<Vec<Audit>, DirectoryError> {
        Ok(self.0.store.read(move |tx| row::audits(tx, kind.as_deref(), limit)).await?)
    }

    /// Removes some of the rows from before `before`, and says how many.
    ///
    /// Errors: the store's.
    pub async fn prune_audit(&self, before: Timestamp) -> Result<usize, DirectoryError> {
        Ok(self.0.store.write(Lane::Bulk, move |tx| row::prune_audit(tx, before)).await?)
    }
}
