//! Which messages of an inbox a query finds, newest first.
//!
//! Lists go by number. A search asks the index first, which decides most messages; those that it
//! leaves open are looked at, the newest first, until the page is full.

mod look;
mod narrow;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use mailwright_directory::Inbox;
use mailwright_store::{
    Store, StoreError,
    capture::{self, Entry},
};
use mailwright_view::{Flags, Row, Snapshot};
use mailwright_words::{Id, Timestamp};

pub(crate) use self::narrow::Narrow;
use super::{
    ApiError, Inner,
    query::Query,
    summary::{self, Summary},
};

/// Messages that one answer tells of.
pub(crate) const PAGE_MAX: usize = 1000;
/// Messages that the index is asked about in one go: few at first, the newest often fill a page.
const FIRST: usize = 512;
const CHUNK_MAX: usize = 1 << 14;

/// Messages that are opened to count what a page does not show: a word that is in very many would
/// take seconds. Those that the index decides are not counted here.
const LOOKED_MAX: usize = 20_000;

/// A message that was found.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) entry: Entry,
    pub(crate) summary: Summary,
}

impl Item {
    /// Whether somebody has read it.
    pub(crate) const fn is_read(&self) -> bool {
        self.entry.flags & Flags::SEEN != 0
    }
}

/// What a query found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The page that was asked for.
    pub(crate) items: Vec<Item>,
    /// Messages that match, in all.
    pub(crate) total: u64,
    /// Those of them that nobody read.
    pub(crate) unread: u64,
    /// Whether there may be more of both, which nobody counted.
    pub(crate) is_cut: bool,
}

/// Which part of what is found is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// Numbers above this.
    pub(crate) after: u32,
    /// Numbers below this.
    pub(crate) before: u32,
    /// Matches left out.
    pub(crate) skip: usize,
    /// Matches wanted.
    pub(crate) limit: usize,
    /// Whether all matches are counted, and not those of the page alone.
    pub(crate) counts: bool,
}

impl Page {
    /// The newest `limit`.
    pub(crate) const fn newest(limit: usize) -> Self {
        Self { after: 0, before: u32::MAX, skip: 0, limit, counts: false }
    }
}

impl Inner {
    /// Finds messages. It ends early when nobody waits for it any more.
    ///
    /// Errors: the store does not answer.
    pub(crate) async fn find(
        &self,
        inbox: &Inbox,
        query: Query,
        page: Page,
    ) -> Result<Found, ApiError> {
        let _place = if query.is_all() { None } else { Some(self.searches.acquire().await) };
        Ok(find(self.store(), inbox, query, page).await?)
    }

    /// A message with its summary.
    pub(crate) async fn item(&self, entry: Entry) -> Result<Item, ApiError> {
        Ok(self.store().off_thread(move |store| item(store, entry)).await?)
    }
}

/// The messages of an inbox that a query finds, oldest first; when there are more than `most`, one
/// more than that.
///
/// Errors: those of the store.
pub async fn matching(
    store: &Store,
    inbox: &Inbox,
    query: &str,
    now: Timestamp,
    most: usize,
) -> Result<Vec<Id>, StoreError> {
    let query = Query::parse(query, now, 0);
    let (mut all, mut before) = (Vec::new(), u32::MAX);
    while all.len() <= most {
        let limit = most.saturating_sub(all.len()).saturating_add(1).min(PAGE_MAX);
        let page = Page { before, ..Page::newest(limit) };
        let found = find(store, inbox, query.clone(), page).await?.items;
        let Some(last) = found.last() else { break };
        before = last.entry.uid;
        all.extend(found.iter().map(|item| item.entry.message));
    }
    all.reverse();
    Ok(all)
}

/// Finds messages. It ends early when nobody waits for it any more.
async fn find(store: &Store, inbox: &Inbox, query: Query, page: Page) -> Result<Found, StoreError> {
    if query.is_all() && page.skip == 0 && page.after == 0 {
        let inbox = inbox.clone();
        return store.off_thread(move |store| list(store, &inbox, page)).await;
    }
    let Some(snapshot) = store.view(inbox.mailbox).await?.latest() else {
        return Ok(Found::default());
    };
    let waits = Waits::default();
    let is_over = Arc::clone(&waits.0);
    let search = Search { account: inbox.principal, snapshot, query, page, is_over };
    store.off_thread(move |store| search.run(store)).await
}

