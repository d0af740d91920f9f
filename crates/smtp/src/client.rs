//! The outbound session: one connection to a host, one transaction after another.
//!
//! Pure: bytes in, steps out. It keeps the order of the protocol, the bounds of what the host may
//! say, and one verdict for each recipient, whatever happens; policy (which host, TLS or not, when
//! to try again) belongs to its driver, which decides each time the session is at rest.
//! Source: RFC 5321, RFC 2033 (LMTP), RFC 2920 (pipelining), RFC 3030 (BDAT), RFC 3207, RFC 4954.

mod body;
mod capability;
mod command;
mod habits;
mod opening;
mod rehearsal;
mod transaction;
mod transcript;

use std::collections::VecDeque;
use std::time::Duration;

use mailwright_words::envelope::BodyType;
use mailwright_words::reply::Reply;

use crate::reply::{Bounds, Malformed, Reader};

pub use body::Stuffer;
pub use capability::Capabilities;
pub use habits::Habits;
pub use rehearsal::{Extent, Rehearsed};
pub use transaction::{Lacking, Loss, Phase, Transaction, Verdict};

pub use crate::command::By;

use command::{Command, Expect};
use rehearsal::Rehearsal;
use transaction::Tally;
use transcript::Transcript;

/// Commands that may be on their way at once; more could fill both sides' buffers.
const IN_FLIGHT_MAX: usize = 40;

/// What a session has to know of its side.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name, as `EHLO` says it.
    pub hostname: String,
    /// Whether LMTP is spoken.
    pub lmtp: bool,
    /// How long the host may take for a reply.
    pub command_timeout: Duration,
    /// How long the host may take for the reply to a message.
    pub final_timeout: Duration,
    /// How large its replies may be.
    pub bounds: Bounds,
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send these bytes.
    Write(Vec<u8>),
    /// The host has introduced itself: choose between [`Session::start_tls`],
    /// [`Session::authenticate`], [`Session::begin`] and [`Session::quit`].
    Ready,
    /// Shake hands, then call [`Session::tls`].
    StartTls,
    /// The host does not want STARTTLS after all; choose again.
    TlsRefused(Reply),
    /// The host does not believe what [`Session::xclient`] said; choose again.
    XclientRefused(Reply),
    /// Answer this with [`Session::respond`].
    Challenge(Vec<u8>),
    /// The host knows us now; choose again.
    Authenticated(Reply),
    /// It does not; choose again.
    AuthRefused(Reply),
    /// Stream the message through [`Session::body`], then call [`Session::body_end`].
    Body,
    /// The transaction is over: one verdict for each of its recipients, in their order.
    Done(Vec<Verdict>),
    /// The end of [`Session::rehearse`]: what the host said, and nothing was sent.
    Rehearsed(Rehearsed),
    /// The session is over, outside of a transaction.
    Failed(Failure),
    /// Close the connection.
    Close,
}

/// Why a session ended outside of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The host does not want us.
    Refused(Phase, Reply),
    /// The connection was lost.
    Lost(Loss),
}

/// What ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The host closed it.
    #[error("the host closed the connection")]
    Closed,
    /// The host took too long.
    #[error("the host took too long")]
    TimedOut,
    /// What the host said is no reply.
    #[error("the host does not speak SMTP: {0}")]
    Malformed(#[from] Malformed),
    /// A reply that makes no sense here.
    #[error("the host sent an unexpected {0}")]
    Unexpected(u16),
    /// The host sent something behind its reply to STARTTLS.
    #[error("the host sent plain text behind STARTTLS")]
    Injection,
    /// We had to give up: a shutdown, or a message that could not be read.
    #[error("this server broke off")]
    Abandoned,
}

/// What befalls a session from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The host sends no more, or takes no more.
    Eof,
    /// The host said nothing for [`Session::timeout`].
    TimedOut,
    /// We give up.
    Abandon,
}

/// Where a session stands.
#[derive(Debug)]
enum Stage {
    /// Greeting, hello.
    Opening,
    /// At rest: the driver chooses.
    Ready,
    /// The driver shakes hands.
    Handshake,
    /// An AUTH dialogue.
    Auth,
    /// `MAIL` to `DATA`.
    Envelope(Running),
    /// An envelope without a message.
    Rehearsal(Rehearsal),
    /// The driver streams the message.
    Body(Running, Form),
    /// The reply to the message is awaited.
    Final(Running),
    /// `QUIT` was said.
    Quit,
    /// Over.
    Closed,
}

