//! A handshake that refuses nobody, and tells what a careful client would think of the peer.
//!
//! For looking at hosts, not for talking to them: whoever sends a message or a password over such
//! a connection reads [`Inspected::trust`] first.

use std::{
    fmt, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mailwright_words::Timestamp;
use rustls::{
    ClientConfig, Error, RootCertStore,
    client::{
        WebPkiServerVerifier,
        danger::{ServerCertVerified, ServerCertVerifier as _},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
    public_key::PublicKey,
};

use super::{
    CertificateError,
    client::{Time, server_name},
    facts,
    judge::{Chain, Judge, Judged},
};
use crate::{Clock, Stream, TlsFacts};

/// Certificates of a chain that are told of.
const CHAIN_MAX: usize = 10;
/// Names of a certificate that are told of.
const NAMES_MAX: usize = 100;
/// Bits of an RSA key of today.
const RSA_BITS_MIN: usize = 2048;
/// Signatures with digests that were broken: RSA with MD5, RSA, DSA and ECDSA with SHA-1.
const OLD_SIGNATURES: [&str; 4] =
    ["1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10040.4.3", "1.2.840.10045.4.1"];

/// Why a careful client would not believe a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not begun.
    #[error("it is not valid yet")]
    NotYet,
    /// It is for other names.
    #[error("it is not for this name")]
    Name,
    /// No known authority stands behind it, as with a certificate of one's own making, or one
    /// that is shown without those that vouch for it.
    #[error("no known authority vouches for it")]
    Issuer,
    /// It was revoked.
    #[error("it was revoked")]
    Revoked,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// Why a handshake came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// What the host said is no TLS.
    NotTls,
    /// It speaks no version of ours, which are 1.2 and 1.3.
    Version,
    /// Nothing in common among ciphers, groups or signatures.
    Nothing,
    /// The host gave up with this alert.
    Alert(String),
    /// It hung up.
    Closed,
    /// Its key or signature is none of those that are taken today.
    Key,
    /// It took too long.
    Late,
    /// The name is no host name.
    Name,
    /// Something else.
    Other(String),
}

/// What an error of [`Inspector::shake`] means.
pub fn obstacle(error: &io::Error) -> Obstacle {
    use rustls::AlertDescription as Alert;
    match error.kind() {
        io::ErrorKind::TimedOut => return Obstacle::Late,
        io::ErrorKind::InvalidInput => return Obstacle::Name,
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => return Obstacle::Closed,
        _ => {}
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidMessage(_)) => Obstacle::NotTls,
        Some(Error::AlertReceived(Alert::ProtocolVersion)) => Obstacle::Version,
        Some(Error::PeerIncompatible(why)) => match why {
            rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | rustls::PeerIncompatible::Tls12NotOffered
            | rustls::PeerIncompatible::Tls12NotOfferedOrEnabled => Obstacle::Version,
            _ => Obstacle::Nothing,
        },
        Some(Error::InvalidCertificate(_)) => Obstacle::Key,
        Some(Error::AlertReceived(Alert::HandshakeFailure)) => Obstacle::Nothing,
        Some(Error::AlertReceived(alert)) => Obstacle::Alert(format!("{alert:?}")),
        _ => Obstacle::Other(error.to_string()),
    }
}

/// A certificate, as far as people ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whom it is for.
    pub subject: String,
    /// Who made it.
    pub issuer: String,
    /// The names and addresses it is for.
    pub names: Vec<String>,
    /// From when on it is valid.
    pub begins: Timestamp,
    /// Until when.
    pub ends: Timestamp,
    /// Made by its own subject.
    pub is_self_issued: bool,
    /// What kind of key it is for, and of how many bits.
    pub key: String,
    /// Why its key or signature is too weak for today.
    pub weakness: Option<String>,
}

/// What a handshake showed.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Version, cipher, channel bindings.
    pub facts: TlsFacts,
    /// The certificates the peer showed, its own first.
    pub chain: Vec<CertificateFacts>,
    /// The chain, as files hold it.
    pub pem: String,
    /// Whether a careful client would go on.
    pub trust: Result<(), Distrust>,
}

/// What a handshake is to be like, where it is not to be like any other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The name that is sent (SNI), when it is another than the one the certificate has to have;
    /// an empty one sends none.
    pub sni: Option<String>,
    /// The one version that is spoken.
    pub version: Option<Version>,
    /// The names of the ciphers that are offered; empty for all.
    pub ciphers: Vec<String>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A cipher that is not known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no cipher {name}; known are {known}")]
pub struct UnknownCipher {
    name: String,
    known: String,
}

