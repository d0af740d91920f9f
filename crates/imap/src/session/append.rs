//! `APPEND`: messages go past the session in pieces, and are there all at once.
//!
//! Source: RFC 9051 section 6.3.12, RFC 3502, RFC 3516 section 4.4, RFC 7889, RFC 4315.

use super::{Asked, Job, Reply, Session};
use crate::command::{Announced, Append, Cursor, Malformed};
use crate::input::Fragment;
use crate::{Answer, Message, Question, Refusal, name};

/// An `APPEND` under way.
#[derive(Debug)]
pub(super) struct Appending {
    mailbox: String,
    /// Messages that began.
    count: usize,
    /// Whether a parenthesis closes the message that began last.
    utf8: bool,
    /// Whether it may hold NULs.
    binary: bool,
}

impl Session {
    /// The first message of an `APPEND` is announced.
    pub(super) fn append_begins(&mut self, wire_name: &[u8], append: Append) {
        let literal = append.literal;
        let Some(mailbox) = name::read(wire_name, self.tells_utf8()) else {
            return self.refuse(literal, Reply::refusal(Refusal::Cannot));
        };
        let appending = Appending { mailbox, count: 0, utf8: false, binary: false };
        self.message_begins(Box::new(appending), append);
    }

    fn message_begins(&mut self, mut appending: Box<Appending>, append: Append) {
        let Append { system, keywords, internal_date, utf8, literal } = append;
        let refusal = if literal.octets > self.settings.append_size_max {
            Some(Reply::refusal(Refusal::TooBig))
        } else if appending.count >= self.settings.append_messages_max {
            Some(Reply::refusal(Refusal::Limit))
        } else if literal.octets == 0 {
            // With it a client gives up what it began: RFC 3502 section 6.3.11.
            Some(Reply::no("An empty message is not taken"))
        } else if utf8 && !self.enabled.utf8 {
            Some(Reply::bad("Say ENABLE UTF8=ACCEPT first"))
        } else {
            None
        };
        if let Some(reply) = refusal {
            let begun = appending.count > 0;
            self.refuse(literal, reply);
            if begun {
                self.ask(Question::AppendAbort, Asked::Nothing);
            }
            return;
        }
        appending.count += 1;
        appending.utf8 = utf8;
        appending.binary = literal.binary;
        let message = Message {
            mailbox: appending.mailbox.clone(),
            system,
            keywords,
            internal_date,
            size: literal.octets,
            binary: literal.binary,
        };
        self.ask(Question::AppendBegin(message), Asked::AppendBegin(appending, literal));
    }

    pub(super) fn append_begun(
        &mut self,
        appending: Box<Appending>,
        literal: Announced,
        answer: &Answer,
    ) {
        if let Some(refusal) = refusal_of(answer) {
            self.refuse(literal, Reply::refusal_to_file(refusal));
            self.ask(Question::AppendAbort, Asked::Nothing);
            return;
        }
        self.go_ahead(literal);
        self.input.stream();
        self.job = Some(Job::Append(appending));
    }

    /// Reads on: octets of a message, or what stands behind it.
    pub(super) fn appending(&mut self, appending: Box<Appending>) -> bool {
        if self.input.streams().is_none() {
            return self.behind_message(appending);
        }
        let Some(octets) = self.input.octets() else {
            self.job = Some(Job::Append(appending));
            return false;
        };
        if octets.is_empty() {
            self.job = Some(Job::Append(appending));
        } else if octets.contains(&0) && !appending.binary {
            self.give_up(Reply::malformed(Malformed::Octet));
        } else {
            self.ask(Question::AppendChunk(octets), Asked::AppendChunk(appending));
        }
        true
    }

    pub(super) fn append_taken(&mut self, appending: Box<Appending>, answer: &Answer) {
        match refusal_of(answer) {
            None => self.job = Some(Job::Append(appending)),
            Some(refusal) => self.give_up(Reply::refusal(refusal)),
        }
    }

    /// Drops the rest of the command, and says `reply` at its end.
    fn give_up(&mut self, reply: Reply) {
        self.input.spoil_stream();
        self.refusal = Some((self.tag.clone(), reply));
        self.ask(Question::AppendAbort, Asked::Nothing);
    }

    /// Reads what stands behind a message: the end of the command, or the next one.
    fn behind_message(&mut self, appending: Box<Appending>) -> bool {
        let Some(fragment) = self.input.next(self.limits()) else {
            self.job = Some(Job::Append(appending));
            return false;
        };
        let closing = appending.utf8;
        match fragment {
            Fragment::Command(text) => {
                let mut cursor = Cursor::new(&text, self.settings.nesting_max);
                if (!closing || cursor.eat(b')')) && cursor.is_end() {
                    self.ask(Question::AppendCommit, Asked::AppendCommit);
                } else {
                    self.say(Reply::malformed(Malformed::Expected("the end, or a message")));
                    self.ask(Question::AppendAbort, Asked::Nothing);
                }
            }
            Fragment::Dropped(..) => {
                self.say(Reply::malformed(Malformed::LineTooLong));
                self.ask(Question::AppendAbort, Asked::Nothing);
            }
            Fragment::Announced(literal) => {
                let text = self.input.text().to_vec();
                let mut cursor = Cursor::new(&text, self.settings.nesting_max);
                let closed = !closing || cursor.eat(b')');
                match Append::parse(&mut cursor) {
                    Ok(append) if closed => self.message_begins(appending, append),
                    other => {
                        let malformed = other.err().unwrap_or(Malformed::Expected("a parenthesis"));
                        self.refuse(literal, Reply::malformed(malformed));
                        self.ask(Question::AppendAbort, Asked::Nothing);
                    }
                }
            }
        }
        true
    }

    pub(super) fn appended(&mut self, answer: &Answer) {
        match answer {
            Answer::Appended { uidvalidity, uids } => {
                let code = format!("APPENDUID {uidvalidity} {uids}");
                self.finish(Reply::ok("Taken").with_code(code));
            }
            answer => {
                let refusal = refusal_of(answer).unwrap_or(Refusal::ServerBug);
                self.finish(Reply::refusal_to_file(refusal));
            }
        }
    }
}

/// Why not, when it is not done.
const fn refusal_of(answer: &Answer) -> Option<Refusal> {
    match answer {
        Answer::Done => None,
        Answer::Refused(refusal) => Some(*refusal),
        _ => Some(Refusal::ServerBug),
    }
}
