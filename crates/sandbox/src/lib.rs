//! The checks of a message: what mail clients make of it, what filters think of it, and what is
//! wrong with its structure and its links.
//!
//! Pure functions over the octets of a message, with the time and the answers of the network as
//! arguments; only [`links::statuses`] and [`outside`] ask, and when they are told to. Every input
//! is hostile:
//! what is looked at and what is told is bounded, and the order
//! of findings is always the same.

pub mod auth;
pub mod colour;
pub mod css;
pub mod facts;
pub mod filter;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod html;
pub mod links;
pub mod message;
pub mod outside;
pub mod report;
pub mod spam;
pub mod structure;
pub mod support;
pub mod verdict;
