//! One session: the pure machine, who answers it, and what is known of its client.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use mailwright_directory::Login;
use mailwright_net::{self as net, Event, TlsFacts};
use mailwright_pop3::{self as pop3, Answer, Peer, Question, Reply, Session, Step};
use mailwright_sasl::ChannelBinding;
use mailwright_store::{StoreError, mailbox::CopyReader};
use mailwright_view::{NumberSet, Snapshot};
use mailwright_words::{Id, metric};

use super::{ahead::Ahead, auth::unreadable, door::Door};
use crate::{peer, shared::Place};

/// One POP3 session with its answers.
#[derive(Debug)]
pub struct Conversation {
    pub(super) door: Arc<Door>,
    pub(super) session: Session,
    pub(super) peer: SocketAddr,
    pub(super) binding: ChannelBinding,
    pub(super) login: Option<Login>,
    pub(super) auth_failures: usize,
    /// What the client sees once it has logged in.
    pub(super) inbox: Option<Inbox>,
    ahead: Ahead,
    /// The message under way, where more of it is to be read.
    reading: Option<CopyReader>,
}

/// An open inbox.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) account: String,
    pub(super) mailbox: Id,
    pub(super) snapshot: Snapshot,
    pub(super) place: Place,
}

impl Conversation {
    /// A session with a client that has just connected; `implicit_tls` when the handshake comes
    /// first.
    pub fn new(door: Arc<Door>, peer: SocketAddr, implicit_tls: bool) -> Self {
        metrics::counter!(metric::SESSIONS, "listener" => door.name.clone()).increment(1);
        metrics::gauge!(metric::SESSIONS_OPEN, "listener" => door.name.clone()).increment(1.0);
        let trusted = peer::takes_plaintext_from(&door.config, peer.ip());
        let session = Session::new(door.settings(), Peer { trusted, tls: implicit_tls });
        Self {
            door,
            session,
            peer,
            binding: ChannelBinding::default(),
            login: None,
            auth_failures: 0,
            inbox: None,
            ahead: Ahead::default(),
            reading: None,
        }
    }

    async fn found(&mut self, question: Question) -> Answer {
        match question {
            Question::Auth { mechanism, initial } => self.auth(&mechanism, initial).await,
            Question::AuthResponse(response) => self.auth_response(&response).await,
            Question::AuthCancel => {
                self.login = None;
                Answer::Done
            }
            Question::Message { number, .. } => self.message(number).await,
            Question::More => self.more().await,
            Question::Leave(uids) => self.leave(uids).await,
        }
    }

    async fn message(&mut self, number: u32) -> Answer {
        self.reading = None;
        let Some(inbox) = &self.inbox else { return Answer::Refused(gone()) };
        let from = (&self.door.store, self.door.config.mailboxes.pop3_read_ahead);
        match self.ahead.open(number, &inbox.snapshot, from).await {
            Ok(copy) => self.piece(copy),
            Err(StoreError::Missing(_)) => Answer::Refused(gone()),
            Err(error) => {
                tracing::error!(account = inbox.account, number, %error, "Message not read.");
                Answer::Refused(unreadable(&error))
            }
        }
    }

    fn piece(&mut self, mut copy: CopyReader) -> Answer {
        let (octets, last) = (copy.take(), copy.is_read());
        self.reading = Some(copy).filter(|_| !last);
        Answer::Piece { octets, last }
    }

    async fn more(&mut self) -> Answer {
        let Some(mut copy) = self.reading.take() else { return Answer::Broken };
        let read = tokio::task::spawn_blocking(move || copy.read().map(|()| copy)).await;
        match read.map_err(|error| StoreError::Panicked(error.to_string().into())) {
            Ok(Ok(copy)) => self.piece(copy),
            Ok(Err(error)) | Err(error) => {
                tracing::error!(listener = self.door.name, %error, "Message not read to its end.");
                Answer::Broken
            }
        }
    }

    /// Removes what was marked. The place in the account is free before the client hears of it.
    async fn leave(&mut self, uids: NumberSet) -> Answer {
        let Some(Inbox { account, mailbox, place, .. }) = self.inbox.take() else {
            return Answer::Done;
        };
        if uids.is_empty() {
            return Answer::Done;
        }
        let now = self.door.clock.now();
        let removed = self.door.store.remove_messages(mailbox, uids, now).await;
        drop(place);
        match removed {
            Ok(messages) => {
                tracing::info!(listener = self.door.name, account, messages, "Messages removed.");
                Answer::Done
            }
            Err(error) => {
                tracing::error!(account, %error, "Messages not removed.");
                Answer::Refused(unreadable(&error))
            }
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let listener = self.door.name.clone();
        metrics::gauge!(metric::SESSIONS_OPEN, "listener" => listener).decrement(1.0);
    }
}

fn gone() -> Reply {
    Reply::error("The message is gone")
}

impl net::Conversation for Conversation {
    type Question = Question;

    fn feed(&mut self, bytes: &[u8]) {
        self.session.feed(bytes);
    }

    fn next(&mut self) -> Option<net::Step<Question>> {
        Some(match self.session.next()? {
            Step::Write(bytes) => net::Step::Write(bytes),
            Step::Ask(question) => net::Step::Ask(question),
            Step::StartTls => net::Step::StartTls,
            Step::Close => net::Step::Close,
        })
    }

    async fn answer(&mut self, question: Question) {
        let answer = self.found(question).await;
        self.session.answer(answer);
    }

    fn tls(&mut self, facts: TlsFacts) {
        self.binding = peer::binding(facts);
        if !self.session.is_secure() {
            self.session.tls();
        }
        self.login = None;
    }

    fn timeout(&self) -> Duration {
        self.session.timeout()
    }

    fn event(&mut self, event: Event) {
        match event {
            // There is no delay before the greeting, so nobody is early; news are not told.
            Event::Early | Event::News => {}
            Event::Eof => self.session.event(pop3::Event::Eof),
            Event::TimedOut => self.session.event(pop3::Event::TimedOut),
            Event::Shutdown => self.session.event(pop3::Event::Shutdown),
        }
    }
}
