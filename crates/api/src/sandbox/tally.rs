//! What happened in each inbox since the server started: messages that came, and that went.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use mailwright_store::{
    Store,
    mailbox::{Happened, News},
};
use mailwright_words::Id;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Mailboxes that are counted.
const MAILBOXES_MAX: usize = 100_000;

/// What happened in an inbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages that came.
    pub(crate) came: u64,
    /// Their octets.
    pub(crate) octets: u64,
    /// Messages that went.
    pub(crate) went: u64,
}

/// What happened in each mailbox.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<HashMap<Id, Counts>>);

impl Tally {
    /// Counts from now on, until the store is closed.
    pub(crate) fn start(store: &Store) -> Arc<Self> {
        let tally = Arc::new(Self::default());
        let (news, own) = (store.news(), Arc::downgrade(&tally));
        tokio::spawn(async move {
            let mut news = news;
            while let Some(one) = next(&mut news).await {
                let Some(tally) = own.upgrade() else { return };
                tally.count(&one);
            }
        });
        tally
    }

    /// What happened in that mailbox.
    pub(crate) fn of(&self, mailbox: Id) -> Counts {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&mailbox).copied().unwrap_or_default()
    }

    fn count(&self, news: &News) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(news.what, Happened::Gone) {
            all.remove(&news.mailbox);
            return;
        }
        if all.len() >= MAILBOXES_MAX && !all.contains_key(&news.mailbox) {
            return;
        }
        let counts = all.entry(news.mailbox).or_default();
        match &news.what {
            Happened::Came(row) => {
                counts.came += 1;
                counts.octets = counts.octets.saturating_add(row.size);
            }
            Happened::Went(uids) => {
                counts.went += u64::try_from(uids.iter().count()).unwrap_or(0);
            }
            Happened::Changed(_) | Happened::Gone => {}
        }
    }
}

/// The next news; what came too fast to be read is left out.
async fn next(news: &mut Receiver<News>) -> Option<News> {
    loop {
        match news.recv().await {
            Ok(one) => return Some(one),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
