//! AUTH: a login of the directory, carried over the session's dialogue.

use mailwright_directory::{Connection, Denied, Login, Turn};
use mailwright_smtp::server::Answer;
use mailwright_words::{Reply, Status, metric};

use super::conversation::Conversation;

impl Conversation {
    pub(super) async fn auth(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Answer {
        let connection = Connection {
            address: self.peer.ip(),
            hostname: self.door.config.server.hostname.clone(),
            is_tls: self.session.is_secure(),
            is_trusted: self.door.takes_plaintext_from(self.peer.ip()),
            binding: self.binding.clone(),
        };
        match Login::begin(&self.door.directory, mechanism, &connection) {
            Ok(mut login) => {
                let turn = login.start(initial.as_deref(), self.door.clock.now()).await;
                self.login = Some(login);
                self.turn(turn)
            }
            Err(denied) => self.denied(&denied),
        }
    }

    pub(super) async fn auth_response(&mut self, response: &[u8]) -> Answer {
        let Some(login) = &mut self.login else {
            let text = "No authentication is under way";
            return Answer::Reply(Reply::new(503, Some(Status::new(5, 5, 1)), text));
        };
        let turn = login.respond(response, self.door.clock.now()).await;
        self.turn(turn)
    }

    fn turn(&mut self, turn: Turn) -> Answer {
        match turn {
            Turn::Challenge(challenge) => Answer::Challenge(challenge),
            Turn::Denied(denied) => self.denied(&denied),
            Turn::Done(identity) => {
                self.login = None;
                let name = identity.name.clone();
                tracing::info!(
                    listener = self.door.name,
                    peer = %self.peer,
                    account = name,
                    "Client authenticated."
                );
                self.client.identity = Some(identity);
                let text = "Authentication succeeded";
                let reply = Reply::new(235, Some(Status::new(2, 7, 0)), text);
                Answer::Authenticated { reply, name }
            }
        }
    }

    fn denied(&mut self, denied: &Denied) -> Answer {
        self.login = None;
        self.auth_failures += 1;
        let (code, status) = denied.status();
        tracing::info!(
            listener = self.door.name,
            peer = %self.peer,
            code,
            status,
            %denied,
            "Authentication refused."
        );
        metrics::counter!(metric::AUTH_FAILURES, "listener" => self.door.name.clone()).increment(1);
        if self.auth_failures >= self.door.config.limits.auth_failures_max {
            let text = "Too many authentication failures";
            return Answer::Reply(Reply::new(421, Some(Status::new(4, 7, 0)), text));
        }
        Answer::Reply(Reply::new(code, status.parse().ok(), denied.to_string()))
    }
}
