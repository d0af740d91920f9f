//! Private keys: made here, or brought along.
//!
//! They print as nothing. Source: RFC 6376 section 3.3, RFC 8301 section 3.2, RFC 8463.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256};

use super::pem;

/// Bits of the largest key whose signatures others have to be able to check.
const RSA_BITS_MAX: usize = 4096;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA with SHA-256, which everybody can check.
    Rsa,
    /// Ed25519, whose records and signatures are short.
    Ed25519,
}

impl Algorithm {
    /// Both, the one that everybody can check first.
    pub const ALL: [Self; 2] = [Self::Rsa, Self::Ed25519];

    /// As records and rows name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }

    /// As signatures name it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Rsa => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(KeyError::Unknown)
    }
}

/// Why a key is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text holds no key.
    #[error("there is no private key in PEM form")]
    Pem,
    /// It is no key for DKIM.
    #[error("the key is no RSA key of 2048 to 4096 bits and no Ed25519 key")]
    Unknown,
    /// It cannot be made, or does not sign.
    #[error("the key does not work")]
    Unusable,
}

/// A private key.
pub struct SigningKey(Inner);

enum Inner {
    Rsa(Box<rsa::KeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ***)", self.algorithm())
    }
}

impl SigningKey {
    /// Makes a key: 2048 bits for RSA, which fit one TXT record and which everybody can check.
    ///
    /// It takes about a tenth of a second for RSA.
    ///
    /// Errors: [`KeyError::Unusable`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let unusable = |_error| KeyError::Unusable;
        Ok(Self(match algorithm {
            Algorithm::Rsa => {
                Inner::Rsa(Box::new(rsa::KeyPair::generate(KeySize::Rsa2048).map_err(unusable)?))
            }
            Algorithm::Ed25519 => {
                Inner::Ed25519(Box::new(Ed25519KeyPair::generate().map_err(unusable)?))
            }
        }))
    }

    /// Reads a key as [`to_pkcs8`](Self::to_pkcs8) wrote it, or another program.
    ///
    /// Errors: [`KeyError::Unknown`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = rsa::KeyPair::from_pkcs8(der) {
            return Self::rsa(key);
        }
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().ok_or(KeyError::Unknown)?;
        Ok(Self(Inner::Ed25519(Box::new(key))))
    }

    /// Reads a key that was brought along: PKCS#8, or PKCS#1 for RSA, as PEM.
    ///
    /// Errors: [`KeyError::Pem`], [`KeyError::Unknown`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (label, der) = pem::first(text).ok_or(KeyError::Pem)?;
        match label {
            "PRIVATE KEY" => Self::from_pkcs8(&der),
            "RSA PRIVATE KEY" => {
                Self::rsa(rsa::KeyPair::from_der(&der).ok().ok_or(KeyError::Unknown)?)
            }
            _ => Err(KeyError::Pem),
        }
    }

    fn rsa(key: rsa::KeyPair) -> Result<Self, KeyError> {
        if key.public_modulus_len().saturating_mul(8) > RSA_BITS_MAX {
            return Err(KeyError::Unknown);
        }
        Ok(Self(Inner::Rsa(Box::new(key))))
    }

    /// The private key, to be kept.
    ///
    /// Errors: [`KeyError::Unusable`].
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeyError> {
        let unusable = |_error| KeyError::Unusable;
        Ok(match &self.0 {
            Inner::Rsa(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().map_err(unusable)?;
                der.as_ref().to_vec()
            }
            Inner::Ed25519(key) => key.to_pkcs8v1().map_err(unusable)?.as_ref().to_vec(),
        })
    }

    /// The public half, as it stands in `p=`: a `SubjectPublicKeyInfo`, or the 32 octets of
    /// Ed25519.
    ///
    /// Errors: [`KeyError::Unusable`].
    pub fn public(&self) -> Result<Vec<u8>, KeyError> {
        Ok(match &self.0 {
            Inner::Rsa(key) => {
                let der = key.public_key().as_der();
                let der: PublicKeyX509Der<'_> = der.map_err(|_error| KeyError::Unusable)?;
                der.as_ref().to_vec()
            }
            Inner::Ed25519(key) => key.public_key().as_ref().to_vec(),
        })
    }

    /// How it signs.
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Inner::Rsa(_) => Algorithm::Rsa,
            Inner::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The signature of `message`.
    ///
    /// Errors: [`KeyError::Unusable`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0 {
            Inner::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let random = SystemRandom::new();
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_error| KeyError::Unusable)?;
                Ok(signature)
            }
            // What Ed25519 signs is the hash. Source: RFC 8463 section 3.
            Inner::Ed25519(key) => {
                let signature = key.try_sign(digest(&SHA256, message).as_ref());
                Ok(signature.map_err(|_error| KeyError::Unusable)?.as_ref().to_vec())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_being_kept() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let kept = SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
            assert_eq!(kept.algorithm(), algorithm);
            assert_eq!(kept.public().unwrap(), key.public().unwrap());
            assert_eq!(kept.sign(b"x").unwrap(), key.sign(b"x").unwrap());
            assert!(!format!("{key:?}").contains('['), "{key:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "hello", "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----"] {
            assert_eq!(SigningKey::from_pem(text).unwrap_err(), KeyError::Pem);
        }
        let text = "-----BEGIN PRIVATE KEY-----\nZm9v\n-----END PRIVATE KEY-----";
        assert_eq!(SigningKey::from_pem(text).unwrap_err(), KeyError::Unknown);
    }
}
