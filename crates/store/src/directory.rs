//! Rows of who there is: tenants, principals, credentials, domains, addresses.
//!
//! Typed statements and nothing more. What an address means to a message, and whether a password
//! is right, is decided in the crate `directory`.

mod address;
mod credential;
mod domain;
mod key;
mod principal;
mod server;
#[cfg(test)]
mod tests;

pub use self::{
    address::{
        AddressKind, AddressRow, NewAddress, add_address, address, addresses, grant_send_as,
        has_send_as, remove_address, revoke_send_as, set_targets, targets,
    },
    credential::{
        Credential, CredentialKind, Keys, add_credential, credentials, inbox_token,
        remove_credential, replace_hash, touch_credential,
    },
    domain::{DomainKind, DomainRow, add_domain, domain, domains, remove_domain, set_catch_all},
    key::{KeyRow, KeyState, NewKey, activate_keys, add_key, keyless, keys, retire_keys},
    principal::{
        NewPrincipal, Principal, PrincipalKind, add_principal, principal, principal_named,
        principals, remove_principal, set_disabled, set_quota, set_salts,
    },
    server::{administrator, constant, had_account, has_cram_md5},
};

/// The tenant that everything belongs to until there are others.
pub const DEFAULT_TENANT: i64 = 1;

/// A closed set of words that a column holds, with the way there and back.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$inner])* $variant,)+ }

        impl $name {
            /// The word of the column.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub(crate) fn read(word: &str) -> Result<Self, $crate::StoreError> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::StoreError::Corrupt(stringify!($name))),
                }
            }
        }
    };
}
pub(crate) use words;
