//! A mailbox as its sessions see it: rows, snapshots, and what changed between two.
//!
//! `store` makes a [`Snapshot`] anew with each commit and shares what did not change; a session
//! keeps a [`Picture`], which is a snapshot and the expunges that its client was not told yet. No
//! IO, no protocol: sequence numbers and UIDs are counted here, and written elsewhere.
//! Source: RFC 9051 section 2.3.1, RFC 7162 section 3.1.

mod flags;
mod picture;
mod row;
mod set;
mod snapshot;

pub use crate::{
    flags::{FlagChange, Flags},
    picture::{Expunges, News, Picture},
    row::Row,
    set::{Ascending, NumberSet},
    snapshot::{Counts, Editor, Identity, Snapshot},
};
