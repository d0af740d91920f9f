//! The session itself: what it holds, and how it goes from step to step.
//!
//! Nothing is read while a question is open, and a transaction that the driver was asked about
//! ends in exactly one of [`Question::Message`] and [`Question::Abandon`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mailwright_words::{Input, Reply, TooLong};

use super::log::{Log, Refused};
use super::message::Transaction;
use super::{Event, Peer, Question, Role, Settings, Step, reply};
use crate::command::{self, Command, ForwardPath, Malformed};

/// A client's conversation with a listener, as a pure state machine.
///
/// Bytes go in by [`feed`](Self::feed), only after [`next`](Self::next) gave `None`; then `next`
/// is called until it gives `None` again. After [`Step::Ask`] comes [`answer`](Self::answer),
/// after [`Step::StartTls`] comes [`tls`](Self::tls). The first question is
/// [`Question::Connect`]. However the bytes are cut, the answers are the same.
#[derive(Debug)]
pub struct Session {
    pub(super) settings: Arc<Settings>,
    pub(super) peer: Peer,
    pub(super) state: State,
    /// Whether the connection is encrypted.
    pub(super) secure: bool,
    /// Who authenticated.
    pub(super) user: Option<String>,
    /// The client's name for itself.
    pub(super) name: Option<String>,
    /// Whether it said `EHLO` or `LHLO`.
    pub(super) extended: bool,
    pub(super) input: Input,
    pub(super) steps: VecDeque<Step>,
    /// The question whose answer is awaited, or will be once it is handed out.
    pub(super) asked: Option<Asked>,
    /// Whether it is handed out.
    pub(super) waiting: bool,
    event: Option<Event>,
    pub(super) errors: u32,
    pub(super) commands: u32,
    /// Transactions that were begun.
    pub(super) transactions: u32,
    /// What was said, where that is kept.
    pub(super) log: Option<Log>,
}

/// Where a session stands. What a state needs, it owns.
#[derive(Debug)]
pub(super) enum State {
    /// Connected; not yet greeted.
    Arriving,
    /// Greeted with a refusal: only `QUIT` is taken. Source: RFC 5321 section 3.1.
    TurnedAway,
    /// Greeted; no `EHLO` yet.
    Greeted,
    /// Said `EHLO`; no transaction is open.
    Ready,
    /// Within `AUTH`, after so many challenges.
    Dialogue { rounds: u32 },
    /// `MAIL` was accepted.
    Transaction(Box<Transaction>),
    /// Within `DATA`.
    Body(Box<Transaction>),
    /// Within `BDAT`, with so many octets to come.
    Chunk { open: Box<Transaction>, size: u64, left: u64, last: bool },
    /// The message is read to its end.
    Whole(Box<Transaction>),
    /// Octets of a `BDAT` are dropped; then the replies are given.
    Dropping { left: u64, replies: Vec<Reply>, then: Box<Self> },
    /// The TLS handshake is under way.
    Handshake,
    /// Nothing more is read.
    Closed,
}

/// What was asked, with what is needed when the answer comes.
#[derive(Debug)]
pub(super) enum Asked {
    Connect,
    Hello { name: String, extended: bool },
    Auth { rounds: u32 },
    AuthCancel,
    Mail(Box<Transaction>),
    Rcpt(ForwardPath),
    Begin(Begins),
    Chunk,
    Message,
    Abandon,
}

/// The command a message begins with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Begins {
    Data,
    Bdat { size: u64, last: bool },
}

/// Challenges of one `AUTH`; no mechanism needs half of them.
pub(super) const ROUNDS_MAX: u32 = 8;

