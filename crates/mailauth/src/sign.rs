//! Signs messages of ours with DKIM, by several keys at once.
//!
//! A message is read once, in pieces: [`Digester`] keeps its header, which is bounded, and the hash
//! of its body. [`Digest::sign`] makes a field for each key. What is signed may not be changed
//! afterwards, so the octets have to be those that are sent, as the next hop takes them.
//! Source: RFC 6376 sections 3 and 5, RFC 8301, RFC 8463.

mod body;
mod digester;
mod header;
mod key;
mod pem;
mod seal;

pub use body::BodyHasher;
pub use digester::{Digest, Digester};
pub(crate) use header::canonical_field;
pub use header::{OVERSIGNED, SIGNED};
pub use key::{Algorithm, KeyError, SigningKey};

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailwright_words::Timestamp;

/// Characters of base64 in a line of a field.
const LINE: usize = 72;

/// A key with the name by which others find its public half.
#[derive(Debug)]
pub struct Selected {
    /// The selector: the record is at `<selector>._domainkey.<domain>`.
    pub selector: String,
    /// The key.
    pub key: SigningKey,
}

/// The keys that a domain signs with now.
#[derive(Debug)]
pub struct Signer {
    /// The domain that vouches, in A-labels.
    pub domain: String,
    /// Its keys; each makes a signature of its own.
    pub keys: Vec<Selected>,
}

impl Digest {
    /// The `DKIM-Signature` fields for this message, one a key, ready to stand before it.
    ///
    /// `expires` is how long they are good for, where they are not good for ever.
    ///
    /// Errors: [`KeyError::Unusable`] when a key does not work.
    pub fn sign(
        &self,
        signer: &Signer,
        at: Timestamp,
        expires: Option<Duration>,
    ) -> Result<Vec<u8>, KeyError> {
        let mut fields = Vec::new();
        for selected in &signer.keys {
            fields.extend(self.field(&signer.domain, selected, at, expires)?);
        }
        Ok(fields)
    }

    fn field(
        &self,
        domain: &str,
        Selected { selector, key }: &Selected,
        at: Timestamp,
        expires: Option<Duration>,
    ) -> Result<Vec<u8>, KeyError> {
        let seconds = at.ms().div_euclid(1000);
        let until = expires.and_then(|wait| i64::try_from(wait.as_secs()).ok());
        let until = until.map(|wait| format!(" x={};", seconds.saturating_add(wait)));
        let (names, covered) = header::covered(&self.header);
        let field = format!(
            "DKIM-Signature: v=1; a={}; c=relaxed/relaxed; d={domain};\r\n\ts={selector}; \
             t={seconds};{}\r\n\th={};\r\n\tbh={};\r\n\tb=",
            key.algorithm().tag(),
            until.unwrap_or_default(),
            folded(&names, ":"),
            STANDARD.encode(self.body_hash),
        )
        .into_bytes();
        let mut signed = covered;
        // Its own field comes last, with nothing in `b=` and no end of line. Source: section 3.7.
        canonical_field(&field, &mut signed);
        signed.truncate(signed.len().saturating_sub(2));
        Ok(written(field, &key.sign(&signed)?))
    }
}

/// A field with its signature at the end.
fn written(mut field: Vec<u8>, signature: &[u8]) -> Vec<u8> {
    let signature = STANDARD.encode(signature);
    let mut rest = signature.as_str();
    while let Some((line, further)) = rest.split_at_checked(LINE) {
        field.extend_from_slice(line.as_bytes());
        field.extend_from_slice(b"\r\n\t");
        rest = further;
    }
    field.extend_from_slice(rest.as_bytes());
    if rest.is_empty() {
        field.truncate(field.len().saturating_sub(3));
    }
    field.extend_from_slice(b"\r\n");
    field
}

/// Words with `between` them, in lines that are not too long.
fn folded(words: &[&str], between: &str) -> String {
    let (mut text, mut column) = (String::new(), 0_usize);
    for (place, word) in words.iter().enumerate() {
        if place > 0 {
            text.push_str(between);
            column += between.len();
        }
        if column + word.len() > LINE {
            text.push_str("\r\n\t ");
            column = 0;
        }
        text.push_str(word);
        column += word.len();
    }
    text
}

/// The text of a TXT record that publishes a key.
///
/// Source: RFC 6376 section 3.6.1, RFC 8463 section 4.
pub fn record(algorithm: Algorithm, public: &[u8]) -> String {
    format!("v=DKIM1; k={}; p={}", algorithm.as_str(), STANDARD.encode(public))
}

#[cfg(test)]
mod tests;
