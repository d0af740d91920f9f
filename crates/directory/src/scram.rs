//! SCRAM keys between their bytes in rows and their form in an exchange.

use mailwright_sasl::DecoyKey;
use mailwright_sasl::scram::{Hash, ITERATIONS, Keys, Record};
use mailwright_store::directory::{self as store, Credential, Principal};

/// The salts of a name: those it would be told without an account, so that nothing changes for an
/// onlooker when the account is made. The rounds come first, in four octets.
pub(crate) fn salt(decoy: &DecoyKey, hash: Hash, name: &str) -> Vec<u8> {
    [ITERATIONS.to_be_bytes().as_slice(), &decoy.salt(hash, name)].concat()
}

/// The salts of a principal, of SHA-1 and of SHA-256; empty where it has none.
pub(crate) fn salts(principal: &Principal) -> [Vec<u8>; 2] {
    [&principal.scram_sha1_salt, &principal.scram_sha256_salt]
        .map(|salt| salt.clone().unwrap_or_default())
}

/// The keys of a password under such salts. Takes milliseconds.
pub(crate) fn keys([sha1, sha256]: &[Vec<u8>; 2], password: &str) -> store::Keys {
    let derive = |hash, salt: &[u8]| {
        let (iterations, salt) = split(salt)?;
        let keys = Keys::derive(hash, password, salt, iterations);
        Some([keys.stored_key, keys.server_key].concat())
    };
    store::Keys {
        scram_sha1: derive(Hash::Sha1, sha1),
        scram_sha256: derive(Hash::Sha256, sha256),
        cram_md5: None,
    }
}

/// What a principal's passwords are by this hash, with the credential of each of the keys.
///
/// A principal without keys has a record of none, and the exchange goes the way of unknown names.
pub(crate) fn record<'c>(
    hash: Hash,
    principal: &Principal,
    credentials: &'c [Credential],
) -> Option<(Record, Vec<&'c Credential>)> {
    let salt = match hash {
        Hash::Sha1 => &principal.scram_sha1_salt,
        Hash::Sha256 => &principal.scram_sha256_salt,
        Hash::Md5 => return None,
    };
    let (iterations, salt) = split(salt.as_deref()?)?;
    let keyed = credentials.iter().filter_map(|credential| {
        let bytes = match hash {
            Hash::Sha1 => credential.keys.scram_sha1.as_ref()?,
            Hash::Sha256 | Hash::Md5 => credential.keys.scram_sha256.as_ref()?,
        };
        let (stored, server) = bytes.split_at_checked(bytes.len() / 2)?;
        let keys = Keys { stored_key: stored.to_vec(), server_key: server.to_vec() };
        Some((keys, credential))
    });
    let (keys, owners) = keyed.unzip();
    Some((Record { salt: salt.to_vec(), iterations, keys }, owners))
}

fn split(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (iterations, salt) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*iterations), salt))
}
