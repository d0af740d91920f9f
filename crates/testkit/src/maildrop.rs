//! A stand-in for all that a POP3 session asks: a few accounts and their messages.
//!
//! Each account has the password `secret` and the same messages: ann, "jøran"; busy, whose maildrop
//! is in use; hasty, who logged in a moment ago; broken and damaged, whose maildrops cannot be read
//! now and not at all; stuck, whose messages cannot be removed. Messages come in pieces of seven
//! octets.

use std::collections::VecDeque;

use mailwright_pop3::{Answer, Code, Question, Reply};
use mailwright_view::{Flags, Identity, NumberSet, Row, Snapshot};
use mailwright_words::{Id, Timestamp};

/// Octets of a piece.
const PIECE: usize = 7;
/// Logins refused in a session; the last one ends it.
const FAILURES_MAX: usize = 3;
/// What the messages are: an ordinary one, dots, line ends of any kind.
const MESSAGES: [&[u8]; 3] = [
    b"Subject: one\r\n\r\nHello.\r\n",
    b"Subject: dots\r\n\r\n.\r\n..two\r\n\r\nend\r\n",
    b"Subject: odd\n\nbare\n.\nlast",
];

/// The rules, and what came of them.
#[derive(Debug, Default)]
pub struct Maildrop {
    messages: Vec<Vec<u8>>,
    /// UIDs of what was removed elsewhere.
    expunged: NumberSet,
    /// What a dialogue still wants, and what it got.
    dialogue: VecDeque<&'static [u8]>,
    got: Vec<Vec<u8>>,
    failures: usize,
    name: String,
    /// What is left of the message being read.
    rest: Vec<u8>,
    /// Whether the next piece cannot be read.
    breaks: bool,
    /// UIDs removed by the session; `None` until it left.
    pub removed: Option<NumberSet>,
    /// Dialogues given up.
    pub cancelled: usize,
}

impl Maildrop {
    /// The usual messages, and as many more small ones.
    pub fn new(more: usize) -> Self {
        let mut messages: Vec<Vec<u8>> = MESSAGES.iter().map(|octets| octets.to_vec()).collect();
        messages.resize(MESSAGES.len() + more, b"\r\nx\r\n".to_vec());
        Self { messages, ..Self::default() }
    }

    /// Removes a message elsewhere; its UID is three times its number.
    pub fn expunge(&mut self, number: u32) {
        let uid = number.saturating_mul(3);
        self.expunged.insert(uid..=uid);
    }

    /// The next piece cannot be read.
    pub fn break_next(&mut self) {
        self.breaks = true;
    }

    /// Answers what a session asks.
    pub fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Auth { mechanism, initial } => self.auth(&mechanism, initial),
            Question::AuthResponse(response) => self.response(response),
            Question::AuthCancel => {
                self.cancelled += 1;
                Answer::Done
            }
            Question::Message { row, .. } if self.expunged.contains(row.uid) => {
                Answer::Refused(Reply::error("The message is gone"))
            }
            Question::Message { number, .. } => {
                let place = usize::try_from(number).unwrap_or(0).saturating_sub(1);
                self.rest = self.messages.get(place).cloned().unwrap_or_default();
                self.piece()
            }
            Question::More if std::mem::take(&mut self.breaks) => Answer::Broken,
            Question::More => self.piece(),
            Question::Leave(_) if self.name == "stuck" => {
                Answer::Refused(Reply::coded(Code::SystemTemporary, "Nothing was removed"))
            }
            Question::Leave(uids) => {
                self.removed = Some(uids);
                Answer::Done
            }
        }
    }

    fn piece(&mut self) -> Answer {
        let octets = self.rest.drain(..self.rest.len().min(PIECE)).collect();
        Answer::Piece { octets, last: self.rest.is_empty() }
    }

    fn auth(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Answer {
        self.got.clear();
        self.dialogue = match mechanism {
            "PLAIN" => [&b""[..]].into(),
            _ => [&b"Username:"[..], &b"Password:"[..]].into(),
        };
        if let Some(initial) = initial {
            self.dialogue.pop_front();
            return self.response(initial);
        }
        self.dialogue.pop_front().map_or(Answer::Done, |text| Answer::Challenge(text.to_vec()))
    }

    fn response(&mut self, response: Vec<u8>) -> Answer {
        self.got.push(response);
        if let Some(next) = self.dialogue.pop_front() {
            return Answer::Challenge(next.to_vec());
        }
        let got = self.got.join(&b'\0');
        let got = got.strip_prefix(b"\0").unwrap_or(&got);
        let name = got.strip_suffix(b"\0secret").unwrap_or_default();
        self.name = String::from_utf8_lossy(name).into_owned();
        match self.name.as_str() {
            "ann" | "j\u{f8}ran" | "stuck" => Answer::Opened(self.snapshot()),
            "busy" => refused(Code::InUse, "Another session has the maildrop"),
            "hasty" => refused(Code::LoginDelay, "Wait before the next login"),
            "broken" => refused(Code::SystemTemporary, "The maildrop cannot be read now"),
            "damaged" => refused(Code::SystemPermanent, "The maildrop is damaged"),
            _ => {
                self.failures += 1;
                let reply = Reply::coded(Code::Auth, "The name or the password is wrong");
                if self.failures < FAILURES_MAX {
                    Answer::Refused(reply)
                } else {
                    Answer::Closed(reply)
                }
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        let identity = Identity {
            mailbox: Id::from_i64(1),
            uidvalidity: 7,
            uidnext: u32::MAX,
            highest_modseq: 1,
        };
        let rows = (1..).zip(&self.messages).map(|(number, octets): (u32, _)| Row {
            uid: number.saturating_mul(3),
            flags: Flags::default(),
            message: Id::from_i64(i64::from(number)),
            modseq: 1,
            size: u64::try_from(octets.len()).unwrap_or(u64::MAX),
            internal_date: Timestamp::new(0),
            save_date: Timestamp::new(0),
        });
        Snapshot::new(identity, Vec::new(), rows.collect())
    }
}

fn refused(code: Code, text: &str) -> Answer {
    Answer::Refused(Reply::coded(code, text))
}
