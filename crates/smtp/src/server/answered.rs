//! What follows each answer of the driver.
//!
//! An answer that does not fit its question is a fault of ours: the client is told 451, so that
//! nothing is lost by it.

use base64::Engine as _;
use mailwright_words::Reply;

use super::message::{Message, Transaction};
use super::session::{Asked, Begins, ROUNDS_MAX, Session, State};
use super::{Answer, Question, ehlo, reply};
use crate::command::ForwardPath;

impl Session {
    /// Answers the question that [`next`](Self::next) handed out.
    pub fn answer(&mut self, answer: Answer) {
        if !std::mem::replace(&mut self.waiting, false) {
            debug_assert!(false, "an answer needs a question");
            return;
        }
        let Some(asked) = self.asked.take() else { return };
        match asked {
            Asked::Abandon | Asked::AuthCancel => {}
            Asked::Auth { rounds } => self.auth_answered(rounds, answer),
            Asked::Chunk => self.chunk_answered(answer),
            Asked::Message => self.message_answered(answer),
            Asked::Connect => self.connect_answered(&single(answer)),
            Asked::Hello { name, extended } => {
                self.hello_answered(name, extended, &single(answer));
            }
            Asked::Mail(open) => self.mail_answered(open, &single(answer)),
            Asked::Rcpt(path) => self.rcpt_answered(path, &single(answer)),
            Asked::Begin(begins) => self.begin_answered(begins, answer),
        }
    }

    fn connect_answered(&mut self, reply: &Reply) {
        self.state = if reply.is_positive() { State::Greeted } else { State::TurnedAway };
        self.say(reply);
    }

    fn hello_answered(&mut self, name: String, extended: bool, reply: &Reply) {
        if !reply.is_positive() {
            self.say(reply);
            return;
        }
        let before = std::mem::replace(&mut self.state, State::Ready);
        self.name = Some(name);
        self.extended = extended;
        if let State::Transaction(open) = before
            && !open.is_dropped()
        {
            self.ask(Question::Abandon, Asked::Abandon);
        }
        let reply = if extended {
            ehlo::reply(&self.settings, self.peer, self.secure)
        } else {
            Reply::new(250, None, self.settings.hostname.as_str())
        };
        self.say(&reply);
    }

    fn auth_answered(&mut self, rounds: u32, answer: Answer) {
        match answer {
            Answer::Challenge(_) if rounds >= ROUNDS_MAX => self.cancel(&reply::endless_dialogue()),
            Answer::Challenge(challenge) => {
                self.state = State::Dialogue { rounds: rounds + 1 };
                let text = base64::engine::general_purpose::STANDARD.encode(challenge);
                if let Some(log) = &mut self.log {
                    log.said_line(&format!("334 {text}"));
                }
                self.steps.push_back(super::Step::Write(format!("334 {text}\r\n").into_bytes()));
            }
            Answer::Authenticated { reply, name } => {
                self.user = Some(name);
                self.say(&reply);
            }
            other => self.say(&single(other)),
        }
    }

    fn mail_answered(&mut self, open: Box<Transaction>, reply: &Reply) {
        if reply.is_positive() {
            self.state = State::Transaction(open);
            self.transactions = self.transactions.saturating_add(1);
        }
        self.say(reply);
    }

    fn rcpt_answered(&mut self, path: ForwardPath, reply: &Reply) {
        if let State::Transaction(open) = &mut self.state {
            if reply.is_positive() {
                open.accepted += 1;
                open.known.insert(path);
                self.commands = self.commands.saturating_sub(1);
            } else {
                open.refused = true;
            }
        }
        self.say(reply);
    }

    fn begin_answered(&mut self, begins: Begins, answer: Answer) {
        let State::Transaction(mut open) = std::mem::replace(&mut self.state, State::Ready) else {
            return;
        };
        let refusal = match answer {
            Answer::Taken => None,
            other => Some(single(other)).filter(|reply| !reply.is_positive()),
        };
        if let Some(refusal) = refusal {
            self.ask(Question::Abandon, Asked::Abandon);
            match begins {
                Begins::Data => self.say(&refusal),
                Begins::Bdat { size, last } => {
                    let count = if last { open.accepted } else { 1 };
                    self.drop_octets(size, self.each(count, &refusal));
                }
            }
            return;
        }
        let dots = matches!(begins, Begins::Data);
        open.message = Some(Message::new(&self.settings, open.body, dots));
        match begins {
            Begins::Data => {
                self.state = State::Body(open);
                self.say(&reply::go_ahead());
            }
            Begins::Bdat { size, last } => {
                self.state = State::Chunk { open, size, left: size, last };
            }
        }
    }

    fn chunk_answered(&mut self, answer: Answer) {
        let refusal = match answer {
            Answer::Taken => return,
            other => Some(single(other)).filter(|reply| !reply.is_positive()),
        };
        if let State::Body(open) | State::Chunk { open, .. } | State::Whole(open) = &mut self.state
            && let Some(message) = &mut open.message
        {
            message.refusal = refusal;
        }
        self.pass_on();
    }

    fn message_answered(&mut self, answer: Answer) {
        let State::Whole(open) = std::mem::replace(&mut self.state, State::Ready) else { return };
        let replies = match answer {
            Answer::Replies(mut replies) => {
                let count = self.each(open.accepted, &reply::local_error()).len();
                replies.resize(count, reply::local_error());
                replies
            }
            other => self.each(open.accepted, &single(other)),
        };
        if replies.iter().any(Reply::is_positive) {
            self.errors = 0;
            self.commands = 0;
        }
        self.say_all(&replies);
    }
}

/// The one reply of `answer`.
fn single(answer: Answer) -> Reply {
    match answer {
        Answer::Reply(reply) => reply,
        Answer::Replies(replies) => replies.into_iter().next().unwrap_or_else(reply::local_error),
        Answer::Challenge(_) | Answer::Taken | Answer::Authenticated { .. } => reply::local_error(),
    }
}
