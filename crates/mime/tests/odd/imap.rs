//! A strict reader of `ENVELOPE`, `BODYSTRUCTURE` and `BODY`, by the grammar of RFC 9051 section 9
//! and no more: it knows nothing of the writer.

/// Reads octets by the grammar. A mistake is told with its place.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many parts were read, for a comparison with the structure.
    parts: usize,
}

type Read<T = ()> = Result<T, String>;

/// Reads a whole `envelope`.
pub(crate) fn envelope(bytes: &[u8]) -> Read {
    let mut reader = Reader::new(bytes);
    reader.envelope()?;
    reader.end()
}

/// Reads a whole `body`, and tells how many parts it shows.
pub(crate) fn body(bytes: &[u8], extended: bool) -> Read<usize> {
    let mut reader = Reader::new(bytes);
    reader.body(extended, 0)?;
    reader.end()?;
    Ok(reader.parts)
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, parts: 0 }
    }

    fn fail<T>(&self, what: &str) -> Read<T> {
        Err(format!("no {what} at {} of {:?}", self.at, String::from_utf8_lossy(self.bytes)))
    }

    fn end(&self) -> Read {
        if self.at == self.bytes.len() { Ok(()) } else { self.fail("end") }
    }

    fn is_next(&self, text: &[u8]) -> bool {
        self.bytes[self.at..].starts_with(text)
    }

    fn expect(&mut self, text: &[u8]) -> Read {
        if !self.is_next(text) {
            return self.fail(&String::from_utf8_lossy(text));
        }
        self.at += text.len();
        Ok(())
    }

    /// `nstring`: `NIL` or a string.
    fn nstring(&mut self) -> Read<Option<Vec<u8>>> {
        if self.is_next(b"NIL") {
            self.at += 3;
            return Ok(None);
        }
        self.string().map(Some)
    }

    fn string(&mut self) -> Read<Vec<u8>> {
        if self.is_next(b"{") { self.literal() } else { self.quoted() }
    }

    fn literal(&mut self) -> Read<Vec<u8>> {
        self.expect(b"{")?;
        let len = usize::try_from(self.number()?).unwrap();
        self.expect(b"}\r\n")?;
        let Some(text) = self.bytes.get(self.at..self.at + len) else {
            return self.fail("literal of that length");
        };
        if text.contains(&0) || std::str::from_utf8(text).is_err() {
            return self.fail("octets of a literal");
        }
        self.at += len;
        Ok(text.to_vec())
    }

    fn quoted(&mut self) -> Read<Vec<u8>> {
        self.expect(b"\"")?;
        let mut text = Vec::new();
        loop {
            let Some(&byte) = self.bytes.get(self.at) else { return self.fail("closing quote") };
            self.at += 1;
            match byte {
                b'"' => return Ok(text),
                b'\\' => match self.bytes.get(self.at) {
                    Some(&escaped @ (b'"' | b'\\')) => {
                        text.push(escaped);
                        self.at += 1;
                    }
                    _ => return self.fail("escaped character"),
                },
                0 | b'\r' | b'\n' | 0x80.. => return self.fail("character of a quoted string"),
                other => text.push(other),
            }
        }
    }

    /// `number`: 32 bits, and no sign.
    fn number(&mut self) -> Read<u32> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let digits = std::str::from_utf8(&rest[..len]).unwrap();
        let Ok(number) = digits.parse() else { return self.fail("number") };
        self.at += len;
        Ok(number)
    }

    fn envelope(&mut self) -> Read {
        self.expect(b"(")?;
        self.nstring()?;
        self.expect(b" ")?;
        self.nstring()?;
        for _ in 0..6 {
            self.expect(b" ")?;
            self.addresses()?;
        }
        self.expect(b" ")?;
        self.nstring()?;
        self.expect(b" ")?;
        self.nstring()?;
        self.expect(b")")
    }

    /// `"(" 1*address ")" / nil`, its groups closed.
    fn addresses(&mut self) -> Read {
        if self.is_next(b"NIL") {
            self.at += 3;
            return Ok(());
        }
        self.expect(b"(")?;
        let mut in_group = false;
        loop {
            self.expect(b"(")?;
            let name = self.nstring()?;
            self.expect(b" ")?;
            let route = self.nstring()?;
            self.expect(b" ")?;
            let mailbox = self.nstring()?;
            self.expect(b" ")?;
            let host = self.nstring()?;
            self.expect(b")")?;
            match (host, mailbox) {
                (Some(_), Some(_)) => {}
                (Some(_), None) => return self.fail("mailbox of an address"),
                (None, mailbox) => {
                    let starts = mailbox.is_some();
                    if name.is_some() || route.is_some() || starts == in_group {
                        return self.fail("mark of a group");
                    }
                    in_group = starts;
                }
            }
            if self.is_next(b")") {
                self.at += 1;
                return if in_group { self.fail("end of the group") } else { Ok(()) };
            }
        }
    }

    fn body(&mut self, extended: bool, depth: usize) -> Read {
        assert!(depth <= 100, "the nesting is bounded");
        self.parts += 1;
        self.expect(b"(")?;
        if self.is_next(b"(") {
            while self.is_next(b"(") {
                self.body(extended, depth + 1)?;
            }
            self.expect(b" ")?;
            self.string()?;
            if extended {
                self.expect(b" ")?;
                self.parameters()?;
                self.common()?;
            }
            return self.expect(b")");
        }
        self.single(extended, depth)?;
        self.expect(b")")
    }

    fn single(&mut self, extended: bool, depth: usize) -> Read {
        let top = self.string()?.to_ascii_lowercase();
        self.expect(b" ")?;
        let sub = self.string()?.to_ascii_lowercase();
        self.expect(b" ")?;
        self.parameters()?;
        self.expect(b" ")?;
        self.nstring()?;
        self.expect(b" ")?;
        self.nstring()?;
        self.expect(b" ")?;
        self.string()?;
        self.expect(b" ")?;
        self.number()?;
        // Only these two kinds have more, and they must have it.
        if top == b"message" && (sub == b"rfc822" || sub == b"global") {
            self.expect(b" ")?;
            self.envelope()?;
            self.expect(b" ")?;
            self.body(extended, depth + 1)?;
            self.expect(b" ")?;
            self.number()?;
        } else if top == b"text" {
            self.expect(b" ")?;
            self.number()?;
        } else if top == b"multipart" {
            return self.fail("parts of a multipart");
        }
        if extended {
            self.expect(b" ")?;
            self.nstring()?;
            self.common()?;
        }
        Ok(())
    }

    /// Disposition, languages, location.
    fn common(&mut self) -> Read {
        self.expect(b" ")?;
        if self.is_next(b"(") {
            self.at += 1;
            self.string()?;
            self.expect(b" ")?;
            self.parameters()?;
            self.expect(b")")?;
        } else {
            self.expect(b"NIL")?;
        }
        self.expect(b" ")?;
        if self.is_next(b"(") {
            self.at += 1;
            self.string()?;
            while self.is_next(b" ") {
                self.at += 1;
                self.string()?;
            }
            self.expect(b")")?;
        } else {
            self.nstring()?;
        }
        self.expect(b" ")?;
        self.nstring().map(|_| ())
    }

    /// `"(" string SP string *(SP string SP string) ")" / nil`.
    fn parameters(&mut self) -> Read {
        if self.is_next(b"NIL") {
            self.at += 3;
            return Ok(());
        }
        self.expect(b"(")?;
        loop {
            self.string()?;
            self.expect(b" ")?;
            self.string()?;
            if self.is_next(b")") {
                self.at += 1;
                return Ok(());
            }
            self.expect(b" ")?;
        }
    }
}

#[test]
fn the_reader_is_strict() {
    let nothing = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
    assert_eq!(envelope(nothing.as_bytes()), Ok(()));
    for wrong in [
        "(NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ",
        "(\"a\"b\" NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
        "(\"\u{e9}\" NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
        "({3}\r\nab NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL NIL () NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL NIL ((NIL NIL \"a\" NIL)) NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL NIL ((NIL NIL NIL NIL)) NIL NIL NIL NIL NIL NIL NIL)",
        "(NIL NIL ((NIL NIL NIL \"b\")) NIL NIL NIL NIL NIL NIL NIL)",
    ] {
        assert!(envelope(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert_eq!(body(b"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 0)", false), Ok(1));
    for wrong in [
        "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1)",
        "(\"text\" \"plain\" () NIL NIL \"7bit\" 1 0)",
        "(\"text\" \"plain\" NIL NIL NIL NIL 1 0)",
        "(\"image\" \"png\" NIL NIL NIL \"7bit\" 1 0)",
        "(\"multipart\" \"mixed\" NIL NIL NIL \"7bit\" 1)",
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 1)",
        "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)",
        "( \"mixed\")",
    ] {
        assert!(body(wrong.as_bytes(), false).is_err(), "{wrong}");
    }
}
