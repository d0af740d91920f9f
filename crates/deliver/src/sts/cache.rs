//! Policies that are known: found, kept, fetched again before they are out of date.
//!
//! Invariant: a kept policy binds until it is out of date, or until a newer one was fetched whole.
//! A record that is gone, a fetch that fails, or nonsense in its place change nothing about it:
//! an attacker can do each. Source: RFC 8461 sections 3.3 and 5.1.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use mailwright_net::Clock;
use mailwright_words::Timestamp;

use super::{Know, Known, Policy, record};
use crate::ledger::Failure;
use crate::mx::{Answer, Names, timed};
use crate::outcome::Later;

/// How long a fetch that failed is not tried again. Source: RFC 8461 section 3.3.
const RETRY: Duration = Duration::from_mins(5);
/// Domains whose failure is remembered.
const FAILED_MAX: usize = 1000;
/// Policies that are fetched again side by side.
const AT_ONCE: usize = 16;
/// How old a policy becomes before it is fetched again; half its time where that is less.
const FRESH: Duration = Duration::from_hours(24);

/// A policy that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Whose.
    pub domain: String,
    /// Its name in the record at that time.
    pub id: String,
    /// What it says.
    pub policy: Policy,
    /// When it was fetched.
    pub fetched: Timestamp,
    /// Until when it binds.
    pub expires: Timestamp,
}

/// Why a policy was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// Its server's certificate is not believed.
    #[error("the certificate of the policy's server is not believed: {0}")]
    Certificate(String),
    /// Anything else: not there, no policy, too large, too slow.
    #[error("{0}")]
    Other(String),
}

/// Fetches policies.
pub trait Web: Send + Sync {
    /// What `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` says, of bounded size.
    fn policy<'a>(&'a self, domain: &'a str) -> Later<'a, Result<String, WebError>>;
}

/// Keeps policies over restarts. What it cannot do is as if there were nothing.
pub trait Shelf: Send + Sync {
    /// The policy of a domain.
    fn load<'a>(&'a self, domain: &'a str) -> Later<'a, Option<Kept>>;

    /// Those that were fetched before `before`, at most a thousand.
    fn older(&self, before: Timestamp) -> Later<'_, Vec<Kept>>;

    /// Keeps a policy in place of the domain's former one.
    fn keep(&self, kept: Kept) -> Later<'_, ()>;
}

/// The DNS does not answer.
struct Untold;

