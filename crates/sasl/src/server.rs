//! The server's side of an exchange: it asks its caller for verdicts and keys, and holds none.
//!
//! Invariant: `Done` comes only after a verdict of the caller or a proof that was verified here.
//! A name that does not exist is played to the end like one that does.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::crypto::same;
use crate::scram::message::{ClientFinal, ClientFirst, Flag};
use crate::scram::{Hash, ITERATIONS, Keys, Record};
use crate::{
    ChannelBinding, DecoyKey, Failure, MESSAGE_MAX, Mechanism, Nonce, Secret, cram, prepare_name,
    prepare_password,
};

/// What an exchange needs to know of its connection.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Our name, for the challenge of CRAM-MD5.
    pub hostname: String,
    /// The connection's channel binding. Empty when the `-PLUS` mechanisms were not offered.
    pub binding: ChannelBinding,
    /// From what unknown names get their salt.
    pub decoy: DecoyKey,
    /// Ours, for this exchange alone.
    pub nonce: Nonce,
    /// How accounts are looked up: two spellings of one account come out equal, so that the salt
    /// of a name without one does not tell the spellings apart.
    pub account: fn(&str) -> String,
}

/// What an exchange is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// The client started, with or without an initial response.
    Start(Option<&'a [u8]>),
    /// The client's answer to a challenge.
    Response(&'a [u8]),
    /// Answers [`Output::NeedPassword`]: whether the password is right.
    Verdict(bool),
    /// Answers [`Output::NeedKeys`]; `None` when there is no such name.
    Keys(Option<Record>),
    /// Answers [`Output::NeedSecret`]: the passwords that open this name; none when it is unknown.
    Secrets(Vec<Secret>),
}

/// What an exchange wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this to the client.
    Challenge(Vec<u8>),
    /// Say whether this password is right for `authcid`.
    NeedPassword {
        /// Who logs in.
        authcid: String,
        /// On whose behalf, when it was said.
        authzid: Option<String>,
        /// As the client sent it.
        password: Secret,
    },
    /// Give the SCRAM keys of this name.
    NeedKeys {
        /// Who logs in.
        name: String,
        /// For which hash.
        hash: Hash,
    },
    /// Give the plain secrets of this name, if it opted in to CRAM-MD5.
    NeedSecret {
        /// Who logs in.
        name: String,
    },
    /// The client is who it says.
    Done {
        /// Who logged in.
        authcid: String,
        /// On whose behalf, when it was said; whether it may is the caller's question.
        authzid: Option<String>,
        /// Which of the keys or secrets of the answer it was, counted from 0.
        credential: usize,
    },
    /// Over; the client learns no more than that it failed.
    Failed(Failure),
}

/// One exchange with one client.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    facts: Facts,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing came yet.
    Start,
    /// The first message was asked for by an empty challenge, or is LOGIN's name.
    First,
    /// LOGIN has the name and waits for the password.
    LoginPassword { name: String },
    /// Waits for the caller's verdict.
    Verdict { authcid: String, authzid: Option<String> },
    /// CRAM-MD5 sent its challenge.
    CramResponse { challenge: Vec<u8> },
    /// CRAM-MD5 waits for the secrets.
    CramSecrets { name: String, challenge: Vec<u8>, digest: String },
    /// SCRAM waits for the keys.
    ScramKeys { first: ClientFirst },
    /// SCRAM sent salt and nonce, and waits for the proof.
    ScramFinal { first: ClientFirst, record: Record, known: bool, server_first: String },
    /// SCRAM sent its own proof, and waits for an empty response.
    ScramEnd { first: ClientFirst, credential: usize },
    /// Done or failed.
    Over,
}

impl Exchange {
    /// Begins an exchange; give it [`Input::Start`].
    pub fn new(mechanism: Mechanism, facts: Facts) -> Self {
        Self { mechanism, facts, state: State::Start }
    }

    /// Takes what came, and says what is wanted next. After `Done` and `Failed` it only fails.
    pub fn step(&mut self, input: Input<'_>) -> Output {
        let state = std::mem::replace(&mut self.state, State::Over);
        match self.take(state, input) {
            Ok((next, output)) => {
                self.state = next;
                output
            }
            Err(failure) => Output::Failed(failure),
        }
    }

