//! Copies and moves of many messages, a chunk a transaction, so that no writer waits for long.
//!
//! A copy that does not come to its end is taken back, as the standard wants it; a power cut in the
//! middle leaves what was copied until then. A move that stops has moved what it says it has.
//! Source: RFC 9051 sections 6.4.7 and 6.4.8, RFC 6851 section 4.

use mailwright_view::NumberSet;
use mailwright_words::{Id, Timestamp};

use crate::{
    Lane, StoreError,
    engine::Tx,
    mailbox::{
        Copied, Limits, Transfer, expunge,
        folder::{Moving, rename},
        transfer,
        transfer::CHUNK,
    },
    params,
    store::Store,
};

/// Why not all messages were copied or moved.
#[derive(Debug)]
pub struct Halfway {
    /// Those that were moved; nothing of a copy.
    pub moved: Option<Copied>,
    /// Why it ended.
    pub error: StoreError,
}

impl Store {
    /// Copies or moves messages of one mailbox into another of the account, or the same; when it
    /// returns they are on stable storage.
    ///
    /// Errors: as those of a [`transfer`], with what was moved before.
    pub async fn transfer(
        &self,
        (source, uids): (Id, &NumberSet),
        target: Id,
        how: Transfer,
        now: Timestamp,
    ) -> Result<Copied, Box<Halfway>> {
        let mut all: Option<Copied> = None;
        let early = |error| Box::new(Halfway { moved: None, error });
        // What is moved within a mailbox is not moved again.
        let given_out = self.read(move |tx| given_out(tx, source)).await.map_err(early)?;
        let mut rest = uids.intersection(&given_out);
        loop {
            let some = rest.clone();
            let write = move |tx: &mut Tx<'_>| transfer(tx, (source, &some), target, how, now);
            let copied = match self.write(Lane::Quick, write).await {
                Ok(copied) => copied,
                Err(error) => {
                    return Err(Box::new(self.halfway(all, (target, how), error, now).await));
                }
            };
            let (count, last) = (copied.source.len(), copied.source.last());
            let all = all.get_or_insert_with(|| Copied {
                uidvalidity: copied.uidvalidity,
                source: NumberSet::new(),
                target: NumberSet::new(),
            });
            copied.source.ranges().for_each(|range| all.source.insert(range));
            copied.target.ranges().for_each(|range| all.target.insert(range));
            let next = last.and_then(|last| last.checked_add(1));
            match next.filter(|_| count >= u64::from(CHUNK)) {
                Some(next) => rest = rest.intersection(&NumberSet::range(next..=u32::MAX)),
                None => return Ok(all.clone()),
            }
        }
    }

    /// Takes a copy back that did not come to its end.
    async fn halfway(
        &self,
        done: Option<Copied>,
        (target, how): (Id, Transfer),
        error: StoreError,
        now: Timestamp,
    ) -> Halfway {
        let Some(done) = done else { return Halfway { moved: None, error } };
        if how == Transfer::Move {
            return Halfway { moved: Some(done), error };
        }
        let chunk = usize::try_from(CHUNK).unwrap_or(usize::MAX);
        loop {
            let copies = done.target.clone();
            let undo = move |tx: &mut Tx<'_>| expunge(tx, target, (&copies, false), chunk, now);
            match self.write(Lane::Quick, undo).await {
                Ok(gone) if gone.len() >= u64::from(CHUNK) => {}
                Ok(_) => return Halfway { moved: None, error },
                Err(failed) => {
                    tracing::error!(%target, error = %failed, "Half a copy was not taken back.");
                    return Halfway { moved: None, error };
                }
            }
        }
    }

    /// Renames a folder with all below it; INBOX gives its messages to a new folder and stays.
    ///
    /// Errors: as those of [`rename`]. Messages of INBOX that were moved before it stopped are in
    /// the new folder.
    pub async fn rename_folder(
        &self,
        (account, from, to): (Id, String, String),
        limits: Limits,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let store = self.clone();
        let begin =
            move |tx: &mut Tx<'_>| rename(tx, (account, &from, &to), (store.ids(), limits), now);
        let moving = self.write(Lane::Quick, begin).await?;
        let Some(Moving { source, target }) = moving else { return Ok(()) };
        let all = NumberSet::range(1..=u32::MAX);
        let moved = self.transfer((source, &all), target, Transfer::Move, now).await;
        moved.map(drop).map_err(|halfway| halfway.error)
    }

    /// Expunges messages of these UIDs from one folder, a chunk a transaction; those that are gone
    /// already are left out. Gives how many were there.
    ///
    /// Errors: [`StoreError::Missing`] when the folder is gone; what was expunged stays so.
    pub async fn remove_messages(
        &self,
        mailbox: Id,
        uids: NumberSet,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let chunk = usize::try_from(CHUNK).unwrap_or(usize::MAX);
        let mut count = 0_u64;
        loop {
            let some = uids.clone();
            let write = move |tx: &mut Tx<'_>| expunge(tx, mailbox, (&some, false), chunk, now);
            let gone = self.write(Lane::Quick, write).await?.len();
            count = count.saturating_add(gone);
            if gone < u64::from(CHUNK) {
                return Ok(count);
            }
        }
    }
}

