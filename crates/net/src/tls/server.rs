//! The server's side of a handshake.

use std::{fmt, io, sync::Arc};

use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Certificates, facts};
use crate::{
    Stream, TlsFacts,
    acme::{ALPN, Challenges},
};

/// Shakes hands with clients, with resumption by tickets whose keys live as long as this.
pub struct Acceptor {
    inner: TlsAcceptor,
    certificates: Arc<Certificates>,
}

impl Acceptor {
    /// Shows `certificates`, as they are at each handshake.
    ///
    /// Errors: the system gives no random numbers for the tickets' keys.
    pub fn new(certificates: Arc<Certificates>) -> Result<Self, rustls::Error> {
        let resolver = Arc::clone(&certificates);
        let mut config = ServerConfig::builder_with_provider(super::provider())
            .with_protocol_versions(super::VERSIONS)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        Ok(Self { inner: TlsAcceptor::from(Arc::new(config)), certificates })
    }

    /// As [`new`](Self::new), for the web: HTTP/1.1, and the challenges of an authority.
    ///
    /// Errors: no random numbers, as above.
    pub fn web(
        certificates: Arc<Certificates>,
        challenges: Challenges,
    ) -> Result<Self, rustls::Error> {
        let resolver = Arc::new(Web { certificates: Arc::clone(&certificates), challenges });
        let mut config = ServerConfig::builder_with_provider(super::provider())
            .with_protocol_versions(super::VERSIONS)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        config.alpn_protocols = vec![b"http/1.1".to_vec(), ALPN.to_vec()];
        Ok(Self { inner: TlsAcceptor::from(Arc::new(config)), certificates })
    }

    /// Shakes hands with a client of the web; nothing when it was an authority that has seen what
    /// it wanted.
    ///
    /// Errors: the client speaks no TLS of ours, or the connection broke.
    pub async fn accept_web<S: Stream>(&self, stream: S) -> io::Result<Option<TlsStream<S>>> {
        let stream = self.inner.accept(stream).await?;
        let is_challenge = stream.get_ref().1.alpn_protocol() == Some(ALPN);
        Ok((!is_challenge).then_some(stream))
    }

    /// Shakes hands.
    ///
    /// Errors: the client speaks no TLS of ours, or the connection broke.
    pub async fn accept<S: Stream>(&self, stream: S) -> io::Result<(TlsStream<S>, TlsFacts)> {
        let stream = self.inner.accept(stream).await?;
        let (_, connection) = stream.get_ref();
        let sni = connection.server_name().map(str::to_owned);
        let exporter = connection
            .export_keying_material(vec![0; 32], facts::EXPORTER_LABEL, None)
            .unwrap_or_default();
        let shown = self.certificates.find(sni.as_deref());
        let certificate = shown.as_ref().and_then(|key| key.cert.first());
        let facts = facts::facts(connection, sni, exporter, certificate);
        Ok((stream, facts))
    }
}

/// Shows an authority what it asks for, and everybody else the certificate of the name.
#[derive(Debug)]
struct Web {
    certificates: Arc<Certificates>,
    challenges: Challenges,
}

impl ResolvesServerCert for Web {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Source: RFC 8737 section 3: it offers this protocol and no other.
        let mut offered = hello.alpn().into_iter().flatten();
        if offered.next() == Some(ALPN) && offered.next().is_none() {
            return self.challenges.certificate(hello.server_name()?);
        }
        self.certificates.find(hello.server_name())
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}
