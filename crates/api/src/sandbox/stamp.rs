//! Addresses that open one thing for a while: a picture of a message, and nothing else.
//!
//! The document of a message is a stranger to the page that shows it, so a browser sends no login
//! with what it asks for. Each picture in it therefore has an address of its own, signed for that
//! picture until an hour or two later, by a key that ends with the process: who has the address
//! may see the picture, and only that.

use axum::http::Uri;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use mailwright_words::Timestamp;
use sha2::Sha256;

/// Octets of the key, as many as the hash has.
const KEY: usize = 32;
/// An hour in milliseconds. Addresses hold to the end of one, so that a browser can keep what it
/// has under them.
const HOUR: i64 = 3_600_000;
/// Hours that begin while an address holds.
const HOURS: i64 = 2;

/// Signs addresses, with a key that ends with the process.
#[derive(Clone, Copy)]
pub(crate) struct Signer([u8; KEY]);

impl Signer {
    /// With a key that nobody knows; nothing where the system has no randomness.
    pub(crate) fn new() -> Option<Self> {
        let mut key = [0; KEY];
        getrandom::fill(&mut key).is_ok().then_some(Self(key))
    }

    /// What is signed at this moment.
    pub(crate) const fn stamp(self, now: Timestamp) -> Stamp {
        Stamp { signer: self, until: now.ms().div_euclid(HOUR) + HOURS }
    }

    fn mac(&self, what: &str, until: i64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        // The number has no line end, so no two pairs are written alike.
        mac.update(until.to_string().as_bytes());
        mac.update(b"\n");
        mac.update(what.as_bytes());
        Some(mac)
    }

    /// Whether `signature` was given for this, and still holds.
    pub(crate) fn knows(
        &self,
        what: &str,
        (until, signature): (i64, &str),
        now: Timestamp,
    ) -> bool {
        let given = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        until > now.ms().div_euclid(HOUR)
            && self.mac(what, until).is_some_and(|mac| mac.verify_slice(&given).is_ok())
    }

    /// Whether an address is one whose path was signed.
    pub(crate) fn knows_path(&self, address: &Uri, now: Timestamp) -> bool {
        let pairs = address.query().unwrap_or_default().split('&');
        let pairs: Vec<(&str, &str)> =
            pairs.take(4).filter_map(|pair| pair.split_once('=')).collect();
        let value = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|pair| pair.1);
        let until = value("until").and_then(|text| text.parse().ok());
        until.zip(value("signature")).is_some_and(|given| self.knows(address.path(), given, now))
    }
}

/// Signs what a document shows, all of it for the same time.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    signer: Signer,
    until: i64,
}

impl Stamp {
    /// What stands in an address for the right to it, behind its question mark.
    pub(crate) fn right(&self, what: &str) -> Option<String> {
        let signature = self.signer.mac(what, self.until)?.finalize().into_bytes();
        Some(format!("until={}&signature={}", self.until, URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_for_one_thing_and_one_time() {
        let (signer, now) = (Signer::new().unwrap(), Timestamp::new(1_700_000_000_000));
        let right = signer.stamp(now).right("/render/1/cid:a").unwrap();
        let at = |path: &str, hours: i64, signer: &Signer| {
            let address: Uri = format!("{path}?{right}").parse().unwrap();
            signer.knows_path(&address, Timestamp::new(now.ms() + hours * HOUR))
        };
        assert!(at("/render/1/cid:a", 0, &signer) && at("/render/1/cid:a", 1, &signer));
        assert!(!at("/render/1/cid:a", 2, &signer), "it ends");
        assert!(!at("/render/2/cid:a", 0, &signer) && !at("/render/1/cid:b", 0, &signer));
        assert!(!at("/render/1/cid:a", 0, &Signer::new().unwrap()), "another key");
        let longer = right.replace("until=", "until=9");
        for odd in ["", "?", "?until=1", "?until=x&signature=", &format!("?{longer}")] {
            let address: Uri = format!("/render/1/cid:a{odd}").parse().unwrap();
            assert!(!signer.knows_path(&address, now), "{odd}");
        }
    }
}
