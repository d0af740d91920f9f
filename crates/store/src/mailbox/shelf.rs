//! The views of mailboxes in memory: one a mailbox, shared by its sessions.
//!
//! The writer tells each commit's edits, in the order of the commits and before their answers, so a
//! view is never behind what was answered. A mailbox that is not loaded costs nothing. Edits that
//! come while one is being loaded wait; those that the loaded rows have already are known by their
//! modseq. Views that nobody uses go by least recent use when memory is short.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mailwright_view::{Editor, FlagChange, Identity, NumberSet, Row, Snapshot};
use mailwright_words::Id;
use tokio::sync::{Notify, broadcast, watch};

use crate::{Lane, error::StoreError, mailbox::load, params, store::Store};

/// Octets that a row takes in a view, and those of a view without rows.
const ROW_OCTETS: u64 = 72;
const VIEW_OCTETS: u64 = 1024;

/// A change of a mailbox, as its view is told.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) mailbox: Id,
    pub(crate) modseq: u64,
    pub(crate) what: What,
}

impl Edit {
    /// The message that came, if one did.
    pub(crate) const fn appended(&self) -> Option<Id> {
        match &self.what {
            What::Append(row) => Some(row.message),
            _ => None,
        }
    }
}

/// What changed.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A row came.
    Append(Row),
    /// Flags of rows changed.
    Flags(NumberSet, FlagChange),
    /// Rows went.
    Expunge(NumberSet),
    /// Keyword bits stand for these names now.
    Keywords(Vec<Box<str>>),
    /// What is kept beside these rows changed; the view has nothing of it.
    Beside(NumberSet),
    /// The mailbox is gone.
    Gone,
}

impl What {
    fn apply(&self, editor: &mut Editor, modseq: u64) {
        match self {
            Self::Append(row) => editor.append(*row),
            Self::Flags(uids, change) => {
                editor.change_flags(uids, *change, modseq);
            }
            Self::Expunge(uids) => {
                editor.expunge(uids, modseq);
            }
            Self::Keywords(names) => editor.name_keywords(names.clone()),
            Self::Beside(_) | Self::Gone => {}
        }
    }
}

/// A change of a mailbox, as those are told who follow all of them.
#[derive(Debug, Clone)]
pub struct News {
    /// The mailbox.
    pub mailbox: Id,
    /// What happened in it.
    pub what: Happened,
}

/// What happened in a mailbox.
#[derive(Debug, Clone)]
pub enum Happened {
    /// A message came.
    Came(Row),
    /// Flags of these changed, or what is kept beside them.
    Changed(NumberSet),
    /// These went.
    Went(NumberSet),
    /// The mailbox itself went.
    Gone,
}

/// News that a follower may be behind; past them the oldest are lost to it, and it is told so.
const NEWS_MAX: usize = 1024;

/// The views in memory.
pub(crate) struct Shelf {
    size_max: u64,
    places: Mutex<Places>,
    news: broadcast::Sender<News>,
}

#[derive(Default)]
struct Places {
    slots: HashMap<Id, Slot>,
    uses: u64,
}

enum Slot {
    /// Being read from its rows; what was committed meanwhile, and who waits.
    Loading(Vec<Edit>, Arc<Notify>),
    Ready {
        sender: watch::Sender<Option<Snapshot>>,
        /// When it was opened last, as a count of openings.
        used: u64,
        /// UIDs from here on were told to no session as recent.
        recent_from: u32,
    },
}

/// A mailbox in memory, followed by its changes. Clones share the view.
#[derive(Debug, Clone)]
pub struct View {
    mailbox: Id,
    receiver: watch::Receiver<Option<Snapshot>>,
}

impl View {
    /// The mailbox.
    pub const fn mailbox(&self) -> Id {
        self.mailbox
    }

    /// The mailbox now; `None` when it is gone.
    pub fn latest(&mut self) -> Option<Snapshot> {
        self.receiver.borrow_and_update().clone()
    }

