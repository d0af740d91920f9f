//! What `SEARCH`, `SORT` and `THREAD` find: conditions, orders and conversations.
//!
//! Pure: who calls brings what is known of a message, row, digest, signature or content, and asks
//! whether that decides. What one piece leaves open the next one answers; the content always does.
//! Source: RFC 9051 section 6.4.4, RFC 5256.

mod condition;
mod facts;
mod order;
mod thread;

pub use crate::{
    condition::{Condition, Needs},
    facts::{Content, Facts},
    order::Order,
    thread::Conversations,
};
