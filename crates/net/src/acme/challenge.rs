//! Answers to challenges, for as long as an order runs.
//!
//! Over HTTP the answer is a text by its token; in a handshake it is a certificate of our own
//! making, which nobody sees who does not ask for it by its protocol.
//! Source: RFC 8555 section 8.3, RFC 8737 section 3.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};

use super::AcmeError;

/// The protocol by which an authority asks in a handshake.
pub const ALPN: &[u8] = b"acme-tls/1";
/// Octets of a token that is looked for.
const TOKEN_MAX: usize = 200;

/// How challenges are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// On port 80, over HTTP.
    Http,
    /// On port 443, in a handshake.
    Handshake,
}

/// The answers that stand now. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Challenges(Arc<Mutex<Standing>>);

#[derive(Debug, Default)]
struct Standing {
    texts: HashMap<String, String>,
    certificates: HashMap<String, Arc<CertifiedKey>>,
}

impl Challenges {
    /// What `/.well-known/acme-challenge/TOKEN` says.
    pub fn text(&self, token: &str) -> Option<String> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).texts.get(token).cloned()
    }

    /// The certificate for an authority that asks for `name`.
    pub(crate) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standing.certificates.get(&name.to_ascii_lowercase()).cloned()
    }

    /// Answers that are taken back when dropped.
    pub(super) fn open(&self) -> Answers {
        Answers { challenges: self.clone(), tokens: Vec::new(), names: Vec::new() }
    }
}

/// The answers of one order.
pub(super) struct Answers {
    challenges: Challenges,
    tokens: Vec<String>,
    names: Vec<String>,
}

impl Answers {
    /// Answers the challenge about `name` with that token: its text, or its digest in a
    /// certificate.
    pub(super) fn add(
        &mut self,
        way: Way,
        (name, token): (&str, &str),
        (text, digest): (&str, &[u8]),
    ) -> Result<(), AcmeError> {
        match way {
            Way::Http => {
                let (token, text) = (token.to_owned(), text.to_owned());
                self.tokens.push(token.clone());
                self.standing(|standing| standing.texts.insert(token, text).is_some());
            }
            Way::Handshake => {
                let (name, key) = (name.to_ascii_lowercase(), certificate(name, digest)?);
                self.names.push(name.clone());
                self.standing(|standing| standing.certificates.insert(name, key).is_some());
            }
        }
        Ok(())
    }

    fn standing<T>(&self, change: impl FnOnce(&mut Standing) -> T) -> T {
        change(&mut self.challenges.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.standing(|standing| {
            standing.texts.retain(|token, _| !self.tokens.contains(token));
            standing.certificates.retain(|name, _| !self.names.contains(name));
        });
    }
}

/// Source: RFC 8737 section 3.
fn certificate(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, AcmeError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let made = params.self_signed(&key)?;
    let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signs = crate::tls::provider().key_provider.load_private_key(secret);
    let signs = signs.map_err(|error| AcmeError::Useless(error.to_string()))?;
    // Its critical extension is one that no ordinary check of a certificate knows.
    Ok(Arc::new(CertifiedKey::new(vec![made.der().clone()], signs)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::prelude::{FromDer, X509Certificate};

    #[test]
    fn answers_stand_as_long_as_their_order() {
        let challenges = Challenges::default();
        let mut answers = challenges.open();
        let digest = [7; 32];
        answers.add(Way::Http, ("a.example", "t1"), ("t1.thumb", &digest)).unwrap();
        answers.add(Way::Handshake, ("B.example", "t2"), ("t2.thumb", &digest)).unwrap();
        assert_eq!(challenges.text("t1").as_deref(), Some("t1.thumb"));
        assert_eq!(challenges.text("t2"), None);
        assert!(challenges.certificate("a.example").is_none());
        let key = challenges.certificate("b.EXAMPLE").unwrap();
        let (_, parsed) = X509Certificate::from_der(&key.cert[0]).unwrap();
        let named = "1.3.6.1.5.5.7.1.31";
        let extension = parsed
            .extensions()
            .iter()
            .find(|extension| extension.oid.to_id_string() == named)
            .unwrap();
        assert!(extension.critical);
        assert_eq!(extension.value, [&[4, 32][..], &digest].concat());
        drop(answers);
        assert_eq!(challenges.text("t1"), None);
        assert!(challenges.certificate("b.example").is_none());
    }
}
