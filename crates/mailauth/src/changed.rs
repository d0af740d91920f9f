//! What was changed in a message since it was signed, found by trying what servers on the way do.
//!
//! A signature says that something is different, and not what. Here its two halves, the fields and
//! the body, are looked at apart; then each change that lists, filters and gateways make is undone,
//! until the signature fits. What is found so is proved, for the signature fits nothing else. What
//! is not found is not guessed. All of it is bounded in tries and in octets. Source: RFC 6376.

mod body;
mod form;
mod guess;
mod header;
mod recover;

use std::sync::Arc;

use mail_auth::common::crypto::Algorithm;
use mail_auth::common::verify::{DomainKey, VerifySignature as _};
use mail_auth::dkim::{Canonicalization, Signature};

pub use body::BodyChange;
pub use header::{FieldChange, HeaderChange};

use form::Form;
use recover::{Recovered, recover};

/// What became of a signed message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its body.
    pub body: BodyChange,
    /// Its signed fields.
    pub header: HeaderChange,
}

/// One signature of a message, as far as is needed to try what fits it.
pub(crate) struct Riddle {
    signature: Signature,
    /// Which field of the header it is.
    field: usize,
    /// Its key, with the octets of `p=`, where there is one.
    key: Option<(Arc<DomainKey>, Vec<u8>)>,
}

impl Riddle {
    /// `field` is the place of the signature's own field in the header.
    pub(crate) fn new(
        signature: Signature,
        field: usize,
        key: Option<(Arc<DomainKey>, Vec<u8>)>,
    ) -> Self {
        Self { signature, field, key }
    }

    /// Finds what was changed; works hard, for a bounded time.
    pub(crate) fn solve(&self, message: &[u8]) -> Change {
        let form = Form::new(message);
        let is_relaxed = |form: Canonicalization| form == Canonicalization::Relaxed;
        let body = if self.signature.a == Algorithm::RsaSha1 || self.signature.l > 0 {
            BodyChange::Unknown
        } else {
            body::find(message, is_relaxed(self.signature.cb), &self.signature.bh)
        };
        let header = match self.lock() {
            Ok(lock) => {
                let covered = &self.signature.h;
                let signed = header::Signed {
                    form: &form,
                    covered,
                    copies: copies(&form, self.field),
                    own: self.field,
                    is_relaxed: is_relaxed(self.signature.ch),
                };
                header::find(&signed, &lock)
            }
            Err(change) => change,
        };
        Change { body, header }
    }

    fn lock(&self) -> Result<Lock<'_>, HeaderChange> {
        let Some((key, octets)) = &self.key else { return Err(HeaderChange::NoKey) };
        match self.signature.a {
            Algorithm::RsaSha256 => match recover(octets, self.signature.signature()) {
                Recovered::Digest(digest) => Ok(Lock::Digest(digest)),
                Recovered::OtherKey => Err(HeaderChange::OtherKey),
                Recovered::Unreadable => Ok(Lock::Key(key, &self.signature)),
            },
            Algorithm::Ed25519Sha256 => Ok(Lock::Key(key, &self.signature)),
            Algorithm::RsaSha1 => Err(HeaderChange::NoKey),
        }
    }
}

/// The copies of fields that a signature carries in `z=`: a name and a value each.
fn copies(form: &Form<'_>, own: usize) -> Vec<(String, Vec<u8>)> {
    let Some(field) = form.fields.get(own) else { return Vec::new() };
    let text = String::from_utf8_lossy(field.value).into_owned();
    let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
    let Some((_, list)) = tags.find(|(name, _)| name.trim() == "z") else { return Vec::new() };
    let list: String = list.split_ascii_whitespace().collect();
    let each = list.split('|').filter_map(|copy| copy.split_once(':'));
    each.map(|(name, value)| (name.to_ascii_lowercase(), undo_quoting(value))).collect()
}

/// Source: RFC 6376 section 2.11.
fn undo_quoting(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let pair = tail.first_chunk::<2>().and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(octet) if *first == b'=' => {
                out.push(octet);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => out.push(*first),
        }
    }
    out
}

/// What tells whether a form of the header is the one that was signed.
enum Lock<'a> {
    /// The hash that was signed.
    Digest([u8; 32]),
    /// The key, where the hash cannot be taken out of the signature.
    Key(&'a DomainKey, &'a Signature),
}

impl Lock<'_> {
    fn opens(&self, form: &[u8]) -> bool {
        match self {
            Self::Digest(digest) => {
                aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form).as_ref() == digest
            }
            Self::Key(key, signature) => {
                key.p.verify_bytes(form, &signature.b, signature.a).is_ok()
            }
        }
    }

    /// How many forms may be tried.
    const fn tries_max(&self) -> usize {
        match self {
            Self::Digest(_) => 40_000,
            Self::Key(..) => 4_000,
        }
    }
}

#[cfg(test)]
mod tests;
