//! POP3 on the stage of a transcript: the session and [`Maildrop`].
//!
//! `@expunge 2` removes a message elsewhere, `@break` has the next piece of a message fail.

use std::sync::Arc;
use std::time::Duration;

use mailwright_pop3::{self as pop3, Peer, Session, Settings, Step};
use mailwright_view::NumberSet;

use super::Transcript;
use super::play::{Actor, Event, Move};
use crate::maildrop::Maildrop;

/// A session of POP3 with its stand-in for accounts and messages.
#[derive(Debug)]
pub struct Pop3 {
    session: Session,
    maildrop: Maildrop,
}

impl Actor for Pop3 {
    fn enter(transcript: &Transcript) -> Option<Self> {
        let number = |word: &str| transcript.value(word).map_or(Some(0), |text| text.parse().ok());
        let mut settings = Settings::new("mx.mailwright.example");
        settings.tls = !transcript.has("implicit") && !transcript.has("plain");
        settings.auth = vec!["SCRAM-SHA-256-PLUS".into(), "PLAIN".into(), "LOGIN".into()];
        settings.login_delay = Duration::from_secs(number("delay")?);
        settings.keep_days = transcript.value("days").and_then(|days| days.parse().ok());
        if transcript.has("errors") {
            settings.errors_max = u32::try_from(number("errors")?).ok()?;
        }
        if transcript.has("commands") {
            settings.commands_max = u32::try_from(number("commands")?).ok()?;
        }
        let peer = Peer { trusted: transcript.has("trusted"), tls: transcript.has("implicit") };
        let maildrop = Maildrop::new(usize::try_from(number("more")?).ok()?);
        let known = transcript.listener.first().is_some_and(|word| word == "pop3");
        known.then(|| Self { session: Session::new(Arc::new(settings), peer), maildrop })
    }

    fn feed(&mut self, octets: &[u8]) {
        self.session.feed(octets);
    }

    fn next(&mut self) -> Option<Move> {
        loop {
            match self.session.next()? {
                Step::Write(octets) => return Some(Move::Say(octets)),
                Step::StartTls => return Some(Move::StartTls),
                Step::Close => return Some(Move::Close),
                Step::Ask(question) => {
                    let answer = self.maildrop.answer(question);
                    self.session.answer(answer);
                }
            }
        }
    }

    fn tls(&mut self) {
        self.session.tls();
    }

    fn event(&mut self, event: Event) {
        self.session.event(match event {
            Event::Eof => pop3::Event::Eof,
            Event::TimedOut => pop3::Event::TimedOut,
            Event::Shutdown => pop3::Event::Shutdown,
        });
    }

    fn timeout(&self) -> Duration {
        self.session.timeout()
    }

    fn does(&mut self, word: &str, argument: &str) -> bool {
        match (word, argument.parse()) {
            ("expunge", Ok(number)) => self.maildrop.expunge(number),
            ("break", _) => self.maildrop.break_next(),
            _ => return false,
        }
        true
    }

    fn state(&self, noun: &str) -> Option<Vec<u8>> {
        let text = match noun {
            "removed" => self.maildrop.removed.as_ref().map_or_else(|| "nothing".into(), uids),
            "cancelled" => self.maildrop.cancelled.to_string(),
            _ => return None,
        };
        Some(text.into_bytes())
    }
}

fn uids(set: &NumberSet) -> String {
    let uids: Vec<String> = set.iter().map(|uid| uid.to_string()).collect();
    if uids.is_empty() { "none".to_owned() } else { uids.join(" ") }
}
