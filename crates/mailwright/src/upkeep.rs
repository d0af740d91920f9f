//! What is done again and again while the server runs: space taken back, old events removed.
//!
//! In chunks on the store's low lane, so that nobody who sends mail waits for it.

mod guard;
mod keys;
mod reports;

use std::{sync::Arc, time::Duration};

use mailwright_directory::Inbox;
use mailwright_store::{
    Lane, Store, StoreError, Tx, capture, capture::Kept, event, index::Indexer,
};
use mailwright_words::{Id, Timestamp};
use tokio::{sync::watch, task::JoinSet};

use crate::office::Office;

/// How often space of deleted bodies is taken back, and old events are looked for.
const ROUND: Duration = Duration::from_mins(10);
/// How often inboxes are looked through.
const INBOX_ROUND: Duration = Duration::from_secs(5);
/// Between two chunks of old events, so that the disk is free for mail.
const BETWEEN_CHUNKS: Duration = Duration::from_millis(50);

/// Bodies that are compared with their checksums at a time.
const BODIES_AT_A_TIME: i64 = 32;
/// How much longer the disk is left alone after that.
const IDLE_SHARE: u32 = 9;

/// Starts it.
pub(crate) fn spawn(office: &Office, tasks: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
    let reclaiming = office.clone();
    repeat(tasks, stopping, move || {
        let office = reclaiming.clone();
        async move {
            let grace = office.config.now().storage.grace;
            if let Err(error) = office.store.reclaim(office.now(), grace).await {
                tracing::warn!(%error, "Space of deleted messages not taken back.");
            }
            office.clock.sleep(ROUND).await;
        }
    });
    let sweeping = office.clone();
    repeat(tasks, stopping, move || {
        let office = sweeping.clone();
        async move {
            if let Err(error) = sweep(&office).await {
                tracing::warn!(%error, "Mailboxes not swept.");
            }
            office.clock.sleep(ROUND).await;
        }
    });
    let verifying = office.clone();
    repeat(tasks, stopping, move || {
        let office = verifying.clone();
        async move { verify(&office).await }
    });
    let (store, clock) = (office.store.clone(), Arc::clone(&office.clock));
    repeat(tasks, stopping, move || mailwright_api::sum_up(store.clone(), Arc::clone(&clock)));
    let backing = crate::serve::backing(office);
    repeat(tasks, stopping, move || mailwright_api::call_hooks(backing.clone()));
    let pruning = office.clone();
    repeat(tasks, stopping, move || {
        let office = pruning.clone();
        async move {
            if let Err(error) = inboxes(&office).await {
                tracing::warn!(%error, "Inboxes not cleared.");
            }
            office.clock.sleep(INBOX_ROUND).await;
        }
    });
    let rendering = office.store.clone();
    repeat(tasks, stopping, move || {
        let store = rendering.clone();
        async move { store.render_delivered().await }
    });
    keys::spawn(office, tasks, stopping);
    reports::spawn(office, tasks, stopping);
    guard::spawn(office, tasks, stopping);
    index(office.store.clone(), tasks, stopping);
    let forgetting = office.clone();
    repeat(tasks, stopping, move || {
        let office = forgetting.clone();
        async move {
            match forget(&office).await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "Old events removed."),
                Err(error) => tracing::warn!(%error, "Old events not removed."),
            }
            office.clock.sleep(ROUND).await;
        }
    });
}

/// Removes inboxes whose time is over, and what is too much or too old in the others.
async fn inboxes(office: &Office) -> Result<(), StoreError> {
    let (config, now) = (office.config.now(), office.now());
    office.directory.expire_inboxes(now).await?;
    let all = office.directory.inboxes().await?;
    let most = excess(&all, config.sandbox.octets_max);
    for inbox in all {
        let (mailbox, own) = (inbox.mailbox, mailwright_intake::settings_of(&inbox));
        let age = config.sandbox.kept.into_iter().chain(own.kept).min();
        let kept = Kept {
            messages: config.sandbox.messages_max.min(own.messages_max.unwrap_or(usize::MAX)),
            octets: most.filter(|(of, _)| *of == mailbox).map_or(u64::MAX, |(_, most)| most),
            since: age.map_or(Timestamp::new(0), |age| now.minus(age)),
        };
        let is_small = inbox.total <= wide(kept.messages) && inbox.bytes <= kept.octets;
        if inbox.total == 0 || age.is_none() && is_small {
            continue;
        }
        let prune = move |tx: &mut Tx<'_>| capture::prune(tx, mailbox, kept, now);
        while office.store.write(Lane::Bulk, prune).await? > 0 {}
    }
    Ok(())
}

