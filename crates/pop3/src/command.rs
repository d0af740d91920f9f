//! Commands: one line becomes a value, or is malformed.
//!
//! Whether a command may come now is the session's question, not asked here.
//! Source: RFC 1939, and the extensions each variant names.

use base64::Engine as _;

use crate::reply::Reply;

/// A command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What the server can do. Source: RFC 2449 section 5.
    Capa,
    /// Who logs in.
    User(String),
    /// The password of who logs in.
    Pass(String),
    /// A login by a SASL mechanism. Source: RFC 5034 section 4.
    Auth {
        /// Its name, in upper case.
        mechanism: String,
        /// The initial response, decoded; `Some` of nothing when it was `=`.
        initial: Option<Vec<u8>>,
    },
    /// Begin TLS. Source: RFC 2595 section 4.
    Stls,
    /// The client understands UTF-8. Source: RFC 6856 section 2.1.
    Utf8,
    /// The language of the texts: which there are, or this one. Source: RFC 6856 section 3.2.
    Lang(Option<String>),
    /// How many messages of how many octets.
    Stat,
    /// The octets of all messages, or of one.
    List(Option<u32>),
    /// The lasting names of all messages, or of one.
    Uidl(Option<u32>),
    /// A message.
    Retr(u32),
    /// The header of a message, and some lines of its body.
    Top(u32, u32),
    /// Mark a message as deleted.
    Dele(u32),
    /// Mark no message as deleted.
    Rset,
    /// Nothing.
    Noop,
    /// The end.
    Quit,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Nobody knows this verb.
    #[error("Unknown command")]
    Verb,
    /// The verb is known and what follows is not; the text is the syntax.
    #[error("Syntax: {0}")]
    Argument(&'static str),
    /// A control character.
    #[error("A command has no control characters")]
    Octet,
    /// The line is not UTF-8.
    #[error("A command is text in UTF-8")]
    Encoding,
    /// The line is over its limit.
    #[error("The line is too long")]
    TooLong,
    /// What should be base64 is not.
    #[error("Cannot decode the base64")]
    Base64,
    /// A command of another protocol, as a browser is made to send it.
    #[error("This is no web server")]
    Foreign,
}

impl Malformed {
    /// What the client is told.
    pub(crate) fn reply(self) -> Reply {
        Reply::error(self.to_string())
    }
}

/// Longest line of `AUTH` and of its dialogue. Source: RFC 5034 section 4.
pub(crate) const AUTH_LINE_MAX: usize = 12_288;

/// Longest line of any other command: a password of 1,024 octets fits.
///
/// Source: RFC 2449 section 4, which asks for 255.
const LINE_MAX: usize = 1_100;

/// Longest line of a command that starts with `line`, in octets with its CRLF.
pub(crate) fn line_max(line: &[u8]) -> usize {
    match line.get(..4) {
        Some(verb) if verb.eq_ignore_ascii_case(b"AUTH") => AUTH_LINE_MAX,
        _ => LINE_MAX,
    }
}

impl Command {
    /// Reads one line, given without its CRLF.
    ///
    /// Errors: what is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        if line.iter().any(u8::is_ascii_control) {
            return Err(Malformed::Octet);
        }
        let line = str::from_utf8(line).map_err(|_invalid| Malformed::Encoding)?;
        let (verb, text) = line.split_once(' ').unwrap_or((line, ""));
        let rest = text.trim_matches(' ');
        match verb.to_ascii_uppercase().as_str() {
            "CAPA" => bare(rest, Self::Capa, "CAPA"),
            "USER" if rest.is_empty() => Err(Malformed::Argument("USER name")),
            "USER" => Ok(Self::User(rest.to_owned())),
            // A space is part of the password, wherever it stands. Source: RFC 1939 section 7.
            "PASS" if text.is_empty() => Err(Malformed::Argument("PASS password")),
            "PASS" => Ok(Self::Pass(text.to_owned())),
            "AUTH" => auth(rest),
            "STLS" => bare(rest, Self::Stls, "STLS"),
            "UTF8" => bare(rest, Self::Utf8, "UTF8"),
            "LANG" if rest.is_empty() => Ok(Self::Lang(None)),
            "LANG" => Ok(Self::Lang(Some(rest.to_owned()))),
            "STAT" => bare(rest, Self::Stat, "STAT"),
            "LIST" => perhaps(rest, "LIST [message]").map(Self::List),
            "UIDL" => perhaps(rest, "UIDL [message]").map(Self::Uidl),
            "RETR" => number(rest, "RETR message").map(Self::Retr),
            "TOP" => top(rest),
            "DELE" => number(rest, "DELE message").map(Self::Dele),
            "RSET" => bare(rest, Self::Rset, "RSET"),
            "NOOP" => bare(rest, Self::Noop, "NOOP"),
            "QUIT" => bare(rest, Self::Quit, "QUIT"),
            "GET" | "POST" | "PUT" | "HEAD" | "CONNECT" | "OPTIONS" => Err(Malformed::Foreign),
            _ => Err(Malformed::Verb),
        }
    }
}

