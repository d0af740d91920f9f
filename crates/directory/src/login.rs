//! A client logs in: an exchange of `sasl` answered from the directory.
//!
//! It keeps the rules an exchange cannot know: what a connection allows, who has to wait after
//! failures, and what a first login after an import leaves behind. It does no IO with the client.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mailwright_sasl::server::{Exchange, Facts, Input, Output};
use mailwright_sasl::{ChannelBinding, Failure, Mechanism, Nonce, Secret};
use mailwright_store::directory::{
    self as row, Credential, CredentialKind, Keys, Principal, PrincipalKind,
};
use mailwright_store::{Lane, Tx};
use mailwright_words::{Id, Timestamp};

use crate::password::Stored;
use crate::{Denied, Directory, scram};

/// The last use of a password is written no more often than this.
pub(crate) const USED_STEP: Duration = Duration::from_mins(5);

/// What a login has to know of its connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Where the client is.
    pub address: IpAddr,
    /// Our name towards it.
    pub hostname: String,
    /// Whether nobody else can read the connection.
    pub is_tls: bool,
    /// Whether the client is in a network from which passwords may come over a plain connection.
    pub is_trusted: bool,
    /// What TLS binds to; empty without TLS.
    pub binding: ChannelBinding,
}

impl Connection {
    /// Whether anyone may log in over it.
    const fn allows_login(&self) -> bool {
        self.is_tls || self.is_trusted
    }
}

/// Who a client turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The principal.
    pub principal: Id,
    /// Who owns it.
    pub tenant: i64,
    /// Its name, an address in lower case.
    pub name: String,
    /// Whether it is an inbox of the sandbox: what it sends is caught in it.
    pub is_inbox: bool,
}

/// What follows a message of the client.
#[derive(Debug)]
pub enum Turn {
    /// Send this challenge.
    Challenge(Vec<u8>),
    /// The client is logged in.
    Done(Identity),
    /// It is not.
    Denied(Denied),
}

/// A login under way.
#[derive(Debug)]
pub struct Login {
    directory: Directory,
    exchange: Exchange,
    address: IpAddr,
    /// The name the client gave, for the count of its failures.
    name: String,
    /// Whether it counts among the failures already.
    counted: bool,
    /// Who it is, if the exchange ends well, and by which credentials.
    candidate: Option<(Principal, Vec<Credential>)>,
}

impl Directory {
    /// The mechanisms to offer on a connection, the strongest first; none where no password may
    /// come. CRAM-MD5 is among them when an account has a password for it.
    pub fn mechanisms(&self, connection: &Connection) -> Vec<Mechanism> {
        if !connection.allows_login() {
            return Vec::new();
        }
        let cram_md5 = self.0.has_cram_md5.load(Ordering::Relaxed);
        let offered = |mechanism: &Mechanism| match mechanism {
            Mechanism::CramMd5 => cram_md5,
            // Others prove that we know the password, too.
            Mechanism::Plain | Mechanism::Login => true,
            Mechanism::Scram { .. } => {
                let may_bind = !mechanism.is_bound() || connection.binding.is_some();
                may_bind && !self.0.settings.now().open_inboxes
            }
        };
        Mechanism::ALL.into_iter().filter(offered).collect()
    }
}

impl Login {
    /// Begins a login by the mechanism a client named.
    ///
    /// Errors: there is no such mechanism on this connection, or passwords may not come over it.
    pub fn begin(
        directory: &Directory,
        mechanism: &str,
        connection: &Connection,
    ) -> Result<Self, Denied> {
        if !connection.allows_login() {
            return Err(Denied::Plaintext);
        }
        let mechanism: Mechanism = mechanism.parse().ok().ok_or(Denied::Mechanism)?;
        if mechanism.is_bound() && !connection.binding.is_some() {
            return Err(Denied::Mechanism);
        }
        let facts = Facts {
            hostname: connection.hostname.clone(),
            binding: connection.binding.clone(),
            decoy: directory.0.decoy.clone(),
            nonce: Nonce::random().ok().ok_or(Denied::Busy)?,
            account: key,
        };
        Ok(Self {
            directory: directory.clone(),
            exchange: Exchange::new(mechanism, facts),
            address: connection.address,
            name: String::new(),
            counted: false,
            candidate: None,
        })
    }

