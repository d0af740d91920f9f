//! An envelope without a message: what a host would say, for those who ask why it says no.
//!
//! The host keeps nothing of it: `RSET` or the end of the connection follows. After a 354 only the
//! end of the connection is left, as a message could not be sent "not at all" any more.
//! Source: RFC 5321 section 4.1.4.

use mailwright_words::reply::Reply;

use super::command::{Command, Expect};
use super::{Cause, Session, Stage, Step, Transaction};

/// How far an envelope is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// `MAIL` alone.
    Mail,
    /// `MAIL` and each `RCPT`.
    Rcpt,
    /// `DATA`, too; the connection is closed on its answer.
    Data,
}

/// What a host said to an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// To `MAIL`.
    pub mail: Reply,
    /// To the `RCPT` of each recipient, in their order; none was said once `MAIL` was refused.
    pub recipients: Vec<Reply>,
    /// To `DATA`.
    pub data: Option<Reply>,
}

#[derive(Debug)]
pub(super) struct Rehearsal {
    extent: Extent,
    /// Recipients whose `RCPT` is to be answered.
    count: usize,
    mail: Option<Reply>,
    recipients: Vec<Reply>,
}

impl Session {
    /// Says an envelope and no message; [`Step::Rehearsed`] ends it.
    ///
    /// What the host does not offer is left out, so that it answers all the same. To be called
    /// when the session is at rest.
    pub fn rehearse(&mut self, transaction: &Transaction, extent: Extent) {
        debug_assert!(self.is_ready(), "an envelope is said only when the session is at rest");
        self.transcript.begin();
        let (mail, recipients) = (transaction.mail(&self.capabilities), &transaction.envelope);
        self.pending.push_back(Command::new(mail, Expect::Mail));
        let count = if extent == Extent::Mail { 0 } else { recipients.recipients.len() };
        for (index, recipient) in recipients.recipients.iter().take(count).enumerate() {
            let line = Transaction::rcpt(recipient, &self.capabilities);
            self.pending.push_back(Command::new(line, Expect::Rcpt(index)));
        }
        let rehearsal = Rehearsal { extent, count, mail: None, recipients: Vec::new() };
        self.stage = Stage::Rehearsal(rehearsal);
    }

    pub(super) fn rehearsed(&mut self, expect: Expect, reply: Reply) {
        let Stage::Rehearsal(rehearsal) = &mut self.stage else {
            return self.lose_at(expect.phase(), Cause::Unexpected(reply.code));
        };
        match expect {
            _ if reply.is_intermediate() && expect != Expect::Data => {
                return self.lose_at(expect.phase(), Cause::Unexpected(reply.code));
            }
            Expect::Mail => {
                if !reply.is_positive() {
                    // What is on its way already is answered, and means nothing.
                    self.pending.clear();
                    rehearsal.count = 0;
                }
                rehearsal.mail = Some(reply);
            }
            Expect::Rcpt(_) if rehearsal.recipients.len() < rehearsal.count => {
                rehearsal.recipients.push(reply);
            }
            Expect::Data => return self.curtain(Some(reply)),
            _ => {}
        }
        if !self.expected.is_empty() || !self.pending.is_empty() {
            return;
        }
        let is_taken = rehearsal.recipients.iter().any(Reply::is_positive);
        if rehearsal.extent == Extent::Data && is_taken {
            self.pending.push_back(Command::new("DATA", Expect::Data));
        } else {
            self.curtain(None);
        }
    }

