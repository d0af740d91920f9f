//! The hash inside an RSA signature: with the public key alone it can be taken out again.
//!
//! So it is known whether a signature is of this key at all, and what hash was signed, whatever
//! became of the message. Source: RFC 8017 sections 8.2.2 and A.1.1, RFC 5280 section 4.1.

use num_bigint::BigUint;

/// What stands before a SHA-256 hash in a signature. Source: RFC 8017 section 9.2.
const PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
/// Most octets of a modulus that is worked with.
const MODULUS_MAX: usize = 1024;
/// Most octets of an exponent: all that are in use are small.
const EXPONENT_MAX: usize = 8;

/// What is in a signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recovered {
    /// The hash that was signed.
    Digest([u8; 32]),
    /// No hash: another key made it, or it was damaged.
    OtherKey,
    /// The key cannot be read here.
    Unreadable,
}

/// Takes the hash out of `signature` with the key in `p=`.
pub(super) fn recover(key: &[u8], signature: &[u8]) -> Recovered {
    let Some((modulus, exponent)) = numbers(key) else { return Recovered::Unreadable };
    let length = modulus.len();
    if signature.len() != length {
        return Recovered::OtherKey;
    }
    let number = |octets: &[u8]| BigUint::from_bytes_be(octets);
    let opened = number(signature).modpow(&number(exponent), &number(modulus)).to_bytes_be();
    // The leading zero octet is lost in a number.
    let padded = [vec![0; length.saturating_sub(opened.len())], opened].concat();
    match hash_in(&padded) {
        Some(digest) => Recovered::Digest(digest),
        None => Recovered::OtherKey,
    }
}

/// `00 01 ff .. ff 00`, the name of the hash, the hash.
fn hash_in(padded: &[u8]) -> Option<[u8; 32]> {
    let rest = padded.strip_prefix(&[0, 1])?;
    let filling = rest.iter().position(|octet| *octet != 0xff).filter(|filling| *filling >= 8)?;
    let rest = rest.get(filling..)?.strip_prefix(&[0])?;
    rest.strip_prefix(&PREFIX)?.try_into().ok()
}

/// Modulus and exponent of a key, with or without what says that it is an RSA key.
fn numbers(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (inside, _) = element(key, 0x30)?;
    let pair = match element(inside, 0x30) {
        Some((_, rest)) => {
            let (bits, _) = element(rest, 0x03)?;
            element(bits.strip_prefix(&[0])?, 0x30)?.0
        }
        None => inside,
    };
    let (modulus, rest) = element(pair, 0x02)?;
    let (exponent, _) = element(rest, 0x02)?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let is_fit = (64..=MODULUS_MAX).contains(&modulus.len())
        && modulus.first().is_some_and(|octet| *octet > 0)
        && (1..=EXPONENT_MAX).contains(&exponent.len());
    is_fit.then_some((modulus, exponent))
}

/// The content of an element of DER with this tag, and what follows it.
fn element(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let rest = octets.strip_prefix(&[tag])?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |length, octet| (length << 8) | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;
    use crate::sign::{Algorithm, SigningKey};

    #[test]
    fn the_hash_comes_out_with_the_key_that_made_the_signature_alone() {
        let key = SigningKey::generate(Algorithm::Rsa).unwrap();
        let other = SigningKey::generate(Algorithm::Rsa).unwrap();
        let mut signature = key.sign(b"what was signed").unwrap();
        let hash = digest(&SHA256, b"what was signed").as_ref().try_into().unwrap();
        let public = key.public().unwrap();
        assert_eq!(recover(&public, &signature), Recovered::Digest(hash));
        assert_eq!(recover(&other.public().unwrap(), &signature), Recovered::OtherKey);
        signature[7] ^= 1;
        assert_eq!(recover(&public, &signature), Recovered::OtherKey);
        assert_eq!(recover(&public, &signature[1..]), Recovered::OtherKey);
        // The bare form of a key, as some publish it.
        let bare = numbers(&public).map(|(modulus, exponent)| {
            let integer = |octets: &[u8]| {
                let octets = [&[0], octets].concat();
                let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
                [&[2, 0x82][..], &length, &octets].concat()
            };
            let pair = [integer(modulus), integer(exponent)].concat();
            let length = u16::try_from(pair.len()).unwrap().to_be_bytes();
            [&[0x30, 0x82][..], &length, &pair].concat()
        });
        signature[7] ^= 1;
        assert_eq!(recover(&bare.unwrap(), &signature), Recovered::Digest(hash));
    }

    #[test]
    fn a_key_that_is_none_is_not_worked_with() {
        let key = SigningKey::generate(Algorithm::Rsa).unwrap().public().unwrap();
        for end in 0..key.len() {
            assert_eq!(recover(&key[..end], &[1; 256]), Recovered::Unreadable, "{end}");
        }
        for bad in [&b""[..], &[0x30, 0x84, 1, 1, 1, 1], &[0x30, 0x80], &[0xff; 300]] {
            assert_eq!(recover(bad, &[1; 256]), Recovered::Unreadable);
        }
    }
}
