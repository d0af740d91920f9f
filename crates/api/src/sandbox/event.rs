//! What happens in an inbox, told as it happens: over server-sent events, and to who waits.
//!
//! A follower that was away says which message it saw last and is told of those since. One that
//! reads too slowly is told to look anew, and never takes more memory for it.
//! Source: HTML standard, section 9.2 (server-sent events).

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use mailwright_directory::Inbox;
use mailwright_store::{
    capture,
    mailbox::{Happened, News},
};
use mailwright_words::Id;
use serde_json::{Value, json};
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{Receiver, error::RecvError},
};

use super::{
    ApiError, Sandbox,
    find::{Item, Page, item},
    guard,
    message::listed,
    query::Query,
};
use crate::door::{Ending, Place};

/// Messages that a follower who was away is told of.
const MISSED_MAX: usize = 500;
/// Messages whose ids a follower remembers, to tell which of them went.
const KNOWN_MAX: usize = 10_000;
/// How often a line without meaning keeps the connection open.
const ALIVE: Duration = Duration::from_secs(15);

/// Something to tell of an inbox.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// A message came.
    New(Box<Item>),
    /// Messages with these numbers changed.
    Changed(Vec<u32>),
    /// Messages with these numbers went.
    Gone(Vec<u32>),
    /// Something was not done, and why.
    Trouble(Arc<str>),
    /// Too much happened: look anew.
    Reload,
    /// The inbox went.
    End,
}

/// What was heard, and is to be told.
#[derive(Debug, Clone)]
enum Due {
    News(Happened),
    Told(Told),
}

/// Follows an inbox.
pub(crate) struct Follower {
    sandbox: Sandbox,
    pub(crate) inbox: Inbox,
    news: Receiver<News>,
    troubles: Receiver<(Id, Arc<str>)>,
    missed: Vec<Item>,
    /// What was heard and is not told yet: who stops to listen in between loses nothing.
    due: Option<Due>,
    /// The token that opened the inbox; what it opens ends with it.
    token: Option<String>,
    ending: Option<Ending>,
    /// Ids by number, where they are wanted.
    known: Option<BTreeMap<u32, Id>>,
    _places: (OwnedSemaphorePermit, Option<Place>),
}

impl Follower {
    /// Follows an inbox from now on, and is told first of what came behind the message numbered
    /// `since`, if that is given.
    ///
    /// Errors: too many wait, or the store does not answer.
    pub(crate) async fn new(
        sandbox: Sandbox,
        inbox: Inbox,
        since: Option<u32>,
    ) -> Result<Self, ApiError> {
        let place = Arc::clone(&sandbox.waits).try_acquire_owned().ok().ok_or(ApiError::Busy)?;
        let most = sandbox.backing.config.now().sandbox.waits_per_address_max;
        let own = match guard::peer() {
            Some(peer) => Some(sandbox.own_waits.enter(peer, most).ok_or(ApiError::Busy)?),
            None => None,
        };
        // Before the messages are looked at, so that none falls between.
        let news = sandbox.store().news();
        let troubles = sandbox.troubles.subscribe();
        let missed = match since {
            Some(after) => {
                let page = Page { after, ..Page::newest(MISSED_MAX) };
                sandbox.find(&inbox, Query::All, page).await?.items
            }
            None => Vec::new(),
        };
        Ok(Self {
            sandbox,
            inbox,
            news,
            troubles,
            missed,
            due: None,
            token: guard::token(),
            ending: guard::ending(),
            known: None,
            _places: (place, own),
        })
    }

    /// Remembers the ids of messages, so that [`id_of`](Self::id_of) knows those that went.
    ///
    /// Errors: the store does not answer.
    pub(crate) async fn with_ids(mut self) -> Result<Self, ApiError> {
        let mailbox = self.inbox.mailbox;
        let all = self.sandbox.read(move |tx| capture::ids(tx, mailbox, KNOWN_MAX)).await?;
        self.known = Some(all.into_iter().collect());
        Ok(self)
    }

    /// The id of a message that went; nothing for one that is not remembered.
    pub(crate) fn id_of(&mut self, number: u32) -> Option<Id> {
        self.known.as_mut()?.remove(&number)
    }

    fn remember(&mut self, item: &Item) {
        if let Some(known) = &mut self.known {
            known.insert(item.entry.uid, item.entry.message);
            if known.len() > KNOWN_MAX {
                known.pop_first();
            }
        }
    }