/// Somebody waits for a search; dropped, nobody does.
#[derive(Debug, Default)]
struct Waits(Arc<AtomicBool>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The newest messages, by the sums that are kept of the inbox.
fn list(store: &Store, inbox: &Inbox, page: Page) -> Result<Found, StoreError> {
    let place = (page.before, 0, page.limit.min(PAGE_MAX));
    let entries = store.read_blocking(|tx| capture::list(tx, inbox.mailbox, place))?;
    let items = entries.into_iter().map(|entry| item(store, entry));
    let (total, unread) = (inbox.total, inbox.unseen);
    Ok(Found { items: items.collect::<Result<_, _>>()?, total, unread, is_cut: false })
}

/// A search of one inbox.
struct Search {
    account: Id,
    snapshot: Snapshot,
    query: Query,
    page: Page,
    is_over: Arc<AtomicBool>,
}

/// What was found so far.
#[derive(Default)]
struct Sum {
    uids: Vec<u32>,
    total: u64,
    unread: u64,
    /// Messages that were opened.
    looked: usize,
    is_cut: bool,
}

impl Search {
    fn run(self, store: &Store) -> Result<Found, StoreError> {
        let sum = if self.query.is_all() { self.all() } else { self.matching(store)? };
        let mailbox = self.snapshot.identity().mailbox;
        let entries = store.read_blocking(|tx| {
            let each = sum.uids.iter().map(|uid| capture::numbered(tx, mailbox, *uid));
            each.collect::<Result<Vec<_>, _>>()
        })?;
        let items = entries.into_iter().flatten().map(|entry| item(store, entry));
        let items = items.collect::<Result<_, _>>()?;
        Ok(Found { items, total: sum.total, unread: sum.unread, is_cut: sum.is_cut })
    }

    fn limit(&self) -> usize {
        self.page.limit.min(PAGE_MAX)
    }

    /// The page of all messages, by their places.
    fn all(&self) -> Sum {
        let Page { after, before, skip, .. } = self.page;
        let below = usize::try_from(self.snapshot.rows_before(before)).unwrap_or(usize::MAX);
        let last = u32::try_from(below.saturating_sub(skip)).unwrap_or(u32::MAX);
        let places = (1..=last).rev().take(self.limit());
        let rows = places.map_while(|place| self.snapshot.row(place));
        let uids = rows.map(|row| row.uid).take_while(|uid| *uid > after).collect();
        if after == 0 {
            let (total, unseen) = (self.snapshot.len(), self.snapshot.counts().unseen);
            return Sum { uids, total: total.into(), unread: unseen.into(), ..Sum::default() };
        }
        let mut sum = Sum { uids, ..Sum::default() };
        for row in self.snapshot.rows().rev().take_while(|row| row.uid > after) {
            sum.total += 1;
            sum.unread += u64::from(!row.flags.has(Flags::SEEN));
        }
        sum
    }

    fn matching(&self, store: &Store) -> Result<Sum, StoreError> {
        let Page { after, before, counts, .. } = self.page;
        let narrow = Narrow::new(store, (self.account, &self.query), counts)?;
        let (mut sum, mut size) = (Sum::default(), if counts { CHUNK_MAX } else { FIRST });
        let within = |row: &&Row| row.uid > after;
        let mut rows = self.snapshot.rows().rev().skip_while(|row| row.uid >= before);
        loop {
            let chunk: Vec<Row> = rows.by_ref().take_while(within).take(size).copied().collect();
            if chunk.is_empty() {
                return Ok(sum);
            }
            let is_last = chunk.len() < size;
            let is_full = self.chunk(store, &narrow, &chunk, &mut sum)?;
            if is_full || is_last || self.is_over.load(Ordering::Relaxed) {
                return Ok(sum);
            }
            size = (size * 4).min(CHUNK_MAX);
        }
    }

    /// Adds what is found among some rows; says whether the page is full and nothing is counted.
    fn chunk(
        &self,
        store: &Store,
        narrow: &Narrow<'_>,
        rows: &[Row],
        sum: &mut Sum,
    ) -> Result<bool, StoreError> {
        let known = narrow.known(rows);
        let mailbox = self.snapshot.identity().mailbox;
        store.read_blocking(|tx| {
            for (row, known) in rows.iter().zip(known) {
                let holds = match known {
                    Some(holds) => holds,
                    None if self.is_over.load(Ordering::Relaxed) => return Ok(true),
                    None if self.is_tired(sum) => {
                        sum.is_cut = true;
                        return Ok(true);
                    }
                    None => match capture::scanned(tx, mailbox, row.uid)? {
                        Some(scanned) => look::matches(store, &self.query, &scanned)?,
                        None => false,
                    },
                };
                if holds && self.add(row, sum) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Notes that a message is opened; says whether enough were, and the page is full.
    fn is_tired(&self, sum: &mut Sum) -> bool {
        sum.looked += 1;
        sum.looked > LOOKED_MAX && sum.uids.len() >= self.limit()
    }

    /// Adds a row that was found; says whether the page is full and nothing is counted.
    fn add(&self, row: &Row, sum: &mut Sum) -> bool {
        let place = usize::try_from(sum.total).unwrap_or(usize::MAX);
        sum.total += 1;
        sum.unread += u64::from(!row.flags.has(Flags::SEEN));
        if place >= self.page.skip && sum.uids.len() < self.limit() {
            sum.uids.push(row.uid);
        }
        !self.page.counts && sum.uids.len() >= self.limit()
    }
}

/// A message with its summary, made now if it was not made before.
pub(crate) fn item(store: &Store, entry: Entry) -> Result<Item, StoreError> {
    let kept = entry.summary.as_deref().and_then(Summary::from_json);
    let summary = match kept {
        Some(kept) => kept,
        None => summary::of_stored(store, entry.message)?.summary,
    };
    Ok(Item { entry, summary })
}