/// Shakes hands to look.
#[derive(Clone)]
pub struct Inspector {
    roots: Arc<RootCertStore>,
    identity: Option<Arc<Identity>>,
    wishes: Wishes,
    provider: Arc<CryptoProvider>,
    clock: Arc<dyn Clock>,
}

/// A certificate of ours, for hosts that ask for one.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Inspector {
    /// Knows Mozilla's authorities, and those in the PEM files `more`; `clock` says what has
    /// expired.
    ///
    /// Errors: a file cannot be read, or holds what is no authority.
    pub fn new(more: &[PathBuf], clock: Arc<dyn Clock>) -> Result<Self, CertificateError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for path in more {
            for certificate in read(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| CertificateError::Key { path: path.clone(), error })?;
            }
        }
        Ok(Self {
            roots: Arc::new(roots),
            identity: None,
            wishes: Wishes::default(),
            provider: super::provider(),
            clock,
        })
    }

    /// Shows a certificate of ours to hosts that ask for one.
    ///
    /// Errors: a file cannot be read, or holds no key.
    pub fn with_identity(
        mut self,
        certificate: &Path,
        key: &Path,
    ) -> Result<Self, CertificateError> {
        let chain = read(certificate)?;
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| CertificateError::Pem { path: key.to_owned(), error })?;
        self.identity = Some(Arc::new(Identity { chain, key }));
        Ok(self)
    }

    /// Shakes hands as `wishes` say.
    ///
    /// Errors: [`UnknownCipher`].
    pub fn with_wishes(mut self, wishes: Wishes) -> Result<Self, UnknownCipher> {
        let mut provider = CryptoProvider::clone(&self.provider);
        let known: Vec<String> = provider.cipher_suites.iter().map(|one| cipher(*one)).collect();
        let is_known = |name: &&String| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        if let Some(name) = wishes.ciphers.iter().find(|name| !is_known(name)) {
            return Err(UnknownCipher { name: name.clone(), known: known.join(", ") });
        }
        if !wishes.ciphers.is_empty() {
            provider.cipher_suites.retain(|one| {
                wishes.ciphers.iter().any(|name| name.eq_ignore_ascii_case(&cipher(*one)))
            });
        }
        self.provider = Arc::new(provider);
        self.wishes = wishes;
        Ok(self)
    }

    /// Shakes hands with the host `name`, which may be an address or an address literal.
    ///
    /// Errors: `InvalidInput` for what is no host name; else the host speaks no TLS of ours, or
    /// the connection broke.
    pub async fn shake<S: Stream>(
        &self,
        stream: S,
        name: &str,
    ) -> io::Result<(TlsStream<S>, Inspected)> {
        let asked = server_name(name)?;
        let name = match self.wishes.sni.as_deref() {
            Some(sni) if !sni.is_empty() => server_name(sni)?,
            _ => asked.clone(),
        };
        let witness = Witness::new(Arc::clone(&self.roots), asked).map_err(io::Error::other)?;
        let witness = Arc::new(witness);
        let config = self.config(Arc::clone(&witness)).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (_, connection) = stream.get_ref();
        let exporter = connection
            .export_keying_material(vec![0; 32], facts::EXPORTER_LABEL, None)
            .unwrap_or_default();
        let shown = connection.peer_certificates().unwrap_or_default();
        let facts = facts::facts(connection, None, exporter, shown.first());
        let chain = shown.iter().take(CHAIN_MAX).filter_map(|der| describe(der)).collect();
        let pem = shown.iter().take(CHAIN_MAX).map(|der| pem(der)).collect();
        let inspected = Inspected { facts, chain, pem, trust: witness.verdict() };
        Ok((stream, inspected))
    }

    fn config(&self, witness: Arc<Witness>) -> Result<ClientConfig, Error> {
        let time: Arc<dyn TimeProvider> = Arc::new(Time(Arc::clone(&self.clock)));
        let versions: &[_] = match self.wishes.version {
            None => super::VERSIONS,
            Some(Version::Tls12) => &[&rustls::version::TLS12],
            Some(Version::Tls13) => &[&rustls::version::TLS13],
        };
        let provider = Arc::clone(&self.provider);
        let builder = ClientConfig::builder_with_details(Arc::clone(&provider), time)
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Judged { judge: witness, provider }));
        let mut config = match &self.identity {
            Some(own) => builder.with_client_auth_cert(own.chain.clone(), own.key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = self.wishes.sni.as_deref() != Some("");
        Ok(config)
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}

/// The certificates in a PEM file, the first of which is the one that is shown.
///
/// Errors: the file cannot be read, or holds no certificate.
pub fn chain_of(path: &Path) -> Result<Vec<CertificateFacts>, CertificateError> {
    let chain = read(path)?;
    Ok(chain.iter().take(CHAIN_MAX).filter_map(|der| describe(der)).collect())
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let broken = |error| CertificateError::Pem { path: path.to_owned(), error };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(broken)?
        .collect::<Result<_, _>>()
        .map_err(broken)?;
    if found.is_empty() {
        return Err(broken(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}

/// The name of a cipher, as `openssl ciphers -stdname` and the registry have it.
fn cipher(suite: rustls::SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

/// Source: RFC 7468 section 2.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (place, character) in text.chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            out.push('\n');
        }
        out.push(character);
    }
    out.push_str("\n-----END CERTIFICATE-----\n");
    out
}

fn describe(der: &[u8]) -> Option<CertificateFacts> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let at = |seconds: i64| Timestamp::new(seconds.saturating_mul(1000));
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| extension.value.general_names.iter().filter_map(named));
    Some(CertificateFacts {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names: names.map(|names| names.take(NAMES_MAX).collect()).unwrap_or_default(),
        begins: at(certificate.validity().not_before.timestamp()),
        ends: at(certificate.validity().not_after.timestamp()),
        is_self_issued: certificate.subject() == certificate.issuer(),
        key: key(&certificate).0,
        weakness: weakness(&certificate),
    })
}

