//! The session itself: what it holds, and how it goes from step to step.
//!
//! Nothing is read while a question is open. Messages are removed by [`Question::Leave`] alone,
//! which follows `QUIT` and nothing else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mailwright_words::{Input, TooLong};

use crate::command::{self, Command, Malformed};
use crate::maildrop::{Column, Maildrop};
use crate::outgoing::Outgoing;
use crate::reply::{self, Reply};
use crate::{Event, Peer, Question, Settings, Step};

/// A client's conversation with a listener, as a pure state machine.
///
/// Bytes go in by [`feed`](Self::feed), only after [`next`](Self::next) gave `None`; then `next`
/// is called until it gives `None` again. After [`Step::Ask`] comes [`answer`](Self::answer),
/// after [`Step::StartTls`] comes [`tls`](Self::tls). However the bytes are cut, the answers are
/// the same.
#[derive(Debug)]
pub struct Session {
    pub(crate) settings: Arc<Settings>,
    pub(crate) peer: Peer,
    pub(crate) state: State,
    /// Whether the connection is encrypted.
    pub(crate) secure: bool,
    pub(crate) input: Input,
    pub(crate) steps: VecDeque<Step>,
    /// The question whose answer is awaited, or will be once it is handed out.
    pub(crate) asked: Option<Asked>,
    /// Whether it is handed out.
    pub(crate) waiting: bool,
    event: Option<Event>,
    errors: u32,
    commands: u32,
}

/// Where a session stands. What a state needs, it owns.
#[derive(Debug)]
pub(crate) enum State {
    /// Connected; not yet greeted.
    Arriving,
    /// Not logged in; who `USER` named.
    Authorization { user: Option<String> },
    /// Within `AUTH`, after so many challenges.
    Dialogue { rounds: u32 },
    /// Logged in.
    Transaction(Box<Maildrop>),
    /// A list is told, from this number on.
    Listing { maildrop: Box<Maildrop>, column: Column, next: u32 },
    /// The TLS handshake is under way.
    Handshake,
    /// Nothing more is read.
    Closed,
}

/// What was asked, with what is needed when the answer comes.
#[derive(Debug)]
pub(crate) enum Asked {
    Auth {
        rounds: u32,
    },
    AuthCancel,
    /// The beginning of a message of so many octets.
    Message {
        size: u64,
        outgoing: Outgoing,
    },
    More(Outgoing),
    Leave,
}

/// Challenges of one `AUTH`; no mechanism needs half of them.
pub(crate) const ROUNDS_MAX: u32 = 8;

impl Session {
    /// A session with a client that has just connected.
    pub fn new(settings: Arc<Settings>, peer: Peer) -> Self {
        Self {
            settings,
            peer,
            state: State::Arriving,
            secure: peer.tls,
            input: Input::default(),
            steps: VecDeque::new(),
            asked: None,
            waiting: false,
            event: None,
            errors: 0,
            commands: 0,
        }
    }