    /// Waits until there is something newer than what [`View::latest`] gave last.
    ///
    /// It may be dropped and called again at any time.
    pub async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            // The store is closing; nothing changes any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Shelf {
    pub(crate) fn new(size_max: u64) -> Self {
        Self { size_max, places: Mutex::default(), news: broadcast::Sender::new(NEWS_MAX) }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the edits of a commit into the views that are loaded.
    pub(crate) fn publish(&self, edits: Vec<Edit>) {
        if edits.is_empty() {
            return;
        }
        self.tell(&edits);
        let mut by_mailbox: HashMap<Id, Vec<Edit>> = HashMap::new();
        let mut places = self.lock();
        for edit in edits {
            if places.slots.contains_key(&edit.mailbox) {
                by_mailbox.entry(edit.mailbox).or_default().push(edit);
            }
        }
        for (mailbox, edits) in by_mailbox {
            match places.slots.get_mut(&mailbox) {
                Some(Slot::Loading(waiting, _)) => waiting.extend(edits),
                Some(Slot::Ready { sender, .. }) => {
                    let old = sender.borrow().clone();
                    let new = old.and_then(|snapshot| edited(&snapshot, &edits));
                    let is_gone = new.is_none();
                    sender.send_replace(new);
                    if is_gone {
                        places.slots.remove(&mailbox);
                    }
                }
                None => {}
            }
        }
    }

    /// Tells those who follow all mailboxes, if anybody does.
    fn tell(&self, edits: &[Edit]) {
        if self.news.receiver_count() == 0 {
            return;
        }
        for edit in edits {
            let what = match &edit.what {
                What::Append(row) => Happened::Came(*row),
                What::Flags(uids, _) | What::Beside(uids) => Happened::Changed(uids.clone()),
                What::Expunge(uids) => Happened::Went(uids.clone()),
                What::Keywords(_) => continue,
                What::Gone => Happened::Gone,
            };
            // The last follower may have gone this moment.
            self.news.send(News { mailbox: edit.mailbox, what }).map(drop).unwrap_or_default();
        }
    }

    /// The view, when it is loaded; else who is to be waited for, or `None` when it is the
    /// caller's turn to load.
    fn find(&self, mailbox: Id) -> Found {
        let mut places = self.lock();
        places.uses += 1;
        let now = places.uses;
        match places.slots.get_mut(&mailbox) {
            Some(Slot::Ready { sender, used, .. }) => {
                *used = now;
                Found::View(View { mailbox, receiver: sender.subscribe() })
            }
            Some(Slot::Loading(_, loaded)) => Found::Wait(Arc::clone(loaded)),
            None => {
                let slot = Slot::Loading(Vec::new(), Arc::new(Notify::new()));
                places.slots.insert(mailbox, slot);
                Found::Load
            }
        }
    }

    /// Puts what was loaded in its place, with what was committed meanwhile; `None` for a mailbox
    /// that is not there.
    fn put(&self, mailbox: Id, loaded: Option<(Snapshot, u32)>) {
        let mut places = self.lock();
        let Some(Slot::Loading(edits, waiting)) = places.slots.remove(&mailbox) else { return };
        if let Some((snapshot, recent_from)) = loaded {
            let known = snapshot.identity().highest_modseq;
            let later: Vec<Edit> = edits.into_iter().filter(|edit| edit.modseq > known).collect();
            if let Some(snapshot) = edited(&snapshot, &later) {
                let used = places.uses;
                let (sender, _) = watch::channel(Some(snapshot));
                places.slots.insert(mailbox, Slot::Ready { sender, used, recent_from });
                places.shrink(self.size_max, mailbox);
            }
        }
        waiting.notify_waiters();
    }

    /// UIDs of the view's snapshot that no session was told of as recent; from now on they are.
    pub(crate) fn claim_recent(&self, mailbox: Id, below: u32) -> Option<(u32, u32)> {
        match self.lock().slots.get_mut(&mailbox) {
            Some(Slot::Ready { recent_from, .. }) if *recent_from < below => {
                Some((std::mem::replace(recent_from, below), below))
            }
            _ => None,
        }
    }
}

enum Found {
    View(View),
    Wait(Arc<Notify>),
    Load,
}

impl Places {
    /// Lets the views go that nobody uses, the longest unused first, until the rest fit.
    fn shrink(&mut self, size_max: u64, keep: Id) {
        let size = |slot: &Slot| match slot {
            Slot::Ready { sender, .. } => {
                let rows = sender.borrow().as_ref().map_or(0, Snapshot::len);
                u64::from(rows).saturating_mul(ROW_OCTETS).saturating_add(VIEW_OCTETS)
            }
            Slot::Loading(..) => VIEW_OCTETS,
        };
        let mut total: u64 = self.slots.values().map(size).sum();
        while total > size_max {
            let idle = self.slots.iter().filter_map(|(id, slot)| match slot {
                Slot::Ready { sender, used, .. } if sender.receiver_count() == 0 && *id != keep => {
                    Some((*used, *id))
                }
                _ => None,
            });
            let Some((_, oldest)) = idle.min() else { return };
            total -= self.slots.remove(&oldest).as_ref().map_or(0, size);
        }
    }
}

/// The snapshot after `edits`; `None` when the mailbox went.
fn edited(snapshot: &Snapshot, edits: &[Edit]) -> Option<Snapshot> {
    let mut editor = snapshot.edit();
    for edit in edits {
        if matches!(edit.what, What::Gone) {
            return None;
        }
        edit.what.apply(&mut editor, edit.modseq);
        let highest = &mut editor.identity.highest_modseq;
        *highest = edit.modseq.max(*highest);
    }
    Some(editor.finish())
}

/// Gives a place back when loading did not end.
struct Loading {
    shelf: Arc<Shelf>,
    mailbox: Id,
    loaded: Option<(Snapshot, u32)>,
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.shelf.put(self.mailbox, self.loaded.take());
    }
}