impl Session {
    /// A session with `peer`, which has just connected.
    pub fn new(settings: Arc<Settings>, peer: Peer) -> Self {
        let log = (settings.transcript_max > 0).then(|| Log::new(settings.transcript_max));
        Self {
            settings,
            peer,
            state: State::Arriving,
            secure: peer.tls,
            user: None,
            name: None,
            extended: false,
            input: Input::default(),
            steps: VecDeque::new(),
            asked: None,
            waiting: false,
            event: None,
            errors: 0,
            commands: 0,
            transactions: 0,
            log,
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
    /// forgotten. Source: RFC 3207 section 4.2.
    pub fn tls(&mut self) {
        self.secure = true;
        if matches!(self.state, State::Handshake) {
            self.state = State::Greeted;
            self.user = None;
            self.name = None;
            self.extended = false;
        }
    }

    /// Something befell the session; [`next`](Self::next) tells what follows.
    pub fn event(&mut self, event: Event) {
        if self.event.is_none() || event == Event::Eof {
            self.event = Some(event);
        }
    }

    /// How long the client may say nothing where the session stands.
    pub fn timeout(&self) -> Duration {
        match self.state {
            State::Dialogue { .. } => self.settings.auth_timeout,
            State::Body(_) | State::Chunk { .. } | State::Dropping { .. } => {
                self.settings.body_timeout
            }
            _ => self.settings.command_timeout,
        }
    }

    /// What the client calls itself, once that was accepted.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Who authenticated.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// What both sides said, without passwords and messages; empty where it is not kept.
    pub fn transcript(&self) -> String {
        self.log.as_ref().map(Log::text).unwrap_or_default()
    }

    /// What was refused since the last call, where that is kept.
    pub fn take_refused(&mut self) -> Vec<Refused> {
        self.log.as_mut().map(Log::take_refused).unwrap_or_default()
    }

    /// Whether the connection is encrypted.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The name of the protocol spoken, as a `Received` field gives it after `with`.
    ///
    /// Source: RFC 3848, RFC 6531 section 4.3.
    pub fn protocol(&self) -> String {
        let utf8 = match &self.state {
            State::Transaction(open)
            | State::Body(open)
            | State::Whole(open)
            | State::Chunk { open, .. } => open.smtputf8,
            _ => false,
        };
        let base = match (self.settings.role, utf8, self.extended) {
            (Role::Lmtp, true, _) => "UTF8LMTP",
            (Role::Lmtp, false, _) => "LMTP",
            (_, true, _) => "UTF8SMTP",
            (_, false, true) => "ESMTP",
            (_, false, false) => return "SMTP".to_owned(),
        };
        let secure = if self.secure { "S" } else { "" };
        let user = if self.user.is_some() { "A" } else { "" };
        format!("{base}{secure}{user}")
    }

    /// Goes on by one command or piece; false when there is nothing to go on with.
    fn advance(&mut self) -> bool {
        let reading = matches!(
            self.state,
            State::Body(_) | State::Chunk { .. } | State::Whole(_) | State::Dropping { .. }
        );
        match self.event {
            Some(_) if matches!(self.state, State::Closed) => return false,
            Some(Event::TimedOut) => {
                self.end(Some(&reply::closing((4, 2), "You said nothing for too long")));
                return true;
            }
            Some(Event::Shutdown) if !reading => {
                self.end(Some(&reply::closing((3, 2), "The server stops")));
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
                self.ask(Question::Connect, Asked::Connect);
                true
            }
            State::Handshake => {
                // What follows STARTTLS unencrypted may be somebody else's: RFC 3207 section 6.
                let injected = !self.input.is_empty();
                if injected {
                    self.end(None);
                }
                injected
            }
            State::Dialogue { rounds } => self.response(rounds),
            State::Body(_) => self.body(),
            State::Chunk { .. } => self.chunk(),
            State::Whole(_) => self.whole(),
            State::Dropping { .. } => self.dropping(),
            State::TurnedAway | State::Greeted | State::Ready | State::Transaction(_) => {
                self.line()
            }
        }
    }

    /// Reads a command.
    fn line(&mut self) -> bool {
        let (command, ascii) = match self.input.line(command::line_max) {
            None => return false,
            Some(Err(TooLong)) => {
                if let Some(log) = &mut self.log {
                    log.heard_hidden("(a long line)");
                }
                (Err(Malformed::TooLong), true)
            }
            Some(Ok(line)) => {
                if let Some(log) = &mut self.log {
                    log.heard(line);
                }
                (Command::parse(line), line.is_ascii())
            }
        };
        self.commands = self.commands.saturating_add(1);
        if self.commands > self.settings.commands_max {
            self.end(Some(&reply::closing((7, 0), "Too many commands")));
            return true;
        }
        match command {
            Ok(command) => self.command(command, ascii),
            Err(Malformed::Foreign) => {
                self.end(Some(&reply::closing((7, 0), "This is not a web server")));
            }
            Err(malformed) => self.say(&malformed.reply()),
        }
        true
    }

    /// Reads a line of an `AUTH` dialogue.
    fn response(&mut self, rounds: u32) -> bool {
        let response = match self.input.line(|_| command::AUTH_LINE_MAX) {
            None => return false,
            Some(Err(TooLong)) => Err(Malformed::AuthTooLong.reply()),
            Some(Ok(b"*")) => Err(reply::cancelled()),
            Some(Ok(line)) => command::base64(line).map_err(|malformed| malformed.reply()),
        };
        if let Some(log) = &mut self.log {
            log.heard_hidden("***");
        }
        self.state = State::Ready;
        match response {
            Ok(response) => self.ask(Question::AuthResponse(response), Asked::Auth { rounds }),
            Err(refusal) => self.cancel(&refusal),
        }
        true
    }

    /// Ends an `AUTH` dialogue with `refusal`.
    pub(super) fn cancel(&mut self, refusal: &Reply) {
        self.ask(Question::AuthCancel, Asked::AuthCancel);
        self.say(refusal);
    }

    /// Reads octets of `DATA`.
    fn body(&mut self) -> bool {
        let State::Body(open) = &mut self.state else { return false };
        let Some(message) = &mut open.message else { return false };
        if self.input.is_empty() {
            return false;
        }
        let progress = message.read(self.input.rest(), &self.settings);
        self.input.consume(progress.used);
        self.pass_on();
        if progress.ended {
            self.message_ends();
        }
        true
    }

    /// Reads octets of `BDAT`.
    fn chunk(&mut self) -> bool {
        let State::Chunk { open, left, .. } = &mut self.state else { return false };
        let Some(message) = &mut open.message else { return false };
        if *left == 0 {
            self.chunk_ends();
            return true;
        }
        if self.input.is_empty() {
            return false;
        }
        let rest = self.input.rest();
        let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
        let progress = message.read(rest.get(..wanted).unwrap_or_default(), &self.settings);
        *left = left.saturating_sub(u64::try_from(progress.used).unwrap_or(u64::MAX));
        self.input.consume(progress.used);
        self.pass_on();
        true
    }

    /// Hands the driver what was read, or tells it to drop all of it.
    pub(super) fn pass_on(&mut self) {
        let (State::Body(open) | State::Chunk { open, .. }) = &mut self.state else { return };
        let Some(message) = &mut open.message else { return };
        if message.drop_if_wrong(&self.settings) {
            self.ask(Question::Abandon, Asked::Abandon);
        } else if let Some(chunk) = message.chunk(false) {
            self.ask(Question::Chunk(chunk), Asked::Chunk);
        }
    }

    /// The last octet of a `BDAT` was read.
    fn chunk_ends(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        let State::Chunk { mut open, size, last, .. } = state else { return };
        if last {
            if let Some(message) = &mut open.message {
                message.finish();
            }
            self.state = State::Whole(open);
            return;
        }
        let wrong = open.message.as_ref().and_then(|message| message.wrong(&self.settings));
        if let Some(refusal) = wrong {
            self.state = State::Ready;
            self.say(&refusal);
        } else {
            self.state = State::Transaction(open);
            self.say(&reply::received(size));
        }
    }

    /// The lone dot was read.
    fn message_ends(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        self.state = match state {
            State::Body(open) => State::Whole(open),
            other => other,
        };
    }

    /// The message is read; what is left is to hand over its rest, and to ask for its fate.
    fn whole(&mut self) -> bool {
        let State::Whole(open) = &mut self.state else { return false };
        let Some(message) = &mut open.message else { return false };
        if message.drop_if_wrong(&self.settings) {
            self.ask(Question::Abandon, Asked::Abandon);
        } else if let Some(refusal) = message.wrong(&self.settings) {
            let accepted = open.accepted;
            let replies = self.each(accepted, &refusal);
            self.state = State::Ready;
            self.say_all(&replies);
        } else if let Some(chunk) = message.chunk(true) {
            self.ask(Question::Chunk(chunk), Asked::Chunk);
        } else {
            let what = format!("({} octets of message)", message.octets());
            if let Some(log) = &mut self.log {
                log.heard_hidden(&what);
            }
            self.ask(Question::Message, Asked::Message);
        }
        true
    }

    /// Reads octets of a `BDAT` that nobody wants.
    fn dropping(&mut self) -> bool {
        let State::Dropping { left, .. } = &mut self.state else { return false };
        if *left > 0 {
            let here = u64::try_from(self.input.rest().len()).unwrap_or(u64::MAX).min(*left);
            *left -= here;
            self.input.consume(usize::try_from(here).unwrap_or(usize::MAX));
            return here > 0;
        }
        let state = std::mem::replace(&mut self.state, State::Closed);
        let State::Dropping { replies, then, .. } = state else { return false };
        self.state = *then;
        self.say_all(&replies);
        true
    }

    /// Drops `left` octets, then gives `replies` and goes on where the session stands.
    pub(super) fn drop_octets(&mut self, left: u64, replies: Vec<Reply>) {
        let then = Box::new(std::mem::replace(&mut self.state, State::Closed));
        self.state = State::Dropping { left, replies, then };
    }

    /// `reply` once, or in LMTP once for each of `recipients`. Source: RFC 2033 section 4.2.
    pub(super) fn each(&self, recipients: usize, reply: &Reply) -> Vec<Reply> {
        let count = if self.settings.role == Role::Lmtp { recipients } else { 1 };
        vec![reply.clone(); count]
    }

    pub(super) fn ask(&mut self, question: Question, asked: Asked) {
        if matches!(self.state, State::Closed) {
            return;
        }
        debug_assert!(self.asked.is_none(), "one question is open at a time");
        self.asked = Some(asked);
        self.steps.push_back(Step::Ask(question));
    }

    pub(super) fn write(&mut self, reply: &Reply) {
        if let Some(log) = &mut self.log {
            log.said(reply);
        }
        self.steps.push_back(Step::Write(reply.to_wire()));
    }

    /// Says `reply`, which ends the session when it is a 421 or one refusal too many.
    pub(super) fn say(&mut self, reply: &Reply) {
        self.say_all(std::slice::from_ref(reply));
    }

    pub(super) fn say_all(&mut self, replies: &[Reply]) {
        for reply in replies {
            self.write(reply);
        }
        if replies.iter().any(Reply::is_permanent) {
            self.errors = self.errors.saturating_add(1);
        }
        if replies.iter().any(|reply| reply.code == 421) {
            self.end(None);
        } else if self.errors > self.settings.errors_max {
            self.end(Some(&reply::closing((7, 0), "Too many errors")));
        }
    }

    /// Ends the session: what the driver collected is given up, and the connection closed.
    pub(super) fn end(&mut self, last: Option<&Reply>) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        if let Some(reply) = last
            && !matches!(state, State::Handshake)
        {
            self.write(reply);
        }
        let open = match state {
            State::Transaction(open)
            | State::Body(open)
            | State::Whole(open)
            | State::Chunk { open, .. } => Some(open),
            State::Dropping { then, .. } => match *then {
                State::Transaction(open) => Some(open),
                _ => None,
            },
            State::Dialogue { .. } => {
                self.asked = Some(Asked::AuthCancel);
                self.steps.push_back(Step::Ask(Question::AuthCancel));
                None
            }
            _ => None,
        };
        if open.is_some_and(|open| !open.is_dropped()) {
            self.asked = Some(Asked::Abandon);
            self.steps.push_back(Step::Ask(Question::Abandon));
        }
        self.steps.push_back(Step::Close);
    }

    pub(super) fn start_tls(&mut self) {
        self.write(&reply::start_tls());
        self.state = State::Handshake;
        // Bytes that are here already were sent before our reply: they end the session.
        if self.input.is_empty() {
            self.steps.push_back(Step::StartTls);
        }
    }
}
