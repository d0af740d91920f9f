//! CSS as facts with places: which properties, values, selectors and rules a style uses.
//!
//! Tokens are cssparser's, so that strings and comments are no properties. It never fails; what
//! makes no sense is skipped as browsers skip it. Source: CSS Syntax Module Level 3.

mod facts;
mod token;

pub use facts::{Declaration, Fact, Selector, declarations, facts};
pub use token::{CSS_TOKENS_MAX, Kind, Token, tokens};
