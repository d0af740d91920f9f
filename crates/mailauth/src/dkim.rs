//! DKIM: which domains signed a message, and whether it is as they signed it.
//!
//! The library reads the signatures and does the arithmetic; the rules about what a right signature
//! has to be are here. Source: RFC 6376, RFC 8301 and RFC 8463.

use mail_auth::common::crypto::{Algorithm, CryptoError};
use mail_auth::common::verify::VerifySignature;
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::{
    AuthenticatedMessage, DkimResult, DnsError, Error, MessageAuthenticator, Parameters,
};

use crate::Word;
use crate::keys::Keys;

/// One signature, and what it is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dkim {
    /// The result.
    pub word: Word,
    /// The domain that signed; empty where the signature is too malformed to tell.
    pub domain: String,
    /// Under which name its key is.
    pub selector: String,
    /// The algorithm.
    pub algorithm: String,
    /// How the signature begins, so that several of one domain can be told apart.
    ///
    /// Source: RFC 6008.
    pub start: String,
    /// The header fields that it covers, in lower case.
    pub covers: Vec<String>,
    /// Why.
    pub reason: String,
}

impl Dkim {
    fn of(signature: &Signature, word: Word, reason: &str) -> Self {
        Self {
            word,
            domain: signature.d.to_ascii_lowercase(),
            selector: signature.s.clone(),
            algorithm: signature.a.name().to_owned(),
            start: base64_start(&signature.b),
            covers: signature.h.iter().map(|name| name.to_ascii_lowercase()).collect(),
            reason: reason.to_owned(),
        }
    }

    fn malformed(word: Word, reason: &str) -> Self {
        let (domain, selector) = (String::new(), String::new());
        let (algorithm, start) = (String::new(), String::new());
        let (covers, reason) = (Vec::new(), reason.to_owned());
        Self { word, domain, selector, algorithm, start, covers, reason }
    }
}

/// The names of the keys that a message's signatures need, of the first `most` signatures.
pub(crate) fn key_names(message: &AuthenticatedMessage<'_>, most: usize) -> Vec<String> {
    message.dkim_headers.iter().take(most).map(|header| header.header.domain_key()).collect()
}

/// Fields that a reader is shown, or that say how the rest is to be read, and that there is one of.
/// Source: RFC 5322 section 3.6, RFC 2045 section 3.
const SINGLE: [&str; 8] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Subject",
    "Date",
    "Content-Type",
    "Content-Transfer-Encoding",
];
/// Names in a signature; finding the fields of more takes too long.
pub(crate) const NAMES_MAX: usize = 256;