/// The policies of domains.
pub struct Policies {
    names: Arc<dyn Names>,
    web: Arc<dyn Web>,
    shelf: Arc<dyn Shelf>,
    clock: Arc<dyn Clock>,
    /// How long a lookup, and a fetch, may take.
    limits: (Duration, Duration),
    failed: Mutex<HashMap<String, (Timestamp, Failure)>>,
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Policies {
    /// Looks up with `names`, fetches over `web`, keeps on `shelf`. The limits are for a lookup,
    /// and for a fetch.
    pub fn new(
        (names, web): (Arc<dyn Names>, Arc<dyn Web>),
        shelf: Arc<dyn Shelf>,
        clock: Arc<dyn Clock>,
        limits: (Duration, Duration),
    ) -> Self {
        Self { names, web, shelf, clock, limits, failed: Mutex::default() }
    }

    /// Fetches policies again that are a day old, or half through.
    async fn fetch_again(&self) {
        let now = self.clock.now();
        let due = self.shelf.older(now).await.into_iter().filter(|kept| {
            let half = Duration::from_secs(kept.policy.max_age.as_secs() / 2);
            kept.fetched.plus(half.min(FRESH)) <= now && kept.expires > now
        });
        // Side by side: domains whose servers hang keep no other policy from being refreshed.
        let again = |kept: Kept| self.fetch_one_again(kept.domain);
        stream::iter(due).for_each_concurrent(AT_ONCE, again).await;
    }

    async fn fetch_one_again(&self, domain: String) {
        let Some(id) = self.id(&domain).await.unwrap_or_default() else { return };
        if let Err(failure) = self.fetch(&domain, id).await {
            let failure = failure.as_str();
            tracing::warn!(domain, failure, "MTA-STS policy not fetched again.");
        }
    }

    async fn known(&self, domain: &str) -> Known {
        let now = self.clock.now();
        let kept = self.shelf.load(domain).await.filter(|kept| kept.expires > now);
        let id = self.id(domain).await;
        let (unsure, id) = (id.is_err(), id.unwrap_or_default());
        let same = |kept: &Kept| id.as_ref().is_none_or(|id| *id == kept.id);
        let old = kept.map(|kept| (same(&kept), Arc::new(kept.policy)));
        match (old, id) {
            (Some((true, policy)), _) | (Some((false, policy)), None) => {
                Known { policy: Some(policy), ..Known::default() }
            }
            (None, None) => Known { unsure, ..Known::default() },
            (old, Some(id)) => match self.fetch(domain, id).await {
                Ok(policy) => Known { policy: Some(policy), ..Known::default() },
                Err(failure) => {
                    let policy = old.map(|(_, policy)| policy);
                    Known { unsure: policy.is_none(), policy, trouble: Some(failure) }
                }
            },
        }
    }

    /// The policy's name in the DNS, where there is one.
    ///
    /// Errors: it cannot be looked up now.
    async fn id(&self, domain: &str) -> Result<Option<String>, Untold> {
        let owner = format!("_mta-sts.{domain}");
        match timed(self.limits.0, self.names.txt(&owner)).await {
            Answer::Found(records) => Ok(record::id(&records)),
            Answer::NoData | Answer::NoSuchDomain => Ok(None),
            Answer::Temporary(why) => {
                tracing::debug!(domain, why, "MTA-STS record not looked up.");
                Err(Untold)
            }
        }
    }

    async fn fetch(&self, domain: &str, id: String) -> Result<Arc<Policy>, Failure> {
        if let Some(failure) = self.failed_before(domain) {
            return Err(failure);
        }
        let fetched = tokio::time::timeout(self.limits.1, self.web.policy(domain)).await;
        let failure = match fetched {
            Ok(Ok(text)) => match Policy::parse(&text) {
                Some(policy) => return Ok(self.keep(domain, id, policy).await),
                None => Failure::StsPolicyInvalid,
            },
            Ok(Err(error)) => {
                tracing::info!(domain, %error, "MTA-STS policy not fetched.");
                match error {
                    WebError::Certificate(_) => Failure::StsWebpkiInvalid,
                    WebError::Other(_) => Failure::StsPolicyFetchError,
                }
            }
            Err(_) => Failure::StsPolicyFetchError,
        };
        self.remember(domain, failure);
        Err(failure)
    }

    async fn keep(&self, domain: &str, id: String, policy: Policy) -> Arc<Policy> {
        let fetched = self.clock.now();
        let (domain, shared) = (domain.to_owned(), Arc::new(policy.clone()));
        let expires = fetched.plus(policy.max_age);
        self.shelf.keep(Kept { domain, id, policy, fetched, expires }).await;
        shared
    }

    fn failed_before(&self, domain: &str) -> Option<Failure> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, failure) = failed.get(domain)?;
        (*until > self.clock.now()).then_some(*failure)
    }

    fn remember(&self, domain: &str, failure: Failure) {
        let now = self.clock.now();
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, (until, _)| *until > now);
        if failed.len() < FAILED_MAX {
            failed.insert(domain.to_owned(), (now.plus(RETRY), failure));
        }
    }
}

impl Know for Policies {
    fn policy<'a>(&'a self, domain: &'a str) -> Later<'a, Known> {
        Box::pin(self.known(domain))
    }

    fn refresh(&self) -> Later<'_, ()> {
        Box::pin(self.fetch_again())
    }
}

#[cfg(test)]
mod tests;
