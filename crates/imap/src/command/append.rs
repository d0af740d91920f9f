//! `APPEND` up to its literals, whose octets never stand in a command.
//!
//! Source: RFC 9051 section 6.3.12, RFC 3502 (several messages), RFC 3516, RFC 6855 section 4.

use mailwright_words::Timestamp;

use super::{Announced, Cursor, Malformed, Name, Read, date, mailbox, store};

/// What stands before the octets of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Append {
    /// Flags of the standard.
    pub(crate) system: u8,
    /// Keywords.
    pub(crate) keywords: Vec<Box<str>>,
    /// When it was received.
    pub(crate) internal_date: Option<Timestamp>,
    /// Whether it stands within `UTF8 (`, so that a parenthesis follows the octets.
    pub(crate) utf8: bool,
    /// The octets.
    pub(crate) literal: Announced,
}

/// How far an `APPEND` was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// The literal that is announced is the mailbox's name.
    Name,
    /// It is the first message.
    Message(Name, Append),
}

/// Whether `octets`, which stand behind a tag, begin an `APPEND`.
pub(crate) fn is_append(octets: &[u8]) -> bool {
    octets.get(..7).is_some_and(|verb| verb.eq_ignore_ascii_case(b"APPEND "))
}

impl Prefix {
    /// Reads what stands behind the tag, up to the announcement of a literal at the end.
    pub(crate) fn parse(octets: &[u8], levels: usize) -> Read<Self> {
        let mut cursor = Cursor::new(octets, levels);
        cursor.word("APPEND")?;
        let mut ahead = cursor.clone();
        if ahead.eat(b' ') && ahead.announcement().is_ok() && ahead.is_end() {
            return Ok(Self::Name);
        }
        let name = mailbox(&mut cursor)?;
        Append::parse(&mut cursor).map(|message| Self::Message(name, message))
    }
}

impl Append {
    /// Reads ` (flags) "date" {5}` with its CRLF, to the end.
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Read<Self> {
        const WHAT: &str = "a message";
        cursor.space()?;
        let (mut system, mut keywords) = (0, Vec::new());
        if cursor.peek() == Some(b'(') {
            (system, keywords) = store::flags(cursor)?;
            cursor.space()?;
        }
        let mut internal_date = None;
        if cursor.peek() == Some(b'"') {
            internal_date = Some(date::moment(cursor)?);
            cursor.space()?;
        }
        let utf8 = cursor.eat_word("UTF8");
        if utf8 {
            cursor.space()?;
            cursor.expect(b'(', "an opening parenthesis")?;
        }
        if !cursor.peek().is_some_and(|octet| octet == b'{' || octet == b'~') {
            return Err(Malformed::Expected(WHAT));
        }
        let literal = cursor.announcement()?;
        cursor.end()?;
        Ok(Self { system, keywords, internal_date, utf8, literal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mailbox_may_be_a_literal_itself() {
        assert_eq!(Prefix::parse(b"APPEND {5}\r\n", 4), Ok(Prefix::Name));
        let read = Prefix::parse(
            b"append {5}\r\nINBOX (\\Seen $a) \"17-Jul-1996 02:44:25 -0700\" ~{9+}\r\n",
            4,
        );
        let Ok(Prefix::Message(name, append)) = read else { panic!("{read:?}") };
        assert_eq!(&*name, b"INBOX");
        assert_eq!((append.system, append.keywords.len()), (1, 1));
        assert_eq!(append.internal_date.map(Timestamp::ms), Some(837_596_665_000));
        assert_eq!(append.literal, Announced { octets: 9, waits: false, binary: true });
        for bad in
            ["APPEND", "APPEND a", "APPEND a {5}", "APPEND a (x {5}\r\n", "APPEND a x {5}\r\n"]
        {
            assert!(Prefix::parse(bad.as_bytes(), 4).is_err(), "{bad}");
        }
        let utf8 = Prefix::parse(b"APPEND a UTF8 (~{5}\r\n", 4);
        assert!(matches!(utf8, Ok(Prefix::Message(_, Append { utf8: true, .. }))));
    }
}
