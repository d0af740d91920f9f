//! What is wrong with a command line, and the reply that says so.
//!
//! Source: RFC 5321 section 4.2.4, RFC 3463.

use mailwright_words::{Reply, Status};

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// No verb of SMTP.
    #[error("command not recognised")]
    Verb,
    /// A verb of SMTP that nobody here answers.
    #[error("command not offered")]
    NotOffered,
    /// A verb of HTTP: a browser was led here, and what it says next is not its own.
    #[error("this is not a web server")]
    Foreign,
    /// NUL, a bare CR or LF, or another control character.
    #[error("control characters are not allowed in commands, and only CRLF ends a line")]
    Octet,
    /// Octets that are no UTF-8.
    #[error("commands are ASCII or UTF-8")]
    Encoding,
    /// Longer than its limit.
    #[error("line too long")]
    TooLong,
    /// A line of an `AUTH` dialogue longer than its limit.
    #[error("authentication exchange line is too long")]
    AuthTooLong,
    /// What follows the verb; the right form is named.
    #[error("syntax: {0}")]
    Argument(&'static str),
    /// The address of `MAIL`.
    #[error("bad address of the sender")]
    Sender,
    /// The address of `RCPT`.
    #[error("bad address of the recipient")]
    Recipient,
    /// An address that is not ASCII, in a transaction without `SMTPUTF8`.
    #[error("an address outside of ASCII needs SMTPUTF8")]
    NotAscii,
    /// A parameter that is not offered.
    #[error("parameter {0} is not offered")]
    Unknown(String),
    /// A parameter that comes twice.
    #[error("parameter {0} comes twice")]
    Twice(&'static str),
    /// A parameter's value.
    #[error("bad value of {0}")]
    Value(&'static str),
    /// A response of `AUTH`.
    #[error("cannot decode the base64")]
    Base64,
}

impl Malformed {
    /// What the client is told.
    pub fn reply(&self) -> Reply {
        let (code, status) = match self {
            Self::Verb | Self::NotOffered | Self::Foreign => {
                (if *self == Self::NotOffered { 502 } else { 500 }, (5, 1))
            }
            Self::Octet | Self::Encoding | Self::TooLong => (500, (5, 2)),
            Self::AuthTooLong => (500, (5, 6)),
            Self::Argument(_) | Self::Twice(_) | Self::Value(_) => (501, (5, 4)),
            Self::Sender => (501, (1, 7)),
            Self::Recipient => (501, (1, 3)),
            Self::NotAscii => (553, (6, 7)),
            Self::Unknown(_) => (555, (5, 4)),
            Self::Base64 => (501, (5, 2)),
        };
        let mut text = self.to_string();
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Reply::new(code, Some(Status::new(5, status.0, status.1)), text)
    }
}
