//! Who is who: credentials, domains, addresses and aliases, routes.
//!
//! [`Directory`] answers who a client is ([`Login`]), where an address leads ([`Resolved`]) and who
//! may send as whom, and it changes accounts for the command line. It delivers nothing and speaks
//! no protocol. Names of accounts are their addresses, compared without case.
//!
//! Invariant: a name that does not exist costs the same work as one that does, and gets the same
//! answers until its password is right.

mod account;
mod alias;
mod audit;
mod block;
mod check;
mod directory;
mod error;
mod inbox;
mod keys;
mod login;
mod password;
mod resolve;
mod return_path;
mod scram;
mod srs;
#[cfg(test)]
mod tests;
mod throttle;
mod token;

pub use account::{Account, AppPassword, NewPassword};
pub use alias::{Alias, AliasKind, Domain};
pub use check::Busy;
pub use directory::{Directory, Settings};
pub use error::{Denied, DirectoryError};
pub use inbox::{DEFAULT_INBOX, inbox_name};
pub use keys::Key;
pub use login::{Connection, Identity, Login, Turn};
pub use mailwright_mailauth::sign::Signer;
pub use mailwright_store::capture::Inbox;
pub use mailwright_store::directory::{DomainKind, KeyState};
pub use mailwright_store::guard::{Audit, Block};
pub use password::{HashError, ImportError, generate, random};
pub use resolve::Resolved;
pub use token::{InboxToken, is_token};
