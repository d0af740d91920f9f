//! Plain-text dialogues as tests: what the client sends, what the server must say.
//!
//! ```text
//! # A stranger may not relay.
//! # Source: RFC 5321 section 3.6.2
//! @listener mta   peer 203.0.113.9
//! S: 220 mx.mailwright.example ESMTP Mailwright
//! C: EHLO client.example
//! S~ 250
//! ```
//!
//! `C:` sends a line with CRLF, `C|` octets with escapes (`\r \n \t \0 \\ \xNN`, and
//! `\*N{text}` for a text N times). `S:` expects a line, `S~` a reply of any lines by its code,
//! `S*` a line with `*` for anything. `@tls` does the handshake, `@wait 5m` lets time pass,
//! `@eof` and `@shutdown` tell of them, `@closed` expects that the session ended. `= noun rest`
//! expects a state. All that is sent before the next expectation is sent as one.

mod escape;
mod folder;
mod imap;
pub mod play;
mod pop3;
mod smtp;

use std::fmt;

pub use folder::Folder;
pub use imap::Imap;
pub use pop3::Pop3;
pub use smtp::Smtp;

/// A dialogue, read from its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// What stands behind `@listener`: its words.
    pub listener: Vec<String>,
    /// What happens, in order.
    pub entries: Vec<Entry>,
}

/// One thing that happens, with the number of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The line of the file, from 1.
    pub line: usize,
    /// What.
    pub act: Act,
}

/// What happens in a dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The client sends octets.
    Send(Vec<u8>),
    /// The server says exactly this line.
    Line(String),
    /// The server gives a reply with this code.
    Code(String),
    /// The server says a line like this one, with `*` for anything.
    Like(String),
    /// A word behind `@`, with its argument.
    Do(String, String),
    /// A state holds: its noun, and what it is.
    State(String, String),
}

/// A dialogue went otherwise, or its file is no dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The line of the file.
    pub line: usize,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.found)
    }
}

impl std::error::Error for Mismatch {}

impl Transcript {
    /// Reads a file's text.
    ///
    /// Errors: a line that is none of the known ones.
    pub fn parse(text: &str) -> Result<Self, Mismatch> {
        let mut transcript = Self { listener: Vec::new(), entries: Vec::new() };
        for (line, text) in (1..).zip(text.lines()) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if let Some(listener) = text.strip_prefix("@listener ") {
                transcript.listener = listener.split_whitespace().map(str::to_owned).collect();
                continue;
            }
            let act = act(text).ok_or_else(|| Mismatch {
                line,
                found: format!("this is no line of a transcript: {text}"),
            })?;
            transcript.entries.push(Entry { line, act });
        }
        Ok(transcript)
    }

    /// Whether `word` stands behind `@listener`.
    pub fn has(&self, word: &str) -> bool {
        self.listener.iter().any(|known| known == word)
    }

    /// The word behind `word` in the line of `@listener`.
    pub fn value(&self, word: &str) -> Option<&str> {
        let at = self.listener.iter().position(|known| known == word)?;
        self.listener.get(at + 1).map(String::as_str)
    }
}

fn act(text: &str) -> Option<Act> {
    if let Some(words) = text.strip_prefix('@') {
        let (word, argument) = words.split_once(' ').unwrap_or((words, ""));
        return Some(Act::Do(word.to_owned(), argument.trim().to_owned()));
    }
    if let Some(words) = text.strip_prefix("= ") {
        let (noun, rest) = words.split_once(' ')?;
        return Some(Act::State(noun.to_owned(), uncommented(rest).to_owned()));
    }
    let (verb, rest) = text.split_at_checked(2)?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    match verb {
        "C:" => Some(Act::Send([rest.as_bytes(), b"\r\n"].concat())),
        "C|" => escape::decode(rest).map(Act::Send),
        "S:" => Some(Act::Line(rest.to_owned())),
        "S~" => Some(Act::Code(uncommented(rest).to_owned())),
        "S*" => Some(Act::Like(rest.to_owned())),
        _ => None,
    }
}

/// `text` without a comment behind it.
fn uncommented(text: &str) -> &str {
    text.split_once(" #").map_or(text, |(text, _)| text).trim()
}

/// Octets as the files write them.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    escape::decode(text)
}

/// Whether `text` is like `pattern`, in which `*` stands for anything.
pub fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, tail)) => rest = tail,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for text in ["", "a", "250 x y"] {
            assert!(is_like("*", text));
        }
        assert!(is_like("250-* x*z", "250-a x y z"));
        assert!(!is_like("250 *y", "250 x"));
        assert!(!is_like("250", "250 x"));
    }

    #[test]
    fn lines_become_what_happens() {
        let text = "# why\n@listener mta peer 203.0.113.9\n\nC: NOOP\nC| a\\r\\n\nS~ 250   # any\n\
                    S: 250 2.0.0 Ok\n@wait 5m\n= spool 1\n";
        let transcript = Transcript::parse(text).unwrap();
        assert_eq!(transcript.value("peer"), Some("203.0.113.9"));
        let acts: Vec<Act> = transcript.entries.into_iter().map(|entry| entry.act).collect();
        assert_eq!(
            acts,
            [
                Act::Send(b"NOOP\r\n".to_vec()),
                Act::Send(b"a\r\n".to_vec()),
                Act::Code("250".to_owned()),
                Act::Line("250 2.0.0 Ok".to_owned()),
                Act::Do("wait".to_owned(), "5m".to_owned()),
                Act::State("spool".to_owned(), "1".to_owned()),
            ]
        );
        assert_eq!(Transcript::parse("what is this").unwrap_err().line, 1);
    }
}