    /// Ends the rehearsal.
    fn curtain(&mut self, data: Option<Reply>) {
        let stage = std::mem::replace(&mut self.stage, Stage::Ready);
        let Stage::Rehearsal(Rehearsal { mail: Some(mail), recipients, .. }) = stage else {
            return self.lose(Cause::Abandoned);
        };
        let has_gone_too_far = data.as_ref().is_some_and(Reply::is_intermediate);
        self.needs_reset = true;
        self.steps.push_back(Step::Rehearsed(Rehearsed { mail, recipients, data }));
        if has_gone_too_far {
            self.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mailwright_words::address::{Address, ReversePath};
    use mailwright_words::envelope::{Envelope, Recipient};

    use super::super::{Habits, Settings};
    use super::*;
    use crate::reply::Bounds;

    /// Rehearses against `answers`, one to each command behind the hello: what was said, and what
    /// came of it.
    fn rehearse(extent: Extent, pipelining: bool, answers: &[&str]) -> (String, Vec<Step>) {
        let mut session = Session::new(Settings {
            hostname: "me.example".to_owned(),
            lmtp: false,
            command_timeout: Duration::from_mins(5),
            final_timeout: Duration::from_mins(5),
            bounds: Bounds::default(),
        });
        session.set_habits(Habits { pipelining, ..Habits::default() });
        let recipients = ["b@x.example", "c@x.example"]
            .map(|to| Recipient::new(Address::parse(to).unwrap()))
            .to_vec();
        let from = ReversePath::parse("a@me.example").unwrap();
        let envelope = Envelope::new(from, recipients);
        let transaction = Transaction { envelope, bytes: 0, by: None };
        session.feed(b"220 x\r\n");
        let (mut said, mut came, mut answers) = (String::new(), Vec::new(), answers.iter());
        loop {
            match session.next() {
                Some(Step::Write(bytes)) if bytes.starts_with(b"EHLO") => {
                    session.feed(b"250-x\r\n250 PIPELINING\r\n");
                }
                Some(Step::Write(bytes)) => {
                    for line in std::str::from_utf8(&bytes).unwrap().lines() {
                        said.extend([line.split([' ', ':']).next().unwrap(), " "]);
                        let answer = answers.next().unwrap_or(&"421 over");
                        session.feed(format!("{answer}\r\n").as_bytes());
                    }
                }
                Some(Step::Ready) => session.rehearse(&transaction, extent),
                Some(step) => came.push(step),
                None => return (said, came),
            }
        }
    }

    fn codes(came: &[Step]) -> (u16, Vec<u16>, Option<u16>) {
        let [Step::Rehearsed(found), ..] = came else { panic!("{came:?}") };
        let recipients = found.recipients.iter().map(|reply| reply.code).collect();
        (found.mail.code, recipients, found.data.as_ref().map(|reply| reply.code))
    }

    #[test]
    fn an_envelope_goes_as_far_as_it_is_asked_to() {
        for pipelining in [true, false] {
            let (said, came) = rehearse(Extent::Mail, pipelining, &["250 a"]);
            assert_eq!((said.as_str(), codes(&came)), ("MAIL ", (250, vec![], None)));
            let (said, came) = rehearse(Extent::Rcpt, pipelining, &["250 a", "250 b", "550 c"]);
            assert_eq!(said, "MAIL RCPT RCPT ");
            assert_eq!((codes(&came), came.len()), ((250, vec![250, 550], None), 1));
            let answers = ["250 a", "250 b", "550 c", "354 d"];
            let (said, came) = rehearse(Extent::Data, pipelining, &answers);
            assert_eq!(said, "MAIL RCPT RCPT DATA ");
            assert_eq!(codes(&came), (250, vec![250, 550], Some(354)));
            assert_eq!(came.last(), Some(&Step::Close), "no message can follow, and none may");
        }
    }

    #[test]
    fn what_is_refused_goes_no_further() {
        let (_, came) = rehearse(Extent::Data, false, &["550 a", "503 b", "503 c"]);
        assert_eq!(codes(&came), (550, vec![], None));
        let (said, came) = rehearse(Extent::Data, true, &["550 a", "503 b", "503 c"]);
        assert_eq!((said.as_str(), codes(&came)), ("MAIL RCPT RCPT ", (550, vec![], None)));
        let (said, came) = rehearse(Extent::Data, true, &["250 a", "550 b", "550 c"]);
        assert_eq!((said.as_str(), codes(&came)), ("MAIL RCPT RCPT ", (250, vec![550; 2], None)));
        let (_, came) = rehearse(Extent::Rcpt, true, &["250 a", "421 b"]);
        assert!(matches!(came.first(), Some(Step::Failed(_))), "{came:?}");
    }
}
