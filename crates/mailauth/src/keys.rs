//! Public keys of signatures, all looked up at once before any signature is checked.
//!
//! The library asks one key after the other, over a resolver of its own. Here it finds each answer
//! ready: a name that was not asked for, or whose lookup did not end in time, is a temporary error.
//! Source: RFC 6376 section 3.6, RFC 8301 section 3.2.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::resolver::ToFqdn;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{DnsError, Error, ResolverCache, Txt};
use mailwright_net::dns::{Answer, Resolver};
use tokio::task::JoinSet;

use crate::Word;

/// Fewer bits prove nothing. Source: RFC 8301 section 3.2.
const BITS_MIN: usize = 1024;
/// More bits cost time that a sender should not be able to take.
const BITS_MAX: usize = 8192;

/// The keys that a message asks for.
pub(crate) struct Keys {
    found: HashMap<Box<str>, Txt>,
    /// Keys that are there and may not be used, and why.
    unfit: HashMap<Box<str>, (Word, String)>,
    /// The records as they stand.
    texts: HashMap<Box<str>, Vec<u8>>,
}

/// What became of one key.
struct Looked {
    record: Txt,
    text: Option<Vec<u8>>,
    unfit: Option<(Word, String)>,
}

impl Keys {
    /// Looks `names` up, all at once.
    pub(crate) async fn look_up(
        names: impl IntoIterator<Item = String>,
        resolver: &Arc<dyn Resolver>,
        limit: Duration,
    ) -> Self {
        let mut lookups = JoinSet::new();
        let mut keys = Self { found: HashMap::new(), unfit: HashMap::new(), texts: HashMap::new() };
        for name in names {
            let name: Box<str> = name.to_fqdn().into();
            let late = Txt::Error(Error::Dns(DnsError::Resolver("no answer in time".to_owned())));
            if keys.found.insert(name.clone(), late).is_some() {
                continue;
            }
            let resolver = Arc::clone(resolver);
            lookups.spawn(async move {
                let looked = looked(resolver.txt(&name).await);
                (name, looked)
            });
        }
        let all = async {
            while let Some(done) = lookups.join_next().await {
                let Ok((name, looked)) = done else { continue };
                if let Some(unfit) = looked.unfit {
                    keys.unfit.insert(name.clone(), unfit);
                }
                keys.texts.extend(looked.text.map(|text| (name.clone(), text)));
                keys.found.insert(name, looked.record);
            }
        };
        // What is not there by now keeps the temporary error it began with.
        drop(tokio::time::timeout(limit, all).await);
        keys
    }

    /// Why the key of this name may not be used, whatever a signature with it is worth.
    pub(crate) fn unfit(&self, name: &str) -> Option<&(Word, String)> {
        self.unfit.get(name.to_fqdn().as_ref())
    }

    /// The key of this name, with the octets of its `p=`.
    pub(crate) fn public(&self, name: &str) -> Option<(Arc<DomainKey>, Vec<u8>)> {
        let name = name.to_fqdn();
        let Some(Txt::DomainKey(key)) = self.found.get(name.as_ref()) else { return None };
        let text = String::from_utf8_lossy(self.texts.get(name.as_ref())?);
        let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
        let (_, value) = tags.find(|(tag, _)| tag.trim() == "p")?;
        let value: String = value.split_ascii_whitespace().collect();
        let octets = STANDARD.decode(value).unwrap_or_default();
        Some((Arc::clone(key), octets))
    }
}

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let unasked = || Txt::Error(Error::Dns(DnsError::Resolver("not asked for".to_owned())));
        Some(self.found.get(name).cloned().unwrap_or_else(unasked))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// A key as its record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// What it is for: `rsa` or `ed25519`.
    pub algorithm: &'static str,
    /// Its bits.
    pub bits: usize,
    /// It was taken back: what is signed with it counts for nothing.
    pub is_revoked: bool,
    /// The domain only tries it out.
    pub is_testing: bool,
    /// Why no signature of mail may use it.
    pub unfit: Option<String>,
}

