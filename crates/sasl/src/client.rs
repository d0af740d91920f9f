//! The client's side of an exchange, for a relay that logs in at its smarthost.
//!
//! Invariant: with SCRAM the server has proven that it knows the password before
//! [`Exchange::is_complete`] says yes; a caller that sees success without it hangs up.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::crypto::{Hash, same};
use crate::scram::message::{ServerFirst, escape, server_signature};
use crate::{ChannelBinding, Failure, MESSAGE_MAX, Mechanism, Nonce, Secret, cram, scram};

/// Rounds below this would hand our password to whoever poses as the server.
const ITERATIONS_MIN: u32 = 4096;
/// Rounds above this would keep us busy for a stranger.
const ITERATIONS_MAX: u32 = 1_000_000;

/// Who we are at the other server.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name.
    pub name: String,
    /// Its password.
    pub password: Secret,
}

/// The strongest of the mechanisms a server offers that this connection allows.
///
/// Mechanisms that let others read the password are chosen only when `private`, which is to say
/// over TLS.
pub fn choose<'a>(
    offered: impl IntoIterator<Item = &'a str>,
    binding: &ChannelBinding,
    private: bool,
) -> Option<Mechanism> {
    let offered: Vec<Mechanism> = offered.into_iter().filter_map(|n| n.parse().ok()).collect();
    Mechanism::ALL
        .into_iter()
        .filter(|mechanism| offered.contains(mechanism))
        .filter(|mechanism| !mechanism.is_bound() || binding.is_some())
        .find(|mechanism| !mechanism.is_readable() || private)
}

/// One exchange with one server.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    login: Login,
    binding: ChannelBinding,
    nonce: Nonce,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was sent.
    Start,
    /// The first message is out.
    Waiting,
    /// LOGIN sent the name.
    Named,
    /// SCRAM sent its proof, and expects this signature.
    Proven { signature: Vec<u8> },
    /// All was said, and the server proved what it has to.
    Complete,
    /// An error came; nothing more is sent.
    Broken,
}

impl Exchange {
    /// Prepares an exchange by a mechanism the server offered.
    ///
    /// With a `binding`, a mechanism that is not `-PLUS` tells the server that it offered none: a
    /// server that did knows then that someone stands between. So take what [`choose`] says.
    pub const fn new(
        mechanism: Mechanism,
        login: Login,
        binding: ChannelBinding,
        nonce: Nonce,
    ) -> Self {
        Self { mechanism, login, binding, nonce, state: State::Start }
    }

    /// The initial response, where the mechanism has one. Called once, before any [`Self::step`].
    pub fn initial(&mut self) -> Option<Vec<u8>> {
        let name = &self.login.name;
        let (state, message) = match self.mechanism {
            Mechanism::CramMd5 | Mechanism::Login => (State::Waiting, None),
            Mechanism::Plain => {
                let message = format!("\0{name}\0{}", self.login.password.expose());
                (State::Complete, Some(message))
            }
            Mechanism::Scram { plus, .. } => {
                (State::Waiting, Some(format!("{}{}", self.header(plus), self.bare())))
            }
        };
        self.state = state;
        message.map(String::into_bytes)
    }

    /// The answer to a challenge.
    ///
    /// Errors: the challenge makes no sense, or the server failed to prove itself; cancel then,
    /// and do not send another password.
    pub fn step(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Failure> {
        let state = std::mem::replace(&mut self.state, State::Broken);
        if challenge.len() > MESSAGE_MAX {
            return Err(Failure::TooLong);
        }
        let (next, response) = self.answer(state, challenge)?;
        self.state = next;
        Ok(response)
    }

    /// Whether nothing is missing, so that the server's word of success can be believed.
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    fn answer(&self, state: State, challenge: &[u8]) -> Result<(State, Vec<u8>), Failure> {
        let password = &self.login.password;
        match (state, self.mechanism) {
            (State::Waiting, Mechanism::CramMd5) => {
                Ok((State::Complete, cram::respond(&self.login.name, password, challenge)))
            }
            (State::Waiting, Mechanism::Login) => {
                Ok((State::Named, self.login.name.clone().into_bytes()))
            }
            (State::Named, Mechanism::Login) => {
                Ok((State::Complete, password.expose().as_bytes().to_vec()))
            }
            (State::Waiting, Mechanism::Scram { hash, plus }) => {
                self.prove(hash, plus, text(challenge)?)
            }
            (State::Proven { signature }, Mechanism::Scram { .. }) => {
                if same(&server_signature(text(challenge)?)?, &signature) {
                    Ok((State::Complete, Vec::new()))
                } else {
                    Err(Failure::ServerSignature)
                }
            }
            _ => Err(Failure::Order),
        }
    }

    fn prove(
        &self,
        hash: Hash,
        plus: bool,
        server_first: &str,
    ) -> Result<(State, Vec<u8>), Failure> {
        let first = ServerFirst::parse(server_first)?;
        let ours = self.nonce.as_str();
        if first.nonce.strip_prefix(ours).is_none_or(str::is_empty) {
            return Err(Failure::Nonce);
        }
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&first.iterations) {
            return Err(Failure::Malformed("iteration count"));
        }
        let mut binding = self.header(plus).into_bytes();
        if let Some((_, bytes)) = self.binding.preferred().filter(|_| plus) {
            binding.extend_from_slice(bytes);
        }
        let without_proof = format!("c={},r={}", STANDARD.encode(binding), first.nonce);
        let message = format!("{},{server_first},{without_proof}", self.bare());
        let salt = (first.salt.as_slice(), first.iterations);
        let (proof, signature) =
            scram::prove(hash, self.login.password.expose(), salt, message.as_bytes());
        let response = format!("{without_proof},p={}", STANDARD.encode(proof));
        Ok((State::Proven { signature }, response.into_bytes()))
    }

    fn header(&self, plus: bool) -> String {
        match self.binding.preferred() {
            Some((name, _)) if plus => format!("p={name},,"),
            Some(_) => "y,,".to_owned(),
            None => "n,,".to_owned(),
        }
    }

    fn bare(&self) -> String {
        format!("n={},r={}", escape(&self.login.name), self.nonce.as_str())
    }
}

fn text(bytes: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(bytes).ok().ok_or(Failure::Malformed("UTF-8"))
}

#[cfg(test)]
mod tests;
