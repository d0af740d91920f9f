//! Commands on their way to a host, and which reply belongs to which.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use mailwright_words::reply::Reply;

use super::Phase;
use super::transaction::Tally;

/// Octets of an `AUTH` line up to which its initial response is sent with it.
///
/// Source: RFC 5321 section 4.5.3.1.4; longer ones wait for the first challenge.
const AUTH_LINE_MAX: usize = 500;

/// What a reply will answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    Greeting,
    Hello,
    Helo,
    StartTls,
    Xclient,
    Auth,
    Rset,
    Mail,
    Rcpt(usize),
    Data,
    Final,
    Quit,
}

impl Expect {
    pub(super) fn phase(self) -> Phase {
        match self {
            Self::Greeting => Phase::Greeting,
            Self::Hello | Self::Helo | Self::Xclient => Phase::Hello,
            Self::StartTls => Phase::Tls,
            Self::Auth => Phase::Auth,
            Self::Rset | Self::Mail => Phase::Mail,
            Self::Rcpt(_) => Phase::Rcpt,
            Self::Data => Phase::Data,
            Self::Final => Phase::Final,
            Self::Quit => Phase::Quit,
        }
    }
}

/// A line to send.
#[derive(Debug)]
pub(super) struct Command {
    line: String,
    shown: Option<String>,
    expect: Expect,
}

impl Command {
    pub(super) fn new(line: impl Into<String>, expect: Expect) -> Self {
        Self { line: line.into(), shown: None, expect }
    }

    /// `AUTH`, and the initial response when it has to wait.
    pub(super) fn auth(mechanism: &str, initial: Option<Vec<u8>>) -> (Self, Option<Vec<u8>>) {
        let bare = format!("AUTH {mechanism}");
        let Some(initial) = initial else { return (Self::new(bare, Expect::Auth), None) };
        let mut line = format!("{bare} {}", STANDARD.encode(&initial));
        if initial.is_empty() {
            line.push('=');
        }
        if line.len() > AUTH_LINE_MAX {
            return (Self::new(bare, Expect::Auth), Some(initial));
        }
        (Self { line, shown: Some(format!("{bare} ***")), expect: Expect::Auth }, None)
    }

    pub(super) fn response(response: Option<&[u8]>) -> Self {
        let line = response.map_or_else(|| "*".to_owned(), |bytes| STANDARD.encode(bytes));
        Self { line, shown: Some("***".to_owned()), expect: Expect::Auth }
    }

    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// The line as it may be kept.
    pub(super) fn shown(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.line)
    }

    pub(super) fn expect(&self) -> Expect {
        self.expect
    }

    /// Whether there is no use in sending it any more.
    pub(super) fn is_vain(&self, tally: &Tally) -> bool {
        match self.expect {
            Expect::Rcpt(_) => tally.is_mail_refused(),
            Expect::Data => !tally.has_taken(),
            _ => false,
        }
    }
}

/// The challenge in a 334; `None` when it is not base64.
pub(super) fn decode(text: Option<&String>) -> Option<Vec<u8>> {
    STANDARD.decode(text.map_or("", |text| text.trim())).ok()
}

/// A plain 552 to `RCPT` says that there are too many recipients, which is temporary.
///
/// Source: RFC 5321 section 4.5.3.1.10.
pub(super) fn too_many_recipients(reply: &mut Reply) {
    if reply.code == 552 && reply.status.is_none() {
        reply.code = 452;
    }
}