    /// Takes what the client sent.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closed) {
            self.input.push(bytes);
        }
    }

    /// What is to be done next; `None` when the client, or an answer, has to come first.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end of a session")]
    pub fn next(&mut self) -> Option<Step> {
        if self.waiting {
            return None;
        }
        while self.steps.is_empty() && self.advance() {}
        let step = self.steps.pop_front();
        self.waiting = matches!(step, Some(Step::Ask(_)));
        step
    }

    /// The handshake that [`Step::StartTls`] asked for is done. All that was said before it is
    /// forgotten. Source: RFC 2595 section 4.
    pub fn tls(&mut self) {
        self.secure = true;
        if matches!(self.state, State::Handshake) {
            self.state = State::Authorization { user: None };
        }
    }

    /// Something befell the session; [`next`](Self::next) tells what follows.
    pub fn event(&mut self, event: Event) {
        if self.event.is_none() || event == Event::Eof {
            self.event = Some(event);
        }
        if event == Event::Eof && !self.waiting {
            // Nobody reads what is queued, so nothing is fetched for it.
            self.steps.clear();
            self.asked = None;
        }
    }

    /// How long the client may say nothing where the session stands.
    pub fn timeout(&self) -> Duration {
        match self.state {
            State::Transaction(_) | State::Listing { .. } => self.settings.idle_timeout,
            _ => self.settings.login_timeout,
        }
    }

    /// Whether the connection is encrypted.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Goes on by one command or piece; false when there is nothing to go on with.
    fn advance(&mut self) -> bool {
        match self.event {
            Some(_) if matches!(self.state, State::Closed) => return false,
            // The client is told nothing, and nothing is removed. Source: RFC 1939 section 3.
            Some(Event::TimedOut) => {
                self.end(None);
                return true;
            }
            Some(Event::Shutdown) if !matches!(self.state, State::Listing { .. }) => {
                self.end(Some(&reply::stopping()));
                return true;
            }
            _ => {}
        }
        if self.read() {
            return true;
        }
        let ends = self.event == Some(Event::Eof) && !matches!(self.state, State::Closed);
        if ends {
            self.end(None);
        }
        ends
    }

    fn read(&mut self) -> bool {
        match self.state {
            State::Closed => false,
            State::Arriving => {
                self.state = State::Authorization { user: None };
                let text = format!("{} Mailwright POP3", self.settings.hostname);
                self.say(&Reply::ok(text));
                true
            }
            State::Handshake => {
                // What follows STLS unencrypted may be somebody else's: RFC 3207 section 6.
                let injected = !self.input.is_empty();
                if injected {
                    self.end(None);
                }
                injected
            }
            State::Dialogue { rounds } => self.response(rounds),
            State::Listing { .. } => self.listing(),
            State::Authorization { .. } | State::Transaction(_) => self.line(),
        }
    }

    /// Reads a command.
    fn line(&mut self) -> bool {
        let command = match self.input.line(command::line_max) {
            None => return false,
            Some(Err(TooLong)) => Err(Malformed::TooLong),
            Some(Ok(line)) => Command::parse(line),
        };
        if matches!(self.state, State::Authorization { .. }) {
            self.commands = self.commands.saturating_add(1);
            if self.commands > self.settings.commands_max {
                self.end(Some(&Reply::error("Too many commands")));
                return true;
            }
        }
        match command {
            Ok(command) => self.command(command),
            Err(Malformed::Foreign) => self.end(Some(&Malformed::Foreign.reply())),
            Err(malformed) => self.wrong(&malformed.reply()),
        }
        true
    }

    /// Reads a line of an `AUTH` dialogue.
    fn response(&mut self, rounds: u32) -> bool {
        let response = match self.input.line(|_| command::AUTH_LINE_MAX) {
            None => return false,
            Some(Err(TooLong)) => Err(Malformed::TooLong.reply()),
            Some(Ok(b"*")) => Err(Reply::error("Authentication cancelled")),
            Some(Ok(line)) => command::base64(line).map_err(Malformed::reply),
        };
        self.state = State::Authorization { user: None };
        match response {
            Ok(response) => self.ask(Question::AuthResponse(response), Asked::Auth { rounds }),
            Err(refusal) => self.cancel(&refusal),
        }
        true
    }

    /// Ends an `AUTH` dialogue with `refusal`.
    pub(crate) fn cancel(&mut self, refusal: &Reply) {
        self.ask(Question::AuthCancel, Asked::AuthCancel);
        self.wrong(refusal);
    }

    /// Tells the next lines of a list.
    fn listing(&mut self) -> bool {
        let State::Listing { maildrop, column, next } = &mut self.state else { return false };
        let (mut lines, more) = maildrop.lines(*next, *column);
        if let Some(more) = more {
            *next = more;
        } else {
            lines.extend_from_slice(b".\r\n");
            let state = std::mem::replace(&mut self.state, State::Closed);
            if let State::Listing { maildrop, .. } = state {
                self.state = State::Transaction(maildrop);
            }
        }
        self.steps.push_back(Step::Write(lines));
        true
    }

    pub(crate) fn ask(&mut self, question: Question, asked: Asked) {
        if matches!(self.state, State::Closed) {
            return;
        }
        debug_assert!(self.asked.is_none(), "one question is open at a time");
        self.asked = Some(asked);
        self.steps.push_back(Step::Ask(question));
    }

    pub(crate) fn say(&mut self, reply: &Reply) {
        self.steps.push_back(Step::Write(reply.to_wire()));
    }

    /// Says `reply` to what was no command, or came where it must not; one too many ends the
    /// session.
    pub(crate) fn wrong(&mut self, reply: &Reply) {
        self.say(reply);
        self.errors = self.errors.saturating_add(1);
        if self.errors > self.settings.errors_max {
            self.end(None);
        }
    }

    /// Ends the session: nothing is removed, and the connection is closed.
    pub(crate) fn end(&mut self, last: Option<&Reply>) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        if let Some(reply) = last
            && !matches!(state, State::Handshake)
        {
            self.say(reply);
        }
        if matches!(state, State::Dialogue { .. }) {
            self.asked = Some(Asked::AuthCancel);
            self.steps.push_back(Step::Ask(Question::AuthCancel));
        }
        self.steps.push_back(Step::Close);
    }

    pub(crate) fn start_tls(&mut self) {
        self.say(&Reply::ok("Begin TLS now"));
        self.state = State::Handshake;
        // Bytes that are here already were sent before our reply: they end the session.
        if self.input.is_empty() {
            self.steps.push_back(Step::StartTls);
        }
    }
}
