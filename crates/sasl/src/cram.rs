//! CRAM-MD5: the digest, and the two messages. Source: RFC 2195 section 2.

use crate::crypto::{Hash, hmac, same};
use crate::{Failure, Secret, prepare_name};

/// The response of a client: name, space, digest in lower-case hexadecimal.
pub(crate) fn respond(name: &str, secret: &Secret, challenge: &[u8]) -> Vec<u8> {
    format!("{name} {}", digest(secret, challenge)).into_bytes()
}

/// Reads a response into name and digest; the name may hold spaces.
pub(crate) fn read(response: &str) -> Result<(String, String), Failure> {
    let (name, digest) = response.rsplit_once(' ').ok_or(Failure::Malformed("response"))?;
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if digest.len() != 32 || !digest.bytes().all(hex) {
        return Err(Failure::Malformed("digest"));
    }
    Ok((prepare_name(name)?.to_owned(), digest.to_owned()))
}

/// Whether `claimed` is the digest of `challenge` under `secret`.
pub(crate) fn verify(secret: &Secret, challenge: &[u8], claimed: &str) -> bool {
    same(digest(secret, challenge).as_bytes(), claimed.as_bytes())
}

fn digest(secret: &Secret, challenge: &[u8]) -> String {
    let octets = hmac(Hash::Md5, secret.expose().as_bytes(), &[challenge]);
    let hex = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    octets.iter().flat_map(|octet| [hex(octet >> 4), hex(octet & 15)]).collect()
}
