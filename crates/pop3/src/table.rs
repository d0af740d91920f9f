//! Which command may come when, and what follows: the whole table of transitions.
//!
//! Source: RFC 1939 sections 4 to 6, RFC 2449, RFC 2595, RFC 5034, RFC 6856.

use crate::command::Command;
use crate::maildrop::{Column, Maildrop};
use crate::outgoing::Outgoing;
use crate::reply::{self, Reply};
use crate::session::{Asked, Session, State};
use crate::{Question, Step, capability};

/// The only language of the texts. Source: RFC 6856 section 3.
const LANGUAGE: &str = "en";

/// What follows a command.
enum Then {
    /// This is said.
    Say(Reply),
    /// This is said, and it counts as a mistake of the client.
    Wrong(Reply),
    /// This is said, and the session ends.
    End(Reply),
    /// A reply of several lines is said.
    Lines(&'static str, Vec<String>),
    /// The driver decides.
    Ask(Question, Asked),
    /// The handshake.
    StartTls,
}

impl Session {
    /// Does what `command` asks for.
    pub(crate) fn command(&mut self, command: Command) {
        let state = std::mem::replace(&mut self.state, State::Closed);
        let (state, then) = self.transition(state, command);
        self.state = state;
        match then {
            Then::Say(reply) => self.say(&reply),
            Then::Wrong(reply) => self.wrong(&reply),
            Then::End(reply) => self.end(Some(&reply)),
            Then::Lines(text, lines) => self.lines(text, &lines),
            Then::Ask(question, asked) => self.ask(question, asked),
            Then::StartTls => self.start_tls(),
        }
    }

    /// The table: one arm a row; the first that fits holds.
    fn transition(&self, state: State, command: Command) -> (State, Then) {
        use Command as C;
        use State as S;
        match (state, command) {
            (state, C::Capa) => (state, self.capabilities()),
            (state, C::Lang(tag)) => (state, language(tag.as_deref())),

            (state @ S::Authorization { .. }, C::Quit) => (state, Then::End(Reply::ok("Bye"))),
            (S::Authorization { .. }, C::User(name)) => self.user(name),
            (S::Authorization { user: Some(name) }, C::Pass(password)) => {
                (S::Authorization { user: None }, self.pass(&name, &password))
            }
            (state @ S::Authorization { user: None }, C::Pass(_)) => {
                (state, Then::Wrong(Reply::error("Say USER first")))
            }
            (S::Authorization { .. }, C::Auth { mechanism, initial }) => {
                (S::Authorization { user: None }, self.auth(mechanism, initial))
            }
            (state @ S::Authorization { .. }, C::Stls) => (state, self.tls_or_not()),
            // What follows is in UTF-8 at any rate. Source: RFC 6856 section 2.1.
            (state @ S::Authorization { .. }, C::Utf8) => {
                (state, Then::Say(Reply::ok("UTF-8 it is")))
            }
            (state @ S::Authorization { .. }, _) => {
                (state, Then::Wrong(Reply::error("Log in first")))
            }

            (S::Transaction(maildrop), command) => transaction(maildrop, &command),
            (state, _) => (state, Then::Wrong(Reply::error("Not now"))),
        }
    }

