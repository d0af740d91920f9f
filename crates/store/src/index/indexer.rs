//! Brings the index up to what was committed, in the background.
//!
//! One thread of low priority. It is fed by commits; after a start, or when more came than can
//! wait, it looks at all messages behind its mark, which is on disk. What fails stays without an
//! entry, and searches look at it themselves.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mailwright_mime::{Signer, Structure, render_structure, searchable};
use mailwright_words::{Id, metric};

use super::{
    Entry, Imprint, Indexed,
    feed::{Fed, Taken},
};
use crate::{capture, error::StoreError, mailbox::LARGE, params, store::Store};

/// Messages that are indexed at a time, and kept in one transaction.
const AT_A_TIME: usize = 256;
/// Messages behind the mark that are looked at in one go.
const LOOKED_AT: usize = 256;
/// A message may be committed this long after one with a later id.
const LATE: Duration = Duration::from_mins(10);
/// How long nothing comes before other work is looked for.
const PATIENCE: Duration = Duration::from_mins(1);
/// So often nothing came, then what went is looked for.
const ROUNDS: u32 = 30;
/// Nice: only what nobody else wants.
const NICE: i32 = 15;

/// Brings the index up to what was committed.
#[derive(Debug)]
pub struct Indexer {
    store: Store,
    signer: Signer,
    /// Everything behind this is looked at.
    cursor: Option<Id>,
    /// The last entry of which is known that its message is still there.
    swept: Option<(Id, Id)>,
}

/// What a step found to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something; there may be more.
    Done,
    /// Nothing.
    Idle,
    /// The store closes.
    Over,
}

impl Indexer {
    /// The indexer of a store; there is one at a time.
    pub fn new(store: Store) -> Self {
        let start = Id::from_i64(0);
        Self { store, signer: Signer::default(), cursor: Some(start), swept: Some((start, start)) }
    }

