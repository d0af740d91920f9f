//! Before a mailbox is opened: capabilities, encryption, login, `ENABLE`, `ID`.
//!
//! Source: RFC 9051 sections 6.1 and 6.2, RFC 4959 (SASL-IR), RFC 5161, RFC 2971.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{AUTH_LINE_MAX, Asked, Job, ROUNDS_MAX, Reply, Session, State};
use crate::{Answer, Password, Question, Refusal, Step, write};

/// What is offered before login, beside what depends on the connection.
const EARLY: &str = "IMAP4rev1 IMAP4rev2 SASL-IR LITERAL- ID ENABLE";
/// What is offered after it, beside the limit of `APPEND`.
const LATE: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN UIDPLUS \
     UNSELECT MOVE CONDSTORE QRESYNC SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS \
     STATUS=SIZE ESEARCH SEARCHRES SORT SORT=DISPLAY THREAD=REFERENCES THREAD=ORDEREDSUBJECT \
     MULTIAPPEND BINARY WITHIN QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE SAVEDATE PREVIEW \
     OBJECTID UTF8=ACCEPT";

impl Session {
    /// What the client may use where the session stands, in one line.
    pub fn capabilities(&self) -> String {
        if !self.is_early() {
            return format!("{LATE} APPENDLIMIT={}", self.settings.append_size_max);
        }
        let mut text = EARLY.to_owned();
        if self.settings.tls && !self.secure {
            text.push_str(" STARTTLS");
        }
        if !self.may_login() {
            text.push_str(" LOGINDISABLED");
        }
        for mechanism in self.mechanisms() {
            text.push_str(" AUTH=");
            text.push_str(mechanism);
        }
        text
    }

    /// Whether passwords may be sent. Source: RFC 9051 section 11.
    const fn may_login(&self) -> bool {
        self.secure || self.peer.trusted
    }

    fn mechanisms(&self) -> impl Iterator<Item = &str> {
        let all = if self.may_login() { self.settings.auth.as_slice() } else { &[] };
        let secure = self.secure;
        all.iter().map(String::as_str).filter(move |name| secure || !name.ends_with("-PLUS"))
    }

    pub(super) fn connected(&mut self, answer: &Answer) {
        if let Answer::Refused(refusal) = answer {
            let code = refusal.code().map_or(String::new(), |code| format!("[{code}] "));
            self.state = State::NotAuthenticated;
            self.end(Some(&format!("{code}{refusal}")));
            return;
        }
        self.state = State::NotAuthenticated;
        let (capabilities, host) = (self.capabilities(), self.settings.hostname.clone());
        self.untagged(&["OK [CAPABILITY ", &capabilities, "] ", &host, " Mailwright"]);
    }

    pub(super) fn tell_capabilities(&mut self) {
        let capabilities = self.capabilities();
        self.untagged(&["CAPABILITY ", &capabilities]);
        self.finish(Reply::ok("These may be used"));
    }

    pub(super) fn id(&mut self, fields: Vec<(String, Option<String>)>) {
        self.out.extend_from_slice(b"* ID (\"name\" \"Mailwright\"");
        if !self.settings.version.is_empty() {
            self.out.extend_from_slice(b" \"version\" ");
            write::string(&mut self.out, self.settings.version.as_bytes());
        }
        self.out.extend_from_slice(b")\r\n");
        self.ask(Question::Id(fields), Asked::Done(Reply::ok("Pleased to meet you")));
    }

    pub(super) fn start_tls(&mut self) {
        if self.secure {
            self.say(Reply::bad("The connection is encrypted already"));
        } else if !self.settings.tls {
            self.say(Reply::no("Encryption is not offered here"));
        } else {
            self.say(Reply::ok("Begin the handshake"));
            self.state = State::Handshake;
            // Bytes that are here already were sent before our reply: they end the session.
            if self.input.is_empty() {
                self.steps.push_back(Step::StartTls);
            }
        }
    }

    pub(super) fn login(&mut self, name: &[u8], password: Password) {
        if !self.may_login() {
            self.say(Reply::refusal(Refusal::PrivacyRequired));
        } else if let Ok(name) = str::from_utf8(name) {
            self.ask(Question::Login { name: name.to_owned(), password }, Asked::Login);
        } else {
            self.failed(Refusal::AuthenticationFailed);
        }
    }

