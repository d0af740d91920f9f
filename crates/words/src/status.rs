//! Enhanced mail system status codes.
//!
//! Source: RFC 3463, RFC 2034 section 4.

use std::fmt;
use std::str::FromStr;

/// A code such as `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status {
    /// 2 is success, 4 a temporary failure, 5 a permanent one.
    pub class: u8,
    /// What the detail is about: 1 addresses, 2 mailboxes, 3 systems, 4 network, 5 protocol,
    /// 6 content, 7 policy.
    pub subject: u16,
    /// What happened.
    pub detail: u16,
}

impl Status {
    /// The code `class.subject.detail`.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }

    /// Whether it says that another try may succeed.
    pub const fn is_temporary(self) -> bool {
        self.class == 4
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A text is not an enhanced status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a status code is three numbers such as 5.1.1, the first of them 2, 4 or 5")]
pub struct StatusError;

impl FromStr for Status {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        let mut parts = text.split('.');
        let class = match parts.next() {
            Some("2") => 2,
            Some("4") => 4,
            Some("5") => 5,
            _ => return Err(StatusError),
        };
        let subject = number(parts.next())?;
        let detail = number(parts.next())?;
        if parts.next().is_some() {
            return Err(StatusError);
        }
        Ok(Self { class, subject, detail })
    }
}

/// One to three digits, as RFC 2034 section 4 allows.
fn number(part: Option<&str>) -> Result<u16, StatusError> {
    let part = part.ok_or(StatusError)?;
    if part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return Err(StatusError);
    }
    part.parse().or(Err(StatusError))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_parse_and_print() {
        for text in ["2.0.0", "4.7.1", "5.1.10", "5.999.999"] {
            assert_eq!(text.parse::<Status>().unwrap().to_string(), text);
        }
        for bad in ["", "5", "5.1", "5.1.1.1", "3.1.1", "5.1.1000", "5..1", "5.+1.1", "5.1.1 "] {
            assert_eq!(bad.parse::<Status>(), Err(StatusError), "{bad}");
        }
    }
}
