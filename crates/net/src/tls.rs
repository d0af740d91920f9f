//! TLS, both sides: 1.3 and 1.2 only, on aws-lc.

mod certificate;
mod client;
mod dane;
mod facts;
mod inspect;
mod judge;
mod server;

pub use certificate::{CertificateError, Certificates, SelfSigned, Sources};
pub use client::{Client, Doubt, Trust};
pub use dane::Pins;
pub use facts::{PeerCertificate, hex};
pub use inspect::{
    CertificateFacts, Distrust, Inspected, Inspector, Obstacle, UnknownCipher, Version, Wishes,
    chain_of, obstacle,
};
pub use server::Acceptor;

use std::sync::Arc;

use rustls::{SupportedProtocolVersion, crypto::CryptoProvider};

/// What both sides speak.
static VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