    /// Takes the initial response, if there was one.
    pub async fn start(&mut self, initial: Option<&[u8]>, now: Timestamp) -> Turn {
        let output = self.exchange.step(Input::Start(initial));
        self.follow(output, now).await
    }

    /// Takes the response to a challenge.
    pub async fn respond(&mut self, response: &[u8], now: Timestamp) -> Turn {
        let output = self.exchange.step(Input::Response(response));
        self.follow(output, now).await
    }

    async fn follow(&mut self, mut output: Output, now: Timestamp) -> Turn {
        loop {
            output = match self.answer(output, now).await {
                Ok(Next::Step(output)) => output,
                Ok(Next::Turn(turn)) => return turn,
                Err(denied) => {
                    self.denied(&denied, now).await;
                    return Turn::Denied(denied);
                }
            };
        }
    }

    /// What was denied for its password, or came too often, counts towards a block.
    async fn denied(&self, denied: &Denied, now: Timestamp) {
        if matches!(denied, Denied::Credentials | Denied::Throttled(_)) {
            self.directory.strike(&self.name, self.address, now).await;
        }
    }

    /// Answers one question of the exchange.
    async fn answer(&mut self, output: Output, now: Timestamp) -> Result<Next, Denied> {
        Ok(match output {
            Output::Challenge(bytes) => Next::Turn(Turn::Challenge(bytes)),
            Output::NeedPassword { authcid, password, .. } => {
                self.admit(&authcid, now).await?;
                let right = self.check(&password, now).await?;
                Next::Step(self.exchange.step(Input::Verdict(right)))
            }
            Output::NeedKeys { name, hash } => {
                self.admit(&name, now).await?;
                let record = self.candidate.take().and_then(|(principal, credentials)| {
                    let (record, owners) = scram::record(hash, &principal, &credentials)?;
                    let owners = owners.into_iter().cloned().collect();
                    self.candidate = Some((principal, owners));
                    Some(record)
                });
                Next::Step(self.exchange.step(Input::Keys(record)))
            }
            Output::NeedSecret { name } => {
                self.admit(&name, now).await?;
                let secrets = self.readable();
                Next::Step(self.exchange.step(Input::Secrets(secrets)))
            }
            Output::Done { authzid, credential, .. } => {
                Next::Turn(self.done(authzid.as_deref(), credential, now).await?)
            }
            Output::Failed(failure) => return Err(self.failed(failure, now)),
        })
    }

    /// Looks the name up, if neither it nor the client has to wait.
    async fn admit(&mut self, name: &str, now: Timestamp) -> Result<(), Denied> {
        let key = key(name);
        self.name.clone_from(&key);
        let directory = &self.directory.0;
        let wait = directory.throttle.wait(&key, self.address, now);
        if !wait.is_zero() {
            tracing::debug!(seconds = wait.as_secs(), "Login has to wait.");
            return Err(Denied::Throttled(wait));
        }
        // It counts from now on, and not when it has failed: guesses side by side count all.
        directory.throttle.failed(&key, self.address, now);
        self.counted = true;
        self.candidate = directory
            .store
            .read(move |tx| {
                let found = row::principal_named(tx, &key)?.filter(|principal| !principal.disabled);
                // The second read is done for unknown names too: no row has this id.
                let id = found.as_ref().map_or(Id::from_i64(0), |principal| principal.id);
                let mut credentials = row::credentials(tx, id)?;
                credentials.retain(|row| row.kind != CredentialKind::Token);
                Ok(found.map(|principal| (principal, credentials)))
            })
            .await?;
        Ok(())
    }

    /// Whether the password is one of the candidate's; then it alone is left of its credentials.
    async fn check(&mut self, password: &Secret, now: Timestamp) -> Result<bool, Denied> {
        let candidate = self.candidate.take();
        let is_inbox = |(principal, _): &(Principal, _)| principal.kind == PrincipalKind::Inbox;
        if self.directory.0.settings.now().open_inboxes && candidate.as_ref().is_some_and(is_inbox)
        {
            self.candidate = candidate;
            return Ok(true);
        }
        let credentials = candidate.as_ref().map_or(&[][..], |(_, credentials)| credentials);
        let hashes: Vec<Stored> =
            credentials.iter().map(|row| Stored::from_row(row.hash.clone())).collect();
        let found = self.directory.0.checker.verify(&hashes, password, now).await?;
        let right = found.and_then(|index| credentials.get(index).cloned());
        let Some(((principal, _), credential)) = candidate.zip(right) else { return Ok(false) };
        self.upgrade(&principal, &credential, password).await;
        self.candidate = Some((principal, vec![credential]));
        Ok(true)
    }

