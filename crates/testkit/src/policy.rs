//! A stand-in for all that a session asks: a small world with fixed rules, in the server's words.
//!
//! `mailwright.example` is ours, with the mailboxes ann, bob, "ann lee", full and postmaster; ann
//! has the password `secret`. Clients of 198.51.100.0/24 are turned away. A sender `nospace@`
//! is refused when its message begins, `spam@` when it is whole.

use std::collections::VecDeque;
use std::net::IpAddr;

use mailwright_smtp::server::{Answer, ForwardPath, MailFrom, Question, RcptTo, Role, Session};
use mailwright_words::{Reply, ReversePath, Status};

/// The number that every message gets.
const ID: &str = "0000000000000";

/// The rules, and what came of them.
#[derive(Debug)]
pub struct Policy {
    role: Role,
    client: IpAddr,
    from: Option<ReversePath>,
    to: Vec<String>,
    body: Vec<u8>,
    /// What a dialogue of `AUTH` still wants, and what it got.
    dialogue: VecDeque<&'static [u8]>,
    got: Vec<Vec<u8>>,
    /// Messages taken, as they would be stored.
    pub spool: Vec<Vec<u8>>,
    /// The recipients of the last one.
    last: Vec<String>,
    /// Transactions given up.
    pub abandoned: usize,
    /// What the last message came with, as `Received` says it.
    pub protocol: String,
}

fn reply(code: u16, status: (u8, u16, u16), text: &str) -> Answer {
    Answer::Reply(Reply::new(code, Some(Status::new(status.0, status.1, status.2)), text))
}

impl Policy {
    /// The rules for a `client` of a listener of this `role`.
    pub const fn new(role: Role, client: IpAddr) -> Self {
        Self {
            role,
            client,
            from: None,
            to: Vec::new(),
            body: Vec::new(),
            dialogue: VecDeque::new(),
            got: Vec::new(),
            spool: Vec::new(),
            last: Vec::new(),
            abandoned: 0,
            protocol: String::new(),
        }
    }

    /// The recipients of the last message taken, each once.
    pub fn recipients(&self) -> Vec<String> {
        let mut each: Vec<String> = Vec::new();
        for to in &self.last {
            if !each.contains(to) {
                each.push(to.clone());
            }
        }
        each
    }

    /// Answers what `session` asks.
    pub fn answer(&mut self, question: Question, session: &Session) -> Answer {
        match question {
            Question::Connect => self.connect(),
            Question::Hello(name) if name == "refused.example" => reply(550, (5, 7, 1), "Not you"),
            Question::Hello(_) => reply(250, (2, 0, 0), "Hello"),
            Question::Auth { mechanism, initial } => self.auth(&mechanism, initial),
            Question::AuthResponse(response) => self.response(response),
            Question::Mail(mail) => self.mail(&mail, session),
            Question::Rcpt(rcpt) => self.rcpt(&rcpt, session),
            Question::Begin if self.is_from("nospace") => {
                reply(452, (4, 3, 1), "No space for the message now")
            }
            Question::Begin | Question::AuthCancel => Answer::Taken,
            Question::Chunk(octets) => {
                self.body.extend(octets);
                Answer::Taken
            }
            Question::Message => self.message(session),
            Question::Abandon => {
                self.abandoned += 1;
                self.forget();
                Answer::Taken
            }
        }
    }

    fn connect(&self) -> Answer {
        if self.client.to_string().starts_with("198.51.100.") {
            return reply(554, (5, 7, 1), "No service for you");
        }
        let protocol = if self.role == Role::Lmtp { "LMTP" } else { "ESMTP" };
        let text = format!("mx.mailwright.example {protocol} Mailwright");
        Answer::Reply(Reply::new(220, None, text))
    }

    fn auth(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Answer {
        self.got.clear();
        self.dialogue = match mechanism {
            "PLAIN" => [&b""[..]].into(),
            _ => [&b"Username:"[..], &b"Password:"[..]].into(),
        };
        match initial {
            Some(initial) => {
                self.dialogue.pop_front();
                self.response(initial)
            }
            None => self.dialogue.pop_front().map_or(Answer::Taken, challenge),
        }
    }

    fn response(&mut self, response: Vec<u8>) -> Answer {
        self.got.push(response);
        if let Some(next) = self.dialogue.pop_front() {
            return challenge(next);
        }
        let got = self.got.join(&b'\0');
        if got == b"\0ann@mailwright.example\0secret" || got == b"ann@mailwright.example\0secret" {
            let reply = Reply::new(235, Some(Status::new(2, 7, 0)), "Authentication succeeded");
            return Answer::Authenticated { reply, name: "ann@mailwright.example".to_owned() };
        }
        if !got.contains(&0) {
            return reply(501, (5, 5, 2), "authentication message is malformed");
        }
        reply(535, (5, 7, 8), "authentication credentials are invalid")
    }

    fn mail(&mut self, mail: &MailFrom, session: &Session) -> Answer {
        if self.role == Role::Msa && session.user().is_none() && !self.client.is_loopback() {
            return reply(530, (5, 7, 0), "Authentication is required");
        }
        self.from = Some(mail.from.clone());
        reply(250, (2, 1, 0), "Sender ok")
    }

    fn rcpt(&mut self, rcpt: &RcptTo, session: &Session) -> Answer {
        let address = match &rcpt.to {
            ForwardPath::Postmaster => {
                self.to.push("postmaster@mx.mailwright.example".to_owned());
                return reply(250, (2, 1, 5), "Recipient ok");
            }
            ForwardPath::Recipient(address) => address,
        };
        let domain = address.domain().as_str();
        let local = domain == "mailwright.example" || domain == "[192.0.2.1]";
        let (mailbox, _) = address.subaddress('+');
        let known = ["ann", "bob", "ann lee", "full", "postmaster"];
        if !local && self.role == Role::Lmtp {
            return reply(550, (5, 1, 2), &format!("{domain} has no mailboxes here"));
        }
        if !local && (self.role != Role::Msa || session.user().is_none()) {
            let text = format!("Relaying to {domain} is denied");
            return reply(550, (5, 7, 1), &text);
        }
        if local && !known.contains(&mailbox.local().to_lowercase().as_str()) {
            return reply(550, (5, 1, 1), &format!("No mailbox <{address}> here"));
        }
        self.to.push(address.to_string());
        reply(250, (2, 1, 5), "Recipient ok")
    }

    fn message(&mut self, session: &Session) -> Answer {
        if self.is_from("spam") {
            self.forget();
            return reply(554, (5, 7, 1), "This is spam");
        }
        self.spool.push(std::mem::take(&mut self.body));
        self.last = std::mem::take(&mut self.to);
        self.protocol = session.protocol();
        self.forget();
        let taken = |how| Reply::new(250, Some(Status::new(2, 0, 0)), format!("{how} as {ID}"));
        if self.role != Role::Lmtp {
            return Answer::Reply(taken("Accepted"));
        }
        let each = |to: &String| {
            let full = || format!("The mailbox of <{to}> is full");
            let full = || Reply::new(452, Some(Status::new(4, 2, 2)), full());
            if to.starts_with("full") { full() } else { taken("Delivered") }
        };
        Answer::Replies(self.last.iter().map(each).collect())
    }

    fn is_from(&self, local: &str) -> bool {
        matches!(&self.from, Some(ReversePath::Sender(from)) if from.local() == local)
    }

    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
        self.body.clear();
    }
}

fn challenge(text: &[u8]) -> Answer {
    Answer::Challenge(text.to_vec())
}
