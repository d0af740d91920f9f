//! Tagged replies, and how they end commands.
//!
//! Source: RFC 9051 section 7.1.

use std::borrow::Cow;

use mailwright_view::Expunges;

use super::{Session, State};
use crate::command::Malformed;
use crate::{Question, Refusal};

/// What a command ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    status: Status,
    /// The response code; none when it is empty.
    code: Cow<'static, str>,
    text: Cow<'static, str>,
    /// Whether the last change is told too. Source: RFC 7162 section 3.2.7.
    pub(super) tells_modseq: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    No,
    Bad,
}

impl Reply {
    const fn new(status: Status, text: Cow<'static, str>) -> Self {
        Self { status, code: Cow::Borrowed(""), text, tells_modseq: false }
    }

    pub(crate) const fn ok(text: &'static str) -> Self {
        Self::new(Status::Ok, Cow::Borrowed(text))
    }

    /// Whether it tells of success.
    pub(super) fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    pub(crate) const fn no(text: &'static str) -> Self {
        Self::new(Status::No, Cow::Borrowed(text))
    }

    pub(crate) const fn bad(text: &'static str) -> Self {
        Self::new(Status::Bad, Cow::Borrowed(text))
    }

    pub(crate) fn malformed(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Charset => {
                Self::no("Unknown charset").with_code("BADCHARSET (US-ASCII UTF-8)")
            }
            malformed => Self::new(Status::Bad, malformed.to_string().into()),
        }
    }

    pub(crate) fn refusal(refusal: Refusal) -> Self {
        let reply = Self::new(Status::No, refusal.to_string().into());
        match refusal.code() {
            Some(code) => reply.with_code(code),
            None => reply,
        }
    }

    /// A refusal where the client may make the mailbox and try again.
    pub(crate) fn refusal_to_file(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NonExistent => Self::refusal(refusal).with_code("TRYCREATE"),
            other => Self::refusal(other),
        }
    }

    pub(crate) fn with_code(self, code: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), ..self }
    }
}

impl Session {
    /// Ends the command under way: the mailbox is looked at, its news are told, then `reply`.
    pub(super) fn finish(&mut self, reply: Reply) {
        self.finish_with(reply, Expunges::Tell);
    }

    /// The same, where expunges may have to wait. Source: RFC 9051 section 7.5.1.
    pub(super) fn finish_with(&mut self, reply: Reply, expunges: Expunges) {
        if matches!(self.state, State::Selected(_)) {
            self.news = false;
            let asked = super::Asked::Look { reply: Some(reply), expunges };
            self.ask(Question::Latest, asked);
        } else {
            self.say(reply);
        }
    }

    /// Writes `reply` behind the tag of the command under way. Too many `BAD` end the session.
    pub(super) fn say(&mut self, reply: Reply) {
        let Reply { status, code, text, tells_modseq: _ } = reply;
        let word = match status {
            Status::Ok => " OK ",
            Status::No => " NO ",
            Status::Bad => " BAD ",
        };
        self.out.extend_from_slice(self.tag.as_bytes());
        self.out.extend_from_slice(word.as_bytes());
        if !code.is_empty() {
            self.out.extend_from_slice(b"[");
            self.out.extend_from_slice(code.as_bytes());
            self.out.extend_from_slice(b"] ");
        }
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.errors = if status == Status::Bad { self.errors.saturating_add(1) } else { 0 };
        if self.errors > self.settings.errors_max {
            self.end(Some("Too many errors"));
        }
    }
}