    fn lines(&mut self, text: &str, lines: &[String]) {
        let mut wire = Reply::ok(text).to_wire();
        for line in lines {
            wire.extend_from_slice(line.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
        self.steps.push_back(Step::Write(wire));
    }

    fn capabilities(&self) -> Then {
        let list = capability::list(&self.settings, self.peer, self.secure);
        Then::Lines("These are the capabilities", list)
    }

    fn takes_passwords(&self) -> bool {
        self.secure || self.peer.trusted
    }

    /// Every name is taken, known or not: only the password is judged.
    fn user(&self, name: String) -> (State, Then) {
        if self.takes_passwords() {
            let state = State::Authorization { user: Some(name) };
            return (state, Then::Say(Reply::ok("Now the password")));
        }
        (State::Authorization { user: None }, Then::Wrong(reply::encryption_required()))
    }

    /// Source: RFC 4616 section 2, for what the driver gets.
    fn pass(&self, name: &str, password: &str) -> Then {
        if !self.takes_passwords() {
            return Then::Wrong(reply::encryption_required());
        }
        let initial = Some(format!("\0{name}\0{password}").into_bytes());
        let question = Question::Auth { mechanism: "PLAIN".to_owned(), initial };
        Then::Ask(question, Asked::Auth { rounds: 0 })
    }

    fn auth(&self, mechanism: String, initial: Option<Vec<u8>>) -> Then {
        let offered = capability::mechanisms(&self.settings, self.peer, self.secure);
        if !self.takes_passwords() {
            Then::Wrong(reply::encryption_required())
        } else if !offered.iter().any(|name| name.eq_ignore_ascii_case(&mechanism)) {
            Then::Wrong(Reply::error("Authentication mechanism not offered"))
        } else {
            Then::Ask(Question::Auth { mechanism, initial }, Asked::Auth { rounds: 0 })
        }
    }

    fn tls_or_not(&self) -> Then {
        if self.secure {
            Then::Wrong(Reply::error("The connection is encrypted already"))
        } else if self.settings.tls {
            Then::StartTls
        } else {
            Then::Wrong(Reply::error("STLS is not offered"))
        }
    }
}

/// The part of the table behind the login.
fn transaction(mut maildrop: Box<Maildrop>, command: &Command) -> (State, Then) {
    use Command as C;
    let then = match *command {
        C::Stat => {
            let (count, octets) = maildrop.size();
            Then::Say(Reply::ok(format!("{count} {octets}")))
        }
        C::List(None) => return listing(maildrop, Column::Size),
        C::Uidl(None) => return listing(maildrop, Column::Name),
        C::List(Some(number)) => cell(&maildrop, number, Column::Size),
        C::Uidl(Some(number)) => cell(&maildrop, number, Column::Name),
        C::Retr(number) => message(&maildrop, number, Outgoing::whole()),
        C::Top(number, lines) => message(&maildrop, number, Outgoing::top(lines)),
        C::Dele(number) if maildrop.delete(number) => Then::Say(Reply::ok("Marked as deleted")),
        C::Dele(_) => Then::Say(reply::no_such_message()),
        C::Rset => {
            maildrop.reset();
            Then::Say(Reply::ok("Nothing is marked"))
        }
        C::Noop => Then::Say(Reply::ok("Nothing done")),
        C::Quit => {
            let question = Question::Leave(maildrop.into_deleted());
            return (State::Authorization { user: None }, Then::Ask(question, Asked::Leave));
        }
        C::Stls | C::Utf8 => Then::Wrong(Reply::error("Too late, you are logged in")),
        C::User(_) | C::Pass(_) | C::Auth { .. } => {
            Then::Wrong(Reply::error("You are logged in already"))
        }
        C::Capa | C::Lang(_) => Then::Wrong(reply::local_error()),
    };
    (State::Transaction(maildrop), then)
}

fn listing(maildrop: Box<Maildrop>, column: Column) -> (State, Then) {
    let (count, octets) = maildrop.size();
    let reply = Reply::ok(format!("{count} messages, {octets} octets"));
    (State::Listing { maildrop, column, next: 1 }, Then::Say(reply))
}

fn cell(maildrop: &Maildrop, number: u32, column: Column) -> Then {
    Then::Say(maildrop.cell(number, column).map_or_else(reply::no_such_message, Reply::ok))
}

fn message(maildrop: &Maildrop, number: u32, outgoing: Outgoing) -> Then {
    match maildrop.row(number) {
        Some(&row) => {
            let asked = Asked::Message { size: row.size, outgoing };
            Then::Ask(Question::Message { number, row }, asked)
        }
        None => Then::Say(reply::no_such_message()),
    }
}

/// Source: RFC 6856 section 3.2.
fn language(tag: Option<&str>) -> Then {
    match tag {
        None => Then::Lines("These are the languages", vec![format!("{LANGUAGE} English")]),
        Some(tag) if tag == "*" || tag.eq_ignore_ascii_case(LANGUAGE) => {
            Then::Say(Reply::ok(format!("{LANGUAGE} English it is")))
        }
        Some(_) => Then::Say(Reply::error("No such language here")),
    }
}