    /// The whole table of transitions.
    fn take(&self, state: State, input: Input<'_>) -> Result<(State, Output), Failure> {
        match (state, input) {
            (State::Start, Input::Start(None)) => Ok(self.open()),
            (State::Start, Input::Start(Some(bytes))) if self.mechanism != Mechanism::CramMd5 => {
                self.first(text(bytes)?)
            }
            (State::First, Input::Response(bytes)) => self.first(text(bytes)?),
            (State::LoginPassword { name }, Input::Response(bytes)) => {
                password(name, None, text(bytes)?)
            }
            (State::Verdict { authcid, authzid }, Input::Verdict(true)) => {
                Ok((State::Over, Output::Done { authcid, authzid, credential: 0 }))
            }
            (State::Verdict { .. }, Input::Verdict(false)) => Err(Failure::Credentials),
            (State::CramResponse { challenge }, Input::Response(bytes)) => {
                let (name, digest) = cram::read(text(bytes)?)?;
                let output = Output::NeedSecret { name: name.clone() };
                Ok((State::CramSecrets { name, challenge, digest }, output))
            }
            (State::CramSecrets { name, challenge, digest }, Input::Secrets(secrets)) => {
                cram_verdict(name, &challenge, &digest, &secrets)
            }
            (State::ScramKeys { first }, Input::Keys(record)) => Ok(self.salt(first, record)),
            (State::ScramFinal { first, record, known, server_first }, Input::Response(bytes)) => {
                let last = ClientFinal::parse(text(bytes)?)?;
                self.prove(first, &last, (&record, known), &server_first)
            }
            (State::ScramEnd { first, credential }, Input::Response(b"")) => {
                let ClientFirst { name, authzid, .. } = first;
                Ok((State::Over, Output::Done { authcid: name, authzid, credential }))
            }
            _ => Err(Failure::Order),
        }
    }

    /// The client sent the mechanism's name alone.
    fn open(&self) -> (State, Output) {
        match self.mechanism {
            Mechanism::Plain | Mechanism::Scram { .. } => {
                (State::First, Output::Challenge(Vec::new()))
            }
            Mechanism::Login => (State::First, Output::Challenge(b"Username:".to_vec())),
            Mechanism::CramMd5 => {
                let challenge =
                    format!("<{}@{}>", self.facts.nonce.as_str(), self.facts.hostname).into_bytes();
                (State::CramResponse { challenge: challenge.clone() }, Output::Challenge(challenge))
            }
        }
    }

    /// The first message of a mechanism in which the client speaks first.
    fn first(&self, text: &str) -> Result<(State, Output), Failure> {
        match self.mechanism {
            Mechanism::Plain => plain(text),
            Mechanism::Login => {
                let name = prepare_name(text)?.to_owned();
                Ok((State::LoginPassword { name }, Output::Challenge(b"Password:".to_vec())))
            }
            Mechanism::Scram { hash, plus } => {
                let first = ClientFirst::parse(text)?;
                self.bound(&first.flag, plus)?;
                let output = Output::NeedKeys { name: first.name.clone(), hash };
                Ok((State::ScramKeys { first }, output))
            }
            Mechanism::CramMd5 => Err(Failure::Order),
        }
    }

    /// Whether what the client says of channel binding fits the mechanism and our offer.
    ///
    /// Source: RFC 5802 section 6.
    fn bound(&self, flag: &Flag, plus: bool) -> Result<(), Failure> {
        match flag {
            Flag::NotOffered if self.facts.binding.is_some() => Err(Failure::Downgrade),
            Flag::NotOffered | Flag::Unsupported if !plus => Ok(()),
            Flag::Used(name) if plus && self.facts.binding.named(name).is_some() => Ok(()),
            _ => Err(Failure::ChannelBinding),
        }
    }

