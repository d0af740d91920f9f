//! A place in a command, and the small pieces of syntax read from there.
//!
//! The octets are those of the wire: a literal stands in them as it came, `{5}`, CRLF and five
//! octets. Source: RFC 9051 section 9.

use std::borrow::Cow;

use super::Malformed;

type Read<T> = Result<T, Malformed>;

/// A place in a command.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    /// How many more levels may be entered.
    levels: usize,
}

/// Whether the octet may stand in an atom.
pub(crate) const fn is_atom(octet: u8) -> bool {
    octet > b' '
        && octet < 0x7f
        && !matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

const fn is_astring(octet: u8) -> bool {
    is_atom(octet) || octet == b']'
}

const fn is_pattern(octet: u8) -> bool {
    is_astring(octet) || matches!(octet, b'%' | b'*')
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(octets: &'a [u8], levels: usize) -> Self {
        Self { rest: octets, levels }
    }

    /// What was not yet read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) const fn is_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Read<()> {
        if self.is_end() { Ok(()) } else { Err(Malformed::Expected("the end of the command")) }
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let count = self.rest.iter().position(|&octet| !wanted(octet));
        self.take(count.unwrap_or(self.rest.len()))
    }

    /// Takes this octet, if it comes.
    pub(crate) fn eat(&mut self, octet: u8) -> bool {
        let comes = self.peek() == Some(octet);
        if comes {
            self.take(1);
        }
        comes
    }

    /// Takes these octets in any case, if they come and no letter follows them.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let Some((head, tail)) = self.rest.split_at_checked(word.len()) else { return false };
        let more = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'.' || *octet == b'-';
        let comes = head.eq_ignore_ascii_case(word.as_bytes()) && !tail.first().is_some_and(more);
        if comes {
            self.rest = tail;
        }
        comes
    }

    pub(crate) fn expect(&mut self, octet: u8, what: &'static str) -> Read<()> {
        if self.eat(octet) { Ok(()) } else { Err(Malformed::Expected(what)) }
    }

    pub(crate) fn space(&mut self) -> Read<()> {
        self.expect(b' ', "a space")
    }

    /// Goes a level deeper.
    pub(crate) fn enter(&mut self) -> Read<()> {
        self.levels = self.levels.checked_sub(1).ok_or(Malformed::Nesting)?;
        Ok(())
    }

    /// Comes back from a level.
    pub(crate) const fn leave(&mut self) {
        self.levels = self.levels.saturating_add(1);
    }

    /// `(a b c)`, of at least `least` items; reads each item with `item`.
    pub(crate) fn list(
        &mut self,
        least: usize,
        mut item: impl FnMut(&mut Self) -> Read<()>,
    ) -> Read<()> {
        self.expect(b'(', "an opening parenthesis")?;
        self.enter()?;
        let mut count = 0;
        while !self.eat(b')') {
            if count > 0 {
                self.space()?;
            }
            item(self)?;
            count += 1;
        }
        self.leave();
        if count < least { Err(Malformed::Expected("an item in the list")) } else { Ok(()) }
    }

    /// An atom, as text.
    pub(crate) fn atom(&mut self, what: &'static str) -> Read<&'a str> {
        text(self.take_while(is_atom), what)
    }

    /// A word in upper case: letters, digits and `-.=+_`.
    pub(crate) fn word(&mut self, what: &'static str) -> Read<String> {
        let known = |o: u8| o.is_ascii_alphanumeric() || matches!(o, b'-' | b'.' | b'=' | b'_');
        text(self.take_while(known), what).map(str::to_ascii_uppercase)
    }

    /// An atom, a quoted string or a literal.
    pub(crate) fn astring(&mut self, what: &'static str) -> Read<Cow<'a, [u8]>> {
        self.atom_or_string(is_astring, what)
    }

    /// A mailbox name with wildcards.
    pub(crate) fn pattern(&mut self) -> Read<Cow<'a, [u8]>> {
        self.atom_or_string(is_pattern, "a mailbox name or pattern")
    }

    fn atom_or_string(&mut self, known: fn(u8) -> bool, what: &'static str) -> Read<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{' | b'~') if self.peek() != Some(b'~') || self.is_literal8() => {
                self.string(what)
            }
            _ => text(self.take_while(known), what).map(|atom| Cow::Borrowed(atom.as_bytes())),
        }
    }

    fn is_literal8(&self) -> bool {
        self.rest.starts_with(b"~{")
    }

    /// A quoted string or a literal, without NULs.
    pub(crate) fn string(&mut self, what: &'static str) -> Read<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{' | b'~') => {
                let octets = self.literal()?;
                let sound = !octets.contains(&0);
                if sound { Ok(Cow::Borrowed(octets)) } else { Err(Malformed::Octet) }
            }
            _ => Err(Malformed::Expected(what)),
        }
    }

    /// A string, or `NIL`.
    pub(crate) fn nstring(&mut self, what: &'static str) -> Read<Option<Cow<'a, [u8]>>> {
        if self.eat_word("NIL") { Ok(None) } else { self.string(what).map(Some) }
    }

    fn quoted(&mut self) -> Read<Cow<'a, [u8]>> {
        const OPEN: Malformed = Malformed::Expected("a closing quotation mark");
        self.take(1);
        let plain = self.take_while(|octet| octet != b'"' && octet != b'\\');
        check(plain)?;
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut octets = plain.to_vec();
        loop {
            match self.take(1) {
                b"\"" => return Ok(Cow::Owned(octets)),
                b"\\" => match self.take(1) {
                    escaped @ (b"\"" | b"\\") => octets.extend_from_slice(escaped),
                    _ => return Err(Malformed::Expected("a quotation mark or a backslash")),
                },
                _ => return Err(OPEN),
            }
            let plain = self.take_while(|octet| octet != b'"' && octet != b'\\');
            check(plain)?;
            octets.extend_from_slice(plain);
        }
    }

    /// A literal's octets.
    fn literal(&mut self) -> Read<&'a [u8]> {
        let size = self.announcement()?;
        let size = usize::try_from(size.octets).map_err(|_large| Malformed::LiteralTooLarge)?;
        if self.rest.len() < size {
            return Err(Malformed::Expected("the octets of the literal"));
        }
        Ok(self.take(size))
    }

    /// `{5}`, `{5+}` or `~{5}` with its CRLF.
    pub(crate) fn announcement(&mut self) -> Read<Announced> {
        const WHAT: &str = "a literal";
        let binary = self.eat(b'~');
        self.expect(b'{', WHAT)?;
        let octets = self.number64()?;
        let waits = !self.eat(b'+');
        self.expect(b'}', WHAT)?;
        self.expect(b'\r', WHAT)?;
        self.expect(b'\n', WHAT)?;
        Ok(Announced { octets, waits, binary })
    }

    /// A number of up to 63 bits.
    pub(crate) fn number64(&mut self) -> Read<u64> {
        let digits = text(self.take_while(|octet| octet.is_ascii_digit()), "a number")?;
        let number: Option<u64> = digits.parse().ok();
        number.filter(|&number| number <= MAX_63).ok_or(Malformed::Expected("a smaller number"))
    }

    pub(crate) fn number(&mut self) -> Read<u32> {
        u32::try_from(self.number64()?).map_err(|_large| Malformed::Expected("a smaller number"))
    }

    /// A number that is not 0.
    pub(crate) fn positive(&mut self) -> Read<u32> {
        match self.number()? {
            0 => Err(Malformed::Expected("a number that is not 0")),
            number => Ok(number),
        }
    }
}