impl Store {
    /// The view of a mailbox, loaded from its rows when it is not in memory.
    ///
    /// Errors: [`StoreError::Missing`] when there is no such mailbox.
    pub async fn view(&self, mailbox: Id) -> Result<View, StoreError> {
        loop {
            match self.shelf().find(mailbox) {
                Found::View(view) => return Ok(view),
                Found::Wait(loaded) => self.loaded(mailbox, &loaded).await,
                Found::Load => self.load(mailbox).await?,
            }
        }
    }

    /// The messages of a snapshot that no session was told of as recent; from now on they were
    /// told. Source: RFC 3501 section 2.3.2.
    pub fn claim_recent(&self, snapshot: &Snapshot) -> NumberSet {
        let Identity { mailbox, uidnext, .. } = snapshot.identity();
        let Some((first, below)) = self.shelf().claim_recent(mailbox, uidnext) else {
            return NumberSet::new();
        };
        self.write_soon(Lane::Quick, move |tx| {
            tx.execute(
                "UPDATE mailbox SET recent_from_uid = max(recent_from_uid, :below)
                 WHERE id = :mailbox",
                params! { below, mailbox },
            )
            .map(drop)
        });
        snapshot.rows_from(first).map(|row| row.uid).collect()
    }

    /// What happens in all mailboxes from now on, each change after its commit and before its
    /// answer.
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.shelf().news.subscribe()
    }

    /// Loads a view; its place was taken for it.
    async fn load(&self, mailbox: Id) -> Result<(), StoreError> {
        let shelf = Arc::clone(self.shelf());
        let mut loading = Loading { shelf, mailbox, loaded: None };
        self.read(move |tx| {
            loading.loaded = load::load(tx, mailbox)?;
            if loading.loaded.is_some() { Ok(()) } else { Err(StoreError::Missing("mailbox")) }
        })
        .await
    }

    /// Waits for another's loading, unless it has just ended.
    async fn loaded(&self, mailbox: Id, loaded: &Notify) {
        let wait = loaded.notified();
        let is_loading = matches!(self.shelf().lock().slots.get(&mailbox), Some(Slot::Loading(..)));
        if is_loading {
            wait.await;
        }
    }
}
