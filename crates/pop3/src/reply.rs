//! What a session says: a status, a response code where one helps, a text for people.
//!
//! Source: RFC 1939 section 3, RFC 2449 section 8, RFC 3206.

use std::fmt::Write as _;

/// Longest text of a reply, so that its line keeps to 512 octets. Source: RFC 2449 section 4.
const TEXT_MAX: usize = 480;

/// Why something failed, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The name or the password is wrong. Source: RFC 3206 section 5.
    Auth,
    /// Another session has the maildrop. Source: RFC 2449 section 8.1.2.
    InUse,
    /// The account logged in a moment ago. Source: RFC 2449 section 8.1.1.
    LoginDelay,
    /// We fail now, and may not later. Source: RFC 3206 section 4.
    SystemTemporary,
    /// We fail until someone mends it. Source: RFC 3206 section 4.
    SystemPermanent,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "AUTH",
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SystemTemporary => "SYS/TEMP",
            Self::SystemPermanent => "SYS/PERM",
        }
    }
}

/// A reply of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `+OK` or `-ERR`.
    pub ok: bool,
    /// The response code.
    pub code: Option<Code>,
    /// The text; what is no printable text in it is left out on the wire.
    pub text: String,
}

impl Reply {
    /// `+OK text`.
    pub fn ok(text: impl Into<String>) -> Self {
        Self { ok: true, code: None, text: text.into() }
    }

    /// `-ERR text`.
    pub fn error(text: impl Into<String>) -> Self {
        Self { ok: false, code: None, text: text.into() }
    }

    /// `-ERR [code] text`.
    pub fn coded(code: Code, text: impl Into<String>) -> Self {
        Self { ok: false, code: Some(code), text: text.into() }
    }

    /// What goes over the wire.
    pub fn to_wire(&self) -> Vec<u8> {
        let mut line = if self.ok { "+OK".to_owned() } else { "-ERR".to_owned() };
        if let Some(code) = self.code {
            // Writing to a String does not fail.
            write!(line, " [{}]", code.as_str()).unwrap_or_default();
        }
        if !self.text.is_empty() {
            line.push(' ');
        }
        let end = line.len() + TEXT_MAX;
        for letter in self.text.chars().filter(|letter| !letter.is_control()) {
            if line.len() + letter.len_utf8() > end {
                break;
            }
            line.push(letter);
        }
        line.push_str("\r\n");
        line.into_bytes()
    }
}

/// The server stops while the session is between commands.
pub(crate) fn stopping() -> Reply {
    Reply::coded(Code::SystemTemporary, "The server stops")
}

/// An answer did not fit its question.
pub(crate) fn local_error() -> Reply {
    Reply::coded(Code::SystemTemporary, "Local error, try again later")
}

pub(crate) fn encryption_required() -> Reply {
    Reply::error("A password needs an encrypted connection, say STLS first")
}

pub(crate) fn no_such_message() -> Reply {
    Reply::error("No such message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_one_line_whatever_its_text() {
        let wire = |reply: Reply| String::from_utf8(reply.to_wire()).unwrap();
        assert_eq!(wire(Reply::ok("")), "+OK\r\n");
        assert_eq!(wire(Reply::coded(Code::InUse, "a\r\n+OK b")), "-ERR [IN-USE] a+OK b\r\n");
        assert!(wire(Reply::error("\u{e9}".repeat(1000))).len() <= 512);
    }
}
