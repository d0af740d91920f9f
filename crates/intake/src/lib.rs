//! Acceptance: who may send what to whom, the limits of a message, and what we add to its header.
//!
//! [`Intake`] answers the questions of a session: may this client submit, is this its sender, does
//! this recipient lead anywhere, and at last [`Intake::accept`], which makes a message durable. It
//! has no dependency on queue or delivery: that nothing is delivered unless it was spooled is a
//! fact of compilation. Every no is a [`Refusal`], and each fault of ours a temporary one.
//! Source: RFC 5321 section 3.6 and 6, RFC 6409.

mod accept;
mod author;
mod bucket;
mod capture;
mod client;
mod direct;
mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guard;
mod head;
mod incoming;
mod judgement;
mod magic;
mod merge;
mod notice;
mod policy;
mod priority;
mod refusal;
mod refused;
mod release;
mod reports;
mod settings;
mod space;
mod straight;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use mailwright_config::Live;
use mailwright_directory::Directory;
use mailwright_mailauth::Verifier;
use mailwright_store::Store;
use mailwright_words::Timestamp;

use crate::fault::Faults;
use crate::guard::Guard;
use crate::incoming::Bounds;
use crate::space::Space;

pub use accept::Transaction;
pub use client::{Client, Session};
pub use fault::{Moment, Strike, settings_of};
pub use incoming::Incoming;
pub use refusal::Refusal;
pub use refused::{Refusals, Refused};
pub use release::{Asked, NoRelease, Release, Released};
pub use settings::Settings;
pub use target::{Onward, OnwardKind, Taken, Target};

/// Accepts messages. Clones share everything.
#[derive(Debug, Clone)]
pub struct Intake(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) settings: Live<Settings>,
    pub(crate) space: Space,
    pub(crate) guard: Guard,
    pub(crate) refusals: Refusals,
    pub(crate) verifier: Live<Option<Verifier>>,
    pub(crate) faults: Faults,
}

impl Intake {
    /// Acceptance into `store`, for those whom `directory` knows.
    pub fn new(store: Store, directory: Directory, settings: Settings) -> Self {
        let space = Space::new(store.path());
        let refusals = Refusals::new(settings.refusals_max);
        let settings = Live::new(settings);
        let (guard, faults) = (Guard::default(), Faults::default());
        let verifier = Live::new(None);
        let inner = Inner { store, directory, settings, space, guard, refusals, verifier, faults };
        Self(Arc::new(inner))
    }

    /// Checks mail of strangers with `verifier` from now on; before, none is checked.
    pub fn verify_with(&self, verifier: Verifier) {
        self.0.verifier.set(Some(verifier));
    }

    /// Goes by other settings from the next question on.
    pub fn reload(&self, settings: Settings) {
        self.0.settings.set(settings);
        self.0.space.forget();
    }

    /// What sandbox listeners refused lately.
    pub fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// Begins to collect a message of `client`.
    ///
    /// Errors: [`Refusal::Space`].
    pub fn begin(&self, client: &Client, now: Timestamp) -> Result<Incoming, Refusal> {
        self.check_space(now)?;
        let bounds = Bounds::of(&self.0.settings.now(), client.size_max, client.is_caught());
        Ok(Incoming::new(self.0.store.body(now), bounds, self.judges(client)))
    }

    /// Whether the disk is too full to take anything.
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.0.space.is_low(self.0.settings.now().free_space_min, now)
    }

    pub(crate) fn check_space(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.is_full(now) { Err(Refusal::Space) } else { Ok(()) }
    }
}
