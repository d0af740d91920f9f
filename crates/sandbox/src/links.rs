//! Links: all that a message points to, and what is wrong with it by its look.

mod extract;
mod lint;
mod status;
mod url;

pub use extract::{LINKS_MAX, Link, Source, extract};
pub(crate) use lint::placeholder;
pub use lint::{LinkFault, LinkFinding, lint};
pub use status::{
    Answer, Fetch, FetchError, FetchErrorKind, Later, LinkStatus, Method, Unled, Verdict, status,
    statuses,
};
pub use url::{Url, host_of, site};
