//! Hashes and HMACs of the mechanisms behind one choice of hash.

use hmac::digest::{Digest, FixedOutput, Update};
use hmac::{Hmac, KeyInit};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// All our hashes work on blocks of this many octets; a longer HMAC key is hashed first.
const BLOCK_BYTES: usize = 64;

/// A hash that a mechanism is built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// Of CRAM-MD5 only.
    Md5,
    /// Of SCRAM-SHA-1.
    Sha1,
    /// Of SCRAM-SHA-256.
    Sha256,
}

impl Hash {
    /// Its name as registered.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The hash of `bytes`.
    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => Md5::digest(bytes).to_vec(),
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
        }
    }
}

/// The HMAC under `key` of `parts`, one after another.
pub(crate) fn hmac(hash: Hash, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let hashed = if key.len() > BLOCK_BYTES { hash.digest(key) } else { Vec::new() };
    let key = if key.len() > BLOCK_BYTES { &hashed } else { key };
    match hash {
        Hash::Md5 => keyed::<Hmac<Md5>>(key, parts),
        Hash::Sha1 => keyed::<Hmac<Sha1>>(key, parts),
        Hash::Sha256 => keyed::<Hmac<Sha256>>(key, parts),
    }
}

fn keyed<M: KeyInit + Update + FixedOutput>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut block = hmac::digest::Key::<M>::default();
    debug_assert!(key.len() <= block.len(), "a longer key is hashed before it comes here");
    block.iter_mut().zip(key).for_each(|(slot, byte)| *slot = *byte);
    let mut mac = M::new(&block);
    for part in parts {
        mac.update(part);
    }
    mac.finalize_fixed().to_vec()
}

/// PBKDF2 with HMAC, `Hi` of RFC 5802, as many octets as the hash has.
pub(crate) fn salted(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
    let mut out = hash.digest(&[]);
    let password = password.as_bytes();
    match hash {
        Hash::Md5 => pbkdf2::pbkdf2_hmac::<Md5>(password, salt, iterations, &mut out),
        Hash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut out),
        Hash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut out),
    }
    out
}

/// Whether both are the same, in a time that does not say where they differ.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}
