//! The sandbox over HTTP: its API, the APIs that other programs know, its pages, live events.
//!
//! Everything is read from the store at each request; nothing is kept here but who waits. What a
//! message says is never trusted: it is parsed with limits, and shown where it can do nothing.

mod change;
mod checks;
mod choose;
mod code;
mod compose;
mod dark;
mod document;
mod error;
mod event;
mod extract;
mod find;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guard;
mod hook;
mod mailcatcher;
mod maildev;
mod mailhog;
mod mailpit;
mod mailtrap;
mod message;
mod mount;
mod native;
mod openapi;
mod page;
mod part;
mod query;
mod refusal;
mod release;
mod remote;
mod render;
mod scope;
mod settings;
mod stamp;
mod submit;
mod tally;
#[cfg(test)]
mod tests;
mod token;
mod wait;
mod whole;

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use mailwright_config::{Config, Live};
use mailwright_directory::Directory;
use mailwright_intake::Intake;
use mailwright_net::{Clock, egress::Egress};
use mailwright_store::{
    Lane, Store, StoreError, Tx,
    capture::{self, summary},
};
use mailwright_words::{Id, Timestamp};
use tokio::sync::{Notify, Semaphore, broadcast};

pub(crate) use self::error::ApiError;
use self::tally::Tally;
pub use self::{
    find::matching,
    hook::{CALLS_MAX, call_hooks},
};
use crate::door::Gate;

/// Places for work that takes the processor or memory for a while.
const HEAVY: usize = 4;
/// How many of them a picture takes.
const PICTURE: u32 = 2;
/// Troubles that who follows an inbox may be behind.
const TROUBLES: usize = 64;
/// Wrong passwords that are answered at one time.
const WRONG: usize = 4;
/// Searches that run at one time.
const SEARCHES: usize = 4;
/// Messages that are summed up in one go.
const SUMMED: usize = 64;

/// What the sandbox works on.
#[derive(Clone)]
pub struct Backing {
    /// The messages.
    pub store: Store,
    /// The inboxes.
    pub directory: Directory,
    /// Takes messages that come over HTTP.
    pub intake: Intake,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The configuration in force.
    pub config: Live<Config>,
    /// Asks servers of the web that messages name; none, and nobody is asked.
    pub egress: Option<Egress>,
    /// Calls webhooks; none, and there are no webhooks.
    pub hooks: Option<Egress>,
}

impl std::fmt::Debug for Backing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backing").finish_non_exhaustive()
    }
}

/// The sandbox behind its routes. Clones share it.
#[derive(Clone)]
pub(crate) struct Sandbox(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) backing: Backing,
    /// Places of those who wait for messages or events.
    pub(crate) waits: Arc<Semaphore>,
    /// Those that each client has.
    pub(crate) own_waits: Arc<Gate>,
    pub(crate) started: Timestamp,
    /// What happened in inboxes since then.
    pub(crate) tally: Arc<Tally>,
    /// Who is logged in to the pages.
    pub(crate) sessions: page::login::Sessions,
    /// What was not done in an inbox, for those who follow it.
    pub(crate) troubles: broadcast::Sender<(Id, Arc<str>)>,
    /// A token was revoked.
    pub(crate) revoked: Notify,
    /// Signs what may be fetched for whom; none, and nothing is.
    pub(crate) signer: Option<stamp::Signer>,
    /// Places for work that takes the processor or memory for a while.
    heavy: Arc<Semaphore>,
    /// Places for searches.
    pub(crate) searches: Semaphore,
    /// Places for wrong passwords, each of which takes its time.
    pub(crate) wrong: Semaphore,
}