const MAX_63: u64 = u64::MAX >> 1;

/// A literal that is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announced {
    /// How many octets follow.
    pub(crate) octets: u64,
    /// Whether the client waits to be asked for them. Source: RFC 7888.
    pub(crate) waits: bool,
    /// Whether it is a `literal8`. Source: RFC 3516.
    pub(crate) binary: bool,
}

/// `octets` as text; there has to be some.
fn text<'a>(octets: &'a [u8], what: &'static str) -> Read<&'a str> {
    let octets = Some(octets).filter(|octets| !octets.is_empty());
    octets.and_then(|octets| str::from_utf8(octets).ok()).ok_or(Malformed::Expected(what))
}

/// What stands between quotation marks is text of one line.
fn check(octets: &[u8]) -> Read<()> {
    if octets.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
        return Err(Malformed::Octet);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(text: &str) -> Cursor<'_> {
        Cursor::new(text.as_bytes(), 3)
    }

    #[test]
    fn strings_are_read_in_each_form() {
        for (text, want) in [
            ("INBOX rest", "INBOX"),
            ("a]b rest", "a]b"),
            ("\"a \\\"b\\\\ c\" rest", "a \"b\\ c"),
            ("\"\" rest", ""),
            ("{3}\r\na\r\n rest", "a\r\n"),
            ("{0+}\r\n rest", ""),
            ("~{2}\r\nab rest", "ab"),
        ] {
            let mut cursor = cursor(text);
            assert_eq!(cursor.astring("it").unwrap(), want.as_bytes(), "{text}");
            assert_eq!(cursor.rest(), b" rest");
        }
        for text in ["", "(", "\"a", "\"a\\x\"", "\"a\rb\"", "{3}\r\nab", "{3}ab", "{99999999999}"]
        {
            assert!(cursor(text).astring("it").is_err(), "{text}");
        }
        assert_eq!(cursor("{1}\r\n\0").astring("it"), Err(Malformed::Octet));
    }

    #[test]
    fn numbers_do_not_overflow() {
        assert_eq!(cursor("4294967295 ").number(), Ok(u32::MAX));
        assert!(cursor("4294967296").number().is_err());
        assert_eq!(cursor("9223372036854775807").number64(), Ok(u64::MAX >> 1));
        assert!(cursor("9223372036854775808").number64().is_err());
        assert!(cursor("99999999999999999999999").number64().is_err());
        assert!(cursor("0").positive().is_err() && cursor("-1").number().is_err());
    }

    #[test]
    fn lists_nest_no_deeper_than_allowed() {
        fn nested(cursor: &mut Cursor<'_>) -> Read<()> {
            if cursor.peek() == Some(b'(') {
                cursor.list(0, nested)
            } else {
                cursor.atom("it").map(|_| ())
            }
        }
        assert_eq!(nested(&mut cursor("(a (b) ((c)))")), Ok(()));
        assert_eq!(nested(&mut cursor("((((c))))")), Err(Malformed::Nesting));
        assert!(nested(&mut cursor("(a  b)")).is_err());
        assert!(cursor("()").list(1, nested).is_err());
    }
}
