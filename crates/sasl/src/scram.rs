//! SCRAM: the keys that stand for a password, and the signatures over an exchange.
//!
//! A server keeps `StoredKey` and `ServerKey` only: neither lets its thief log in.
//! Source: RFC 5802 section 3 (computation), section 7 (messages in [`message`]).

pub(crate) mod message;

use std::fmt;

pub use crate::crypto::Hash;
use crate::crypto::{hmac, salted, same};

/// Length of the salts we make, in octets.
pub const SALT_BYTES: usize = 16;
/// Rounds of PBKDF2 for the keys we make, and for names that do not exist.
///
/// RFC 7677 section 4 asks for 4096 at least; clients on small devices compute it at each login.
pub const ITERATIONS: u32 = 10_000;

/// The keys of one password. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The hash of the client's key; verifies a client.
    pub stored_key: Vec<u8>,
    /// Proves to a client that we know its keys.
    pub server_key: Vec<u8>,
}

impl Keys {
    /// Computes the keys of a password. Takes milliseconds on purpose.
    ///
    /// Source: RFC 5802 section 3.
    pub fn derive(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let salted = salted(hash, password, salt, iterations);
        Self {
            stored_key: hash.digest(&hmac(hash, &salted, &[b"Client Key"])),
            server_key: hmac(hash, &salted, &[b"Server Key"]),
        }
    }

    /// Whether `proof` was made over `auth_message` by one who knows the password.
    pub(crate) fn verify(&self, hash: Hash, auth_message: &[u8], proof: &[u8]) -> bool {
        let signature = hmac(hash, &self.stored_key, &[auth_message]);
        let client_key = xor(&signature, proof);
        proof.len() == signature.len() && same(&hash.digest(&client_key), &self.stored_key)
    }

    /// Our own proof over `auth_message`.
    pub(crate) fn sign(&self, hash: Hash, auth_message: &[u8]) -> Vec<u8> {
        hmac(hash, &self.server_key, &[auth_message])
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// What a server knows of a name: one salt, and the keys of each password that opens it.
///
/// The salt is announced before the client says which password it holds, so that all passwords
/// of an account share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Announced to the client.
    pub salt: Vec<u8>,
    /// Announced to the client.
    pub iterations: u32,
    /// Keys of each password.
    pub keys: Vec<Keys>,
}

/// The proof of a client, with the signature it expects from the server.
pub(crate) fn prove(
    hash: Hash,
    password: &str,
    (salt, iterations): (&[u8], u32),
    auth_message: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let salted = salted(hash, password, salt, iterations);
    let client_key = hmac(hash, &salted, &[b"Client Key"]);
    let signature = hmac(hash, &hash.digest(&client_key), &[auth_message]);
    let server_key = hmac(hash, &salted, &[b"Server Key"]);
    (xor(&client_key, &signature), hmac(hash, &server_key, &[auth_message]))
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}
