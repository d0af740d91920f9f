//! The session itself: what it holds, and how it goes from step to step.
//!
//! It owns its client's picture of the open mailbox, and tells by itself all that can be told from
//! it. Nothing is read while a question is open or a command under way, so that the answers to
//! pipelined commands stand in order, each from the picture that the one before it left.
//! Source: RFC 9051 sections 3 and 5.

mod answered;
mod append;
mod fetching;
mod folders;
mod login;
mod messages;
mod news;
mod reply;
mod search;
mod select;
mod table;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mailwright_view::{NumberSet, Picture};

pub(crate) use self::reply::Reply;
use self::{append::Appending, fetching::Fetching, folders::Listing};
use crate::command::{self, Announced, Malformed, Search, Select, StatusItem};
use crate::input::{Drop, Fragment, Input, Limits};
use crate::{Event, Peer, Question, Refusal, Settings, Step};

/// A client's conversation with a listener, as a pure state machine.
///
/// Bytes go in by [`feed`](Self::feed), only after [`next`](Self::next) gave `None`; then `next`
/// is called until it gives `None` again. After [`Step::Ask`] comes [`answer`](Self::answer),
/// after [`Step::StartTls`] comes [`tls`](Self::tls). The first question is
/// [`Question::Connect`]. However the bytes are cut, the answers are the same.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    peer: Peer,
    state: State,
    /// Whether the connection is encrypted.
    secure: bool,
    /// Who logged in.
    user: Option<String>,
    enabled: Enabled,
    input: Input,
    /// What is to be written.
    out: Vec<u8>,
    /// What follows it.
    steps: VecDeque<Step>,
    /// The question whose answer is awaited, or will be once it is handed out.
    asked: Option<Asked>,
    /// Whether it is handed out.
    waiting: bool,
    /// What is under way beside questions.
    job: Option<Job>,
    /// The tag of the command under way.
    tag: String,
    /// What is said when the command that is dropped has ended, with its tag.
    refusal: Option<(String, Reply)>,
    event: Option<Event>,
    /// Whether the mailbox may have changed since it was last looked at.
    news: bool,
    errors: u32,
    commands: u32,
    failures: u32,
}

/// Where a session stands. What a state needs, it owns. Source: RFC 9051 section 3.
#[derive(Debug)]
enum State {
    /// Connected; not yet greeted.
    Arriving,
    /// Greeted.
    NotAuthenticated,
    /// Logged in; no mailbox is open.
    Authenticated,
    /// A mailbox is open.
    Selected(Box<Selected>),
    /// The TLS handshake is under way.
    Handshake,
    /// Nothing more is read: after `LOGOUT`, and after every other end.
    Logout,
}

/// An open mailbox.
#[derive(Debug)]
struct Selected {
    /// What the client knows of it.
    picture: Picture,
    /// UIDs of messages of which this session was the first to know.
    recent: NumberSet,
    /// Whether nothing of it may be changed.
    read_only: bool,
    /// Whether it takes more keywords than it has.
    more_keywords: bool,
    /// What `$` stands for. Source: RFC 5182.
    saved: NumberSet,
}

/// What the client has switched on. Source: RFC 5161.
#[derive(Debug, Clone, Copy, Default)]
struct Enabled {
    /// Mod-sequences are told. Source: RFC 7162 section 3.1.
    condstore: bool,
    /// `VANISHED` instead of `EXPUNGE`. Source: RFC 7162 section 3.2.3.
    qresync: bool,
    /// Names and strings may be UTF-8. Source: RFC 6855.
    utf8: bool,
    /// Source: RFC 9051 appendix E.
    rev2: bool,
}

/// What is under way beside questions.
#[derive(Debug)]
enum Job {
    /// Within `AUTHENTICATE`, after so many challenges.
    Dialogue { rounds: u32 },
    /// Within `IDLE`.
    Idle,
    /// Within `APPEND`.
    Append(Box<Appending>),
    /// Messages are told.
    Fetch(Box<Fetching>),
    /// Folders are told.
    List(Box<Listing>),
}

