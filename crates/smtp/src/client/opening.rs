//! What comes before a transaction: greeting, hello, STARTTLS, XCLIENT, and the SASL dialogue.

use mailwright_words::reply::Reply;

use super::{
    Capabilities, Cause, Phase, Session, Stage, Step,
    command::{self, Command, Expect},
};

impl Session {
    pub(super) fn say_hello(&mut self) {
        let (verb, expect) = match (self.settings.lmtp, self.habits.extended) {
            (true, _) => ("LHLO", Expect::Hello),
            (false, true) => ("EHLO", Expect::Hello),
            (false, false) => ("HELO", Expect::Helo),
        };
        let line = format!("{verb} {}", self.settings.hostname);
        self.pending.push_back(Command::new(line, expect));
    }

    pub(super) fn opened(&mut self, expect: Expect, reply: Reply) {
        match (expect, reply.code) {
            (Expect::Greeting, 220) => {
                self.greeting = Some(reply);
                if self.habits.hello {
                    return self.say_hello();
                }
                self.stage = Stage::Ready;
                self.steps.push_back(Step::Ready);
            }
            (Expect::Hello | Expect::Helo, 250) => {
                self.capabilities = Capabilities::read(&reply);
                self.hello = Some(reply);
                if expect == Expect::Helo {
                    self.capabilities =
                        Capabilities { name: self.capabilities.name.clone(), ..Default::default() };
                }
                self.stage = Stage::Ready;
                self.steps.push_back(Step::Ready);
            }
            (Expect::Hello, 500..) if !self.settings.lmtp => {
                let line = format!("HELO {}", self.settings.hostname);
                self.pending.push_back(Command::new(line, Expect::Helo));
            }
            (_, 400..) => self.turned_away(expect.phase(), reply),
            (_, code) => self.lose_at(expect.phase(), Cause::Unexpected(code)),
        }
    }

    pub(super) fn tls_answered(&mut self, reply: Reply) {
        if reply.code != 220 {
            self.steps.push_back(Step::TlsRefused(reply));
        } else if self.reader.is_empty() {
            self.stage = Stage::Handshake;
            self.steps.push_back(Step::StartTls);
        } else {
            self.lose_at(Phase::Tls, Cause::Injection);
        }
    }

    pub(super) fn xclient_answered(&mut self, reply: Reply) {
        match reply.code {
            220 => {
                self.capabilities = Capabilities::default();
                self.greeting = Some(reply);
                self.stage = Stage::Opening;
                self.say_hello();
            }
            400..=599 => self.steps.push_back(Step::XclientRefused(reply)),
            code => self.lose_at(Phase::Hello, Cause::Unexpected(code)),
        }
    }

    pub(super) fn auth_answered(&mut self, reply: Reply) {
        self.stage = Stage::Ready;
        self.initial = None;
        match reply.code {
            235 => self.steps.push_back(Step::Authenticated(reply)),
            400..=599 => self.steps.push_back(Step::AuthRefused(reply)),
            code => self.lose_at(Phase::Auth, Cause::Unexpected(code)),
        }
    }

    pub(super) fn challenge(&mut self, reply: &Reply) {
        match (self.initial.take(), command::decode(reply.lines.first())) {
            (Some(initial), Some(_)) => self.respond(Some(&initial)),
            (None, Some(challenge)) => self.steps.push_back(Step::Challenge(challenge)),
            (_, None) => self.respond(None),
        }
    }
}
