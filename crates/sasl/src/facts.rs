//! What an exchange has to know of its connection and its process.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::crypto::{Hash, hmac};

/// The channel binding data of a connection; empty on a plain one.
///
/// A server that gives any of it to an exchange has offered the `-PLUS` mechanisms, and an
/// exchange holds a client to that. Source: RFC 5929 and RFC 9266.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelBinding {
    /// `tls-exporter`: 32 octets of keying material. Source: RFC 9266 section 3.
    pub exporter: Option<Vec<u8>>,
    /// `tls-server-end-point`: the hash of the server's certificate. Source: RFC 5929 section 4.
    pub server_end_point: Option<Vec<u8>>,
}

impl ChannelBinding {
    /// Whether there is something to bind to.
    pub const fn is_some(&self) -> bool {
        self.exporter.is_some() || self.server_end_point.is_some()
    }

    /// The data of the type called `name` by a client.
    pub(crate) fn named(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_deref(),
            "tls-server-end-point" => self.server_end_point.as_deref(),
            _ => None,
        }
    }

    /// The type a client prefers, with its data.
    pub(crate) fn preferred(&self) -> Option<(&'static str, &[u8])> {
        ["tls-exporter", "tls-server-end-point"]
            .into_iter()
            .find_map(|name| Some((name, self.named(name)?)))
    }
}

/// The key from which unknown names get their salt, always the same for a name.
///
/// It has to survive a restart and be secret: else a name whose salt changes, or can be computed,
/// is known to have no account.
#[derive(Clone)]
pub struct DecoyKey([u8; 32]);

impl DecoyKey {
    /// Takes 32 secret octets.
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The salt of this `name`, whether it has an account or not.
    ///
    /// Real accounts are best given this salt too: then nothing changes when one is made.
    pub fn salt(&self, hash: Hash, name: &str) -> Vec<u8> {
        let name = name.to_lowercase();
        let mut salt = hmac(Hash::Sha256, &self.0, &[hash.name().as_bytes(), name.as_bytes()]);
        salt.truncate(crate::scram::SALT_BYTES);
        salt
    }
}

impl fmt::Debug for DecoyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecoyKey(..)")
    }
}

/// Our random part of an exchange: printable, without commas, never used twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Takes 144 bits from the system.
    ///
    /// Errors: the system gives no random numbers; then nobody can log in safely.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 18];
        getrandom::fill(&mut bytes)?;
        Ok(Self(STANDARD.encode(bytes)))
    }

    /// The text as it stands in a message.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A nonce of a published test vector.
    #[cfg(test)]
    pub(crate) fn known(text: &str) -> Self {
        Self(text.to_owned())
    }
}