    pub(super) fn authenticate(&mut self, mechanism: String, initial: Option<&str>) {
        let initial = match initial {
            None => None,
            Some("=") => Some(Vec::new()),
            Some(text) => match STANDARD.decode(text) {
                Ok(octets) => Some(octets),
                Err(_) => return self.say(Reply::bad("This is not base64")),
            },
        };
        if !self.may_login() {
            self.say(Reply::refusal(Refusal::PrivacyRequired));
        } else if !self.mechanisms().any(|known| known == mechanism) {
            self.say(Reply::no("This mechanism is not offered").with_code("CANNOT"));
        } else {
            self.ask(Question::Auth { mechanism, initial }, Asked::Auth { rounds: 0 });
        }
    }

    pub(super) fn auth_answered(&mut self, rounds: u32, answer: Answer) {
        match answer {
            Answer::Challenge(_) if rounds >= ROUNDS_MAX => {
                self.cancel(Reply::refusal(Refusal::Exchange));
            }
            Answer::Challenge(challenge) => {
                self.job = Some(Job::Dialogue { rounds: rounds + 1 });
                self.out.extend_from_slice(b"+ ");
                self.out.extend_from_slice(STANDARD.encode(challenge).as_bytes());
                self.out.extend_from_slice(b"\r\n");
            }
            other => self.login_answered(other),
        }
    }

    pub(super) fn login_answered(&mut self, answer: Answer) {
        match answer {
            Answer::Authenticated { name } => {
                self.state = State::Authenticated;
                self.user = Some(name);
                self.failures = 0;
                let code = format!("CAPABILITY {}", self.capabilities());
                self.say(Reply::ok("You are logged in").with_code(code));
            }
            Answer::Refused(refusal) => self.failed(refusal),
            _ => self.failed(Refusal::ServerBug),
        }
    }

    fn failed(&mut self, refusal: Refusal) {
        self.failures = self.failures.saturating_add(1);
        self.say(Reply::refusal(refusal));
        if self.failures > self.settings.login_failures_max {
            self.end(Some("Too many failures"));
        }
    }

    /// Reads a line of an `AUTHENTICATE` dialogue.
    pub(super) fn response(&mut self, rounds: u32) -> bool {
        let response = match self.input.line(AUTH_LINE_MAX) {
            None => {
                self.job = Some(Job::Dialogue { rounds });
                return false;
            }
            Some(Err(_too_long)) => Err(Reply::bad("The line is too long")),
            Some(Ok(line)) if line == b"*" => Err(Reply::bad("The exchange is cancelled")),
            Some(Ok(line)) => {
                STANDARD.decode(line).map_err(|_invalid| Reply::bad("This is not base64"))
            }
        };
        match response {
            Ok(response) => self.ask(Question::AuthResponse(response), Asked::Auth { rounds }),
            Err(reply) => self.cancel(reply),
        }
        true
    }

    /// Ends a dialogue with `reply`.
    fn cancel(&mut self, reply: Reply) {
        self.say(reply);
        self.ask(Question::AuthCancel, Asked::Nothing);
    }

    pub(super) fn enable(&mut self, names: &[String]) {
        let mut enabled = String::new();
        for name in names {
            let (word, switch) = match name.as_str() {
                "CONDSTORE" => (" CONDSTORE", self.enabled.condstore),
                "QRESYNC" => (" QRESYNC", self.enabled.qresync),
                "UTF8=ACCEPT" => (" UTF8=ACCEPT", self.enabled.utf8),
                "IMAP4REV2" => (" IMAP4rev2", self.enabled.rev2),
                _ => continue,
            };
            if switch {
                continue;
            }
            enabled.push_str(word);
            match word {
                " CONDSTORE" => self.enable_condstore(),
                " QRESYNC" => {
                    self.enable_condstore();
                    self.enabled.qresync = true;
                }
                " UTF8=ACCEPT" => self.enabled.utf8 = true,
                _ => self.enabled.rev2 = true,
            }
        }
        self.untagged(&["ENABLED", &enabled]);
        self.finish(Reply::ok("Done"));
    }
}