/// The field that stands beside one that is signed, which a reader may be shown instead of it.
///
/// Source: RFC 6376 section 8.15.
pub(crate) fn twin(signed: &[String], message: &AuthenticatedMessage<'_>) -> Option<&'static str> {
    SINGLE.into_iter().find(|name| {
        let covered = signed.iter().filter(|one| one.trim().eq_ignore_ascii_case(name)).count();
        let names = message.headers.iter().map(|(name, _)| name.trim_ascii());
        let there = names.filter(|one| one.eq_ignore_ascii_case(name.as_bytes())).count();
        covered > 0 && there > covered
    })
}

/// Checks the first `most` signatures; what stands behind them is not looked at.
pub(crate) async fn verify(
    message: &AuthenticatedMessage<'_>,
    keys: &Keys,
    most: usize,
    library: &MessageAuthenticator,
) -> Vec<Dkim> {
    let mut checked = message.clone();
    checked.dkim_headers.truncate(most);
    // Reports about failures, and authority of third parties, are asked for by nobody.
    for header in &mut checked.dkim_headers {
        (header.header.r, header.header.atps) = (false, None);
        if header.header.h.len() > NAMES_MAX {
            header.header.h.clear();
        }
    }
    checked.errors.clear();
    let parameters = Parameters::new(&checked).with_txt_cache(keys);
    let outputs = library.verify_dkim(parameters).await;
    let mut results: Vec<Dkim> = message
        .dkim_headers
        .iter()
        .zip(&outputs)
        .map(|(header, output)| {
            let dkim = judged(&header.header, output.result(), keys);
            let twin = twin(&header.header.h, message).filter(|_| dkim.word == Word::Pass);
            match twin {
                Some(name) => Dkim {
                    word: Word::Policy,
                    reason: format!("there is one more {name} than it signs"),
                    ..dkim
                },
                None => dkim,
            }
        })
        .collect();
    let malformed = message.errors.iter().filter(|error| is_signature(error.name)).map(|error| {
        match &error.header {
            Error::Dkim(DkimError::SignatureLength) => {
                Dkim::malformed(Word::Neutral, "it covers only a part of the body")
            }
            other => Dkim::malformed(Word::PermError, &reason(other)),
        }
    });
    results.extend(malformed.take(most));
    if message.dkim_headers.len() > most {
        let text = format!("only the first {most} signatures are checked");
        results.push(Dkim::malformed(Word::Neutral, &text));
    }
    results
}

fn is_signature(name: &[u8]) -> bool {
    name.trim_ascii().eq_ignore_ascii_case(b"DKIM-Signature")
}

/// Whether the author is signed, without whom nothing is said about a message.
pub(crate) fn signs_from(signed: &[String]) -> bool {
    signed.iter().any(|name| name.eq_ignore_ascii_case("From"))
}

/// What the library says of a signature, under the rules that it leaves to us.
fn judged(signature: &Signature, result: &DkimResult, keys: &Keys) -> Dkim {
    if signature.a == Algorithm::RsaSha1 {
        return Dkim::of(signature, Word::Policy, "SHA-1 is not accepted");
    }
    if signature.h.len() > NAMES_MAX {
        let why = format!("it signs more than {NAMES_MAX} fields");
        return Dkim::of(signature, Word::PermError, &why);
    }
    if !signs_from(&signature.h) {
        return Dkim::of(signature, Word::PermError, "it does not sign From");
    }
    if let Some((word, why)) = keys.unfit(&signature.domain_key()) {
        return Dkim::of(signature, *word, why);
    }
    match result {
        DkimResult::Pass => Dkim::of(signature, Word::Pass, ""),
        DkimResult::Neutral(error @ Error::Crypto(CryptoError::IncompatibleAlgorithms))
        | DkimResult::Fail(error @ Error::Crypto(CryptoError::IncompatibleAlgorithms)) => {
            Dkim::of(signature, Word::PermError, &reason(error))
        }
        DkimResult::Neutral(error) | DkimResult::Fail(error) => {
            Dkim::of(signature, Word::Fail, &reason(error))
        }
        DkimResult::PermError(error) => Dkim::of(signature, Word::PermError, &reason(error)),
        DkimResult::TempError(error) => Dkim::of(signature, Word::TempError, &reason(error)),
        DkimResult::None => Dkim::of(signature, Word::None, ""),
    }
}

/// What went wrong, in our words.
pub(crate) fn reason(error: &Error) -> String {
    let text = match error {
        Error::Dkim(DkimError::FailedBodyHashMatch) => "the body was changed",
        Error::Dkim(DkimError::SignatureExpired) => "the signature has expired",
        Error::Dkim(DkimError::FailedAuidMatch) => "its i= is not of its d=",
        Error::Dkim(DkimError::RevokedPublicKey) => "its key was revoked",
        Error::Dkim(DkimError::SignatureLength) => "it covers only a part of the body",
        // Of Ed25519, the library under the library says no more than that.
        Error::Crypto(CryptoError::FailedVerification | CryptoError::Library(_)) => {
            "a signed field was changed, or the key is another one"
        }
        Error::Crypto(CryptoError::IncompatibleAlgorithms) => "its key is of another kind",
        Error::Dns(DnsError::RecordNotFound(_)) => "its key does not exist",
        Error::Dns(DnsError::InvalidRecordType) => "its key is malformed",
        Error::Dns(DnsError::Resolver(why)) => return format!("its key: {why}"),
        other => return format!("{other}").to_lowercase(),
    };
    text.to_owned()
}

/// The first eight characters of the signature as it is written.
fn base64_start(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let octets = octets.iter().copied().chain(std::iter::repeat(0)).take(6);
    let bits = octets.fold(0_u64, |bits, octet| (bits << 8) | u64::from(octet));
    (0..8)
        .map(|at| {
            let place = usize::try_from((bits >> (42 - 6 * at)) & 63).unwrap_or(0);
            char::from(ALPHABET.get(place).copied().unwrap_or(b'='))
        })
        .collect()
}
