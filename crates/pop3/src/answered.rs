//! What follows each answer of the driver.
//!
//! An answer that does not fit its question is a fault of ours: the client is told that it may try
//! again, and nothing is removed by it.

use base64::Engine as _;

use crate::maildrop::Maildrop;
use crate::outgoing::Outgoing;
use crate::reply::{self, Reply};
use crate::session::{Asked, ROUNDS_MAX, Session, State};
use crate::{Answer, Question, Step};

impl Session {
    /// Answers the question that [`next`](Self::next) handed out.
    pub fn answer(&mut self, answer: Answer) {
        if !std::mem::replace(&mut self.waiting, false) {
            debug_assert!(false, "an answer needs a question");
            return;
        }
        let Some(asked) = self.asked.take() else { return };
        match (asked, answer) {
            (Asked::AuthCancel, _) => {}
            (Asked::Leave, Answer::Done) => self.end(Some(&Reply::ok("Bye"))),
            (Asked::Leave, Answer::Refused(reply) | Answer::Closed(reply)) => {
                self.end(Some(&reply));
            }
            (Asked::Leave, _) => self.end(Some(&reply::local_error())),
            (Asked::Message { size, outgoing }, Answer::Piece { octets, last }) => {
                let mut wire = Reply::ok(format!("{size} octets")).to_wire();
                // A line has some 60 octets, and few begin with a dot.
                wire.reserve(octets.len() + octets.len() / 64 + 64);
                self.send(outgoing, (wire, &octets), last);
            }
            (Asked::More(outgoing), Answer::Piece { octets, last }) => {
                self.send(outgoing, (Vec::with_capacity(octets.len() + 64), &octets), last);
            }
            (Asked::More(_), _) => self.end(None),
            (_, Answer::Refused(reply)) => self.say(&reply),
            (_, Answer::Closed(reply)) => self.end(Some(&reply)),
            (Asked::Auth { rounds }, answer) => self.auth_answered(rounds, answer),
            (Asked::Message { .. }, _) => self.say(&reply::local_error()),
        }
    }

    fn auth_answered(&mut self, rounds: u32, answer: Answer) {
        match answer {
            Answer::Challenge(_) if rounds >= ROUNDS_MAX => {
                self.cancel(&Reply::error("This dialogue does not end"));
            }
            Answer::Challenge(challenge) => {
                self.state = State::Dialogue { rounds: rounds + 1 };
                let text = base64::engine::general_purpose::STANDARD.encode(challenge);
                self.steps.push_back(Step::Write(format!("+ {text}\r\n").into_bytes()));
            }
            Answer::Opened(snapshot) => {
                let maildrop = Box::new(Maildrop::new(snapshot));
                let (count, octets) = maildrop.size();
                self.state = State::Transaction(maildrop);
                self.say(&Reply::ok(format!("{count} messages, {octets} octets")));
            }
            _ => self.say(&reply::local_error()),
        }
    }

    /// Sends octets of a message behind what `wire` holds, and asks for more where it is wanted.
    fn send(&mut self, mut outgoing: Outgoing, (mut wire, octets): (Vec<u8>, &[u8]), last: bool) {
        outgoing.push(octets, &mut wire);
        let done = last || outgoing.is_done();
        if done {
            outgoing.finish(&mut wire);
        }
        self.steps.push_back(Step::Write(wire));
        if !done {
            self.ask(Question::More, Asked::More(outgoing));
        }
    }
}
