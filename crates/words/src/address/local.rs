//! The part of an address before the `@`.
//!
//! Kept as its meaning: quotes are syntax, and come back only where the wire needs them.
//! Source: RFC 5321 section 4.1.2, RFC 6531 section 3.3.

use std::fmt;

use super::AddressError;

/// The most octets of a local part.
///
/// Source: RFC 5321 section 4.5.3.1.1.
const LOCAL_MAX: usize = 64;

/// A local part: unquoted, case kept.
///
/// Invariant: no control characters, and at most 64 octets as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(String);

impl LocalPart {
    /// The local part that means `text`, which is not quoted.
    pub fn new(text: &str) -> Result<Self, AddressError> {
        if text.chars().any(char::is_control) {
            return Err(AddressError::Local);
        }
        let local = Self(text.to_owned());
        if local.wire_len() > LOCAL_MAX { Err(AddressError::TooLong) } else { Ok(local) }
    }

    /// Its meaning.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Splits an address into its local part and what follows the `@`.
    pub(super) fn split(address: &str) -> Result<(Self, &str), AddressError> {
        if let Some(rest) = address.strip_prefix('"') {
            let (meaning, rest) = unquote(rest).ok_or(AddressError::Local)?;
            return Ok((Self::new(&meaning)?, rest.strip_prefix('@').ok_or(AddressError::At)?));
        }
        let (local, domain) = address.split_once('@').ok_or(AddressError::At)?;
        if local.is_empty() {
            return Err(AddressError::At);
        }
        if !is_dot_string(local) {
            return Err(AddressError::Local);
        }
        Ok((Self::new(local)?, domain))
    }

    /// Octets on the wire, with quotes and backslashes where it needs them.
    pub(super) fn wire_len(&self) -> usize {
        if is_dot_string(&self.0) {
            return self.0.len();
        }
        self.0.len() + 2 + self.0.bytes().filter(|b| matches!(b, b'"' | b'\\')).count()
    }
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        if is_dot_string(&self.0) {
            return f.write_str(&self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

/// Atoms with single dots between them.
fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    match c {
        '!' | '#'..='\'' | '*' | '+' | '-' | '/' | '=' | '?' | '^'..='`' | '{'..='~' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        c => !c.is_control(),
    }
}

/// The meaning of a quoted string, given behind its first quote, and what follows the last one.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut meaning = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((meaning, chars.as_str())),
            '\\' => meaning.push(chars.next().filter(|c| matches!(c, ' '..='~'))?),
            c if c.is_control() => return None,
            c => meaning.push(c),
        }
    }
}
