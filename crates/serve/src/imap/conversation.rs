//! One IMAP session: the pure machine, who answers it, and what it has open.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use mailwright_directory::Login;
use mailwright_imap::{self as imap, Answer, Peer, Question, Refusal, Session, Step};
use mailwright_net::{self as net, Event, TlsFacts};
use mailwright_sasl::ChannelBinding;
use mailwright_store::{StoreError, mailbox::View};
use mailwright_words::{Id, metric};
use tokio::sync::Notify;

use super::{change::Appending, door::Door, large::Large};
use crate::{peer, shared::Place};

/// One IMAP session with its answers.
#[derive(Debug)]
pub struct Conversation {
    pub(super) door: Arc<Door>,
    pub(super) session: Session,
    pub(super) peer: SocketAddr,
    pub(super) binding: ChannelBinding,
    pub(super) login: Option<Box<Login>>,
    pub(super) account: Option<Account>,
    pub(super) open: Option<Open>,
    pub(super) appending: Option<Box<Appending>>,
    pub(super) large: Option<Box<Large>>,
    /// Tells that the client hung up while a search is under way.
    pub(super) gone: Option<Arc<Notify>>,
    early: bool,
}

/// Who is logged in, and the place of this session among the account's.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) _place: Place,
}

/// The mailbox that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) view: View,
    /// Whether recent messages stay recent.
    pub(super) read_only: bool,
    /// UIDs below were asked for as recent already.
    pub(super) asked_below: u32,
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
            session,
            peer,
            binding: ChannelBinding::default(),
            login: None,
            account: None,
            open: None,
            appending: None,
            large: None,
            gone: None,
            early: false,
            door,
        }
    }

    async fn found(&mut self, question: Question) -> Result<Answer, Refusal> {
        match question {
            Question::Connect if self.early => Err(Refusal::Busy),
            Question::Connect => Ok(Answer::Done),
            Question::Login { name, password } => self.log_in(&name, &password.0).await,
            Question::Auth { mechanism, initial } => self.auth(&mechanism, initial).await,
            Question::AuthResponse(response) => self.auth_response(&response).await,
            Question::AuthCancel => {
                self.login = None;
                Ok(Answer::Done)
            }
            Question::Id(fields) => {
                tracing::debug!(listener = self.door.name, ?fields, "Client told its name.");
                Ok(Answer::Done)
            }
            Question::Latest => self.latest(),
            Question::Deselect => {
                self.open = None;
                Ok(Answer::Done)
            }
            Question::Fetch { rows, needs } => self.fetch(rows, needs).await,
            Question::More { row, need, offset, octets } => {
                self.more(row, need, offset, octets).await
            }
            Question::Search { snapshot, program } => self.search(snapshot, program).await,
            Question::Sort { snapshot, program, keys } => self.sort(snapshot, program, keys).await,
            Question::Thread { snapshot, program, algorithm } => {
                self.thread(snapshot, program, algorithm).await
            }
            question => self.found_mailbox(question).await,
        }
    }

    async fn found_mailbox(&mut self, question: Question) -> Result<Answer, Refusal> {
        match question {
            Question::Folders => self.folders().await,
            Question::Statuses(names) => self.statuses(names).await,
            Question::Select { name, read_only } => self.select(name, read_only).await,
            Question::Vanished { since, uids } => self.vanished(since, uids).await,
            Question::Create { name, special_use } => self.create(name, &special_use).await,
            Question::Delete(name) => self.delete(name).await,
            Question::Rename { from, to } => self.rename(from, to).await,
            Question::Subscribe { name, subscribed } => self.subscribe(name, subscribed).await,
            Question::Quota => self.quota().await,
            question => self.changed(question).await,
        }
    }

    async fn changed(&mut self, question: Question) -> Result<Answer, Refusal> {
        match question {
            Question::AppendBegin(message) => self.append_begin(message).await,
            Question::AppendChunk(octets) => self.append_chunk(&octets).await,
            Question::AppendCommit => self.append_commit().await,
            Question::AppendAbort => {
                self.appending = None;
                Ok(Answer::Done)
            }
            Question::Store { uids, change, unchanged_since } => {
                self.store(uids, change, unchanged_since).await
            }
            Question::Expunge(uids) => self.expunge(uids).await,
            Question::Copy { uids, to } => self.copy(uids, to, false).await,
            Question::Move { uids, to } => self.copy(uids, to, true).await,
            _ => Err(Refusal::ServerBug),
        }
    }

    /// The open mailbox now, and what of it is recent.
    fn latest(&mut self) -> Result<Answer, Refusal> {
        let open = self.open.as_mut().ok_or(Refusal::NonExistent)?;
        let snapshot = open.view.latest().ok_or(Refusal::NonExistent)?;
        let uidnext = snapshot.identity().uidnext;
        let recent = if open.read_only || uidnext <= open.asked_below {
            mailwright_view::NumberSet::new()
        } else {
            open.asked_below = uidnext;
            self.door.store.claim_recent(&snapshot)
        };
        Ok(Answer::Latest { snapshot, recent })
    }

    /// The account that is logged in.
    pub(super) fn account(&self) -> Result<Id, Refusal> {
        self.account.as_ref().map(|account| account.id).ok_or(Refusal::ServerBug)
    }

    /// The mailbox that is open.
    pub(super) fn mailbox(&self) -> Result<Id, Refusal> {
        self.open.as_ref().map(|open| open.view.mailbox()).ok_or(Refusal::NonExistent)
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let listener = self.door.name.clone();
        metrics::gauge!(metric::SESSIONS_OPEN, "listener" => listener).decrement(1.0);
    }
}

/// What a client is told of an error of the store.
pub(super) fn refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::Missing(_) => Refusal::NonExistent,
        StoreError::Exists(_) => Refusal::AlreadyExists,
        StoreError::OverQuota => Refusal::OverQuota,
        StoreError::Limit(_) => Refusal::Limit,
        StoreError::HasChildren => Refusal::HasChildren,
        StoreError::Cannot(_) => Refusal::Cannot,
        StoreError::Corrupt(_) => {
            tracing::error!(%error, "What is stored is damaged.");
            Refusal::Corruption
        }
        StoreError::Full | StoreError::ReadOnly | StoreError::Closed | StoreError::Stopped(_) => {
            tracing::warn!(%error, "The store takes nothing.");
            Refusal::Unavailable
        }
        _ => {
            tracing::error!(%error, "The store did not answer.");
            Refusal::ServerBug
        }
    }
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

    fn watch(&mut self, question: &Question) -> Option<Arc<Notify>> {
        let searches = matches!(
            question,
            Question::Search { .. } | Question::Sort { .. } | Question::Thread { .. }
        );
        self.gone = searches.then(Arc::default);
        self.gone.clone()
    }

    async fn answer(&mut self, question: Question) {
        // What is at hand is not worth a place on the heap; the rest has a large state.
        let found = match question {
            Question::Latest => self.latest(),
            question => Box::pin(self.found(question)).await,
        };
        self.session.answer(found.unwrap_or_else(Answer::Refused));
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
            Event::Early => self.early = true,
            Event::Eof => self.session.event(imap::Event::Eof),
            Event::TimedOut => self.session.event(imap::Event::TimedOut),
            Event::Shutdown => self.session.event(imap::Event::Shutdown),
            Event::News => self.session.event(imap::Event::News),
        }
    }

    async fn notified(&mut self) {
        match &mut self.open {
            Some(open) if self.session.is_idle() => open.view.changed().await,
            _ => std::future::pending().await,
        }
    }
}
