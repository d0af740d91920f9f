//! What inboxes do to the programs that send to them: their rules, and how often each struck.
//!
//! Invariant: this is asked for sessions alone of which all is caught, see
//! [`Client::is_caught`](crate::Client::is_caught); no other message meets a fault. The rules are
//! kept in the store, the counts in memory: they begin anew with the server, and when rules are
//! set.

mod lab;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mailwright_config::{BreakTls, InboxBy, InboxSettings, Phase, Role};
use mailwright_directory::{DEFAULT_INBOX, Inbox};
use mailwright_store::spool::Class;
use mailwright_store::{Lane, StoreError, Tx, capture};
use mailwright_words::{Address, Id, Reply, Timestamp};

pub(crate) use self::lab::Lab;
#[cfg(any(test, fuzzing))]
pub(crate) use self::lab::is_like;
use crate::magic::{self, Magic};
use crate::{Client, Intake, Target};

/// Inboxes whose rules are in memory.
const LABS_MAX: usize = 5000;

/// A moment of a session, as rules look at it.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Where the session stands.
    pub at: Phase,
    /// The address of the client.
    pub client: Option<IpAddr>,
    /// How it names itself.
    pub hello: &'a str,
    /// The reverse-path, as it is printed without brackets.
    pub sender: Option<&'a str>,
    /// The forward-path that is asked for, or all that were taken.
    pub recipients: &'a [String],
    /// Octets of the message, as far as they are known.
    pub size: Option<u64>,
    /// The time.
    pub now: Timestamp,
}

/// What befalls a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strike {
    /// How long it waits first.
    pub delay: Duration,
    /// What it is told, in place of what it would be.
    pub reply: Option<Reply>,
    /// Whether its connection is closed.
    pub drops: bool,
    /// How its handshake is broken.
    pub breaks: Option<BreakTls>,
    /// Octets of the message that are read in a second.
    pub throttle: Option<u64>,
    /// Whether its message is stored nevertheless.
    pub keeps: bool,
    /// From how many octets on it strikes, in a message.
    pub beyond: u64,
}

impl Strike {
    /// Whether nothing befalls it.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Both of them: waits add up, and of replies the first counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.reply.is_some() || self.drops {
            return self;
        }
        Self {
            delay: self.delay.saturating_add(other.delay),
            throttle: self.throttle.into_iter().chain(other.throttle).min(),
            beyond: self.beyond.max(other.beyond),
            ..other
        }
    }
}

/// The rules of inboxes that were asked for lately.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    labs: Mutex<HashMap<Id, Arc<Lab>>>,
    /// Whether any inbox has settings of its own: not known yet, no, or yes.
    any: AtomicU8,
}

const UNKNOWN: u8 = 0;
const NONE: u8 = 1;
const SOME: u8 = 2;

impl Faults {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Arc<Lab>>> {
        self.labs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, inbox: Id, settings: InboxSettings, replaces: bool) -> Arc<Lab> {
        let lab = Arc::new(Lab::new(settings));
        let mut labs = self.lock();
        if labs.len() >= LABS_MAX {
            labs.retain(|_, lab| !lab.is_plain());
        }
        if labs.len() >= LABS_MAX {
            labs.clear();
        }
        if replaces {
            labs.insert(inbox, Arc::clone(&lab));
            return lab;
        }
        Arc::clone(labs.entry(inbox).or_insert(lab))
    }
}

impl Intake {
    /// The settings of an inbox, and how often each of its faults struck.
    ///
    /// Errors: the store does not answer.
    pub async fn inbox_settings(&self, inbox: Id) -> Result<(InboxSettings, Vec<u64>), StoreError> {
        let lab = self.lab(inbox).await?;
        Ok((lab.settings.clone(), lab.struck()))
    }

    /// Has an inbox go by these settings from now on. Its faults count anew.
    ///
    /// Errors: the inbox is gone, or the store does not answer.
    pub async fn set_inbox_settings(
        &self,
        inbox: Id,
        settings: InboxSettings,
    ) -> Result<(), StoreError> {
        let text = settings.to_json();
        let keep = move |tx: &mut Tx<'_>| capture::set_settings(tx, inbox, &text);
        self.0.store.write(Lane::Quick, keep).await?;
        self.0.faults.any.store(SOME, Ordering::Relaxed);
        self.0.faults.put(inbox, settings, true);
        Ok(())
    }

    /// Whether an inbox may have faults.
    pub fn may_have_faults(&self) -> bool {
        self.0.faults.any.load(Ordering::Relaxed) != NONE
    }

    /// Whether an inbox has settings of its own; most servers have none, and need not look further.
    pub(crate) async fn any_settings(&self) -> bool {
        let any = &self.0.faults.any;
        if any.load(Ordering::Relaxed) == UNKNOWN {
            match self.0.store.look(capture::has_settings).await {
                Ok(found) => {
                    // Unless they were set meanwhile.
                    let now = if found { SOME } else { NONE };
                    let set =
                        any.compare_exchange(UNKNOWN, now, Ordering::Relaxed, Ordering::Relaxed);
                    return set.map_or_else(|set| set == SOME, |_| found);
                }
                Err(error) => tracing::warn!(%error, "The settings of inboxes were not read."),
            }
        }
        any.load(Ordering::Relaxed) != NONE
    }

