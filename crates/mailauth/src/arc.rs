//! ARC: what servers on the way saw of a message before they changed it.
//!
//! The chain proves who said what; whether that counts depends on who it is, and is configured.
//! Source: RFC 8617.

use mail_auth::common::crypto::Algorithm;
use mail_auth::common::verify::VerifySignature;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters};

use crate::dkim::{NAMES_MAX, reason, signs_from, twin};
use crate::keys::Keys;
use crate::verify::authors;
use crate::{Word, results};

/// What a chain is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arc {
    /// The result: `none`, `pass`, `fail`, or a temporary error.
    pub word: Word,
    /// Who sealed, the first one first.
    pub sealers: Vec<String>,
    /// Whether a sealer that we trust saw DMARC pass for the author that the message has now, and
    /// nobody but such sealers came after it.
    pub vouched: bool,
    /// Why.
    pub reason: String,
}

impl Arc {
    pub(crate) fn new(word: Word, reason: impl Into<String>) -> Self {
        Self { word, sealers: Vec::new(), vouched: false, reason: reason.into() }
    }
}

/// The names of the keys that a chain of at most `most` sets needs; none of one that is longer.
pub(crate) fn key_names(message: &AuthenticatedMessage<'_>, most: usize) -> Vec<String> {
    if message.as_headers.len().max(message.ams_headers.len()) > most {
        return Vec::new();
    }
    let seals = message.as_headers.iter().map(|header| header.header.domain_key());
    seals.chain(message.ams_headers.iter().map(|header| header.header.domain_key())).collect()
}

/// Checks the chain of a message. `most` is how many seals it may have.
pub(crate) async fn verify(
    message: &AuthenticatedMessage<'_>,
    (keys, most): (&Keys, usize),
    trusted: &[String],
    library: &MessageAuthenticator,
) -> Arc {
    let seals = message.as_headers.len().max(message.ams_headers.len());
    if seals == 0 && message.aar_headers.is_empty() {
        let word = if message.has_arc_errors { Word::Fail } else { Word::None };
        return Arc::new(word, if message.has_arc_errors { "the chain is malformed" } else { "" });
    }
    if seals > most {
        return Arc::new(Word::Fail, format!("the chain has more than {most} seals"));
    }
    let mut arc = Arc::new(Word::None, "");
    arc.sealers =
        message.as_headers.iter().map(|header| header.header.d.to_ascii_lowercase()).collect();
    let of_old = message.as_headers.iter().any(|header| header.header.a == Algorithm::RsaSha1)
        || message.ams_headers.iter().any(|header| header.header.a == Algorithm::RsaSha1);
    if of_old {
        return Arc { word: Word::Fail, reason: "SHA-1 is not accepted".to_owned(), ..arc };
    }
    if message.ams_headers.iter().any(|header| header.header.h.len() > NAMES_MAX) {
        let reason = format!("it signs more than {NAMES_MAX} fields");
        return Arc { word: Word::Fail, reason, ..arc };
    }
    if let Some((_, why)) = key_names(message, most).iter().find_map(|name| keys.unfit(name)) {
        return Arc { word: Word::Fail, reason: why.clone(), ..arc };
    }
    let output = library.verify_arc(Parameters::new(message).with_txt_cache(keys)).await;
    let (word, why) = match output.result() {
        DkimResult::Pass => (Word::Pass, String::new()),
        DkimResult::None => (Word::None, String::new()),
        DkimResult::TempError(error) => (Word::TempError, reason(error)),
        DkimResult::Neutral(error) | DkimResult::Fail(error) | DkimResult::PermError(error) => {
            (Word::Fail, reason(error))
        }
    };
    let vouched = word == Word::Pass && is_vouched(message, trusted);
    Arc { word, reason: why, vouched, ..arc }
}

/// Goes back from the last seal as long as its sealer is trusted, to one that saw DMARC pass for
/// the author. The last one has to have signed who that is.
fn is_vouched(message: &AuthenticatedMessage<'_>, trusted: &[String]) -> bool {
    let is_trusted = |domain: &str| trusted.iter().any(|one| one.eq_ignore_ascii_case(domain));
    let authors = authors(message);
    let ([author], Some(last)) = (authors.as_slice(), message.ams_headers.last()) else {
        return false;
    };
    let signed = &last.header.h;
    if !signs_from(signed) || twin(signed, message).is_some() {
        return false;
    }
    message
        .as_headers
        .iter()
        .zip(&message.aar_headers)
        .rev()
        .take_while(|(seal, _)| is_trusted(&seal.header.d))
        .any(|(_, found)| results::passes_dmarc(&String::from_utf8_lossy(found.value), author))
}
