//! MTA-STS: what a domain says of its servers, over HTTPS, and how long that holds.
//!
//! A policy that was fetched once binds until it is out of date, whoever keeps us from its new one.
//! Source: RFC 8461.

mod cache;
mod policy;
mod record;
mod shelf;

pub use cache::{Kept, Policies, Shelf, Web, WebError};
pub use policy::{Mode, Policy};
pub use shelf::{StoreShelf, Unkept};

use std::sync::Arc;

use crate::ledger::Failure;
use crate::outcome::Later;

/// What a policy says of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sts {
    /// There is no policy, or none that counts.
    None,
    /// There may be one that cannot be had just now.
    Unsure,
    /// It is on trial, and reported on.
    Testing {
        /// Whether it lists the host.
        listed: bool,
    },
    /// It binds.
    Enforce {
        /// Whether it lists the host.
        listed: bool,
    },
}

impl Sts {
    /// What is known to be said of `host`.
    pub(crate) fn of(known: &Known, host: &str) -> Self {
        match known.policy.as_deref().map(|policy| (policy.mode, policy.lists(host))) {
            Some((Mode::Enforce, listed)) => Self::Enforce { listed },
            Some((Mode::Testing, listed)) => Self::Testing { listed },
            None if known.unsure => Self::Unsure,
            Some((Mode::None, _)) | None => Self::None,
        }
    }

    /// Whether a policy vouches for the host being one of its domain's.
    pub(crate) fn is_listed(self) -> bool {
        matches!(self, Self::Enforce { listed: true } | Self::Testing { listed: true })
    }
}

/// What is known of a domain's policy.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The policy, where there is one.
    pub policy: Option<Arc<Policy>>,
    /// Why there may be one that we do not know.
    pub trouble: Option<Failure>,
    /// Whether another time may bring one that is not known now.
    pub unsure: bool,
}

/// Whoever knows policies.
pub trait Know: Send + Sync {
    /// The policy of a domain. It takes as long as its own limits say, and no longer.
    fn policy<'a>(&'a self, domain: &'a str) -> Later<'a, Known>;

    /// Learns what is new about those that are known.
    fn refresh(&self) -> Later<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Knows of none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unknown;

impl Know for Unknown {
    fn policy<'a>(&'a self, _domain: &'a str) -> Later<'a, Known> {
        Box::pin(std::future::ready(Known::default()))
    }
}
