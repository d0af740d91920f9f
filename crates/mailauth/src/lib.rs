//! SPF, DKIM, DMARC and ARC: what a message can prove about where it is from.
//!
//! The one module over `mail-auth`: no other crate names it. It knows no store and no session, and
//! asks names through the resolver of `net` alone. SPF and DMARC are ours; signatures are read and
//! verified by the library, under rules that are ours, too. [`sign`] makes signatures for messages
//! of ours; it is pure.

pub mod aggregate;
mod arc;
mod body;
mod changed;
mod dkim;
mod dmarc;
mod examine;
mod iprev;
mod keys;
mod name;
pub mod report;
pub mod results;
pub mod sign;
pub mod spf;
mod verify;
mod word;

pub use aggregate::Aggregate;
pub use arc::Arc;
pub use body::{BodyHash, BodyHashes};
pub use changed::{BodyChange, Change, FieldChange, HeaderChange};
pub use dkim::Dkim;
pub use dmarc::{
    Destination, Dmarc, Policy, Publication, Published, Record, destinations, published,
};
pub use examine::{Client, Examined, Letter, Signed};
pub use iprev::Iprev;
pub use keys::{PublicKey, public_key};
pub use spf::Spf;
pub use verify::{Facts, Limits, NoResolver, Verdicts, Verifier};
pub use word::Word;
