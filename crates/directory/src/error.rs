//! What can go wrong: for a command, and for a client that logs in.

use std::time::Duration;

use mailwright_mailauth::sign::KeyError;
use mailwright_sasl::Failure;
use mailwright_store::StoreError;
use mailwright_words::AddressError;

use crate::check::Busy;
use crate::password::{HashError, ImportError};

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The store refused; what is missing or there already is said by it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address or domain is not one.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The password is empty, too long or holds control characters.
    #[error(transparent)]
    Password(#[from] Failure),
    /// The hash from elsewhere is not taken.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Too many logins are being checked.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The text is no label of an app password or a token.
    #[error("a label has 1 to 64 characters and no control characters")]
    Label,
    /// The key is none, or of no use.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The text is no selector.
    #[error("a selector has letters, digits, hyphens and dots, as a name in the DNS")]
    Selector,
    /// The text is no name of an inbox.
    #[error("a name of an inbox has 1 to 200 octets and no control characters")]
    InboxName,
    /// An alias, list or forward leads nowhere, or an alias to itself.
    #[error("{0}")]
    Target(&'static str),
}

/// Why a client is not let in. Its words tell no more than a client may know.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// There is no such mechanism, or not on this connection.
    #[error("this mechanism is not offered here")]
    Mechanism,
    /// A password would cross the net readable.
    #[error("authentication needs an encrypted connection")]
    Plaintext,
    /// A message was not of the mechanism's form.
    #[error("authentication message is malformed")]
    Malformed(#[source] Failure),
    /// Name and password do not belong together, or the name may not be acted for.
    #[error("authentication credentials are invalid")]
    Credentials,
    /// Too many failures came before; come again after this time.
    #[error("too many failed logins, wait before the next")]
    Throttled(Duration),
    /// We cannot check now.
    #[error("authentication is not possible now")]
    Busy,
    /// The store does not answer.
    #[error("authentication is not possible now")]
    Store(#[from] StoreError),
}

impl Denied {
    /// Reply code and enhanced status. Source: RFC 4954 sections 4 and 6.
    pub const fn status(&self) -> (u16, &'static str) {
        match self {
            Self::Mechanism => (504, "5.5.4"),
            Self::Plaintext => (538, "5.7.11"),
            Self::Malformed(_) => (501, "5.5.2"),
            Self::Credentials => (535, "5.7.8"),
            Self::Throttled(_) | Self::Busy | Self::Store(_) => (454, "4.7.0"),
        }
    }

    /// Whether the same attempt may succeed later.
    pub const fn is_temporary(&self) -> bool {
        self.status().0 < 500
    }
}

impl From<Busy> for Denied {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}
