//! Filters of spam that an operator runs: their score beside ours.
//!
//! What a filter says is read with care and bounds: it is a program on the network, and part of
//! what it says it took from the message.

mod rspamd;
mod spamd;

pub use rspamd::rspamd;
pub use spamd::spamd;

use crate::verdict::{Rating, Symbol};

/// Octets of an answer that are read.
const ANSWER_MAX: usize = 1 << 20;
/// Rules of a filter that are kept.
const SYMBOLS_MAX: usize = 500;
/// Characters of a text that are kept.
const TEXT_MAX: usize = 300;

/// A text of a filter: one line, no controls, not endless.
fn line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}

/// A number that is one.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// The same with its rules in order, the most points first.
fn ordered(mut rating: Rating) -> Rating {
    let by =
        |a: &Symbol, b: &Symbol| b.points.total_cmp(&a.points).then_with(|| a.name.cmp(&b.name));
    rating.symbols.sort_by(by);
    rating.symbols.truncate(SYMBOLS_MAX);
    rating
}