/// The UIDs that a mailbox has given out.
fn given_out(tx: &mut Tx<'_>, mailbox: Id) -> Result<NumberSet, StoreError> {
    let next: Option<u32> = tx.query_opt(
        "SELECT uidnext FROM mailbox WHERE id = :mailbox",
        params! { mailbox },
        |row| row.get(0),
    )?;
    let last = next.unwrap_or(1).saturating_sub(1);
    Ok(if last == 0 { NumberSet::new() } else { NumberSet::range(1..=last) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        Options,
        directory::{NewPrincipal, PrincipalKind, add_principal},
        mailbox::{Append, create_folders, fill},
    };

    const NOW: Timestamp = Timestamp::new(1_800_000_000_000);
    const ANN: Id = Id::from_i64(10);
    const INBOX: Id = Id::from_i64(11);
    const SENT: Id = Id::from_i64(12);
    const MANY: u32 = CHUNK * 2 + 7;

    /// A store whose INBOX has many messages of 9 octets.
    async fn filled(path: &Path, quota: Option<u64>) -> Store {
        let store = Store::open(Options::new(path), NOW).unwrap();
        let add = move |tx: &mut Tx<'_>| {
            let (name, kind) = ("ann@example.com".to_owned(), PrincipalKind::Person);
            add_principal(tx, &NewPrincipal { id: ANN, kind, name, quota_bytes: quota }, NOW)?;
            create_folders(tx, ANN, &[11, 12, 13, 14, 15, 16].map(Id::from_i64), NOW)
        };
        store.write(Lane::Quick, add).await.unwrap();
        let mut all = Vec::new();
        for _ in 0..MANY {
            let mut writer = store.body(NOW);
            writer.push(b"A: b\r\n\r\nc").await.unwrap();
            let body = writer.finish().await.unwrap();
            let (system, keywords) = (0, vec!["$Junk".into()]);
            all.push(Append { body, system, keywords, internal_date: NOW, rendered: None });
        }
        store.append_messages(INBOX, all, NOW).await.unwrap();
        store
    }

    async fn totals(store: &Store) -> (u32, u32) {
        let of =
            |name: &'static str| move |tx: &mut Tx<'_>| Ok(fill(tx, ANN, name)?.unwrap().total);
        (store.read(of("INBOX")).await.unwrap(), store.read(of("Sent")).await.unwrap())
    }

    #[tokio::test]
    async fn many_messages_are_copied_and_moved_to_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path(), None).await;
        let all = NumberSet::range(1..=u32::MAX);
        let copied = store.transfer((INBOX, &all), SENT, Transfer::Copy, NOW).await.unwrap();
        assert_eq!(copied.source, NumberSet::range(1..=MANY));
        assert_eq!(copied.target, NumberSet::range(1..=MANY));
        assert_eq!(totals(&store).await, (MANY, MANY));
        // Within one mailbox each message is moved once.
        let moved = store.transfer((SENT, &all), SENT, Transfer::Move, NOW).await.unwrap();
        assert_eq!(moved.target, NumberSet::range(MANY + 1..=MANY * 2));
        let removed = store.remove_messages(SENT, all, NOW).await.unwrap();
        assert_eq!((removed, totals(&store).await), (u64::from(MANY), (MANY, 0)));
        let limits = Limits { folders_max: 9, name_max: 30 };
        let names = (ANN, "INBOX".to_owned(), "old".to_owned());
        store.rename_folder(names, limits, NOW).await.unwrap();
        assert_eq!(totals(&store).await, (0, 0));
        let old = store.read(|tx| Ok(fill(tx, ANN, "old")?.unwrap().total)).await.unwrap();
        assert_eq!(old, MANY);
    }

    #[tokio::test]
    async fn a_copy_that_does_not_fit_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        // Room for a chunk and a half more.
        let quota = 9 * u64::from(MANY + CHUNK + CHUNK / 2);
        let store = filled(folder.path(), Some(quota)).await;
        let all = NumberSet::range(1..=MANY);
        let failed = store.transfer((INBOX, &all), SENT, Transfer::Copy, NOW).await.unwrap_err();
        assert!(matches!(failed.error, StoreError::OverQuota) && failed.moved.is_none());
        assert_eq!(totals(&store).await, (MANY, 0));
        let moved = store.transfer((INBOX, &all), SENT, Transfer::Move, NOW).await.unwrap();
        assert_eq!(moved.source.len(), u64::from(MANY));
    }

    #[tokio::test]
    async fn a_move_that_stops_says_what_it_moved() {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path(), None).await;
        // The target has UIDs for a chunk and a half.
        let spend = |tx: &mut Tx<'_>| {
            let next = u32::MAX - CHUNK - CHUNK / 2;
            tx.execute("UPDATE mailbox SET uidnext = :next WHERE id = 12", params! { next })
        };
        store.write(Lane::Quick, spend).await.unwrap();
        let all = NumberSet::range(1..=MANY);
        let stopped = store.transfer((INBOX, &all), SENT, Transfer::Move, NOW).await.unwrap_err();
        let moved = stopped.moved.unwrap();
        assert_eq!(moved.source, NumberSet::range(1..=CHUNK));
        assert_eq!(moved.target.len(), u64::from(CHUNK));
        assert_eq!(totals(&store).await, (MANY - CHUNK, CHUNK));
    }
}
