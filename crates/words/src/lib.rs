//! The words of mail: addresses, envelopes, status codes, replies, headers, reports.
//!
//! Pure values and their text forms. It does no IO, and knows neither a clock nor a protocol's
//! states: the other crates speak to each other in these words.
//! Source: RFC 5321, RFC 5322, RFC 6531, RFC 3461, RFC 3463, RFC 3464.

pub mod address;
pub mod arf;
pub mod dsn;
pub mod envelope;
pub mod headers;
pub mod id;
pub mod input;
pub mod metric;
pub mod mime;
pub mod percent;
pub mod reply;
pub mod status;
pub mod time;
pub mod trace;

pub use address::{Address, AddressError, Domain, LocalPart, ReversePath};
pub use envelope::{BodyType, ByMode, DeliverBy, Envelope, Notify, Recipient, Ret, TlsWish};
pub use headers::HeaderBlock;
pub use id::{Id, IdError, IdSource};
pub use input::{Input, TooLong};
pub use reply::Reply;
pub use status::{Status, StatusError};
pub use time::Timestamp;
pub use trace::{message_id, received};