/// Reads the record of a key; none when it is one of something else.
///
/// Errors: it makes no sense. Source: RFC 6376 section 3.6.1.
pub fn public_key(record: &[u8]) -> Option<Result<PublicKey, String>> {
    let text = String::from_utf8_lossy(record);
    let tags = text.split(';').filter_map(|tag| tag.split_once('='));
    let tags: Vec<(&str, &str)> = tags.map(|(name, value)| (name.trim(), value.trim())).collect();
    let tag = |wanted: &str| tags.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    if tag("p").is_none() && tag("v") != Some("DKIM1") {
        return None;
    }
    let algorithm = match tag("k").map(str::to_ascii_lowercase).as_deref() {
        None | Some("rsa") => "rsa",
        Some("ed25519") => "ed25519",
        Some(other) => return Some(Err(format!("its kind of key, {other}, is not known"))),
    };
    let is_testing = tag("t").is_some_and(|flags| flags.split(':').any(|one| one.trim() == "y"));
    let Some(value) = tag("p") else { return Some(Err("it has no p=, and so no key".to_owned())) };
    if value.is_empty() {
        let key = PublicKey { algorithm, bits: 0, is_revoked: true, is_testing, unfit: None };
        return Some(Ok(key));
    }
    let key = match DomainKey::parse(record) {
        Ok(key) => key,
        Err(error) => return Some(Err(format!("its key cannot be read: {error}"))),
    };
    let bits = key.p.public_key_bits();
    let unfit = unfit(record, bits).map(|(_, why)| why);
    let bits = if algorithm == "ed25519" { 256 } else { bits };
    Some(Ok(PublicKey { algorithm, bits, is_revoked: false, is_testing, unfit }))
}

fn looked(answer: Answer<Vec<Vec<u8>>>) -> Looked {
    let failed = |error| Looked { record: Txt::Error(Error::Dns(error)), text: None, unfit: None };
    match answer {
        Answer::Temporary(why) => failed(DnsError::Resolver(why)),
        Answer::NoSuchDomain => failed(DnsError::RecordNotFound(ResponseCode::NXDomain)),
        Answer::NoData => failed(DnsError::RecordNotFound(ResponseCode::NoError)),
        Answer::Found(records) => {
            let each = || records.iter().map(|record| (record, DomainKey::parse(record)));
            let (mut good, mut bad) = (each().filter(|(_, key)| key.is_ok()), each());
            match good.next().or_else(|| bad.next()) {
                Some((record, Ok(key))) => {
                    let unfit = unfit(record, key.p.public_key_bits());
                    let text = Some(record.clone());
                    Looked { record: Txt::DomainKey(Arc::new(key)), text, unfit }
                }
                Some((_, Err(error))) => {
                    Looked { record: Txt::Error(error), text: None, unfit: None }
                }
                None => failed(DnsError::InvalidRecordType),
            }
        }
    }
}

/// What the library does not look at: the size of a key, and what its domain says it is for.
fn unfit(record: &[u8], bits: usize) -> Option<(Word, String)> {
    if bits < BITS_MIN {
        return Some((Word::Policy, format!("its key of {bits} bits is too small")));
    }
    if bits != usize::MAX && bits > BITS_MAX {
        return Some((Word::Policy, format!("its key of {bits} bits is too large")));
    }
    let text = String::from_utf8_lossy(record);
    let tag = |wanted: &str| {
        let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
        tags.find(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim().to_owned())
    };
    let has = |list: &str, words: &[&str]| list.split(':').any(|one| words.contains(&one.trim()));
    if tag("s").is_some_and(|services| !has(&services, &["*", "email"])) {
        return Some((Word::PermError, "its key is not for mail".to_owned()));
    }
    if tag("h").is_some_and(|hashes| !has(&hashes, &["sha256"])) {
        return Some((Word::PermError, "its key is not for SHA-256".to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_may_not_be_used_are_told_apart() {
        for (record, bits, expected) in [
            ("v=DKIM1; p=x", 2048, None),
            ("v=DKIM1; s=*; h=sha1:sha256; p=x", usize::MAX, None),
            ("v=DKIM1; p=x", 512, Some(Word::Policy)),
            ("v=DKIM1; p=x", 16384, Some(Word::Policy)),
            ("v=DKIM1; s=tlsrpt; p=x", 2048, Some(Word::PermError)),
            ("v=DKIM1; s=tlsrpt:email; p=x", 2048, None),
            ("v=DKIM1; h=sha1; p=x", 2048, Some(Word::PermError)),
        ] {
            let word = unfit(record.as_bytes(), bits).map(|(word, _)| word);
            assert_eq!(word, expected, "{record}");
        }
    }
}