    /// Leaves behind a hash of ours and SCRAM keys, now that the password is known.
    async fn upgrade(&self, principal: &Principal, credential: &Credential, password: &Secret) {
        let old = Stored::from_row(credential.hash.clone());
        if credential.keys.scram_sha256.is_some() && !old.is_outdated() {
            return;
        }
        let (salts, secret, cram_md5) =
            (scram::salts(principal), password.clone(), credential.keys.cram_md5.clone());
        let work = move || {
            let text = secret.expose();
            let hash = if old.is_outdated() { Stored::hash(text).ok()? } else { old };
            Some((hash, Keys { cram_md5, ..scram::keys(&salts, text) }))
        };
        let directory = &self.directory.0;
        let Ok(Some((hash, keys))) = directory.checker.run(work).await else { return };
        let (id, old) = (credential.id, credential.hash.clone());
        let write = move |tx: &mut Tx<'_>| row::replace_hash(tx, id, &old, hash.as_str(), &keys);
        match directory.store.write(Lane::Quick, write).await {
            Ok(()) => tracing::info!(account = principal.name, "Imported password upgraded."),
            Err(error) => tracing::warn!(%error, "Imported password not upgraded."),
        }
    }

    /// The candidate's passwords for CRAM-MD5; only their credentials are left.
    fn readable(&mut self) -> Vec<Secret> {
        let Some((_, credentials)) = &mut self.candidate else { return Vec::new() };
        let text = |row: &Credential| String::from_utf8(row.keys.cram_md5.clone()?).ok();
        credentials.retain(|row| text(row).is_some());
        credentials.iter().filter_map(text).map(Secret::new).collect()
    }

    async fn done(
        &mut self,
        authzid: Option<&str>,
        credential: usize,
        now: Timestamp,
    ) -> Result<Turn, Denied> {
        let Some((principal, credentials)) = self.candidate.take() else {
            return Err(self.failed(Failure::Credentials, now));
        };
        // Nobody acts for another: a name to act for has to be one's own.
        if authzid.is_some_and(|name| key(name) != principal.name) {
            return Err(self.failed(Failure::Credentials, now));
        }
        let directory = &self.directory.0;
        if directory.throttle.succeeded(&self.name, self.address, now) {
            let peer = self.address.to_canonical().to_string();
            self.directory.audit(("login", &principal.name, &peer), String::new(), now).await;
        }
        if let Some(used) = credentials.get(credential)
            && used.last_used.is_none_or(|last| now.since(last) >= USED_STEP)
        {
            let id = used.id;
            let note =
                directory.store.write(Lane::Quick, move |tx| row::touch_credential(tx, id, now));
            if let Err(error) = note.await {
                tracing::warn!(%error, "Use of a password not noted.");
            }
        }
        let Principal { id, tenant, name, kind, .. } = principal;
        let is_inbox = kind == PrincipalKind::Inbox;
        Ok(Turn::Done(Identity { principal: id, tenant, name, is_inbox }))
    }

    fn failed(&self, failure: Failure, now: Timestamp) -> Denied {
        if !self.counted {
            self.directory.0.throttle.failed(&self.name, self.address, now);
        }
        tracing::debug!(address = %self.address, %failure, "Login failed.");
        match failure {
            Failure::Malformed(_) | Failure::TooLong | Failure::Order => Denied::Malformed(failure),
            _ => Denied::Credentials,
        }
    }
}

enum Next {
    /// The exchange goes on with this.
    Step(Output),
    /// It is the client's turn.
    Turn(Turn),
}

/// A login name as it is stored: an address in the form its lookup takes, else in lower case.
fn key(name: &str) -> String {
    mailwright_words::Address::parse(name)
        .map_or_else(|_| name.to_lowercase(), |address| address.key())
}