    /// What befalls a session of which all is caught, at a moment at which it has no recipients.
    pub async fn strike(&self, client: &Client, moment: &Moment<'_>) -> Strike {
        if !self.any_settings().await {
            return Strike::default();
        }
        match self.inbox_of(client).await {
            Some(inbox) => self.strike_by(inbox, moment).await,
            None => Strike::default(),
        }
    }

    /// What befalls a recipient of it.
    pub async fn strike_recipient(
        &self,
        client: &Client,
        recipient: &Address,
        moment: &Moment<'_>,
    ) -> Strike {
        if !self.any_settings().await && magic::of(recipient).is_none() {
            return Strike::default();
        }
        let inbox = match client.identity.as_ref().filter(|identity| identity.is_inbox) {
            Some(identity) => Some(identity.principal),
            // It counts from the first, so the inbox has to be there.
            None if magic::of(recipient).is_some() => match self.named(client, recipient).await {
                Ok(name) => self.inbox(&name, moment.now).await.ok(),
                Err(_) => None,
            },
            None => match self.named(client, recipient).await {
                Ok(name) => self.found(&name).await,
                Err(_) => None,
            },
        };
        let Some(inbox) = inbox else { return Strike::default() };
        let Some(lab) = self.lab_or_none(inbox).await else { return Strike::default() };
        magical(&lab, recipient, moment).and(lab.strike(moment))
    }

    /// What befalls its message: what the inboxes of its recipients do.
    pub async fn strike_message(&self, targets: &[Target], moment: &Moment<'_>) -> Strike {
        let mut sum = Strike::default();
        if !self.any_settings().await {
            return sum;
        }
        for inbox in inboxes(targets) {
            sum = sum.and(self.strike_by(inbox, moment).await);
        }
        sum
    }

    async fn strike_by(&self, inbox: Id, moment: &Moment<'_>) -> Strike {
        self.lab_or_none(inbox).await.map(|lab| lab.strike(moment)).unwrap_or_default()
    }

    /// The inbox whose rules hold before there is a recipient: that of the user, or the default.
    async fn inbox_of(&self, client: &Client) -> Option<Id> {
        if let Some(identity) = client.identity.as_ref().filter(|identity| identity.is_inbox) {
            return Some(identity.principal);
        }
        let by_user = self.0.settings.now().inbox_by.contains(&InboxBy::User);
        let named = client.session.username.as_deref().filter(|_| by_user);
        match client.role {
            Role::Sandbox => self.found(named.unwrap_or(DEFAULT_INBOX)).await,
            _ => None,
        }
    }

    /// The inbox of that name, if there is one.
    async fn found(&self, name: &str) -> Option<Id> {
        match self.0.directory.known_inbox(name).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "An inbox was not found out about.");
                None
            }
        }
    }

    pub(crate) async fn lab_or_none(&self, inbox: Id) -> Option<Arc<Lab>> {
        match self.lab(inbox).await {
            Ok(lab) => Some(lab),
            Err(error) => {
                tracing::warn!(%error, "The settings of an inbox were not read.");
                None
            }
        }
    }

    async fn lab(&self, inbox: Id) -> Result<Arc<Lab>, StoreError> {
        if let Some(known) = self.0.faults.lock().get(&inbox) {
            return Ok(Arc::clone(known));
        }
        let kept = self.0.store.look(|tx| capture::settings(tx, inbox)).await?;
        let settings = read(kept.as_deref());
        Ok(self.0.faults.put(inbox, settings, false))
    }
}

/// The settings that an inbox keeps; those of a later version count for none.
pub(crate) fn read(kept: Option<&str>) -> InboxSettings {
    match kept.map(InboxSettings::read) {
        None => InboxSettings::default(),
        Some(Ok(settings)) => settings,
        Some(Err(error)) => {
            tracing::warn!(error, "The settings of an inbox are not understood.");
            InboxSettings::default()
        }
    }
}

/// The settings that are kept with an inbox.
pub fn settings_of(inbox: &Inbox) -> InboxSettings {
    read(inbox.settings.as_deref())
}

/// The inboxes of recipients, each once, in their order.
pub(crate) fn inboxes(targets: &[Target]) -> Vec<Id> {
    let mut found: Vec<Id> = Vec::new();
    for (_, class) in targets.iter().flat_map(|target| &target.direct) {
        match class {
            Class::Capture { inbox } if !found.contains(inbox) => found.push(*inbox),
            _ => {}
        }
    }
    found
}

/// What the name of a recipient asks for at `RCPT`.
fn magical(lab: &Lab, recipient: &Address, moment: &Moment<'_>) -> Strike {
    if !lab.settings.magic {
        return Strike::default();
    }
    match magic::of(recipient) {
        Some(Magic::Slow(delay)) => Strike { delay, ..Strike::default() },
        Some(Magic::Reject(reply)) => Strike { reply: Some(reply), ..Strike::default() },
        Some(Magic::Defer(times)) => {
            let key = format!("{}\n{}", moment.sender.unwrap_or_default(), recipient.key());
            let reply = lab.defers(&key, times).then(magic::deferred);
            Strike { reply, ..Strike::default() }
        }
        Some(Magic::Bounce(_) | Magic::Complaint) | None => Strike::default(),
    }
}