/// `command`, when nothing follows its verb.
fn bare(rest: &str, command: Command, syntax: &'static str) -> Result<Command, Malformed> {
    if rest.is_empty() { Ok(command) } else { Err(Malformed::Argument(syntax)) }
}

fn perhaps(rest: &str, syntax: &'static str) -> Result<Option<u32>, Malformed> {
    if rest.is_empty() { Ok(None) } else { number(rest, syntax).map(Some) }
}

/// A number of digits alone; one that is too large for any message is the largest.
fn number(text: &str, syntax: &'static str) -> Result<u32, Malformed> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Malformed::Argument(syntax));
    }
    Ok(text.parse().unwrap_or(u32::MAX))
}

/// Source: RFC 1939 section 7.
fn top(rest: &str) -> Result<Command, Malformed> {
    const SYNTAX: &str = "TOP message lines";
    let (message, lines) = rest.split_once(' ').ok_or(Malformed::Argument(SYNTAX))?;
    let lines = number(lines.trim_start_matches(' '), SYNTAX)?;
    Ok(Command::Top(number(message, SYNTAX)?, lines))
}

/// Source: RFC 5034 section 4.
fn auth(rest: &str) -> Result<Command, Malformed> {
    const SYNTAX: Malformed = Malformed::Argument("AUTH mechanism [initial-response]");
    let (mechanism, initial) = match rest.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
        None => (rest, None),
    };
    let sound = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    if !(1..=20).contains(&mechanism.len()) || !mechanism.bytes().all(sound) {
        return Err(SYNTAX);
    }
    let initial = match initial {
        None => None,
        Some("=") => Some(Vec::new()),
        Some(text) => Some(base64(text.as_bytes())?),
    };
    Ok(Command::Auth { mechanism: mechanism.to_ascii_uppercase(), initial })
}

/// What `text` says in base64, padded and without anything beside it.
pub(crate) fn base64(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    base64::engine::general_purpose::STANDARD.decode(text).map_err(|_invalid| Malformed::Base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read_in_any_case_and_passwords_as_they_are() {
        for (line, want) in [
            ("stat", Command::Stat),
            ("List", Command::List(None)),
            ("LIST 2 ", Command::List(Some(2))),
            ("top 1  0", Command::Top(1, 0)),
            ("RETR 99999999999999999999", Command::Retr(u32::MAX)),
            ("USER  ann@mailwright.example ", Command::User("ann@mailwright.example".to_owned())),
            ("PASS  two  spaces ", Command::Pass(" two  spaces ".to_owned())),
            ("USER j\u{f8}ran", Command::User("j\u{f8}ran".to_owned())),
            ("AUTH plain =", Command::Auth { mechanism: "PLAIN".into(), initial: Some(vec![]) }),
            ("LANG en", Command::Lang(Some("en".to_owned()))),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Ok(want), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_says_why() {
        for (line, want) in [
            (&b"APOP ann c4c9334bac560ecc979e58001b3e22fb"[..], Malformed::Verb),
            (b"", Malformed::Verb),
            (b"RETR", Malformed::Argument("RETR message")),
            (b"RETR -1", Malformed::Argument("RETR message")),
            (b"RETR +1", Malformed::Argument("RETR message")),
            (b"TOP 1", Malformed::Argument("TOP message lines")),
            (b"STAT now", Malformed::Argument("STAT")),
            (b"PASS", Malformed::Argument("PASS password")),
            (b"USER a\0b", Malformed::Octet),
            (b"USER \xff", Malformed::Encoding),
            (b"AUTH PLAIN !", Malformed::Base64),
            (b"GET / HTTP/1.1", Malformed::Foreign),
        ] {
            assert_eq!(Command::parse(line), Err(want), "{}", line.escape_ascii());
        }
    }
}