#[derive(Debug)]
struct Running {
    transaction: Transaction,
    tally: Tally,
    /// `DATA` was answered with 354.
    go: bool,
}

/// How a message is framed, and what of it was sent.
#[derive(Debug)]
struct Form {
    stuffer: Option<Stuffer>,
    sent: u64,
}

/// A conversation with one host.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    reader: Reader,
    stage: Stage,
    steps: VecDeque<Step>,
    pending: VecDeque<Command>,
    expected: VecDeque<Expect>,
    capabilities: Capabilities,
    greeting: Option<Reply>,
    hello: Option<Reply>,
    habits: Habits,
    initial: Option<Vec<u8>>,
    transcript: Transcript,
    needs_reset: bool,
    progress: u64,
}

impl Session {
    /// A session on a connection that was just made.
    pub fn new(settings: Settings) -> Self {
        Self {
            reader: Reader::new(settings.bounds),
            settings,
            stage: Stage::Opening,
            steps: VecDeque::new(),
            pending: VecDeque::new(),
            expected: VecDeque::from([Expect::Greeting]),
            capabilities: Capabilities::default(),
            greeting: None,
            hello: None,
            habits: Habits::default(),
            initial: None,
            transcript: Transcript::default(),
            needs_reset: false,
            progress: 0,
        }
    }

    /// Changes its ways; to be called before anything else.
    pub fn set_habits(&mut self, habits: Habits) {
        self.habits = habits;
    }

