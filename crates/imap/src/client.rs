//! The client's side, as far as moving mail from another server needs it.
//!
//! Commands are written, responses come as events. Commands may be sent before earlier ones are
//! done. What a server can make us hold is bounded by [`Limits`]: a line, a response, a message,
//! and how much it may say while nothing gets done. Nothing that came before a handshake counts
//! after it. Source: RFC 3501, RFC 9051 sections 2.2 and 7.

mod command;
mod input;
mod reader;
mod response;

use std::collections::VecDeque;

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use command::{Command, Unspeakable, read_name};
pub use reader::NString;
pub use response::{Data, Listed, Message};

use input::{Input, Pieces};
use reader::Reader;

/// What a server may make us hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a response, but for messages.
    pub response: usize,
    /// Octets of a message.
    pub message: u64,
    /// Responses while no command gets done.
    pub responses: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { response: 256 << 10, message: 256 << 20, responses: 50_000 }
    }
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server is ready; told once, before anything else.
    Greeted {
        /// Whether the connection is logged in by what it is.
        logged_in: bool,
    },
    /// Something that the server tells.
    Data(Data),
    /// The server waits for a response to this, see [`Session::respond`].
    Challenge(Vec<u8>),
    /// A command is done.
    Done {
        /// What [`Session::say`] gave for it.
        tag: u32,
        /// How it ended.
        outcome: Outcome,
    },
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `OK`.
    Ok,
    /// `NO` or `BAD`, with the server's words.
    Refused(String),
}

/// Why a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// What came is no IMAP.
    #[error("the server said what makes no sense: {0}")]
    Syntax(String),
    /// More came than is held.
    #[error("the server sent more than is allowed: {0}")]
    TooMuch(&'static str),
    /// The server takes its leave.
    #[error("the server closed the connection: {0}")]
    Bye(String),
    /// Something stood behind the answer to `STARTTLS`, where anybody could have put it.
    #[error("the server spoke before the handshake")]
    Injected,
}

/// One connection's conversation.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    input: Input,
    out: Vec<u8>,
    tags: u32,
    /// Commands that are not done.
    open: VecDeque<Open>,
    capabilities: Option<Vec<String>>,
    greeted: bool,
    /// Responses since a command was done.
    told: usize,
    /// The leave was ours.
    leaving: bool,
}

#[derive(Debug)]
struct Open {
    tag: u32,
    /// Whether it asked for messages.
    messages: bool,
    /// What is sent when the server asks for it, before it asks for anything else.
    initial: Option<Vec<u8>>,
    /// Whether the server may ask for responses.
    exchange: bool,
}

