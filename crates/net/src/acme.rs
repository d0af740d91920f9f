//! Certificates from an authority: its account, an order, the answers to its challenges.
//!
//! One order at a time and one kind of challenge: over HTTP, or in a handshake. What is kept where,
//! and when to ask again, is [`keep`]'s. Source: RFC 8555, RFC 8737, RFC 9773.

mod account;
mod advice;
mod challenge;
mod keep;

pub use account::{AcmeError, Authority};
pub use advice::Advice;
pub use challenge::{ALPN, Challenges, Way};
pub use keep::{Keeper, Vouched, Wish};

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

/// How long the authority may take for its checks, and again for the certificate.
const PATIENCE: Duration = Duration::from_mins(2);

/// Orders a certificate for `names` and `key`, in the place of the one that `replaces` names: the
/// chain, as PEM.
///
/// Errors: [`AcmeError`]; the answers to challenges are taken back in any case.
pub(crate) async fn order(
    account: &Account,
    (names, key, replaces): (&[String], &KeyPair, Option<CertificateIdentifier<'static>>),
    (challenges, way): (&Challenges, Way),
) -> Result<String, AcmeError> {
    let mut answers = challenges.open();
    let identifiers: Vec<Identifier> = names.iter().cloned().map(Identifier::Dns).collect();
    let mut new = NewOrder::new(&identifiers);
    if let Some(replaces) = replaces {
        new = new.replaces(replaces);
    }
    let mut order = account.new_order(&new).await?;
    let kind = match way {
        Way::Http => ChallengeType::Http01,
        Way::Handshake => ChallengeType::TlsAlpn01,
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => return Err(AcmeError::Refused(format!("authorization: {status:?}"))),
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(kind.clone()) else {
            return Err(AcmeError::NoChallenge(name));
        };
        let proof = challenge.key_authorization();
        let token = challenge.token.clone();
        answers.add(way, (&name, &token), (proof.as_str(), proof.digest().as_ref()))?;
        challenge.set_ready().await?;
    }
    let patience = RetryPolicy::new().timeout(PATIENCE);
    let status = order.poll_ready(&patience).await?;
    if status != OrderStatus::Ready {
        return Err(AcmeError::Refused(failed(&mut order).await));
    }
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    order.finalize_csr(params.serialize_request(key)?.der()).await?;
    Ok(order.poll_certificate(&patience).await?)
}

/// What the authority says was wrong, name by name.
async fn failed(order: &mut instant_acme::Order) -> String {
    let mut said = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        said.extend(problems.map(ToString::to_string));
    }
    if said.is_empty() { "the authority does not say why".to_owned() } else { said.join("; ") }
}