    /// Takes what came from the host.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.reader.feed(bytes);
    }

    /// What is to be done now; `None` when the session waits for the host, or for its driver.
    #[expect(
        clippy::should_implement_trait,
        reason = "a session is no iterator: after `None` it goes on with new input"
    )]
    pub fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return Some(step);
            }
            if self.pump() {
                continue;
            }
            match self.stage {
                Stage::Closed | Stage::Handshake | Stage::Body(..) => return None,
                Stage::Auth if self.expected.is_empty() => return None,
                _ => {}
            }
            match self.reader.read() {
                Ok(None) => return None,
                Ok(Some(reply)) => self.heard(reply),
                Err(malformed) => self.lose(malformed.into()),
            }
        }
    }

    /// What the host offered in its last hello.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The name by which the host greets, which is our own when we reached ourselves.
    pub fn greeting_name(&self) -> Option<&str> {
        self.greeting.as_ref()?.lines.first()?.split(' ').next()
    }

    /// What the host greeted with.
    pub fn greeting(&self) -> Option<&Reply> {
        self.greeting.as_ref()
    }

    /// What the host answered to its last hello, word for word.
    pub fn hello_reply(&self) -> Option<&Reply> {
        self.hello.as_ref()
    }

    /// Whether [`Self::begin`] may be called.
    pub fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready) && self.steps.is_empty()
    }

    /// How long the host may be silent now.
    pub fn timeout(&self) -> Duration {
        match self.stage {
            Stage::Final(_) => self.settings.final_timeout,
            Stage::Quit => self.settings.command_timeout.min(Duration::from_secs(2)),
            _ => self.settings.command_timeout,
        }
    }

    /// Replies read so far. The time of [`Self::timeout`] begins anew only when this has changed:
    /// a host that sends an octet now and then gains nothing.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// What was said, one line each, without secrets.
    pub fn conversation(&self) -> String {
        self.transcript.text()
    }

    /// Adds a line to the conversation, such as the version of TLS.
    pub fn note(&mut self, text: &str) {
        self.transcript.note(text);
    }

    /// Asks for TLS.
    pub fn start_tls(&mut self) {
        self.pending.push_back(Command::new("STARTTLS", Expect::StartTls));
    }

    /// The handshake is done: whatever was said before it is forgotten.
    pub fn tls(&mut self) {
        if matches!(self.stage, Stage::Handshake | Stage::Opening) {
            self.capabilities = Capabilities::default();
            if matches!(self.stage, Stage::Handshake) {
                self.stage = Stage::Opening;
                self.say_hello();
            }
        }
    }

    /// Tells a host that trusts us of another client, such as `NAME=mx.example ADDR=192.0.2.1`; a
    /// host that believes it is said hello to anew.
    ///
    /// Source: <https://www.postfix.org/XCLIENT_README.html>.
    pub fn xclient(&mut self, attributes: &str) {
        self.pending.push_back(Command::new(format!("XCLIENT {attributes}"), Expect::Xclient));
    }

    /// Begins a SASL dialogue.
    pub fn authenticate(&mut self, mechanism: &str, initial: Option<Vec<u8>>) {
        self.stage = Stage::Auth;
        let (command, rest) = Command::auth(mechanism, initial);
        self.initial = rest;
        self.pending.push_back(command);
    }

    /// Answers a challenge; `None` breaks the dialogue off.
    pub fn respond(&mut self, response: Option<&[u8]>) {
        self.pending.push_back(Command::response(response));
    }

    /// Begins a transaction; [`Step::Done`] ends it.
    ///
    /// Errors: [`Lacking`] when the host cannot take such a message; nothing was said then.
    pub fn begin(&mut self, transaction: Transaction) -> Result<(), Lacking> {
        transaction.lacking(&self.capabilities, self.settings.lmtp)?;
        self.transcript.begin();
        let tally = Tally::new(transaction.envelope.recipients.len());
        if !self.is_ready() {
            debug_assert!(false, "a transaction begins only when the session is at rest");
            let loss = Loss { phase: Phase::Idle, cause: Cause::Abandoned };
            self.steps.push_back(Step::Done(tally.finish(&Verdict::Lost(loss))));
            self.close();
            return Ok(());
        }
        if std::mem::take(&mut self.needs_reset) {
            self.pending.push_back(Command::new("RSET", Expect::Rset));
        }
        self.pending.push_back(Command::new(transaction.mail(&self.capabilities), Expect::Mail));
        for (index, recipient) in transaction.envelope.recipients.iter().enumerate() {
            let line = Transaction::rcpt(recipient, &self.capabilities);
            self.pending.push_back(Command::new(line, Expect::Rcpt(index)));
        }
        if !self.is_chunked(&transaction) {
            self.pending.push_back(Command::new("DATA", Expect::Data));
        }
        self.stage = Stage::Envelope(Running { transaction, tally, go: false });
        Ok(())
    }

    /// Whether a message goes with `BDAT`.
    fn is_chunked(&self, transaction: &Transaction) -> bool {
        transaction.envelope.body == BodyType::BinaryMime
            || (self.habits.chunking && self.capabilities.chunking)
    }

    /// Frames the next piece of the message into `out`.
    pub fn body(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if let Stage::Body(_, form) = &mut self.stage {
            form.sent = form.sent.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            match &mut form.stuffer {
                Some(stuffer) => stuffer.push(bytes, out),
                None => out.extend_from_slice(bytes),
            }
        }
    }

    /// Ends the message. One that was not sent whole is never ended: the connection is given up.
    pub fn body_end(&mut self, out: &mut Vec<u8>) {
        let (running, form) = match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Body(running, form) => (running, form),
            other => {
                self.stage = other;
                return;
            }
        };
        let sent = form.sent;
        let is_whole = sent == running.transaction.bytes;
        if !is_whole {
            self.stage = Stage::Body(running, form);
            self.lose(Cause::Abandoned);
            return;
        }
        if let Some(mut stuffer) = form.stuffer {
            stuffer.end(out);
        }
        self.transcript.note(&format!("{sent} octets of message sent"));
        self.expect_final(running);
    }

    /// Takes leave; [`Step::Close`] follows.
    pub fn quit(&mut self) {
        if matches!(self.stage, Stage::Closed) {
            return;
        }
        self.stage = Stage::Quit;
        self.pending.clear();
        self.expected.clear();
        self.pending.push_back(Command::new("QUIT", Expect::Quit));
    }

    /// Tells what happened to the connection.
    pub fn event(&mut self, event: Event) {
        match event {
            Event::Eof => {
                self.early_reply();
                self.lose(Cause::Closed);
            }
            Event::TimedOut => self.lose(Cause::TimedOut),
            Event::Abandon => self.lose(Cause::Abandoned),
        }
    }

    /// Sends what may be sent; says whether anything was.
    fn pump(&mut self) -> bool {
        let mut bytes = Vec::new();
        let grouped = self.capabilities.pipelining && self.habits.pipelining;
        let room = if grouped { IN_FLIGHT_MAX } else { 1 };
        while self.expected.len() < room {
            let Some(command) = self.pending.pop_front() else { break };
            if let Stage::Envelope(running) = &self.stage
                && self.expected.is_empty()
                && command.is_vain(&running.tally)
            {
                continue;
            }
            self.transcript.said(command.shown());
            bytes.extend_from_slice(command.line().as_bytes());
            bytes.extend_from_slice(b"\r\n");
            self.expected.push_back(command.expect());
        }
        if !bytes.is_empty() {
            self.steps.push_back(Step::Write(bytes));
            return true;
        }
        if self.expected.is_empty() && matches!(self.stage, Stage::Envelope(_)) {
            self.envelope_done();
            return true;
        }
        false
    }

    fn heard(&mut self, reply: Reply) {
        self.progress = self.progress.saturating_add(1);
        let expect = self.expected.pop_front();
        if expect == Some(Expect::Auth) && reply.code == 334 {
            self.transcript.note("334 ***");
            return self.challenge(&reply);
        }
        self.transcript.heard(&reply);
        let phase = self.phase(expect);
        if expect == Some(Expect::Quit) {
            return self.close();
        }
        if reply.code == 421 {
            return self.turned_away(phase, reply);
        }
        match expect {
            Some(expect @ (Expect::Greeting | Expect::Hello | Expect::Helo)) => {
                self.opened(expect, reply);
            }
            Some(Expect::StartTls) => self.tls_answered(reply),
            Some(Expect::Xclient) => self.xclient_answered(reply),
            Some(Expect::Auth) => self.auth_answered(reply),
            Some(Expect::Rset) if reply.is_positive() => {}
            Some(expect) if matches!(self.stage, Stage::Rehearsal(_)) => {
                self.rehearsed(expect, reply);
            }
            // Nothing was asked, or the host does not even reset.
            // It says nothing of the recipients, however permanent it sounds.
            None | Some(Expect::Rset) => self.lose_at(phase, Cause::Unexpected(reply.code)),
            Some(expect) => self.transaction_answered(expect, reply),
        }
    }

    fn transaction_answered(&mut self, expect: Expect, mut reply: Reply) {
        let lmtp = self.settings.lmtp;
        let (Stage::Envelope(running) | Stage::Final(running)) = &mut self.stage else {
            return self.lose_at(expect.phase(), Cause::Unexpected(reply.code));
        };
        match (expect, reply.code) {
            (Expect::Data, 354) => running.go = true,
            (_, 300..=399) | (Expect::Data, 200..=299) => {
                return self.lose_at(expect.phase(), Cause::Unexpected(reply.code));
            }
            (Expect::Mail, 400..) => running.tally.mail_refused(&reply),
            (Expect::Rcpt(index), _) => {
                command::too_many_recipients(&mut reply);
                running.tally.rcpt(index, reply);
            }
            (Expect::Final, _) if lmtp => running.tally.message_of_next(reply),
            (Expect::Data | Expect::Final, _) => running.tally.message(&reply),
            _ => {}
        }
        if matches!(self.stage, Stage::Final(_)) && self.expected.is_empty() {
            self.needs_reset = false;
            self.finish(Stage::Ready, &Verdict::Lost(self.loss(Cause::Abandoned)));
        }
    }

    /// Every command up to `DATA` is answered.
    fn envelope_done(&mut self) {
        let Stage::Envelope(running) = std::mem::replace(&mut self.stage, Stage::Closed) else {
            return;
        };
        let binary = self.is_chunked(&running.transaction);
        if running.tally.has_taken() && (running.go || binary) {
            let mut stuffer = Some(Stuffer::default());
            if binary {
                stuffer = None;
                let line = format!("BDAT {} LAST", running.transaction.bytes);
                self.transcript.said(&line);
                self.steps.push_back(Step::Write(format!("{line}\r\n").into_bytes()));
            }
            self.stage = Stage::Body(running, Form { stuffer, sent: 0 });
            self.steps.push_back(Step::Body);
        } else if running.go {
            // Nobody was taken, and yet the host waits for a message: it gets an empty one, and
            // what it says about that has no meaning. Source: RFC 2920 section 3.1.
            self.transcript.said(".");
            self.steps.push_back(Step::Write(b".\r\n".to_vec()));
            self.expected.push_back(Expect::Final);
            self.stage = Stage::Final(running);
        } else {
            self.needs_reset = true;
            self.stage = Stage::Envelope(running);
            self.finish(Stage::Ready, &Verdict::Lost(self.loss(Cause::Abandoned)));
        }
    }

    fn expect_final(&mut self, running: Running) {
        let count = if self.settings.lmtp { running.tally.taken_count() } else { 1 };
        self.expected.extend(std::iter::repeat_n(Expect::Final, count));
        self.stage = Stage::Final(running);
    }

    /// A host that refuses a message while it is sent, and hangs up, is still heard.
    fn early_reply(&mut self) {
        if matches!(self.stage, Stage::Final(_))
            && let Ok(Some(reply)) = self.reader.read()
        {
            // It answered before it took the end of the message.
            return self.heard(reply);
        }
        let Stage::Body(..) = self.stage else { return };
        if let Ok(Some(reply)) = self.reader.read()
            && (reply.is_temporary() || reply.is_permanent())
        {
            self.transcript.heard(&reply);
            self.turned_away(Phase::Body, reply);
        }
    }

    /// The host ends the session with a reply.
    fn turned_away(&mut self, phase: Phase, reply: Reply) {
        match self.stage {
            Stage::Envelope(_) | Stage::Body(..) | Stage::Final(_)
                if reply.is_temporary() || reply.is_permanent() =>
            {
                self.finish(Stage::Closed, &Verdict::Refused(reply));
            }
            Stage::Envelope(_) | Stage::Body(..) | Stage::Final(_) => {
                return self.lose_at(phase, Cause::Unexpected(reply.code));
            }
            _ => self.steps.push_back(Step::Failed(Failure::Refused(phase, reply))),
        }
        self.close();
    }

    fn lose(&mut self, cause: Cause) {
        self.lose_at(self.phase(self.expected.front().copied()), cause);
    }

    fn lose_at(&mut self, phase: Phase, cause: Cause) {
        let loss = Loss { phase, cause };
        match self.stage {
            Stage::Closed => return,
            Stage::Quit => {}
            Stage::Envelope(_) | Stage::Body(..) | Stage::Final(_) => {
                self.transcript.note(&loss.to_string());
                self.finish(Stage::Closed, &Verdict::Lost(loss));
            }
            _ => {
                self.transcript.note(&loss.to_string());
                self.steps.push_back(Step::Failed(Failure::Lost(loss)));
            }
        }
        self.close();
    }

    /// Ends the transaction; recipients without a verdict get `open`.
    fn finish(&mut self, next: Stage, open: &Verdict) {
        if let Stage::Envelope(running) | Stage::Body(running, _) | Stage::Final(running) =
            std::mem::replace(&mut self.stage, next)
        {
            self.steps.push_back(Step::Done(running.tally.finish(open)));
        }
    }

    fn close(&mut self) {
        self.stage = Stage::Closed;
        self.pending.clear();
        self.expected.clear();
        self.steps.push_back(Step::Close);
    }

    fn loss(&self, cause: Cause) -> Loss {
        Loss { phase: self.phase(self.expected.front().copied()), cause }
    }

    fn phase(&self, expect: Option<Expect>) -> Phase {
        match (expect, &self.stage) {
            (Some(expect), _) => expect.phase(),
            (None, Stage::Opening) => Phase::Hello,
            (None, Stage::Ready | Stage::Closed) => Phase::Idle,
            (None, Stage::Handshake) => Phase::Tls,
            (None, Stage::Auth) => Phase::Auth,
            (None, Stage::Envelope(_) | Stage::Rehearsal(_)) => Phase::Mail,
            (None, Stage::Body(..)) => Phase::Body,
            (None, Stage::Final(_)) => Phase::Final,
            (None, Stage::Quit) => Phase::Quit,
        }
    }
}

#[cfg(test)]
mod tests;
