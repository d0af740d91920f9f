//! Logging in: a login of the directory, then a place in the account, then its inbox.

use mailwright_directory::{Denied, Identity, Login, Turn};
use mailwright_pop3::{Answer, Code, Reply};
use mailwright_store::{StoreError, mailbox};
use mailwright_view::{Flags, Identity as MailboxIdentity, Row, Snapshot};
use mailwright_words::{Timestamp, metric};

use super::conversation::{Conversation, Inbox};
use crate::{
    peer,
    shared::{Full, Most},
};

impl Conversation {
    pub(super) async fn auth(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Answer {
        let secured = (self.session.is_secure(), &self.binding);
        let connection = peer::connection(&self.door.config, self.peer, secured);
        match Login::begin(&self.door.directory, mechanism, &connection) {
            Ok(mut login) => {
                let turn = login.start(initial.as_deref(), self.door.clock.now()).await;
                self.login = Some(login);
                self.turn(turn).await
            }
            Err(denied) => self.denied(&denied),
        }
    }

    pub(super) async fn auth_response(&mut self, response: &[u8]) -> Answer {
        let Some(login) = &mut self.login else {
            return Answer::Refused(Reply::error("No authentication is under way"));
        };
        let turn = login.respond(response, self.door.clock.now()).await;
        self.turn(turn).await
    }

    async fn turn(&mut self, turn: Turn) -> Answer {
        match turn {
            Turn::Challenge(challenge) => Answer::Challenge(challenge),
            Turn::Denied(denied) => self.denied(&denied),
            Turn::Done(identity) => {
                self.login = None;
                self.enter(&identity).await
            }
        }
    }

    /// Opens the inbox of who logged in.
    async fn enter(&mut self, identity: &Identity) -> Answer {
        let (door, account) = (&self.door, identity.name.as_str());
        let mailboxes = &door.config.mailboxes;
        let most = Most {
            sessions: mailboxes.sessions_per_account_max,
            maildrops: mailboxes.pop3_sessions_per_account_max,
            delay: mailboxes.pop3_login_delay,
        };
        let entered = door.shared.maildrop(identity.principal, most, door.clock.now());
        let place = match entered {
            Ok(place) => place,
            Err(full) => {
                tracing::info!(listener = door.name, peer = %self.peer, account, ?full,
                    "Maildrop not opened.");
                return Answer::Refused(match full {
                    Full::Sessions => {
                        Reply::coded(Code::SystemTemporary, "The account has too many sessions")
                    }
                    Full::InUse => Reply::coded(Code::InUse, "Another session has the maildrop"),
                    Full::Delay => Reply::coded(Code::LoginDelay, "Wait before the next login"),
                });
            }
        };
        let principal = identity.principal;
        match door.store.read(move |tx| mailbox::maildrop(tx, principal)).await {
            Ok(found) => {
                tracing::info!(listener = door.name, peer = %self.peer, account,
                    "Client authenticated.");
                let (mailbox, snapshot) = (found.folder.id, snapshot(&found));
                let answer = Answer::Opened(snapshot.clone());
                let account = identity.name.clone();
                self.inbox = Some(Inbox { account, mailbox, snapshot, place });
                answer
            }
            Err(error) => {
                tracing::error!(listener = door.name, account, %error, "Maildrop not read.");
                Answer::Refused(unreadable(&error))
            }
        }
    }

    fn denied(&mut self, denied: &Denied) -> Answer {
        self.login = None;
        self.auth_failures += 1;
        tracing::info!(listener = self.door.name, peer = %self.peer, %denied,
            "Authentication refused.");
        metrics::counter!(metric::AUTH_FAILURES, "listener" => self.door.name.clone()).increment(1);
        let reply = match denied {
            Denied::Credentials => Reply::coded(Code::Auth, denied.to_string()),
            denied if denied.is_temporary() => {
                Reply::coded(Code::SystemTemporary, denied.to_string())
            }
            denied => Reply::error(denied.to_string()),
        };
        if self.auth_failures >= self.door.config.limits.auth_failures_max {
            return Answer::Closed(reply);
        }
        Answer::Refused(reply)
    }
}

/// What a client is told when the store fails: an unknown error of ours is temporary.
pub(super) fn unreadable(error: &StoreError) -> Reply {
    match error {
        StoreError::Corrupt(_) => {
            Reply::coded(Code::SystemPermanent, "What is stored here is damaged")
        }
        _ => Reply::coded(Code::SystemTemporary, "Local error, try again later"),
    }
}

fn snapshot(found: &mailbox::Maildrop) -> Snapshot {
    let folder = &found.folder;
    let identity = MailboxIdentity {
        mailbox: folder.id,
        uidvalidity: folder.uidvalidity,
        uidnext: folder.uidnext,
        highest_modseq: u64::try_from(folder.highestmodseq).unwrap_or(0),
    };
    let rows = found.messages.iter().map(|message| Row {
        uid: message.uid,
        flags: Flags::default(),
        message: message.message,
        modseq: 0,
        size: message.size,
        internal_date: Timestamp::new(0),
        save_date: Timestamp::new(0),
    });
    Snapshot::new(identity, Vec::new(), rows.collect())
}
