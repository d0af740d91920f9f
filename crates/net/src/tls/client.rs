//! The client's side of a handshake.

use std::{fmt, io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{CertificateError, facts};
use crate::{Clock, Stream, TlsFacts};

/// Whom a client believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Anyone: encryption against those who only listen. Source: RFC 7435.
    Opportunistic,
    /// Only a certificate for the name asked for, signed by a known authority.
    Verified,
}

/// Shakes hands with hosts; remembers sessions to resume.
#[derive(Clone)]
pub struct Client {
    opportunistic: TlsConnector,
    verified: TlsConnector,
}

impl Client {
    /// Knows Mozilla's authorities, and those in the PEM files `more`; whether a certificate has
    /// expired is for `clock` to say.
    ///
    /// Errors: a file cannot be read, or holds what is no authority.
    pub fn new(more: &[PathBuf], clock: Arc<dyn Clock>) -> Result<Self, CertificateError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for path in more {
            let broken = |error| CertificateError::Pem { path: path.clone(), error };
            for certificate in CertificateDer::pem_file_iter(path).map_err(broken)? {
                roots
                    .add(certificate.map_err(broken)?)
                    .map_err(|error| CertificateError::Key { path: path.clone(), error })?;
            }
        }
        let key = |error| CertificateError::Key { path: PathBuf::from("TLS client"), error };
        let provider = super::provider();
        let time: Arc<dyn TimeProvider> = Arc::new(Time(clock));
        let builder = || {
            ClientConfig::builder_with_details(Arc::clone(&provider), Arc::clone(&time))
                .with_protocol_versions(super::VERSIONS)
                .map_err(key)
        };
        let verified = builder()?.with_root_certificates(roots).with_no_client_auth();
        let anyone = Arc::new(Anyone(Arc::clone(&provider)));
        let opportunistic =
            builder()?.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth();
        Ok(Self { opportunistic: connector(opportunistic), verified: connector(verified) })
    }

    /// Shakes hands with the host `name`, which may be an address or an address literal.
    ///
    /// Errors: `InvalidInput` for what is no host name; else the host speaks no TLS of ours, is
    /// not believed, or the connection broke.
    pub async fn connect<S: Stream>(
        &self,
        stream: S,
        name: &str,
        trust: Trust,
    ) -> io::Result<(TlsStream<S>, TlsFacts)> {
        let connector = match trust {
            Trust::Opportunistic => &self.opportunistic,
            Trust::Verified => &self.verified,
        };
        let stream = connector.connect(server_name(name)?, stream).await?;
        let (_, connection) = stream.get_ref();
        let exporter = connection
            .export_keying_material(vec![0; 32], facts::EXPORTER_LABEL, None)
            .unwrap_or_default();
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        let facts = facts::facts(connection, None, exporter, certificate);
        Ok((stream, facts))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

fn connector(config: ClientConfig) -> TlsConnector {
    TlsConnector::from(Arc::new(config))
}

pub(super) fn server_name(name: &str) -> io::Result<ServerName<'static>> {
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let text = literal.map_or(name, |text| text.strip_prefix("IPv6:").unwrap_or(text));
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(ServerName::IpAddress(address.into()));
    }
    ServerName::try_from(text.trim_end_matches('.').to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// The clock, as rustls reads it.
#[derive(Debug)]
pub(super) struct Time(pub(super) Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let since = u64::try_from(self.0.now().ms()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(since)))
    }
}

/// Believes any certificate, yet checks that its owner holds the key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