/// Where all inboxes have more than `most` octets: the largest of them, and how many it keeps.
fn excess(all: &[Inbox], most: u64) -> Option<(Id, u64)> {
    let sum = all.iter().fold(0_u64, |sum, inbox| sum.saturating_add(inbox.bytes));
    let over = sum.checked_sub(most).filter(|over| *over > 0)?;
    let largest = all.iter().max_by_key(|inbox| inbox.bytes)?;
    Some((largest.mailbox, largest.bytes.saturating_sub(over)))
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Clears away what mailboxes left behind, and what has grown too old in Junk and Trash.
async fn sweep(office: &Office) -> Result<(), StoreError> {
    let (config, now) = (office.config.now(), office.now());
    let kept = [("\\Junk", config.mailboxes.junk_kept), ("\\Trash", config.mailboxes.trash_kept)];
    for (folder, age) in kept {
        let Some(age) = age else { continue };
        let count = office.store.expunge_by_age(folder, now.minus(age), now).await?;
        if count > 0 {
            tracing::info!(folder, count, "Old messages removed.");
        }
    }
    office.store.sweep_mailboxes(now, config.storage.grace).await
}

/// Compares all stored bodies with their checksums, slowly, and then waits for the next round.
async fn verify(office: &Office) {
    let every = || office.config.now().storage.verify;
    // Not at once: a start has other things to do.
    office.clock.sleep(ROUND).await;
    let (begun, mut after, mut damaged) = (office.clock.elapsed(), None, 0);
    while !every().is_zero() {
        let before = office.clock.elapsed();
        match office.store.verify_bodies(after, BODIES_AT_A_TIME, office.now()).await {
            Ok(Some((last, bad))) => (after, damaged) = (Some(last), damaged + bad),
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "Stored messages were not looked at.");
                break;
            }
        }
        let took = office.clock.elapsed().saturating_sub(before);
        office.clock.sleep((took * IDLE_SHARE).max(BETWEEN_CHUNKS)).await;
    }
    if after.is_some() {
        tracing::info!(damaged, "Stored messages were compared with their checksums.");
    }
    while office.clock.elapsed().saturating_sub(begun) < every() || every().is_zero() {
        office.clock.sleep(ROUND).await;
    }
}

/// Removes events and attempts that are older than they are kept; says how many.
async fn forget(office: &Office) -> Result<usize, StoreError> {
    let mut sum = 0_usize;
    loop {
        let before = office.now().minus(office.config.now().storage.events);
        let gone = office.store.write(Lane::Bulk, move |tx| event::prune(tx, before)).await?;
        if gone == 0 {
            return Ok(sum);
        }
        sum = sum.saturating_add(gone);
        office.clock.sleep(BETWEEN_CHUNKS).await;
    }
}

/// Runs the indexer, on a thread of its own for the sake of its low priority.
fn index(store: Store, tasks: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
    let (indexer, mut stopping) = (Indexer::new(store.clone()), stopping.clone());
    let thread = std::thread::Builder::new().name("store-index".to_owned());
    let thread = match thread.spawn(move || indexer.run()) {
        Ok(thread) => thread,
        Err(error) => {
            tracing::error!(%error, "The indexer did not start; searches will be slow.");
            return;
        }
    };
    tasks.spawn(async move {
        if stopping.wait_for(|stop| *stop).await.is_err() {
            tracing::debug!("The indexer ends, since nobody is left who would stop it.");
        }
        store.stop_indexing();
        if !matches!(tokio::task::spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
            tracing::error!("The indexer ended with a panic.");
        }
    });
}

/// Does `work` again and again until the server stops.
pub(crate) fn repeat<F: Future<Output = ()> + Send + 'static>(
    tasks: &mut JoinSet<()>,
    stopping: &watch::Receiver<bool>,
    work: impl Fn() -> F + Send + 'static,
) {
    let mut stopping = stopping.clone();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => break,
                () = work() => {}
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(number: i64, bytes: u64) -> Inbox {
        Inbox {
            principal: Id::from_i64(number),
            number: 1,
            mailbox: Id::from_i64(number),
            name: "x".to_owned(),
            created: Timestamp::new(0),
            expires: None,
            total: 1,
            unseen: 0,
            bytes,
            settings: None,
        }
    }

    #[test]
    fn the_largest_inbox_gives_room_to_all() {
        let all = [inbox(1, 30), inbox(2, 50), inbox(3, 20)];
        for (most, wanted) in [
            (100, None),
            (u64::MAX, None),
            (99, Some((2, 49))),
            (60, Some((2, 10))),
            (10, Some((2, 0))),
        ] {
            let wanted = wanted.map(|(number, keeps)| (Id::from_i64(number), keeps));
            assert_eq!(excess(&all, most), wanted, "{most}");
        }
        assert_eq!(excess(&[], 0), None);
        assert!(excess(&[inbox(1, u64::MAX), inbox(2, u64::MAX)], 5).is_some());
    }
}
