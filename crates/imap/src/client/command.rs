//! Commands as a client writes them.
//!
//! Source: RFC 9051 section 6.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mailwright_view::NumberSet;

/// A command of a client. Names of mailboxes are sent as they came.
#[derive(Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// `CAPABILITY`.
    Capability,
    /// `STARTTLS`.
    StartTls,
    /// `LOGIN`.
    Login {
        /// Who we are.
        name: &'a str,
        /// Our password.
        password: &'a str,
    },
    /// `AUTHENTICATE`.
    Authenticate {
        /// Its registered name.
        mechanism: &'a str,
        /// What the mechanism begins with, where it does.
        initial: Option<Vec<u8>>,
    },
    /// `NAMESPACE`.
    Namespace,
    /// `LIST`: names that match a pattern.
    List {
        /// The pattern.
        pattern: &'a [u8],
        /// Ask for what mailboxes are for. Source: RFC 6154 section 5.2.
        special_use: bool,
    },
    /// `STATUS`: how many messages a mailbox has.
    Status(&'a [u8]),
    /// `EXAMINE`: opens a mailbox and changes nothing in it.
    Examine(&'a [u8]),
    /// UID, flags, date and size of messages, by their numbers.
    Describe {
        /// The first number.
        first: u32,
        /// The last number.
        last: u32,
    },
    /// The contents of messages, by UID; they stay unseen.
    Messages(&'a NumberSet),
    /// `LOGOUT`.
    Logout,
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").finish_non_exhaustive()
    }
}

/// A string that cannot be sent: it has octets that end a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name or password has control characters")]
pub struct Unspeakable;

impl Command<'_> {
    /// Writes the command behind its tag; gives what the server has to ask for first.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        initial_goes: bool,
    ) -> Result<Option<Vec<u8>>, Unspeakable> {
        let mut say = |text: &str| out.extend_from_slice(text.as_bytes());
        match self {
            Self::Capability => say("CAPABILITY"),
            Self::StartTls => say("STARTTLS"),
            Self::Namespace => say("NAMESPACE"),
            Self::Logout => say("LOGOUT"),
            Self::Login { name, password } => {
                say("LOGIN ");
                quoted(out, name.as_bytes())?;
                out.push(b' ');
                quoted(out, password.as_bytes())?;
            }
            Self::Authenticate { mechanism, initial } => {
                say("AUTHENTICATE ");
                say(mechanism);
                match initial {
                    Some(initial) if initial_goes => {
                        say(" ");
                        say(&if initial.is_empty() {
                            "=".into()
                        } else {
                            STANDARD.encode(initial)
                        });
                    }
                    initial => return Ok(initial.clone()),
                }
            }
            Self::List { pattern, special_use } => {
                say("LIST \"\" ");
                quoted(out, pattern)?;
                if *special_use {
                    out.extend_from_slice(b" RETURN (SPECIAL-USE)");
                }
            }
            Self::Status(name) => {
                say("STATUS ");
                quoted(out, name)?;
                out.extend_from_slice(b" (MESSAGES)");
            }
            Self::Examine(name) => {
                say("EXAMINE ");
                quoted(out, name)?;
            }
            Self::Describe { first, last } => {
                say(&format!("FETCH {first}:{last} (UID FLAGS INTERNALDATE RFC822.SIZE)"));
            }
            Self::Messages(uids) => say(&format!("UID FETCH {uids} (UID BODY.PEEK[])")),
        }
        Ok(None)
    }
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) -> Result<(), Unspeakable> {
    if text.iter().any(u8::is_ascii_control) {
        return Err(Unspeakable);
    }
    out.push(b'"');
    for octet in text {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*octet);
    }
    out.push(b'"');
    Ok(())
}

/// What a mailbox name of a server says; octets that are no name of a standard stay as they are.
pub fn read_name(octets: &[u8]) -> String {
    crate::name::read_leniently(octets)
}
