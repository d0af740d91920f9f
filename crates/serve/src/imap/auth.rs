//! Logging in: a login of the directory, then a place among the account's sessions.

use mailwright_directory::{Denied, Identity, Login, Turn};
use mailwright_imap::{Answer, Refusal};
use mailwright_words::metric;

use super::conversation::{Account, Conversation};
use crate::peer;

impl Conversation {
    pub(super) async fn auth(
        &mut self,
        mechanism: &str,
        initial: Option<Vec<u8>>,
    ) -> Result<Answer, Refusal> {
        let secured = (self.session.is_secure(), &self.binding);
        let connection = peer::connection(&self.door.config, self.peer, secured);
        let begun = Login::begin(&self.door.directory, mechanism, &connection);
        let mut login = begun.map_err(|denied| self.denied(&denied))?;
        let turn = login.start(initial.as_deref(), self.door.clock.now()).await;
        self.login = Some(Box::new(login));
        self.turn(turn)
    }

    /// `LOGIN` is `PLAIN` in other words.
    pub(super) async fn log_in(&mut self, name: &str, password: &[u8]) -> Result<Answer, Refusal> {
        let mut initial = vec![0];
        initial.extend_from_slice(name.as_bytes());
        initial.push(0);
        initial.extend_from_slice(password);
        self.auth("PLAIN", Some(initial)).await
    }

    pub(super) async fn auth_response(&mut self, response: &[u8]) -> Result<Answer, Refusal> {
        let login = self.login.as_mut().ok_or(Refusal::Exchange)?;
        let turn = login.respond(response, self.door.clock.now()).await;
        self.turn(turn)
    }

    fn turn(&mut self, turn: Turn) -> Result<Answer, Refusal> {
        match turn {
            Turn::Challenge(challenge) => Ok(Answer::Challenge(challenge)),
            Turn::Denied(denied) => Err(self.denied(&denied)),
            Turn::Done(identity) => {
                self.login = None;
                self.enter(identity)
            }
        }
    }

    /// Takes a place; that there is none is told as such, not as a wrong password.
    fn enter(&mut self, identity: Identity) -> Result<Answer, Refusal> {
        let Identity { principal, name, .. } = identity;
        let most = self.door.config.mailboxes.sessions_per_account_max;
        let (listener, peer) = (&self.door.name, &self.peer);
        let Some(place) = self.door.shared.session(principal, most) else {
            tracing::info!(listener, %peer, account = name, "Too many sessions of an account.");
            return Err(Refusal::Busy);
        };
        tracing::info!(listener, %peer, account = name, "Client authenticated.");
        self.account = Some(Account { id: principal, name: name.clone(), _place: place });
        Ok(Answer::Authenticated { name })
    }

    fn denied(&mut self, denied: &Denied) -> Refusal {
        self.login = None;
        let listener = &self.door.name;
        tracing::info!(listener, peer = %self.peer, %denied, "Authentication refused.");
        metrics::counter!(metric::AUTH_FAILURES, "listener" => listener.clone()).increment(1);
        match denied {
            Denied::Plaintext => Refusal::PrivacyRequired,
            Denied::Credentials => Refusal::AuthenticationFailed,
            Denied::Mechanism | Denied::Malformed(_) => Refusal::Exchange,
            Denied::Throttled(_) | Denied::Busy => Refusal::Busy,
            _ => Refusal::Unavailable,
        }
    }
}