/// What was asked, with what is needed when the answer comes.
#[derive(Debug)]
enum Asked {
    Connect,
    Login,
    Auth {
        rounds: u32,
    },
    /// Its answer is not used.
    Nothing,
    /// When it is done, this is said.
    Done(Reply),
    Created,
    Folders(Box<Listing>),
    ListStatuses(Box<Listing>),
    Status {
        name: String,
        items: Vec<StatusItem>,
    },
    Select {
        read_only: bool,
        select: Box<Select>,
    },
    /// What is gone is told before what changed; `opens`: while a mailbox is opened.
    Vanished {
        fetching: Box<Fetching>,
        opens: bool,
    },
    AppendBegin(Box<Appending>, Announced),
    AppendChunk(Box<Appending>),
    AppendCommit,
    Fetch(Box<Fetching>),
    Seen(Box<Fetching>),
    More(Box<Fetching>),
    Store(Box<messages::Storing>),
    Expunge,
    /// `CLOSE`.
    Close,
    Copy {
        moves: bool,
    },
    Search(Box<Search>),
    Quota {
        root_of: Option<String>,
    },
    /// The mailbox is looked at; then this is said.
    Look {
        reply: Option<Reply>,
        expunges: mailwright_view::Expunges,
    },
}

/// Challenges of one `AUTHENTICATE`; no mechanism needs half of them.
const ROUNDS_MAX: u32 = 8;
/// Octets that are written at once.
const PIECE_OCTETS: usize = 64 << 10;
/// Longest line of a SASL dialogue.
const AUTH_LINE_MAX: usize = 12_288;
/// Octets of a literal that are read only to be dropped, before login.
const EARLY_SKIP_MAX: u64 = 64 << 10;

impl Session {
    /// A session with `peer`, which has just connected.
    pub fn new(settings: Arc<Settings>, peer: Peer) -> Self {
        Self {
            settings,
            peer,
            state: State::Arriving,
            secure: peer.tls,
            user: None,
            enabled: Enabled::default(),
            input: Input::default(),
            out: Vec::new(),
            steps: VecDeque::new(),
            asked: None,
            waiting: false,
            job: None,
            tag: String::new(),
            refusal: None,
            event: None,
            news: false,
            errors: 0,
            commands: 0,
            failures: 0,
        }
    }

