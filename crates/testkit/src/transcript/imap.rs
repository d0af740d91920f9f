//! IMAP on the stage of a transcript: the session, and an [`Account`] that others use too.
//!
//! `@deliver text` brings a message with that subject into INBOX, `@flag 2 +\Seen` and
//! `@expunge 2` change what another session would, by UID; `@drop name` removes a mailbox, `@lose`
//! all contents. `@news` wakes the session, `@file name` brings one of the messages below.

use std::sync::Arc;
use std::time::Duration;

use mailwright_imap::{self as imap, Answer, Change, Peer, Question, Session, Settings, Step};
use mailwright_view::{Flags, NumberSet};

use super::Transcript;
use super::play::{Actor, Event, Move};
use crate::account::{Account, Guest};

/// A session of IMAP with its stand-in for accounts and messages.
#[derive(Debug)]
pub struct Imap {
    session: Session,
    account: Account,
    guest: Guest,
    /// Another session, with INBOX open.
    other: Guest,
}

/// The settings that the line of `@listener` describes.
fn settings(transcript: &Transcript) -> Option<Settings> {
    let number =
        |word: &str| transcript.value(word).map_or(Some(None), |text| text.parse().ok().map(Some));
    let mut settings = Settings::new("mx.mailwright.example");
    "1.0".clone_into(&mut settings.version);
    settings.tls = !transcript.has("implicit") && !transcript.has("plain");
    settings.auth = vec!["SCRAM-SHA-256-PLUS".into(), "PLAIN".into(), "LOGIN".into()];
    settings.append_size_max = number("size")?.unwrap_or(settings.append_size_max);
    let count = |word: &str, usual: u32| {
        number(word)
            .map(|value: Option<u64>| value.and_then(|v| u32::try_from(v).ok()).unwrap_or(usual))
    };
    settings.errors_max = count("errors", settings.errors_max)?;
    settings.early_commands_max = count("commands", settings.early_commands_max)?;
    settings.login_failures_max = count("failures", settings.login_failures_max)?;
    let most = |word: &str, usual: usize| {
        number(word)
            .map(|value: Option<u64>| value.and_then(|v| usize::try_from(v).ok()).unwrap_or(usual))
    };
    settings.line_max = most("line", settings.line_max)?;
    settings.literal_max = most("literal", settings.literal_max)?;
    settings.folders_max = most("folders", settings.folders_max)?;
    settings.append_messages_max = most("messages", settings.append_messages_max)?;
    Some(settings)
}

impl Actor for Imap {
    fn enter(transcript: &Transcript) -> Option<Self> {
        let settings = settings(transcript)?;
        let peer = Peer { trusted: transcript.has("trusted"), tls: transcript.has("implicit") };
        let mut account = Account::new();
        if let Some(most) = transcript.value("keywords") {
            account.keywords_max = most.parse().ok()?;
        }
        if let Some(most) = transcript.value("quota") {
            account.octets_max = Some(most.parse().ok()?);
        }
        let known = transcript.listener.first().is_some_and(|word| word == "imap");
        let mut other = Guest::new();
        other.answer(Question::Select { name: "INBOX".into(), read_only: true }, &mut account);
        known.then(|| Self {
            session: Session::new(Arc::new(settings), peer),
            account,
            guest: Guest::new(),
            other,
        })
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
                    let answer = self.guest.answer(question, &mut self.account);
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
            Event::Eof => imap::Event::Eof,
            Event::TimedOut => imap::Event::TimedOut,
            Event::Shutdown => imap::Event::Shutdown,
        });
    }

    fn timeout(&self) -> Duration {
        self.session.timeout()
    }

    fn does(&mut self, word: &str, argument: &str) -> bool {
        match word {
            "deliver" => self.account.deliver("INBOX", message(argument)),
            "file" => self.account.deliver("INBOX", file(argument)),
            "news" => self.session.event(imap::Event::News),
            "flag" => return self.flag(argument).is_some(),
            "expunge" => return self.expunge(argument).is_some(),
            "drop" => {
                let answer =
                    self.other.answer(Question::Delete(argument.to_owned()), &mut self.account);
                return matches!(answer, Answer::Done);
            }
            "lose" => self.account.lose(),
            _ => return false,
        }
        true
    }

    fn state(&self, noun: &str) -> Option<Vec<u8>> {
        let count = |count: usize| Some(count.to_string().into_bytes());
        match noun {
            "given_up" => count(self.guest.given_up),
            "user" => Some(self.session.user().unwrap_or("nobody").into()),
            "client" => {
                let first = self.guest.said.first()?;
                Some(format!("{} {}", first.0, first.1.as_deref().unwrap_or("NIL")).into_bytes())
            }
            "last" => {
                let snapshot = self.account.snapshot("INBOX")?;
                let row = snapshot.rows().next_back()?;
                self.account.content(row).map(|octets| octets.to_vec())
            }
            name => count(usize::try_from(self.account.snapshot(name)?.len()).ok()?),
        }
    }
}

impl Imap {
    /// `2 +\Seen`, by another session.
    fn flag(&mut self, argument: &str) -> Option<()> {
        let (uid, flag) = argument.split_once(' ')?;
        let uid: u32 = uid.parse().ok()?;
        let (sign, name) = flag.split_at_checked(1)?;
        let system =
            Flags::NAMES.iter().find(|(_, known)| *known == name).map_or(0, |(bit, _)| *bit);
        let keywords = if system == 0 { vec![name.into()] } else { Vec::new() };
        let change = match sign {
            "+" => Change::Add { system, keywords },
            "-" => Change::Remove { system, keywords },
            _ => return None,
        };
        let uids = NumberSet::range(uid..=uid);
        let question = Question::Store { uids, change, unchanged_since: None };
        let answer = self.other.answer(question, &mut self.account);
        matches!(answer, Answer::Stored { .. }).then_some(())
    }

    fn expunge(&mut self, argument: &str) -> Option<()> {
        self.flag(&format!("{argument} +\\Deleted"))?;
        let uid: u32 = argument.parse().ok()?;
        let question = Question::Expunge(Some(NumberSet::range(uid..=uid)));
        matches!(self.other.answer(question, &mut self.account), Answer::Done).then_some(())
    }
}

/// A small message with this subject.
fn message(subject: &str) -> Vec<u8> {
    let text = format!(
        "Date: Wed, 17 Jul 1996 02:23:25 -0700\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
         To: ann@mailwright.example\r\nSubject: {subject}\r\n\
         Message-Id: <{}@cac.washington.edu>\r\n\r\nAbout {subject}.\r\n",
        subject.replace(' ', "-").to_lowercase()
    );
    text.into_bytes()
}

/// A message with parts: a text, an attachment in base64, an attached message, an unknown encoding.
fn file(name: &str) -> Vec<u8> {
    match name {
        "parts" => b"From: a@b.example\r\nSubject: Parts\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/mixed; boundary=\"x\"\r\n\r\n--x\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n--x\r\n\
            Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n\
            AAECAw==\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner\r\n\
            Content-Type: text/plain\r\n\r\nInside\r\n--x\r\nContent-Type: text/plain\r\n\
            Content-Transfer-Encoding: x-odd\r\n\r\nOdd\r\n--x--\r\n"
            .to_vec(),
        "reply" => b"From: Bob <bob@client.example>\r\nSubject: Re: first\r\n\
            Date: Wed, 17 Jul 1996 03:00:00 -0700\r\nMessage-ID: <reply@client.example>\r\n\
            References: <first@cac.washington.edu>\r\n\r\nYes.\r\n"
            .to_vec(),
        other => message(other),
    }
}
