//! One session: the pure machine, who answers it, and what is known of its client.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use mailwright_config::Role;
use mailwright_directory::Login;
use mailwright_intake::{Client, Refused, Session as CaughtSession};
use mailwright_net::{self as net, Event, TlsFacts};
use mailwright_sasl::ChannelBinding;
use mailwright_smtp::server::{self, Answer, Peer, Question, Session, Step};
use mailwright_words::{Reply, Status, metric, trace::Protocol};
use tokio::sync::Notify;

use super::{
    anyone::Anyone,
    door::{Door, Place},
    fault::Lab,
    lists::Standing,
    transaction::Open,
};

/// One SMTP or LMTP session with its answers.
#[derive(Debug)]
pub struct Conversation {
    pub(super) door: Arc<Door>,
    pub(super) session: Session,
    pub(super) client: Client,
    pub(super) peer: SocketAddr,
    pub(super) binding: ChannelBinding,
    pub(super) login: Option<Login>,
    pub(super) anyone: Option<Box<Anyone>>,
    pub(super) auth_failures: usize,
    pub(super) open: Option<Open>,
    /// What lists in the DNS say of the client, once they were asked.
    pub(super) standing: Option<Standing>,
    /// What faults of an inbox do to it.
    pub(super) lab: Lab,
    early: bool,
    place: Place,
}

impl Conversation {
    /// A session with a client that has just connected; `implicit_tls` when the handshake comes
    /// first.
    pub fn new(door: Arc<Door>, peer: SocketAddr, implicit_tls: bool) -> Self {
        metrics::counter!(metric::SESSIONS, "listener" => door.name.clone()).increment(1);
        metrics::gauge!(metric::SESSIONS_OPEN, "listener" => door.name.clone()).increment(1.0);
        let place = Place::take(&door);
        // A sandbox takes every password, so that none is a secret.
        let is_sandbox = door.role == Role::Sandbox;
        let trusted = is_sandbox || door.takes_plaintext_from(peer.ip());
        let machine_peer = Peer { address: peer, trusted, tls: implicit_tls };
        let session = Session::new(door.settings(), machine_peer);
        let client = Client {
            listener: door.name.clone(),
            role: door.role,
            peer: Some(peer),
            hello: String::new(),
            protocol: Protocol::Smtp,
            tls: None,
            identity: None,
            is_trusted: door.takes_submission_from(peer.ip()),
            size_max: door.message_size_max(),
            recipients_max: door.recipients_max(),
            marks: Vec::new(),
            session: Box::default(),
        };
        Self {
            session,
            client,
            peer,
            binding: ChannelBinding::default(),
            login: None,
            anyone: None,
            auth_failures: 0,
            open: None,
            standing: None,
            lab: Lab::default(),
            early: false,
            place,
            door,
        }
    }

    fn connect(&self) -> Reply {
        if self.early {
            tracing::info!(listener = self.door.name, peer = %self.peer, "Early talker refused.");
            let text = "You spoke before you were greeted";
            return Reply::new(421, Some(Status::new(4, 7, 0)), text);
        }
        let kind = match self.door.role {
            Role::Lmtp => "LMTP",
            _ => "ESMTP",
        };
        Reply::new(220, None, format!("{} {kind} Mailwright", self.door.config.server.hostname))
    }

    fn hello(&mut self, name: String) -> Reply {
        self.client.hello = name;
        Reply::new(250, None, "")
    }

    /// How the client speaks, as far as a `Received` field tells it apart.
    pub(super) fn spoken(&self) -> Protocol {
        match self.door.role {
            Role::Lmtp => Protocol::Lmtp,
            _ if self.session.protocol() == "SMTP" => Protocol::Smtp,
            _ => Protocol::Esmtp,
        }
    }

    /// Remembers what a sandbox listener refused.
    fn note_refused(&mut self) {
        for refused in self.session.take_refused() {
            self.door.intake.refusals().push(Refused {
                number: 0,
                at: self.door.clock.now(),
                peer: self.peer.to_string(),
                username: self.client.session.username.clone(),
                command: refused.command,
                reply: refused.reply.to_string(),
                conversation: self.session.transcript(),
            });
        }
    }

    pub(super) async fn found(&mut self, question: Question) -> Answer {
        match question {
            Question::Connect => Answer::Reply(self.connect()),
            Question::Hello(name) => Answer::Reply(self.hello(name)),
            Question::Auth { mechanism, initial } if self.door.role == Role::Sandbox => {
                self.anyone(&mechanism, initial.as_deref())
            }
            Question::Auth { mechanism, initial } => self.auth(&mechanism, initial).await,
            Question::AuthResponse(response) => match self.anyone.take() {
                Some(anyone) => self.anyone_responds(anyone, &response),
                None => self.auth_response(&response).await,
            },
            Question::AuthCancel => {
                self.anyone = None;
                self.login = None;
                Answer::Taken
            }
            Question::Mail(mail) => Answer::Reply(self.mail(mail).await),
            Question::Rcpt(rcpt) => Answer::Reply(self.rcpt(rcpt).await),
            Question::Begin => Answer::Reply(self.begin()),
            Question::Chunk(chunk) => {
                self.chunk(&chunk).await;
                Answer::Taken
            }
            Question::Message => self.message().await,
            Question::Abandon => {
                self.open = None;
                Answer::Taken
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

impl net::Conversation for Conversation {
    type Question = Question;

    fn feed(&mut self, bytes: &[u8]) {
        self.session.feed(bytes);
    }

    fn next(&mut self) -> Option<net::Step<Question>> {
        if self.lab.is_cut() {
            return Some(net::Step::Close);
        }
        let step = self.session.next();
        self.note_refused();
        Some(match step? {
            Step::Write(bytes) => net::Step::Write(bytes),
            Step::Ask(question) => net::Step::Ask(question),
            Step::StartTls => net::Step::StartTls,
            Step::Close => net::Step::Close,
        })
    }

    fn watch(&mut self, _question: &Question) -> Option<Arc<Notify>> {
        self.watched()
    }

    async fn answer(&mut self, question: Question) {
        let answer = self.answered(question).await;
        // Who is cut off has nothing left to say to.
        if !self.lab.is_cut() {
            self.session.answer(answer);
        }
    }

    async fn breaks_tls(&mut self) -> Option<Vec<u8>> {
        Box::pin(self.broken_tls()).await
    }

    fn tls(&mut self, facts: TlsFacts) {
        self.client.tls = Some(format!("{} {}", facts.version, facts.cipher));
        self.client.identity = None;
        *self.client.session = CaughtSession::default();
        self.anyone = None;
        self.client.hello.clear();
        self.binding = ChannelBinding {
            exporter: Some(facts.exporter).filter(|exporter| !exporter.is_empty()),
            server_end_point: facts.server_end_point,
        };
        if !self.session.is_secure() {
            self.session.tls();
        }
        self.login = None;
        self.open = None;
    }

    fn timeout(&self) -> Duration {
        let timeout = self.session.timeout();
        if self.place.is_scarce() {
            timeout.min(self.door.config.timeouts.overload)
        } else {
            timeout
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Early => self.early = true,
            Event::Eof => self.session.event(server::Event::Eof),
            Event::TimedOut => self.session.event(server::Event::TimedOut),
            Event::Shutdown => self.session.event(server::Event::Shutdown),
            Event::News => {}
        }
    }
}
