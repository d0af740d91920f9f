//! What a handshake came to, as authentication and the log need it.

use std::fmt::Write as _;

use rustls::{CommonState, ProtocolVersion, pki_types::CertificateDer};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};

use mailwright_words::Timestamp;

use super::Doubt;
use crate::TlsFacts;

/// Label of the exporter. Source: RFC 9266 section 3.
pub(super) const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// Gathers the facts. `exporter` is empty where the connection has none.
///
/// On TLS 1.2 the exporter binds only with the extended master secret, which many peers do not
/// have: there it is left out, and the certificate alone binds. Source: RFC 9266 section 3.
pub(super) fn facts(
    state: &CommonState,
    sni: Option<String>,
    exporter: Vec<u8>,
    certificate: Option<&CertificateDer<'_>>,
) -> TlsFacts {
    let version = match state.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLS",
    };
    let exporter = if version == "TLSv1.3" { exporter } else { Vec::new() };
    let cipher = state
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str())
        .unwrap_or("unknown")
        .to_owned();
    TlsFacts {
        version,
        cipher,
        sni,
        exporter,
        server_end_point: certificate.and_then(|der| end_point(der)),
        peer: None,
    }
}

/// Octets as hexadecimal digits.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String does not fail.
        write!(text, "{octet:02x}").unwrap_or_default();
        text
    })
}

/// The certificate that the other side showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// SHA-256 of the whole.
    pub digest: [u8; 32],
    /// SHA-256 of its public key, as a record `3 1 1` has it.
    pub key_digest: [u8; 32],
    /// Who signed it.
    pub issuer: String,
    /// Until when it is valid.
    pub expires: Timestamp,
    /// Why no known authority vouches for it; none when one does.
    pub doubt: Option<Doubt>,
}

impl PeerCertificate {
    /// Octets of an issuer's name that are kept.
    const ISSUER_MAX: usize = 200;

    /// Reads a certificate; whether it is believed is to be said by others.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let seconds = certificate.validity().not_after.timestamp();
        let issuer = certificate.issuer().to_string();
        Some(Self {
            digest: Sha256::digest(der).into(),
            key_digest: Sha256::digest(certificate.public_key().raw).into(),
            issuer: issuer.chars().filter(|c| !c.is_control()).take(Self::ISSUER_MAX).collect(),
            expires: Timestamp::new(seconds.saturating_mul(1000)),
            doubt: None,
        })
    }
}

/// The hash of the certificate, with the hash of its signature, SHA-256 in place of weak ones;
/// none where the signature has no single hash. Source: RFC 5929 section 4.1.
fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    match certificate.signature_algorithm.algorithm.to_id_string().as_str() {
        // MD5, SHA-1 and SHA-256 with RSA; SHA-1 and SHA-256 with ECDSA.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(Sha256::digest(der).to_vec()),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Sha384::digest(der).to_vec()),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Sha512::digest(der).to_vec()),
        _ => None,
    }
}
