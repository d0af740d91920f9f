//! What a domain publishes, and what a session with one of its hosts is to be told as.
//!
//! Source: RFC 8460 section 4.

use mailwright_net::tls::Doubt;

use super::Opened;
use crate::connection::{Connection, Fault};
use crate::ledger::{Failure, Ledger, Policy, Session};
use crate::route::Target;
use crate::sts::{Known, Mode};
use crate::tls::{Basis, Dane, Level, Refused};

/// What a domain had published about itself when one of its hosts was tried.
pub(super) struct Published {
    /// None where nobody is told.
    domain: Option<String>,
    policy: Policy,
    /// Why there may be a policy that we do not know.
    trouble: Option<Failure>,
}

impl Published {
    /// Of a server that belongs to no domain.
    pub(super) fn nothing() -> Self {
        Self { domain: None, policy: Policy::None, trouble: None }
    }

    pub(super) fn new(domain: &str, dane: &Dane, known: &Known) -> Self {
        let sts = known.policy.as_ref().filter(|policy| policy.mode != Mode::None);
        let policy = match (dane, sts) {
            (Dane::Usable(pins), _) => {
                Policy::Tlsa(pins.records().iter().map(ToString::to_string).collect())
            }
            // There are records, though none that could be written down here.
            (Dane::Unknown(_) | Dane::Unusable, _) => Policy::Tlsa(Vec::new()),
            (_, Some(policy)) => Policy::Sts(policy.lines(), policy.patterns.clone()),
            _ if known.trouble.is_some() => Policy::Sts(Vec::new(), Vec::new()),
            _ => Policy::None,
        };
        let trouble = known.trouble.filter(|_| sts.is_none());
        Self { domain: Some(domain.to_owned()), policy, trouble }
    }

    /// A host that its domain's policy rules out.
    pub(super) fn refused(&self, ledger: &dyn Ledger, host: &str, refused: &Refused) {
        if let Some(failure) = refused.failure {
            self.note(ledger, (host, ""), Some(failure));
        }
    }

    /// A session that was opened, or not. One without a connection says nothing of TLS.
    pub(super) fn session(&self, ledger: &dyn Ledger, target: &Target, opened: &Opened) {
        let (address, failure) = match opened {
            Ok(connection) => (Some(connection.address), self.shortcoming(target, connection)),
            Err((fault, address, _)) => match failure(target, fault) {
                Some(failure) => (*address, Some(failure)),
                None => return,
            },
        };
        let address = address.map(|address| address.ip().to_string()).unwrap_or_default();
        self.note(ledger, (&target.name, &address), failure.or(self.trouble));
    }

    /// What is wrong with a session that is good enough for us: its domain may have asked for more,
    /// on trial.
    fn shortcoming(&self, target: &Target, connection: &Connection) -> Option<Failure> {
        if connection.tls.is_none() {
            return (target.demand.level != Level::Plain).then_some(Failure::StarttlsNotSupported);
        }
        if target.demand.basis != Basis::StsTesting {
            return None;
        }
        let Policy::Sts(_, patterns) = &self.policy else { return None };
        let policy = crate::sts::Policy {
            mode: Mode::Testing,
            patterns: patterns.clone(),
            max_age: std::time::Duration::ZERO,
        };
        if !policy.lists(&target.name) {
            return Some(Failure::Validation);
        }
        let doubt = connection.peer.as_ref().map(|peer| peer.doubt)?;
        doubt.map(|doubt| of_doubt(doubt, target.demand.basis))
    }

    fn note(&self, ledger: &dyn Ledger, (host, address): (&str, &str), failure: Option<Failure>) {
        let Some(domain) = &self.domain else { return };
        ledger.note(Session {
            domain: domain.clone(),
            policy: self.policy.clone(),
            host: host.to_owned(),
            address: address.to_owned(),
            failure,
        });
    }
}

/// What a fault says of TLS; nothing when it is about something else.
fn failure(target: &Target, fault: &Fault) -> Option<Failure> {
    match fault {
        Fault::NoTls(_) => Some(Failure::StarttlsNotSupported),
        Fault::Handshake(_, Some(doubt)) => Some(of_doubt(*doubt, target.demand.basis)),
        Fault::Handshake(_, None) => Some(Failure::Validation),
        _ => None,
    }
}

fn of_doubt(doubt: Doubt, basis: Basis) -> Failure {
    match doubt {
        _ if basis == Basis::Dane => Failure::TlsaInvalid,
        Doubt::Name => Failure::CertificateHostMismatch,
        Doubt::Expired => Failure::CertificateExpired,
        Doubt::Issuer => Failure::CertificateNotTrusted,
        Doubt::Other => Failure::Validation,
    }
}
