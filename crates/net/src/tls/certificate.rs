//! Certificates by the name a client asks for, replaced without a restart.
//!
//! A reload that fails leaves the certificates that were there.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::disk::{self, DiskError};

/// The name of the certificate for clients that ask for none, or for another.
const ANY: &str = "*";

/// Where certificates come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Server name, file of the chain, file of the key. The name `*` is for all other names, and
    /// `*.example.com` for each name one label under `example.com`.
    pub files: Vec<(String, PathBuf, PathBuf)>,
    /// Makes a certificate where none is set for all other names.
    pub self_signed: Option<SelfSigned>,
}

/// A certificate of our own making, kept as `self-signed.crt` and `self-signed.key`.
#[derive(Debug, Clone)]
pub struct SelfSigned {
    /// The folder that keeps it.
    pub folder: PathBuf,
    /// The names and addresses it is for.
    pub names: Vec<String>,
}

/// Why certificates are out of use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read, or holds no PEM.
    #[error("{path}: {error}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: pem::Error,
    },
    /// A certificate and its key do not belong together, or are of no known kind.
    #[error("{path}: {error}")]
    Key {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: rustls::Error,
    },
    /// A certificate could not be made.
    #[error("self-signed certificate: {0}")]
    Making(#[from] rcgen::Error),
    /// A certificate could not be kept.
    #[error("{0}")]
    Keeping(#[from] DiskError),
    /// Nothing to show to a client.
    #[error("no certificate is set, and none may be made")]
    Nothing,
}

/// The certificates in use.
#[derive(Debug)]
pub struct Certificates {
    sources: RwLock<Sources>,
    table: RwLock<Arc<Table>>,
}

type Table = HashMap<String, Arc<CertifiedKey>>;

impl Certificates {
    /// Reads them, and makes the self-signed one when it is asked for and not there.
    ///
    /// Errors: [`CertificateError`].
    pub fn load(sources: Sources) -> Result<Arc<Self>, CertificateError> {
        let table = RwLock::new(Arc::new(read(&sources)?));
        Ok(Arc::new(Self { sources: RwLock::new(sources), table }))
    }

    /// Reads the files again, or other ones. New connections get what they hold.
    ///
    /// Errors: [`CertificateError`]; what was in use stays in use.
    pub fn reload(&self, sources: Option<Sources>) -> Result<(), CertificateError> {
        let current = || self.sources.read().unwrap_or_else(PoisonError::into_inner).clone();
        let sources = sources.unwrap_or_else(current);
        let table = Arc::new(read(&sources)?);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        *self.sources.write().unwrap_or_else(PoisonError::into_inner) = sources;
        Ok(())
    }

    /// What DANE wants of the certificate for `name`: the SHA-256 of its public key, in
    /// hexadecimal, as a TLSA record `3 1 1` has it. It stays the same while the key does.
    ///
    /// Source: RFC 6698 section 2.1, RFC 7671 section 5.1.
    pub fn tlsa(&self, name: &str) -> Option<String> {
        let found = self.find(Some(name))?;
        let (_, certificate) = X509Certificate::from_der(found.cert.first()?).ok()?;
        let hash = Sha256::digest(certificate.tbs_certificate.subject_pki.raw);
        Some(hash.iter().fold(String::new(), |text, octet| format!("{text}{octet:02x}")))
    }

    /// The certificate for a client that asks for `name`.
    pub(super) fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        let name = name.unwrap_or(ANY).to_ascii_lowercase();
        let wild = || table.get(&format!("*.{}", name.split_once('.')?.1));
        table.get(&name).or_else(wild).or_else(|| table.get(ANY)).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}

fn read(sources: &Sources) -> Result<Table, CertificateError> {
    let mut table = Table::new();
    for (name, certificate, key) in &sources.files {
        table.insert(name.to_ascii_lowercase(), pair(certificate, key)?);
    }
    if let Some(own) = sources.self_signed.as_ref().filter(|_| !table.contains_key(ANY)) {
        let certificate = own.folder.join("self-signed.crt");
        let key = own.folder.join("self-signed.key");
        if !certificate.exists() || !key.exists() {
            make(&own.names, &certificate, &key)?;
        }
        table.insert(ANY.to_owned(), pair(&certificate, &key)?);
    }
    if let Some((_, first)) = sources.files.first().and_then(|file| table.get_key_value(&file.0)) {
        let first = Arc::clone(first);
        table.entry(ANY.to_owned()).or_insert(first);
    }
    if table.is_empty() { Err(CertificateError::Nothing) } else { Ok(table) }
}

fn pair(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let broken = |path: &Path| {
        let path = path.to_owned();
        move |error| CertificateError::Pem { path, error }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(broken(certificate))?;
    if chain.is_empty() {
        return Err(broken(certificate)(pem::Error::NoItemsFound));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(broken(key))?;
    CertifiedKey::from_der(chain, secret, &super::provider())
        .map(Arc::new)
        .map_err(|error| CertificateError::Key { path: certificate.to_owned(), error })
}

/// The key is written first: a crash between the two makes both anew.
fn make(names: &[String], certificate: &Path, key: &Path) -> Result<(), CertificateError> {
    let made = rcgen::generate_simple_self_signed(names)?;
    let keep = |path: &Path, mode, text: &str| disk::keep(path, mode, text.as_bytes());
    keep(key, 0o600, &made.signing_key.serialize_pem())?;
    Ok(keep(certificate, 0o644, &made.cert.pem())?)
}
