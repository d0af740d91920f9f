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
