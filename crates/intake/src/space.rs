//! Whether the disk of the data folder has room for more mail.
//!
//! Asked before each transaction, so the answer is kept for a second. What cannot be found out is
//! taken for room: the write itself will say. Source: RFC 3463 section 3.4 (4.3.1).

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use mailwright_words::Timestamp;

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);
/// Free parts of a hundred under which inodes are low.
const INODES_PERCENT: u64 = 5;

/// Free space and inodes of one disk.
#[derive(Debug)]
pub(crate) struct Space {
    folder: PathBuf,
    answer: Mutex<Option<(Timestamp, bool)>>,
}

/// What a file system says of itself.
#[derive(Debug, Clone, Copy)]
struct Disk {
    octets: u64,
    octets_free: u64,
    inodes: u64,
    inodes_free: u64,
}

impl Space {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), answer: Mutex::new(None) }
    }

    /// Asks the disk again at the next question.
    pub(crate) fn forget(&self) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether new mail has to wait, because less than `free_min` octets are free.
    pub(crate) fn is_low(&self, free_min: u64, now: Timestamp) -> bool {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, is_low)) = *answer
            && now.since(at) < FRESH
            && at <= now
        {
            return is_low;
        }
        let is_low = match rustix::fs::statvfs(&self.folder) {
            Ok(stat) => Disk {
                octets: stat.f_blocks.saturating_mul(stat.f_frsize),
                octets_free: stat.f_bavail.saturating_mul(stat.f_frsize),
                inodes: stat.f_files,
                inodes_free: stat.f_favail,
            }
            .is_low(free_min),
            Err(error) => {
                tracing::warn!(%error, "The disk does not tell how much is free.");
                false
            }
        };
        *answer = Some((now, is_low));
        is_low
    }
}

impl Disk {
    /// Some file systems have no fixed number of inodes, and say 0.
    fn is_low(self, free_min: u64) -> bool {
        self.octets_free < free_min.min(self.octets / 10)
            || self.inodes_free < self.inodes / 100 * INODES_PERCENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_is_under_the_smaller_of_both_bounds_or_without_inodes() {
        let disk = Disk { octets: 1000, octets_free: 99, inodes: 0, inodes_free: 0 };
        assert!(disk.is_low(5000));
        assert!(!disk.is_low(50));
        let roomy = Disk { octets_free: 900, ..disk };
        assert!(!roomy.is_low(5000));
        assert!(Disk { inodes: 1000, inodes_free: 40, ..roomy }.is_low(5000));
    }

    #[test]
    fn a_folder_that_is_not_there_does_not_stop_mail() {
        assert!(!Space::new(Path::new("/no/such/folder")).is_low(1, Timestamp::new(0)));
    }
}
