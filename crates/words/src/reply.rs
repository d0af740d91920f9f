//! An SMTP reply, whichever side says it.
//!
//! Source: RFC 5321 section 4.2, RFC 2034.

use std::fmt;

use crate::status::Status;

/// The most octets of text on a line: 512 without code, separator, status code and CRLF.
const TEXT_MAX: usize = 490;

/// A three-digit code, an enhanced status code where there is one, and lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The reply code, 200 to 599.
    pub code: u16,
    /// The enhanced status code, which stands on each line of the wire form.
    pub status: Option<Status>,
    /// The text, line by line, without code and status.
    pub lines: Vec<String>,
}

impl Reply {
    /// A reply of one line, or of several where `text` has newlines.
    pub fn new(code: u16, status: Option<Status>, text: impl Into<String>) -> Self {
        Self { code, status, lines: text.into().split('\n').map(str::to_owned).collect() }
    }

    /// Whether it says that what was asked is done.
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether it asks to go on, as 354 and 334 do.
    pub const fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// Whether another try may succeed.
    pub const fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }

    /// Whether another try will fail as this one did.
    pub const fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// All lines of text on one.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// The octets that go over the wire.
    ///
    /// Control characters become spaces and over-long lines are cut, so that no text, whoever
    /// wrote it, can end a reply early.
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = String::new();
        let last = self.lines.len().saturating_sub(1);
        for (number, line) in self.lines.iter().enumerate() {
            self.line(&mut wire, line, number == last);
        }
        if self.lines.is_empty() {
            self.line(&mut wire, "", true);
        }
        wire.into_bytes()
    }

    fn line(&self, wire: &mut String, text: &str, is_last: bool) {
        wire.push_str(&self.code.to_string());
        wire.push(if is_last { ' ' } else { '-' });
        if let Some(status) = self.status {
            wire.push_str(&status.to_string());
            wire.push(' ');
        }
        let start = wire.len();
        for c in text.chars() {
            if wire.len() - start + c.len_utf8() > TEXT_MAX {
                break;
            }
            wire.push(if c.is_control() { ' ' } else { c });
        }
        wire.push_str("\r\n");
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        self.lines.iter().try_for_each(|line| {
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            write!(f, " {line}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_wire_form_has_code_and_status() {
        let reply = Reply::new(550, Some(Status::new(5, 1, 1)), "No such\nmailbox");
        assert_eq!(reply.to_wire(), b"550-5.1.1 No such\r\n550 5.1.1 mailbox\r\n");
        assert_eq!(reply.to_string(), "550 5.1.1 No such mailbox");
        assert_eq!(Reply::new(250, None, "PIPELINING").to_wire(), b"250 PIPELINING\r\n");
        assert!(reply.is_permanent() && !reply.is_positive());
    }

    #[test]
    fn text_cannot_break_out_of_its_line() {
        let reply = Reply::new(451, None, format!("a\r\0b{}", "\u{e9}".repeat(600)));
        let wire = reply.to_wire();
        assert!(wire.len() <= 512);
        assert!(wire.starts_with(b"451 a  b") && wire.ends_with(b"\r\n"));
        assert_eq!(String::from_utf8(wire).unwrap().matches('\r').count(), 1);
        let none = Reply { code: 250, status: None, lines: Vec::new() };
        assert_eq!(none.to_wire(), b"250 \r\n");
    }
}
