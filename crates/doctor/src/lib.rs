//! Why does my mail not arrive? The checklist that people work through by hand, done for them.
//!
//! A [`Check`] says what was tried, what came back, what it means and how to mend it; a [`Report`]
//! is a tree of checks. What is looked at comes through a [`World`], so that each check is tried in
//! a broken world, where it has to speak, and in a sound one, where it has to be silent. A check
//! that cannot know says so. Nothing here sends a message but [`send`], which is asked to.

#[cfg(test)]
mod checks;
pub mod code;
pub mod compose;
mod dialogue;
pub mod domain;
#[cfg(test)]
mod fake;
mod handshake;
pub mod host;
mod login;
pub mod message;
#[cfg(test)]
mod pairs;
mod reach;
mod report;
pub mod road;
pub mod send;
pub mod server;
mod world;

pub use login::{Credentials, Scheme};
pub use report::{Check, Report, Section, Verdict, printable};
pub use world::{Family, Later, Network, Stream, Wire, World};