    /// Runs until [`Store::stop_indexing`].
    pub fn run(mut self) {
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::debug!(%error, "The indexer runs with the priority of the others.");
        }
        let mut idle = 0;
        loop {
            match self.step(PATIENCE) {
                Ok(Step::Over) => return,
                Ok(Step::Done) => idle = 0,
                Ok(Step::Idle) => {
                    idle += 1;
                    if idle % ROUNDS == 0 {
                        self.swept = Some((Id::from_i64(0), Id::from_i64(0)));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "Messages are indexed later.");
                    self.cursor = Some(Id::from_i64(0));
                    if self.store.index().feed.is_closed_within(PATIENCE) {
                        return;
                    }
                }
            }
            metrics::gauge!(metric::INDEX_LAG).set(self.lag());
        }
    }

    /// Does the next piece of work; waits for it no longer than `patience`.
    ///
    /// Errors: those of the databases; the messages of the piece have to be looked for again.
    pub fn step(&mut self, patience: Duration) -> Result<Step, StoreError> {
        if let Some(cursor) = self.cursor {
            return self.catch_up(cursor);
        }
        let patience = if self.swept.is_some() { Duration::ZERO } else { patience };
        let mut taken = Vec::new();
        match self.store.index().feed.take(AT_A_TIME, patience, &mut taken) {
            Taken::Closed => Ok(Step::Over),
            Taken::Overflowed => {
                self.cursor = Some(Id::from_i64(0));
                Ok(Step::Done)
            }
            Taken::None => self.sweep(),
            Taken::Some => {
                let last = taken.iter().map(Fed::id).max();
                let first_left = self.store.index().feed.first();
                let (mut messages, mut entries) = (Vec::new(), Vec::new());
                for fed in taken {
                    match fed {
                        Fed::Message(message) => messages.push(message),
                        Fed::Entry(entry) => entries.push(entry),
                    }
                }
                let found = self.accounts(messages)?;
                // The mark stays behind what still waits.
                let mark = first_left.map_or(last, |first| last.map(|last| last.min(first)));
                self.index(found, entries, mark)
            }
        }
    }

    /// How many messages are known to wait.
    fn lag(&self) -> f64 {
        let behind = self.cursor.and_then(|cursor| {
            let cursor = self.start(cursor).ok()?;
            let count = self.store.read_blocking(|tx| {
                tx.query_one(
                    "SELECT count(*) FROM (SELECT 1 FROM message WHERE id > :cursor LIMIT 10000)",
                    params! { cursor },
                    |row| row.get::<u32>(0),
                )
            });
            count.ok()
        });
        let waiting = u32::try_from(self.store.index().feed.len()).unwrap_or(u32::MAX);
        f64::from(behind.unwrap_or(0).saturating_add(waiting))
    }

    /// Where looking begins: what is behind the mark, and what may have been committed late.
    fn start(&self, cursor: Id) -> Result<Id, StoreError> {
        if cursor.get() > 0 {
            return Ok(cursor);
        }
        let mark = self.store.index().mark()?;
        Ok(Id::last_of(mark.time().minus(LATE)))
    }

    /// Looks at the next messages behind the cursor.
    fn catch_up(&mut self, cursor: Id) -> Result<Step, StoreError> {
        if self.store.index().feed.is_closed_within(Duration::ZERO) {
            return Ok(Step::Over);
        }
        let cursor = self.start(cursor)?;
        let found = self.store.read_blocking(|tx| {
            tx.query(
                "SELECT account, id FROM message WHERE id > :cursor ORDER BY id LIMIT :limit",
                params! { cursor, limit: LOOKED_AT },
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })?;
        self.cursor = found.last().map(|(_, message)| *message);
        let mark = self.cursor;
        self.index(found, Vec::new(), mark)
    }

    /// Messages with their accounts, without those that are gone.
    fn accounts(&self, messages: Vec<Id>) -> Result<Vec<(Id, Id)>, StoreError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        self.store.read_blocking(|tx| {
            let mut found = Vec::with_capacity(messages.len());
            for message in messages {
                let account = tx.query_opt(
                    "SELECT account FROM message WHERE id = :message",
                    params! { message },
                    |row| row.get::<Id>(0),
                )?;
                found.extend(account.map(|account| (account, message)));
            }
            Ok(found)
        })
    }

    /// Keeps the entries that were made already, and indexes those of the found that are not.
    fn index(
        &mut self,
        found: Vec<(Id, Id)>,
        mut entries: Vec<Entry>,
        mark: Option<Id>,
    ) -> Result<Step, StoreError> {
        let mut by_account: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
        for (account, message) in found {
            by_account.entry(account).or_default().push(message);
        }
        for (account, mut messages) in by_account {
            messages.sort_unstable();
            messages.dedup();
            let mut is_known = vec![false; messages.len()];
            let mut seen = |place: usize, _: &[u8]| {
                if let Some(known) = is_known.get_mut(place) {
                    *known = true;
                }
                true
            };
            self.store.index().scan(account, &messages, Indexed::Digest, &mut seen)?;
            for (message, _) in messages.iter().zip(is_known).filter(|(_, known)| !known) {
                entries.extend(self.entry(account, *message));
            }
        }
        self.store.index().keep(&entries, mark)?;
        Ok(Step::Done)
    }

    /// The entry of a message; nothing when it is gone or cannot be read.
    fn entry(&mut self, account: Id, message: Id) -> Option<Entry> {
        let content = self.store.content(message).inspect_err(|error| {
            tracing::warn!(%error, content = %message, "A message is not indexed.");
        });
        let content = content.ok().flatten()?;
        let _alone = (content.len() > LARGE).then(|| self.store.large());
        let bytes = content.whole().ok()?;
        let caught = self.store.read_blocking(|tx| capture::envelope(tx, message)).ok()?;
        let structure = Structure::parse(&bytes);
        let made = (&structure, &render_structure(&structure), searchable(&structure));
        let imprint = Arc::new(Imprint::of(made, caught.as_ref(), &mut self.signer));
        Some(Entry { account, message, imprint })
    }

    /// Forgets some of the messages that went.
    fn sweep(&mut self) -> Result<Step, StoreError> {
        let Some(swept) = self.swept else { return Ok(Step::Idle) };
        let kept = self.store.index().after(swept, LOOKED_AT)?;
        self.swept = kept.last().copied();
        // The rows are read behind the entries, so none that just came is taken for gone.
        let gone = self.store.read_blocking(|tx| {
            let mut gone = Vec::new();
            for (account, message) in kept {
                let found = tx.query_opt(
                    "SELECT account FROM message WHERE id = :message",
                    params! { message },
                    |row| row.get::<Id>(0),
                )?;
                if found != Some(account) {
                    gone.push((account, message));
                }
            }
            Ok(gone)
        })?;
        if !gone.is_empty() {
            self.store.index().forget(&gone)?;
        }
        Ok(if self.swept.is_some() { Step::Done } else { Step::Idle })
    }
}

impl Store {
    /// Calls `each` with the place and the octets of what the index has of those of `messages`
    /// that it knows; they are messages of `account` and ascend. It ends when `each` says false. It
    /// waits for the disk.
    ///
    /// Errors: those of the index; what is in it can be found without it.
    pub fn indexed(
        &self,
        account: Id,
        messages: &[Id],
        indexed: Indexed,
        each: &mut dyn FnMut(usize, &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        self.index().scan(account, messages, indexed, each)
    }

    /// Has messages indexed that were found not to be, unless others wait.
    pub fn index_soon(&self, messages: impl IntoIterator<Item = Id>) {
        let feed = &self.index().feed;
        if feed.len() == 0 {
            feed.put(messages);
        }
    }

    /// Lets the indexer end.
    pub fn stop_indexing(&self) {
        self.index().feed.close();
    }
}