    fn salt(&self, first: ClientFirst, record: Option<Record>) -> (State, Output) {
        let record = record.filter(|record| !record.keys.is_empty());
        let known = record.is_some();
        let record = record.unwrap_or_else(|| self.decoy(&first.name));
        let (salt, iterations) = (STANDARD.encode(&record.salt), record.iterations);
        let nonce = self.facts.nonce.as_str();
        let server_first = format!("r={}{nonce},s={salt},i={iterations}", first.nonce);
        let output = Output::Challenge(server_first.clone().into_bytes());
        (State::ScramFinal { first, record, known, server_first }, output)
    }

    /// The record of a name that does not exist: always the same salt, and keys that nobody has.
    fn decoy(&self, name: &str) -> Record {
        let hash = self.hash();
        let salt = self.facts.decoy.salt(hash, &(self.facts.account)(name));
        let key = hash.digest(&salt);
        let keys = vec![Keys { stored_key: key.clone(), server_key: key }];
        Record { salt, iterations: ITERATIONS, keys }
    }

    fn prove(
        &self,
        first: ClientFirst,
        last: &ClientFinal,
        (record, known): (&Record, bool),
        server_first: &str,
    ) -> Result<(State, Output), Failure> {
        if last.nonce != format!("{}{}", first.nonce, self.facts.nonce.as_str()) {
            return Err(Failure::Nonce);
        }
        let mut binding = first.header.clone().into_bytes();
        if let Flag::Used(name) = &first.flag {
            binding.extend_from_slice(self.facts.binding.named(name).unwrap_or_default());
        }
        if !same(&binding, &last.binding) {
            return Err(Failure::ChannelBinding);
        }
        let message = format!("{},{server_first},{}", first.bare, last.without_proof);
        let hash = self.hash();
        let proven = (0..).zip(&record.keys).fold(None, |found, (index, keys)| {
            let right = keys.verify(hash, message.as_bytes(), &last.proof);
            if right { Some((index, keys)) } else { found }
        });
        let (credential, keys) = proven.filter(|_| known).ok_or(Failure::Credentials)?;
        let signature = STANDARD.encode(keys.sign(hash, message.as_bytes()));
        let output = Output::Challenge(format!("v={signature}").into_bytes());
        Ok((State::ScramEnd { first, credential }, output))
    }

    const fn hash(&self) -> Hash {
        match self.mechanism {
            Mechanism::Scram { hash, .. } => hash,
            Mechanism::CramMd5 | Mechanism::Plain | Mechanism::Login => Hash::Md5,
        }
    }
}

/// Reads `authzid NUL authcid NUL password`. Source: RFC 4616 section 2.
fn plain(message: &str) -> Result<(State, Output), Failure> {
    let mut parts = message.split('\0');
    let (Some(authzid), Some(authcid), Some(secret), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::Malformed("message"));
    };
    let authzid = match authzid {
        "" => None,
        name => Some(prepare_name(name)?.to_owned()),
    };
    password(prepare_name(authcid)?.to_owned(), authzid, secret)
}

fn password(
    authcid: String,
    authzid: Option<String>,
    text: &str,
) -> Result<(State, Output), Failure> {
    let password = Secret::new(prepare_password(text)?);
    let state = State::Verdict { authcid: authcid.clone(), authzid: authzid.clone() };
    Ok((state, Output::NeedPassword { authcid, authzid, password }))
}

fn cram_verdict(
    name: String,
    challenge: &[u8],
    digest: &str,
    secrets: &[Secret],
) -> Result<(State, Output), Failure> {
    let credential = (0..)
        .zip(secrets)
        .fold(None, |found, (index, secret)| {
            let right = cram::verify(secret, challenge, digest);
            if right { Some(index) } else { found }
        })
        .ok_or(Failure::Credentials)?;
    Ok((State::Over, Output::Done { authcid: name, authzid: None, credential }))
}

fn text(bytes: &[u8]) -> Result<&str, Failure> {
    if bytes.len() > MESSAGE_MAX {
        return Err(Failure::TooLong);
    }
    std::str::from_utf8(bytes).ok().ok_or(Failure::Malformed("UTF-8"))
}

#[cfg(test)]
mod tests;
