//! The last step: into a mailbox, or to another server.
//!
//! [`Deliverer::attempt`] tries each recipient of a job once and says what became of it; when to
//! try again is the queue's to decide. Connections and lookups come through [`Network`] and
//! [`Names`], which [`Wire`] is in a running server.
//! Source: RFC 5321, RFC 2033, RFC 7505, RFC 7672, RFC 8461, RFC 8689.

pub mod capture;
mod connection;
mod convert;
#[cfg(test)]
mod fake;
mod headed;
pub mod ledger;
pub mod mailbox;
mod mx;
mod network;
mod outcome;
mod pool;
mod relay;
mod route;
mod sign;
mod stored;
pub mod sts;
mod tls;
mod wire;

pub use mx::{Answer, Names, Server, SignedAnswer, Unroutable};
pub use network::{Network, Secured, Stream};
pub use outcome::{Contact, Content, Job, Later, Outcome, Pieces, Reason, RecipientOutcome};
pub use relay::{Deliverer, Seen, Setup, Site};
pub use sign::Signing;
pub use stored::Stored;
pub use wire::{Wire, WireError};