/// The kind of its key, and its bits where that matters.
fn key(certificate: &X509Certificate<'_>) -> (String, Option<usize>) {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let octets = rsa.modulus.iter().skip_while(|octet| **octet == 0).count();
            (format!("RSA of {} bits", octets * 8), Some(octets * 8))
        }
        Ok(PublicKey::EC(point)) => (format!("EC of {} bits", point.key_size()), None),
        Ok(PublicKey::DSA(_)) => ("DSA".to_owned(), Some(0)),
        _ => ("of another kind".to_owned(), None),
    }
}

/// Source: RFC 9155 (SHA-1), RFC 9325 section 4.4 (keys).
fn weakness(certificate: &X509Certificate<'_>) -> Option<String> {
    let is_short = key(certificate).1.is_some_and(|bits| bits < RSA_BITS_MIN);
    let signature = certificate.signature_algorithm.algorithm.to_id_string();
    if is_short {
        Some("its key is too short".to_owned())
    } else if OLD_SIGNATURES.contains(&signature.as_str()) {
        Some("it is signed with SHA-1 or MD5".to_owned())
    } else {
        None
    }
}

fn named(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => {
            let address = <[u8; 4]>::try_from(*octets)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// Sees what the peer shows, lets everybody pass, and remembers who should not have.
#[derive(Debug)]
struct Witness {
    strict: Arc<WebPkiServerVerifier>,
    /// The name that the certificate has to have, whatever name was sent.
    asked: ServerName<'static>,
    seen: Mutex<Option<Distrust>>,
}

impl Witness {
    fn new(
        roots: Arc<RootCertStore>,
        asked: ServerName<'static>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let builder = WebPkiServerVerifier::builder_with_provider(roots, super::provider());
        Ok(Self { strict: builder.build()?, asked, seen: Mutex::new(None) })
    }

    fn verdict(&self) -> Result<(), Distrust> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.map_or(Ok(()), Err)
    }
}

impl Judge for Arc<Witness> {
    fn judge(
        &self,
        (server, chain): Chain<'_>,
        _name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.strict.verify_server_cert(server, chain, &self.asked, &[], now);
        let seen = verdict.err().map(|error| distrust(&error));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(ServerCertVerified::assertion())
    }
}

fn distrust(error: &Error) -> Distrust {
    use rustls::CertificateError as Flaw;
    let Error::InvalidCertificate(flaw) = error else { return Distrust::Other(error.to_string()) };
    match flaw {
        Flaw::Expired | Flaw::ExpiredContext { .. } => Distrust::Expired,
        Flaw::NotValidYet | Flaw::NotValidYetContext { .. } => Distrust::NotYet,
        Flaw::NotValidForName | Flaw::NotValidForNameContext { .. } => Distrust::Name,
        Flaw::UnknownIssuer => Distrust::Issuer,
        Flaw::Revoked => Distrust::Revoked,
        // A certificate of one's own making may call itself an authority.
        Flaw::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => Distrust::Issuer,
        other => Distrust::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{
        clock::Manual,
        tls::{Acceptor, Certificates, SelfSigned, Sources},
    };

    /// What a look at a certificate of one's own making for `mx.example` finds.
    async fn look(name: &str, trusted: bool, clock: Arc<dyn Clock>) -> Inspected {
        look_with(name, trusted, clock, Wishes::default()).await
    }

    async fn look_with(
        name: &str,
        trusted: bool,
        clock: Arc<dyn Clock>,
        wishes: Wishes,
    ) -> Inspected {
        let folder = tempfile::tempdir().unwrap();
        let names = vec!["mx.example".to_owned(), "192.0.2.1".to_owned()];
        let own = SelfSigned { folder: folder.path().to_owned(), names };
        let certificates =
            Certificates::load(Sources { files: Vec::new(), self_signed: Some(own) }).unwrap();
        let acceptor = Acceptor::new(certificates).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            acceptor.accept(stream).await.is_ok()
        });
        let file = folder.path().join("self-signed.crt");
        let inspector =
            Inspector::new(if trusted { std::slice::from_ref(&file) } else { &[] }, clock);
        let stream = TcpStream::connect(address).await.unwrap();
        let inspector = inspector.unwrap().with_wishes(wishes).unwrap();
        let (_, inspected) = inspector.shake(stream, name).await.unwrap();
        assert!(server.await.unwrap(), "the host sees a handshake like any other");
        assert_eq!(chain_of(&file).unwrap(), inspected.chain);
        std::fs::write(&file, &inspected.pem).unwrap();
        assert_eq!(chain_of(&file).unwrap(), inspected.chain, "it is written as it came");
        inspected
    }

    #[tokio::test]
    async fn each_flaw_is_told_and_stops_nothing() {
        let now: Arc<dyn Clock> = Arc::new(crate::System::new());
        let long_ago: Arc<dyn Clock> = Arc::new(Manual::new(Timestamp::new(1)));
        let sound = look("mx.example", true, Arc::clone(&now)).await;
        assert_eq!(sound.trust, Ok(()));
        assert_eq!(sound.facts.version, "TLSv1.3");
        let [certificate] = sound.chain.as_slice() else { panic!("{:?}", sound.chain) };
        assert_eq!(certificate.names, ["mx.example", "192.0.2.1"]);
        assert!(certificate.is_self_issued && certificate.begins < certificate.ends);
        let trust = |inspected: Inspected| inspected.trust;
        assert_eq!(trust(look("mx.example", false, Arc::clone(&now)).await), Err(Distrust::Issuer));
        assert_eq!(trust(look("other.example", true, now).await), Err(Distrust::Name));
        assert_eq!(trust(look("mx.example", true, long_ago).await), Err(Distrust::NotYet));
    }

    #[tokio::test]
    async fn a_handshake_is_as_it_is_wished() {
        let now = || -> Arc<dyn Clock> { Arc::new(crate::System::new()) };
        let sni = |name: &str| Wishes { sni: Some(name.to_owned()), ..Wishes::default() };
        for name in ["other.example", ""] {
            let seen = look_with("mx.example", true, now(), sni(name)).await;
            assert_eq!(seen.trust, Ok(()), "what is sent is not what is asked for: {name:?}");
            let seen = look_with("third.example", true, now(), sni("mx.example")).await;
            assert_eq!(seen.trust, Err(Distrust::Name));
        }
        let old = Wishes { version: Some(Version::Tls12), ..Wishes::default() };
        assert_eq!(look_with("mx.example", true, now(), old).await.facts.version, "TLSv1.2");
        let ciphers = |name: &str| Wishes { ciphers: vec![name.to_owned()], ..Wishes::default() };
        let wish = ciphers("tls_chacha20_poly1305_sha256");
        let seen = look_with("mx.example", true, now(), wish).await;
        assert!(seen.facts.cipher.contains("CHACHA20"), "{:?}", seen.facts.cipher);
        let error = Inspector::new(&[], now()).unwrap().with_wishes(ciphers("RC4")).unwrap_err();
        assert!(error.to_string().contains("TLS_AES_256_GCM_SHA384"), "{error}");
    }

    #[tokio::test]
    async fn a_host_that_speaks_no_tls_is_known_by_what_it_says() {
        for (says, expected) in
            [(&b"220 mx.example ESMTP\r\n"[..], Obstacle::NotTls), (b"", Obstacle::Closed)]
        {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                use tokio::io::AsyncWriteExt as _;
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(says).await.unwrap();
            });
            let inspector = Inspector::new(&[], Arc::new(crate::System::new())).unwrap();
            let stream = TcpStream::connect(address).await.unwrap();
            let error = inspector.shake(stream, "mx.example").await.unwrap_err();
            assert_eq!(obstacle(&error), expected, "{error:?}");
        }
    }
}
