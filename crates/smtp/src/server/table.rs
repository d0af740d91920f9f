//! Which command may come when, and what follows: the whole table of transitions.
//!
//! Source: RFC 5321 section 4.1.4, RFC 2033, RFC 3030, RFC 3207, RFC 4954.

use mailwright_words::{BodyType, ByMode, Notify, Reply};

use super::message::Transaction;
use super::session::{Asked, Begins, Session, State};
use super::{Hold, MailFrom, Question, RcptTo, Role, ehlo, reply};
use crate::command::{Command, Malformed};

/// What follows a command.
enum Then {
    /// This is said.
    Say(Reply),
    /// This is said, and the driver drops what it collected.
    Abandon(Reply),
    /// This is said, and the session ends.
    End(Reply),
    /// The driver decides.
    Ask(Question, Asked),
    /// The octets of a `BDAT` that came out of place are dropped, then this is said.
    Drop(u64, Reply),
    /// The handshake.
    StartTls,
    /// Octets of a message are read.
    Read,
}

impl Session {
    /// Does what `command` asks for; `ascii` tells whether its line is.
    pub(super) fn command(&mut self, command: Command, ascii: bool) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        let (state, then) = self.transition(state, command, ascii);
        self.state = state;
        match then {
            Then::Say(reply) => self.say(&reply),
            Then::Abandon(reply) => {
                self.ask(Question::Abandon, Asked::Abandon);
                self.say(&reply);
            }
            Then::End(reply) => self.end(Some(&reply)),
            Then::Ask(question, asked) => self.ask(question, asked),
            Then::Drop(left, reply) => self.drop_octets(left, vec![reply]),
            Then::StartTls => self.start_tls(),
            Then::Read => {}
        }
    }

    /// The table: one arm a row; the first that fits holds.
    fn transition(&self, state: State, command: Command, ascii: bool) -> (State, Then) {
        use Command as C;
        use State as S;
        match (state, command) {
            (state, C::Quit) => (state, Then::End(reply::bye())),
            (state @ S::TurnedAway, C::Bdat { size, .. }) => {
                (state, Then::Drop(size, reply::sequence("No service here")))
            }
            (state @ S::TurnedAway, _) => (state, Then::Say(reply::sequence("No service here"))),

            (state, C::Noop) => (state, Then::Say(reply::ok("Nothing done"))),
            (state, C::Vrfy(_)) => (state, Then::Say(reply::vrfy())),
            (state, C::Expn) => (state, Then::Say(reply::expn())),
            (state, C::Help) => (state, Then::Say(reply::help(self.verb()))),
            (state, C::Ehlo(name)) => (state, self.hello(name, "EHLO")),
            (state, C::Helo(name)) => (state, self.hello(name, "HELO")),
            (state, C::Lhlo(name)) => (state, self.hello(name, "LHLO")),
            (S::Transaction(_), C::Rset) => (S::Ready, Then::Abandon(reply::ok("Reset"))),
            (state, C::Rset) => (state, Then::Say(reply::ok("Reset"))),

            (state @ S::Greeted, C::Bdat { size, .. }) => {
                (state, Then::Drop(size, self.hello_first()))
            }
            (state @ S::Greeted, _) => (state, Then::Say(self.hello_first())),

            (S::Ready, C::Mail(mail)) => (S::Ready, self.mail(*mail)),
            (S::Ready, C::StartTls) => (S::Ready, self.tls_or_not()),
            (S::Ready, C::Auth { mechanism, initial }) => (S::Ready, self.auth(mechanism, initial)),
            (S::Transaction(open), C::Rcpt(rcpt)) => {
                let then = self.rcpt(&open, *rcpt, ascii);
                (S::Transaction(open), then)
            }
            (S::Transaction(open), C::Data) => {
                let then = self.data(&open);
                (S::Transaction(open), then)
            }
            (S::Transaction(open), C::Bdat { size, last }) => self.bdat(open, size, last),

            (state @ S::Ready, C::Bdat { size, .. }) => (state, Then::Drop(size, mail_first())),
            (state @ S::Ready, _) => (state, Then::Say(mail_first())),
            (state, C::Mail(_)) => {
                (state, Then::Say(reply::sequence("A transaction is open already")))
            }
            (state, _) => (state, Then::Say(reply::sequence("Not within a transaction"))),
        }
    }

    /// The verb a client greets with here.
    fn verb(&self) -> &'static str {
        if self.settings.role == Role::Lmtp { "LHLO" } else { "EHLO" }
    }

    fn hello_first(&self) -> Reply {
        reply::sequence(&format!("Say {} first", self.verb()))
    }

    fn hello(&self, name: String, verb: &str) -> Then {
        if (verb == "LHLO") != (self.settings.role == Role::Lmtp) {
            return Then::Say(reply::hello(self.verb()));
        }
        let asked = Asked::Hello { name: name.clone(), extended: verb != "HELO" };
        Then::Ask(Question::Hello(name), asked)
    }

    fn mail(&self, mail: MailFrom) -> Then {
        if self.settings.transactions_max.is_some_and(|most| self.transactions >= most) {
            return Then::End(reply::closing((7, 0), "Enough messages for one session"));
        }
        if let Some(reply) = self.mail_refusal(&mail) {
            return Then::Say(reply);
        }
        let open = Transaction::new(mail.body, mail.smtputf8);
        Then::Ask(Question::Mail(mail), Asked::Mail(Box::new(open)))
    }

    /// Why `mail` asks for what is not offered here.
    fn mail_refusal(&self, mail: &MailFrom) -> Option<Reply> {
        let settings = &self.settings;
        if mail.size.is_some_and(|size| size > settings.message_size_max) {
            return Some(reply::too_large(settings.message_size_max));
        }
        if mail.body == BodyType::BinaryMime && !settings.binary_mime {
            return Some(reply::not_offered("BODY=BINARYMIME"));
        }
        if settings.role == Role::Lmtp && (mail.ret.is_some() || mail.envid.is_some()) {
            return Some(reply::not_offered("RET or ENVID"));
        }
        if settings.role == Role::Lmtp && mail.priority.is_some() {
            return Some(reply::not_offered("MT-PRIORITY"));
        }
        if mail.require_tls && !ehlo::requires_tls(settings, self.secure) {
            return Some(reply::not_offered("REQUIRETLS"));
        }
        if mail.auth.is_some() && settings.auth.is_empty() {
            return Some(reply::not_offered("AUTH"));
        }
        self.time_refusal(mail)
    }

    fn time_refusal(&self, mail: &MailFrom) -> Option<Reply> {
        if let Some(by) = mail.deliver_by {
            let Some(shortest) = self.settings.deliver_by else {
                return Some(reply::not_offered("BY"));
            };
            let seconds = u64::try_from(by.seconds).unwrap_or(0);
            if by.mode == ByMode::Return && seconds < shortest.as_secs() {
                return Some(reply::beyond("BY"));
            }
        }
        let hold = mail.hold?;
        let Some(limits) = self.settings.future_release else {
            return Some(reply::not_offered("HOLDFOR or HOLDUNTIL"));
        };
        let beyond = match hold {
            Hold::For(time) => time > limits.longest,
            Hold::Until(moment) => moment > limits.latest,
        };
        beyond.then(|| reply::beyond("HOLDFOR or HOLDUNTIL"))
    }

    fn rcpt(&self, open: &Transaction, rcpt: RcptTo, ascii: bool) -> Then {
        let settings = &self.settings;
        let asks = rcpt.notify != Notify::DEFAULT || rcpt.orcpt.is_some();
        if open.message.is_some() {
            Then::Say(reply::sequence("The message has begun"))
        } else if settings.role != Role::Lmtp && open.known.contains(&rcpt.to) {
            // LMTP answers for each command after the message, so there each is one of its own.
            Then::Say(reply::recipient_known())
        } else if open.accepted >= settings.recipients_max {
            Then::Say(reply::too_many_recipients())
        } else if !ascii && !open.smtputf8 {
            Then::Say(Malformed::NotAscii.reply())
        } else if asks && settings.role == Role::Lmtp {
            Then::Say(reply::not_offered("NOTIFY or ORCPT"))
        } else {
            let asked = Asked::Rcpt(rcpt.to.clone());
            Then::Ask(Question::Rcpt(rcpt), asked)
        }
    }

    fn tls_or_not(&self) -> Then {
        if self.secure {
            Then::Say(reply::sequence("The connection is encrypted already"))
        } else if self.settings.tls {
            Then::StartTls
        } else {
            Then::Say(reply::no_command("STARTTLS"))
        }
    }

    fn auth(&self, mechanism: String, initial: Option<Vec<u8>>) -> Then {
        let offered = ehlo::mechanisms(&self.settings, self.peer, self.secure);
        if self.settings.auth.is_empty() {
            Then::Say(reply::no_command("AUTH"))
        } else if self.user.is_some() {
            Then::Say(reply::sequence("You are authenticated already"))
        } else if offered.is_empty() {
            Then::Say(reply::encryption_required())
        } else if !offered.iter().any(|name| name.eq_ignore_ascii_case(&mechanism)) {
            Then::Say(reply::unknown_mechanism())
        } else {
            Then::Ask(Question::Auth { mechanism, initial }, Asked::Auth { rounds: 0 })
        }
    }

    /// Why no message may begin in `open`. Source: RFC 5321 section 3.3, RFC 2033 section 4.2.
    fn no_message(&self, open: &Transaction) -> Option<Reply> {
        match (open.accepted, open.refused) {
            (0, true) if self.settings.role != Role::Lmtp => Some(reply::no_recipients()),
            (0, true) => Some(reply::sequence("No valid recipients")),
            (0, false) => Some(reply::sequence("Say RCPT first")),
            _ => None,
        }
    }

    fn data(&self, open: &Transaction) -> Then {
        if let Some(reply) = self.no_message(open) {
            Then::Say(reply)
        } else if open.message.is_some() {
            Then::Say(reply::sequence("The message has begun with BDAT"))
        } else if open.body == BodyType::BinaryMime {
            Then::Say(reply::sequence("A message of BODY=BINARYMIME comes with BDAT"))
        } else {
            Then::Ask(Question::Begin, Asked::Begin(Begins::Data))
        }
    }

    fn bdat(&self, open: Box<Transaction>, size: u64, last: bool) -> (State, Then) {
        if let Some(reply) = self.no_message(&open) {
            (State::Transaction(open), Then::Drop(size, reply))
        } else if open.message.is_some() {
            (State::Chunk { open, size, left: size, last }, Then::Read)
        } else {
            let asked = Asked::Begin(Begins::Bdat { size, last });
            (State::Transaction(open), Then::Ask(Question::Begin, asked))
        }
    }
}

fn mail_first() -> Reply {
    reply::sequence("Say MAIL first")
}