impl std::ops::Deref for Sandbox {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Sandbox {
    pub(crate) fn new(backing: Backing) -> Self {
        let waits = Arc::new(Semaphore::new(backing.config.now().sandbox.waits_max));
        let started = backing.clock.now();
        let tally = Tally::start(&backing.store);
        let (heavy, searches) = (Arc::new(Semaphore::new(HEAVY)), Semaphore::new(SEARCHES));
        let sessions = page::login::Sessions::default();
        let (troubles, _) = broadcast::channel(TROUBLES);
        Self(Arc::new(Inner {
            backing,
            waits,
            own_waits: Arc::default(),
            started,
            tally,
            sessions,
            troubles,
            revoked: Notify::new(),
            signer: stamp::Signer::new(),
            heavy,
            searches,
            wrong: Semaphore::new(WRONG),
        }))
    }
}

impl Inner {
    pub(crate) fn store(&self) -> &Store {
        &self.backing.store
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.backing.clock.now()
    }

    /// Runs a small read on the store's reading threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        closure: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        Ok(self.store().read(closure).await?)
    }

    /// Does what takes the processor for a while where no other request waits for it; a few at a
    /// time, whether or not somebody still waits for what comes of it.
    ///
    /// Errors: it broke.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.apart_taking(1, work).await
    }

    /// The same with as many places as it takes.
    async fn apart_taking<T: Send + 'static>(
        &self,
        places: u32,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = Arc::clone(&self.heavy).acquire_many_owned(places).await;
        let place = place.ok().ok_or(ApiError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        done.await.ok().ok_or(ApiError::Busy)
    }

    /// Runs a small write.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        closure: impl Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        Ok(self.store().write(Lane::Quick, closure).await?)
    }
}

/// Sums up what came in, again and again, until it is dropped: lists and searches then need not
/// open the messages.
pub async fn sum_up(store: Store, clock: Arc<dyn Clock>) {
    let mut news = store.news();
    loop {
        match late(&store).await {
            Ok(0) => {
                // Behind or not: there is something new.
                if let Err(broadcast::error::RecvError::Closed) = news.recv().await {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "Messages were not summed up."),
        }
        clock.sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Sums up a few messages that were not; says how many.
async fn late(store: &Store) -> Result<usize, StoreError> {
    let ids = store.look(|tx| capture::late(tx, SUMMED)).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let summed = store
        .off_thread(move |store| {
            let each = ids.into_iter().map(|id| Ok((id, summary::of_stored(store, id)?)));
            each.collect::<Result<Vec<(Id, summary::Summed)>, StoreError>>()
        })
        .await?;
    let count = summed.len();
    let keep = move |tx: &mut Tx<'_>| {
        for (id, one) in &summed {
            capture::sum_up(tx, *id, &one.summary.to_json(), &one.words)?;
        }
        Ok(())
    };
    store.write(Lane::Bulk, keep).await?;
    Ok(count)
}

/// The routes of the sandbox.
pub(crate) fn router(backing: Backing) -> Router {
    let sandbox = Sandbox::new(backing);
    let config = sandbox.backing.config.now();
    let octets = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    let size_max = octets(config.limits.message_size_max);
    let body_max = octets(config.http.body_size_max);
    let mailpit = mailpit::router(size_max);
    let below = |routes: Router<Sandbox>| mount::below(routes.with_state(sandbox.clone()));
    Router::new()
        .nest_service("/mailpit", below(mailpit.clone()))
        .nest_service("/mailhog", below(mailhog::whole()))
        .nest_service("/mailcatcher", below(mailcatcher::router()))
        .nest_service("/maildev", below(maildev::router()))
        .merge(mailhog::router())
        .merge(mailcatcher::router())
        .merge(maildev::router())
        .merge(mailtrap::router(size_max))
        .merge(native::router())
        .merge(hook::router())
        .merge(mailpit)
        .merge(page::router())
        .route("/render/{id}", get(render::document))
        .route("/render/{id}/{part}", get(render::picture))
        .route("/remote/{id}", get(remote::picture))
        .route("/api/openapi.json", get(openapi::document))
        .layer(axum::extract::DefaultBodyLimit::max(body_max))
        .layer(middleware::from_fn_with_state(sandbox.clone(), guard::check))
        .with_state(sandbox)
}
