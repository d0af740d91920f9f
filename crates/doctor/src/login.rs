//! Logging in at a host: which mechanism, and whether a password may go over this connection.
//!
//! A password goes in readable form only to a host that is believed, or to loopback; else whoever
//! stands between would have it. Source: RFC 4954, RFC 8314 section 3.

use std::net::IpAddr;

use mailwright_sasl::client::{Exchange, Login, choose};
use mailwright_sasl::{ChannelBinding, Mechanism, Nonce, Secret};
use mailwright_smtp::client::Step;
use mailwright_words::Reply;

use crate::dialogue::Dialogue;

/// Which mechanism is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// The strongest that both sides know and the connection allows.
    #[default]
    Best,
    /// This one, even where the host does not offer it.
    Only(Mechanism),
}

/// Who we are at the host.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The mechanism.
    pub scheme: Scheme,
    /// Whether the password goes over connections that others may read or pose on.
    pub anywhere: bool,
}

/// What became of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The host knows us.
    In(Mechanism),
    /// The host does not.
    Refused(Mechanism, Reply),
    /// The host offers no mechanism that we know and that this connection allows.
    Nothing(Bar),
    /// The host took our login, and did not prove that it knows the password.
    Unproven(Mechanism),
    /// The exchange did not come to its end.
    Broken(Step),
}

/// What stands against sending a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bar {
    /// Nothing in common.
    Mechanism,
    /// What there is would show the password to others.
    Readable,
}

impl Credentials {
    /// The mechanism for a host that offers these, over a connection of this `binding`.
    pub(crate) fn mechanism(
        &self,
        offered: &[String],
        binding: &ChannelBinding,
        is_private: bool,
    ) -> Result<Mechanism, Bar> {
        let is_private = is_private || self.anywhere;
        let names = || offered.iter().map(String::as_str);
        match self.scheme {
            Scheme::Only(mechanism) if mechanism.is_readable() && !is_private => Err(Bar::Readable),
            Scheme::Only(mechanism) if mechanism.is_bound() && !binding.is_some() => {
                Err(Bar::Mechanism)
            }
            Scheme::Only(mechanism) => Ok(mechanism),
            Scheme::Best => choose(names(), binding, is_private).ok_or_else(|| {
                match choose(names(), binding, true) {
                    Some(_) => Bar::Readable,
                    None => Bar::Mechanism,
                }
            }),
        }
    }

    /// An exchange by `mechanism`.
    pub(crate) fn exchange(
        &self,
        mechanism: Mechanism,
        binding: ChannelBinding,
    ) -> Option<Exchange> {
        let login = Login { name: self.user.clone(), password: self.password.clone() };
        // Who asks for a mechanism without binding does not claim that the host offers none.
        let is_waived = self.scheme == Scheme::Only(mechanism) && !mechanism.is_bound();
        let binding = if is_waived { ChannelBinding::default() } else { binding };
        Some(Exchange::new(mechanism, login, binding, Nonce::random().ok()?))
    }
}

/// Whether nobody else reads what is said to `peer`.
pub(crate) fn is_private(dialogue: &Dialogue<'_>, peer: IpAddr) -> bool {
    let is_believed = dialogue.tls.as_ref().is_some_and(|tls| tls.trust.is_ok());
    is_believed || peer.to_canonical().is_loopback()
}

/// Logs in. The session is at rest afterwards, or over.
pub(crate) async fn login(
    dialogue: &mut Dialogue<'_>,
    credentials: &Credentials,
    peer: IpAddr,
) -> Outcome {
    let binding = dialogue.binding();
    let offered = dialogue.session.capabilities().auth.clone();
    let is_private = is_private(dialogue, peer);
    let mechanism = match credentials.mechanism(&offered, &binding, is_private) {
        Ok(mechanism) => mechanism,
        Err(bar) => return Outcome::Nothing(bar),
    };
    let Some(mut exchange) = credentials.exchange(mechanism, binding) else {
        return Outcome::Nothing(Bar::Mechanism);
    };
    let initial = exchange.initial();
    dialogue.session.authenticate(mechanism.name(), initial);
    loop {
        match dialogue.advance().await {
            Step::Challenge(challenge) => {
                let response = exchange.step(&challenge).ok();
                dialogue.session.respond(response.as_deref());
            }
            Step::Authenticated(_) if exchange.is_complete() => return Outcome::In(mechanism),
            Step::Authenticated(_) => return Outcome::Unproven(mechanism),
            Step::AuthRefused(reply) => return Outcome::Refused(mechanism, reply),
            step => return Outcome::Broken(step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(scheme: Scheme, anywhere: bool) -> Credentials {
        Credentials { user: "ann".to_owned(), password: Secret::new("pw"), scheme, anywhere }
    }

    #[test]
    fn a_password_is_shown_to_nobody_who_is_not_believed() {
        let offered = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let none = ChannelBinding::default();
        let best = credentials(Scheme::Best, false);
        let plain = offered(&["PLAIN", "LOGIN"]);
        assert_eq!(best.mechanism(&plain, &none, true), Ok(Mechanism::Plain));
        assert_eq!(best.mechanism(&plain, &none, false), Err(Bar::Readable));
        assert_eq!(best.mechanism(&offered(&["CRAM-MD5"]), &none, false), Ok(Mechanism::CramMd5));
        assert_eq!(best.mechanism(&offered(&["GSSAPI"]), &none, true), Err(Bar::Mechanism));
        let only = credentials(Scheme::Only(Mechanism::Login), false);
        assert_eq!(only.mechanism(&[], &none, false), Err(Bar::Readable));
        assert_eq!(only.mechanism(&[], &none, true), Ok(Mechanism::Login));
        let anywhere = credentials(Scheme::Best, true);
        assert_eq!(anywhere.mechanism(&plain, &none, false), Ok(Mechanism::Plain));
    }
}
