//! What mail clients support: which features a message uses, and where they do not work.
//!
//! The data is that of caniemail.com, every feature of it; `matcher` tells what in a message is the
//! use of one.

mod check;
mod compat;
mod eye;
mod matcher;
mod score;
mod table;

pub use check::{Finding, PLACES_MAX, Usage, check};
pub use compat::{CompatResult, CompatScore, CompatTotal, CompatWarning, compat};
pub use eye::Eye;
pub use matcher::{Matcher, Sign, UNTESTABLE, matchers};
pub use score::{Audience, AudienceError, ClientScore, Score, Share, is_current, score};
pub use table::{Client, Feature, Support, Table, Tried, table};
