//! Certificates that a domain vouches for in its signed DNS, without any known authority.
//!
//! A record for the server itself (usage 3) has to match its certificate or key, and then neither
//! names nor dates count. One for an authority (usage 2) has to match a certificate of the chain,
//! from which a path leads to the server's, with one of its names. Usages 0 and 1 are not for SMTP.
//! Source: RFC 7672 section 3, RFC 7671 sections 5 and 9.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, Error, RootCertStore,
    client::{
        WebPkiServerVerifier,
        danger::{ServerCertVerified, ServerCertVerifier as _},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest, Sha256, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::judge::{Chain, Judge, Judged};
use crate::dns::Tlsa;

/// Usage: an authority of the domain's own choice.
const AUTHORITY: u8 = 2;
/// Usage: the server itself.
const SERVER: u8 = 3;
/// Records of one server that are looked at.
const RECORDS_MAX: usize = 64;

/// What the certificate of a host has to match: at least one usable record.
#[derive(Clone, PartialEq, Eq)]
pub struct Pins {
    records: Vec<Tlsa>,
    names: Vec<String>,
}

impl Pins {
    /// The usable ones of `records`; `names` are those that a certificate below an authority may
    /// have. None when no record is usable.
    pub fn new(records: Vec<Tlsa>, names: Vec<String>) -> Option<Self> {
        let mut usable: Vec<Tlsa> =
            records.into_iter().filter(is_usable).take(RECORDS_MAX).collect();
        // The strongest digest counts alone. Source: RFC 7671 section 9.
        let strong: Vec<(u8, u8)> =
            usable.iter().filter(|one| one.matching == 2).map(kind).collect();
        usable.retain(|one| one.matching != 1 || !strong.contains(&kind(one)));
        (!usable.is_empty()).then_some(Self { records: usable, names })
    }

    /// The certificate or the key with that SHA-256.
    pub fn fingerprints(digests: &[[u8; 32]]) -> Option<Self> {
        let records = digests.iter().flat_map(|digest| {
            [0, 1].map(|selector| Tlsa {
                usage: SERVER,
                selector,
                matching: 1,
                data: digest.to_vec(),
            })
        });
        Self::new(records.collect(), Vec::new())
    }

    /// The usable records.
    pub fn records(&self) -> &[Tlsa] {
        &self.records
    }

    /// The names that a certificate below an authority may have.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The record that the server's certificate matches.
    pub fn server(&self, certificate: &[u8]) -> Option<&Tlsa> {
        self.of(SERVER).find(|one| matches(one, certificate))
    }

    fn of(&self, usage: u8) -> impl Iterator<Item = &Tlsa> {
        self.records.iter().filter(move |one| one.usage == usage)
    }

    /// Certificates that may begin a path: those of the chain that match, and those that are in
    /// the records themselves.
    fn authorities<'a>(&'a self, chain: &'a [CertificateDer<'a>]) -> Vec<CertificateDer<'a>> {
        let whole = self.of(AUTHORITY).filter(|one| one.selector == 0 && one.matching == 0);
        let whole = whole.map(|one| CertificateDer::from(one.data.as_slice()));
        let sent = chain.iter().filter(|sent| self.of(AUTHORITY).any(|one| matches(one, sent)));
        sent.cloned().chain(whole).collect()
    }
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records: Vec<String> = self.records.iter().map(ToString::to_string).collect();
        f.debug_struct("Pins").field("records", &records).field("names", &self.names).finish()
    }
}

fn kind(record: &Tlsa) -> (u8, u8) {
    (record.usage, record.selector)
}

/// Source: RFC 7672 section 3.1, of the usages; RFC 6698 section 2.1, of the rest.
fn is_usable(record: &Tlsa) -> bool {
    let sound = match (record.matching, record.selector) {
        (0, 0) => X509Certificate::from_der(&record.data).is_ok(),
        (0, 1) => !record.data.is_empty(),
        (1, _) => record.data.len() == 32,
        (2, _) => record.data.len() == 64,
        _ => false,
    };
    matches!(record.usage, AUTHORITY | SERVER) && record.selector <= 1 && sound
}

fn matches(record: &Tlsa, certificate: &[u8]) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
    let selected = if record.selector == 0 { certificate } else { parsed.public_key().raw };
    match record.matching {
        0 => selected == record.data,
        1 => Sha256::digest(selected).as_slice() == record.data,
        _ => Sha512::digest(selected).as_slice() == record.data,
    }
}

/// Believes whoever matches.
#[derive(Debug)]
pub(super) struct Matcher {
    pins: Arc<Pins>,
    provider: Arc<CryptoProvider>,
}

/// What believes whoever matches `pins`.
pub(super) fn verifier(pins: Arc<Pins>, provider: &Arc<CryptoProvider>) -> Judged<Matcher> {
    let of = || Arc::clone(provider);
    Judged { judge: Matcher { pins, provider: of() }, provider: of() }
}

impl Matcher {
    /// A path from an authority of the records to the server, under one of its names.
    fn below_authority(
        &self,
        server: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut trouble = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        for authority in self.pins.authorities(chain) {
            let mut roots = RootCertStore::empty();
            if roots.add(authority.into_owned()).is_err() {
                continue;
            }
            let provider = Arc::clone(&self.provider);
            let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
            let Ok(verifier) = built.build() else { continue };
            for name in &self.pins.names {
                let Ok(name) = ServerName::try_from(name.as_str()) else { continue };
                match verifier.verify_server_cert(server, chain, &name, &[], now) {
                    Ok(verified) => return Ok(verified),
                    Err(error) => trouble = error,
                }
            }
        }
        Err(trouble)
    }
}

impl Judge for Matcher {
    fn judge(
        &self,
        (server, chain): Chain<'_>,
        _name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pins.server(server).is_some() {
            return Ok(ServerCertVerified::assertion());
        }
        self.below_authority(server, chain, now)
    }
}

#[cfg(test)]
mod tests;