impl Session {
    /// A conversation with a server that has just been reached.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            input: Input::default(),
            out: Vec::new(),
            tags: 0,
            open: VecDeque::new(),
            capabilities: None,
            greeted: false,
            told: 0,
            leaving: false,
        }
    }

    /// What the server can do, where it said so.
    pub fn capabilities(&self) -> Option<&[String]> {
        self.capabilities.as_deref()
    }

    /// Whether the server said that it can do this.
    pub fn can(&self, capability: &str) -> bool {
        let is = |known: &String| known.eq_ignore_ascii_case(capability);
        self.capabilities.iter().flatten().any(is)
    }

    /// The mechanisms that the server offers.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.capabilities.iter().flatten().filter_map(|known| {
            let (head, name) = known.split_at_checked(5)?;
            head.eq_ignore_ascii_case("AUTH=").then_some(name)
        })
    }

    /// Sends a command; gives what its end is known by.
    ///
    /// Errors: a string of it cannot be sent.
    pub fn say(&mut self, command: &Command<'_>) -> Result<u32, Unspeakable> {
        let tag = self.tags.wrapping_add(1);
        let mut line = format!("a{tag} ").into_bytes();
        let initial = command.write(&mut line, self.can("SASL-IR"))?;
        line.extend_from_slice(b"\r\n");
        self.tags = tag;
        self.out.append(&mut line);
        self.leaving |= matches!(command, Command::Logout);
        let exchange = matches!(command, Command::Authenticate { .. });
        let messages = matches!(command, Command::Messages(_));
        self.open.push_back(Open { tag, messages, initial, exchange });
        Ok(tag)
    }

    /// Answers a challenge; `None` gives up.
    pub fn respond(&mut self, response: Option<&[u8]>) {
        let text = response.map_or_else(|| "*".to_owned(), |octets| STANDARD.encode(octets));
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// What is to be sent.
    pub fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Takes what the server sent.
    pub fn feed(&mut self, octets: &[u8]) {
        self.input.push(octets);
    }

    /// A handshake is done: what was known of the server is no longer.
    ///
    /// Errors: [`Fault::Injected`].
    pub fn tls(&mut self) -> Result<(), Fault> {
        if self.input.is_within() {
            return Err(Fault::Injected);
        }
        self.capabilities = None;
        Ok(())
    }

    /// What came next; `None` when more has to come.
    ///
    /// Errors: the session cannot go on.
    pub fn event(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            let message =
                if self.open.iter().any(|open| open.messages) { self.limits.message } else { 0 };
            let limits = input::Limits { response: self.limits.response, message };
            let Some(pieces) = self.input.next(limits)? else { return Ok(None) };
            self.told += 1;
            if self.told > self.limits.responses {
                return Err(Fault::TooMuch("responses"));
            }
            if let Some(event) = self.take(pieces)? {
                return Ok(Some(event));
            }
        }
    }

    /// One response; `None` when there is nothing in it for the caller.
    fn take(&mut self, pieces: Pieces) -> Result<Option<Event>, Fault> {
        let mut reader = Reader::new(pieces);
        if !self.greeted {
            return self.greeting(&mut reader).map(Some);
        }
        if reader.eat(b'+') {
            return self.continuation(&mut reader);
        }
        if reader.starts_with(b"* ") {
            reader.skip(2);
            return self.untagged(&mut reader);
        }
        self.done(&mut reader).map(Some)
    }

    fn greeting(&mut self, reader: &mut Reader) -> Result<Event, Fault> {
        let status = reader.starts_with(b"* ").then(|| {
            reader.skip(2);
            response::status(reader)
        });
        let status = status.flatten().ok_or_else(|| reader.fault())?;
        self.greeted = true;
        self.learn(status.capabilities);
        match status.word {
            response::Word::Ok => Ok(Event::Greeted { logged_in: false }),
            response::Word::PreAuth => Ok(Event::Greeted { logged_in: true }),
            _ => Err(Fault::Bye(status.text)),
        }
    }

    fn continuation(&mut self, reader: &mut Reader) -> Result<Option<Event>, Fault> {
        let text = reader.line().strip_prefix(b" ").unwrap_or_else(|| reader.line()).to_vec();
        let asked = self.open.iter_mut().find(|open| open.exchange);
        let Some(open) = asked else { return Err(reader.fault()) };
        if let Some(initial) = open.initial.take() {
            self.respond(Some(&initial));
            return Ok(None);
        }
        match STANDARD.decode(text.trim_ascii()) {
            Ok(challenge) => Ok(Some(Event::Challenge(challenge))),
            Err(_) => Err(reader.fault()),
        }
    }

    fn untagged(&mut self, reader: &mut Reader) -> Result<Option<Event>, Fault> {
        if let Some(status) = response::status(reader) {
            self.learn(status.capabilities);
            return match status.word {
                response::Word::Bye if !self.leaving => Err(Fault::Bye(status.text)),
                _ => Ok(status.uid_validity.map(|value| Event::Data(Data::UidValidity(value)))),
            };
        }
        match response::data(reader)? {
            Data::Capabilities(known) => {
                self.learn(Some(known));
                Ok(None)
            }
            Data::Other => Ok(None),
            data => Ok(Some(Event::Data(data))),
        }
    }

    fn done(&mut self, reader: &mut Reader) -> Result<Event, Fault> {
        let tag = reader.tag();
        let place = tag.and_then(|tag| self.open.iter().position(|open| open.tag == tag));
        let open = place.and_then(|place| self.open.remove(place));
        let (Some(open), Some(status)) = (open, response::status(reader)) else {
            return Err(reader.fault());
        };
        self.told = 0;
        self.learn(status.capabilities);
        let outcome = match status.word {
            response::Word::Ok => Outcome::Ok,
            response::Word::No | response::Word::Bad => Outcome::Refused(status.text),
            _ => return Err(Fault::Bye(status.text)),
        };
        Ok(Event::Done { tag: open.tag, outcome })
    }

    fn learn(&mut self, capabilities: Option<Vec<String>>) {
        if capabilities.is_some() {
            self.capabilities = capabilities;
        }
    }

    /// What was known before a login may be another after it.
    pub fn forget_capabilities(&mut self) {
        self.capabilities = None;
    }

    /// Octets held.
    pub fn held(&self) -> usize {
        self.input.held()
    }
}

#[cfg(test)]
mod tests;
