//! The only crate with SQL: bodies, spool, mailboxes, directory rows, events.
//!
//! Rows live in one `SQLite` database that a single thread writes, bodies in append-only segments
//! and files beside it. The time is always an argument: nothing here reads a clock.

pub mod authentication;
pub mod backup;
pub mod body;
pub mod capture;
pub mod check;
pub mod directory;
pub mod engine;
mod error;
pub mod event;
pub mod feedback;
pub mod guard;
pub mod index;
pub mod mailbox;
pub mod queue;
pub mod report;
pub mod seen;
pub mod sent;
pub mod spool;
mod store;
pub mod transport;

pub use crate::{
    engine::{Lane, Row, Tx},
    error::{OpenError, StoreError},
    store::{Options, Owner, Store},
};