    /// Takes what the client sent.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Logout) {
            self.input.push(bytes);
        }
    }

    /// What is to be done next; `None` when the client, or an answer, has to come first.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end of a session")]
    pub fn next(&mut self) -> Option<Step> {
        if self.waiting {
            return None;
        }
        loop {
            if self.out.len() >= PIECE_OCTETS {
                return self.write();
            }
            match self.steps.front() {
                // Its answer is at hand, and what was written may go out with what follows.
                Some(Step::Ask(Question::Latest)) => {}
                Some(_) if !self.out.is_empty() => return self.write(),
                Some(_) => {}
                None => {
                    if self.advance() {
                        continue;
                    }
                    return self.write();
                }
            }
            let step = self.steps.pop_front();
            self.waiting = matches!(step, Some(Step::Ask(_)));
            return step;
        }
    }

    /// Hands out what is to be written.
    fn write(&mut self) -> Option<Step> {
        if self.out.is_empty() {
            return None;
        }
        let rest = self.out.split_off(self.out.len().min(PIECE_OCTETS));
        Some(Step::Write(std::mem::replace(&mut self.out, rest)))
    }

    /// The handshake that [`Step::StartTls`] asked for is done. All that was said before it is
    /// forgotten. Source: RFC 9051 section 6.2.1.
    pub fn tls(&mut self) {
        self.secure = true;
        if matches!(self.state, State::Handshake) {
            self.state = State::NotAuthenticated;
        }
    }

    /// Something befell the session; [`next`](Self::next) tells what follows.
    pub fn event(&mut self, event: Event) {
        if event == Event::News {
            self.news = true;
        } else if self.event.is_none() || event == Event::Eof {
            self.event = Some(event);
        }
    }

    /// How long the client may say nothing where the session stands.
    pub fn timeout(&self) -> Duration {
        let settings = &self.settings;
        match self.state {
            State::Authenticated | State::Selected(_) if self.is_within() => {
                settings.literal_timeout
            }
            State::Authenticated | State::Selected(_) => settings.timeout,
            _ => settings.early_timeout,
        }
    }

    fn is_within(&self) -> bool {
        matches!(self.job, Some(Job::Append(_))) || self.input.is_within()
    }

    /// Whether the client waits in `IDLE`, so that news are told at once.
    pub const fn is_idle(&self) -> bool {
        matches!(self.job, Some(Job::Idle))
    }

    /// Whether the connection is encrypted.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Who logged in.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Goes on by one command or piece; false when there is nothing to go on with.
    fn advance(&mut self) -> bool {
        if matches!(self.state, State::Logout) {
            return false;
        }
        // What was begun is told to its end.
        let telling = matches!(self.job, Some(Job::Fetch(_) | Job::List(_)));
        let busy = telling || (self.is_within() && !self.is_idle());
        match self.event {
            Some(Event::TimedOut) => {
                self.end(Some("You said nothing for too long"));
                return true;
            }
            Some(Event::Shutdown) if !busy => {
                self.end(Some("The server stops"));
                return true;
            }
            _ => {}
        }
        if self.go_on() {
            return true;
        }
        let ends = self.event == Some(Event::Eof) && !matches!(self.state, State::Logout);
        if ends {
            self.end(None);
        }
        ends
    }

    fn go_on(&mut self) -> bool {
        match self.job.take() {
            Some(Job::Dialogue { rounds }) => self.response(rounds),
            Some(Job::Idle) => self.idle(),
            Some(Job::Append(appending)) => self.appending(appending),
            Some(Job::Fetch(fetching)) => self.fetching(fetching),
            Some(Job::List(listing)) => self.listing(listing),
            None => match self.state {
                State::Logout => false,
                State::Arriving => {
                    self.ask(Question::Connect, Asked::Connect);
                    true
                }
                State::Handshake => {
                    // What follows STARTTLS unencrypted may be somebody else's.
                    let injected = !self.input.is_empty();
                    if injected {
                        self.end(None);
                    }
                    injected
                }
                State::NotAuthenticated | State::Authenticated | State::Selected(_) => self.read(),
            },
        }
    }

    const fn is_early(&self) -> bool {
        !matches!(self.state, State::Authenticated | State::Selected(_))
    }

    fn limits(&self) -> Limits {
        let settings = &self.settings;
        if self.is_early() {
            Limits { line: settings.early_line_max, command: settings.early_command_max }
        } else {
            Limits { line: settings.line_max, command: settings.command_max }
        }
    }

    /// Reads a command, or its next literal.
    fn read(&mut self) -> bool {
        match self.input.next(self.limits()) {
            None => return false,
            Some(Fragment::Command(text)) => self.command(&text),
            Some(Fragment::Announced(literal)) => self.announced(literal),
            Some(Fragment::Dropped(text, why)) => self.dropped(&text, why),
        }
        true
    }

    /// A command that was too long, or refused at a literal, has ended.
    fn dropped(&mut self, text: &[u8], why: Drop) {
        if let Some((tag, reply)) = self.refusal.take() {
            self.tag = tag;
            self.say(reply);
            return;
        }
        if self.is_web(text) {
            return;
        }
        let malformed = match why {
            Drop::LineTooLong => Malformed::LineTooLong,
            Drop::CommandTooLong | Drop::Spoilt => Malformed::CommandTooLong,
        };
        // A tag whose end is not there is none.
        let ends = text.contains(&b' ');
        let tag = command::tag(text).ok().filter(|_| ends);
        tag.map_or("*", |(tag, _)| tag).clone_into(&mut self.tag);
        self.count();
        self.say(Reply::malformed(malformed));
    }

    /// A literal is announced: it is asked for, or the command refused.
    fn announced(&mut self, literal: Announced) {
        let text = self.input.text();
        let (tag, rest) = match command::tag(text) {
            Ok((tag, rest)) => (tag.to_owned(), rest),
            Err(malformed) => {
                "*".clone_into(&mut self.tag);
                self.refuse(literal, Reply::malformed(malformed));
                return;
            }
        };
        let early = self.is_early();
        if !early && command::is_append(rest) {
            let prefix = command::Prefix::parse(rest, self.settings.nesting_max);
            self.tag = tag;
            match prefix {
                Ok(command::Prefix::Message(name, append)) => {
                    self.append_begins(&name, append);
                    return;
                }
                Err(malformed) => {
                    self.refuse(literal, Reply::malformed(malformed));
                    return;
                }
                Ok(command::Prefix::Name) => {}
            }
        } else {
            let known = command::takes_literals(rest, early);
            self.tag = tag;
            if let Err(malformed) = known {
                self.refuse(literal, Reply::malformed(malformed));
                return;
            }
        }
        let settings = &self.settings;
        let (most, whole) = if early {
            (settings.early_literal_max, settings.early_command_max)
        } else {
            (settings.literal_max, settings.command_max)
        };
        let octets = usize::try_from(literal.octets).unwrap_or(usize::MAX);
        if octets > most || self.input.text().len().saturating_add(octets) > whole {
            self.refuse(literal, Reply::malformed(Malformed::LiteralTooLarge).with_code("TOOBIG"));
        } else {
            self.go_ahead(literal);
            self.input.accept();
        }
    }

    /// Asks for the literal, when the client waits to be asked.
    fn go_ahead(&mut self, literal: Announced) {
        if literal.waits {
            self.out.extend_from_slice(b"+ Go on\r\n");
        }
    }

    /// Refuses the command whose literal is announced: at once when the client waits, else at its
    /// end. One that sends too much unasked is hung up on. Source: RFC 7888 section 4.
    fn refuse(&mut self, literal: Announced, reply: Reply) {
        let most = if self.is_early() { EARLY_SKIP_MAX } else { self.settings.append_size_max };
        if !literal.waits && literal.octets > most {
            self.say(reply);
            self.end(Some("The literal is too large"));
            return;
        }
        self.count();
        self.input.spoil();
        if literal.waits && self.input.end_spoilt().is_some() {
            self.say(reply);
        } else {
            self.refusal = Some((self.tag.clone(), reply));
        }
    }

    /// Hangs up on a browser before what it sends for somebody else is taken for commands.
    fn is_web(&mut self, text: &[u8]) -> bool {
        let is_web = self.is_early() && command::is_web(text);
        if is_web {
            self.end(Some("This is no web server"));
        }
        is_web
    }

    /// Counts a command; ends the session when there were too many before login.
    fn count(&mut self) -> bool {
        if self.is_early() {
            self.commands = self.commands.saturating_add(1);
            if self.commands > self.settings.early_commands_max {
                self.end(Some("Too many commands"));
                return false;
            }
        }
        true
    }

    fn ask(&mut self, question: Question, asked: Asked) {
        if matches!(self.state, State::Logout) {
            return;
        }
        debug_assert!(self.asked.is_none(), "one question is open at a time");
        self.asked = Some(asked);
        self.steps.push_back(Step::Ask(question));
    }

    /// Ends the session: what the driver collected is given up, and the connection closed.
    fn end(&mut self, last: Option<&str>) {
        let state = std::mem::replace(&mut self.state, State::Logout);
        if let Some(text) = last
            && !matches!(state, State::Handshake)
        {
            self.untagged(&["BYE ", text]);
        }
        let given_up = match self.job.take() {
            Some(Job::Append(_)) => Some(Question::AppendAbort),
            Some(Job::Dialogue { .. }) => Some(Question::AuthCancel),
            _ => None,
        };
        if let Some(question) = given_up {
            self.asked = Some(Asked::Nothing);
            self.steps.push_back(Step::Ask(question));
        }
        self.steps.push_back(Step::Close);
    }

    /// Writes `* ` and these words.
    fn untagged(&mut self, words: &[&str]) {
        self.out.extend_from_slice(b"* ");
        for word in words {
            self.out.extend_from_slice(word.as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Refuses the command under way.
    fn refused(&mut self, refusal: Refusal) {
        self.finish(Reply::refusal(refusal));
    }

    /// Names and strings are told as UTF-8.
    const fn tells_utf8(&self) -> bool {
        self.enabled.utf8 || self.enabled.rev2
    }
}
