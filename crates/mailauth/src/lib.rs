//! SPF, DKIM, DMARC and ARC: what a message can prove about where it is from.
//!
//! The one module over `mail-auth`: no other crate names it. It knows no store and no session.
//! [`sign`] makes signatures for messages of ours; it is pure.

pub mod sign;
mod word;

pub use word::Word;