    /// What happens next; nothing when the server stops, or when who asks may not any more.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            if self.due.is_none() && self.missed.is_empty() {
                let (sandbox, mut ending) = (self.sandbox.clone(), self.ending.clone());
                tokio::select! {
                    () = end(&mut ending) => return None,
                    due = self.hear() => self.due = Some(due?),
                    () = sandbox.revoked.notified() => {}
                    () = sandbox.backing.clock.sleep(ALIVE) => {}
                }
            }
            // An inbox that goes takes its tokens with it, and that is told.
            let ends = matches!(self.due, Some(Due::News(Happened::Gone)));
            if !ends && !self.may_follow().await {
                return None;
            }
            if let Some(item) = self.missed.pop() {
                return Some(Told::New(Box::new(item)));
            }
            let told = match self.due.clone() {
                Some(Due::News(happened)) => self.told(happened).await,
                Some(Due::Told(told)) => Some(told),
                None => None,
            };
            self.due = None;
            if told.is_some() {
                return told;
            }
        }
    }

    /// Whether the server ends.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.as_ref().is_some_and(Ending::has_come)
    }

    /// Whether who follows may still do so: a token may be revoked at any time.
    pub(crate) async fn may_follow(&self) -> bool {
        let Some(token) = &self.token else { return true };
        let backing = &self.sandbox.backing;
        match backing.directory.inbox_of_token(token, self.sandbox.now()).await {
            Ok(opened) => opened == Some(self.inbox.principal),
            Err(error) => {
                tracing::warn!(%error, "Whether a token is still worth something is not known.");
                false
            }
        }
    }

    /// What is heard of the inbox; nothing when the server stops.
    async fn hear(&mut self) -> Option<Due> {
        loop {
            let heard = tokio::select! {
                news = self.news.recv() => news,
                // Who is behind misses some, and nothing that a list would not show.
                Ok((mailbox, trouble)) = self.troubles.recv() => {
                    if mailbox == self.inbox.mailbox {
                        return Some(Due::Told(Told::Trouble(trouble)));
                    }
                    continue;
                }
            };
            match heard {
                Ok(news) if news.mailbox == self.inbox.mailbox => {
                    return Some(Due::News(news.what));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(Due::Told(Told::Reload)),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// What is to be told of what happened; nothing of a message that went again already.
    async fn told(&mut self, happened: Happened) -> Option<Told> {
        Some(match happened {
            Happened::Came(row) => {
                let (mailbox, uid) = (self.inbox.mailbox, row.uid);
                let read = self.sandbox.store().off_thread(move |store| {
                    let entry = store.read_blocking(|tx| capture::numbered(tx, mailbox, uid))?;
                    entry.map(|entry| item(store, entry)).transpose()
                });
                match read.await {
                    Ok(Some(item)) => {
                        self.remember(&item);
                        Told::New(Box::new(item))
                    }
                    Ok(None) => return None,
                    Err(_) => Told::Reload,
                }
            }
            Happened::Changed(uids) => Told::Changed(uids.iter().take(MISSED_MAX).collect()),
            Happened::Went(uids) => {
                let gone: Vec<u32> = uids.iter().take(MISSED_MAX + 1).collect();
                if gone.len() > MISSED_MAX { Told::Reload } else { Told::Gone(gone) }
            }
            Happened::Gone => Told::End,
        })
    }
}

/// Waits until the server ends.
async fn end(ending: &mut Option<Ending>) {
    match ending {
        Some(ending) => ending.comes().await,
        None => std::future::pending().await,
    }
}

/// An inbox as a stream of events.
pub(crate) fn stream(follower: Follower) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let name = follower.inbox.name.clone();
    let events = stream::unfold(Some(follower), move |follower| {
        let name = name.clone();
        async move {
            let mut follower = follower?;
            let told = follower.next().await?;
            let ends = matches!(told, Told::End);
            Some((Ok(event(&name, &told)), (!ends).then_some(follower)))
        }
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE))
}

fn event(inbox: &str, told: &Told) -> Event {
    let (kind, id, data) = match told {
        Told::New(item) => ("new", Some(item.entry.uid), Value::from(listed(inbox, item))),
        Told::Changed(numbers) => ("changed", None, json!({ "numbers": numbers })),
        Told::Gone(numbers) => ("gone", None, json!({ "numbers": numbers })),
        Told::Trouble(text) => ("trouble", None, json!({ "error": &**text })),
        Told::Reload => ("reload", None, json!({})),
        Told::End => ("end", None, json!({})),
    };
    let event = Event::default().event(kind).data(data.to_string());
    match id {
        Some(id) => event.id(id.to_string()),
        None => event,
    }
}
