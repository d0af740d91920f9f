//! The client's side of a handshake.

use std::{fmt, io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, Error, RootCertStore,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    CertificateError, Pins, dane,
    facts::{self, PeerCertificate},
    judge::{Chain, Judge, Judged},
};
use crate::{Clock, Stream, TlsFacts};

/// Whom a client believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Anyone: encryption against those who only listen. Source: RFC 7435.
    Opportunistic,
    /// Only a certificate for the name asked for, signed by a known authority.
    Verified,
    /// Only a certificate that these match, whoever signed it. Source: RFC 7672.
    Pinned(Arc<Pins>),
}

/// Shakes hands with hosts; remembers sessions to resume, those of each trust apart, and none of
/// pinned hosts.
#[derive(Clone)]
pub struct Client {
    opportunistic: TlsConnector,
    verified: TlsConnector,
    authorities: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    time: Arc<Time>,
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
        let provider = super::provider();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let authorities = verifier.build().map_err(|error| broken(&error))?;
        let time = Arc::new(Time(clock));
        let of = |verifier| config(&provider, &time, verifier);
        let verified = of(Arc::<WebPkiServerVerifier>::clone(&authorities))?;
        let opportunistic =
            of(Arc::new(Judged { judge: Anyone, provider: Arc::clone(&provider) }))?;
        Ok(Self {
            opportunistic: TlsConnector::from(Arc::new(opportunistic)),
            verified: TlsConnector::from(Arc::new(verified)),
            authorities,
            provider,
            time,
        })
    }

    /// Shakes hands with the host `name`, which may be an address or an address literal.
    ///
    /// Errors: `InvalidInput` for what is no host name; else the host speaks no TLS of ours, is
    /// not believed, or the connection broke.
    pub async fn connect<S: Stream>(
        &self,
        stream: S,
        name: &str,
        trust: &Trust,
    ) -> io::Result<(TlsStream<S>, TlsFacts)> {
        let name = server_name(name)?;
        let connector = match trust {
            Trust::Opportunistic => self.opportunistic.clone(),
            Trust::Verified => self.verified.clone(),
            Trust::Pinned(pins) => self.pinned(Arc::clone(pins))?,
        };
        let stream = connector.connect(name.clone(), stream).await?;
        let (_, connection) = stream.get_ref();
        let exporter = connection
            .export_keying_material(vec![0; 32], facts::EXPORTER_LABEL, None)
            .unwrap_or_default();
        let chain = connection.peer_certificates().unwrap_or_default();
        let mut facts = facts::facts(connection, None, exporter, chain.first());
        facts.peer = chain.first().and_then(|certificate| PeerCertificate::read(certificate));
        if let Some(peer) = &mut facts.peer {
            peer.doubt = self.doubt(chain, &name);
        }
        Ok((stream, facts))
    }

    /// No session is remembered: a later handshake has to match the records of its own day.
    fn pinned(&self, pins: Arc<Pins>) -> io::Result<TlsConnector> {
        let verifier = dane::verifier(pins, &self.provider);
        let config = config(&self.provider, &self.time, Arc::new(verifier));
        let mut config = config.map_err(io::Error::other)?;
        config.resumption = Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// Why a known authority does not vouch for the host; none when one does.
    fn doubt(&self, chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> Option<Doubt> {
        let (server, rest) = chain.split_first()?;
        let now = self.time.current_time()?;
        let looked = self.authorities.verify_server_cert(server, rest, name, &[], now);
        looked.err().map(|error| Doubt::of(&error))
    }
}

/// Why a certificate is not believed. Source: RFC 8460 section 4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is for other names.
    Name,
    /// It is past its time, or before it.
    Expired,
    /// No known authority vouches for it.
    Issuer,
    /// Anything else.
    Other,
}

impl Doubt {
    /// Reads the reason of an error, where it says that a certificate is not believed.
    pub fn of(error: &Error) -> Self {
        use rustls::CertificateError as Bad;
        match error {
            Error::InvalidCertificate(
                Bad::NotValidForName | Bad::NotValidForNameContext { .. },
            ) => Self::Name,
            Error::InvalidCertificate(
                Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. },
            ) => Self::Expired,
            Error::InvalidCertificate(Bad::UnknownIssuer) => Self::Issuer,
            _ => Self::Other,
        }
    }

    /// Reads the reason of a handshake that broke; none when it was not for the certificate.
    pub fn of_handshake(error: &io::Error) -> Option<Self> {
        let inner = error.get_ref()?.downcast_ref::<Error>()?;
        matches!(inner, Error::InvalidCertificate(_)).then(|| Self::of(inner))
    }

    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "it is for other names",
            Self::Expired => "it is out of date",
            Self::Issuer => "no known authority vouches for it",
            Self::Other => "it is not sound",
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

fn broken(error: &dyn std::error::Error) -> CertificateError {
    let error = Error::General(error.to_string());
    CertificateError::Key { path: PathBuf::from("TLS client"), error }
}

fn config(
    provider: &Arc<CryptoProvider>,
    time: &Arc<Time>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, CertificateError> {
    let time: Arc<dyn TimeProvider> = Arc::<Time>::clone(time);
    let builder = ClientConfig::builder_with_details(Arc::clone(provider), time)
        .with_protocol_versions(super::VERSIONS)
        .map_err(|error| broken(&error))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
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

/// Believes any certificate.
#[derive(Debug)]
struct Anyone;

impl Judge for Anyone {
    fn judge(
        &self,
        _chain: Chain<'_>,
        _name: &ServerName<'_>,
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
}
