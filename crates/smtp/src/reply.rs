//! Reads the replies of a peer: strict in form, bounded in every direction.
//!
//! Whatever a hostile host sends, at most one reply is in memory, no longer than [`Bounds`] says.
//! A reply whose lines disagree about their code, or that does not end its lines with CRLF, is
//! not understood; what it might have meant is not guessed.
//! Source: RFC 5321 section 4.2, RFC 2034 section 3 (enhanced status codes).

use mailwright_words::reply::Reply;
use mailwright_words::status::Status;

/// How large a peer's replies may be: the most of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Octets of one line, its CRLF included.
    pub line: usize,
    /// Lines of one reply.
    pub lines: usize,
    /// Octets that may wait to be read, and octets of one reply.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { line: 2048, lines: 128, bytes: 64 * 1024 }
    }
}

/// Why what a peer sent is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// No three digits at the start of a line, or no space or hyphen behind them.
    #[error("a reply does not begin with a reply code")]
    Code,
    /// Lines of one reply with different codes.
    #[error("the lines of a reply have different codes")]
    Mixed,
    /// A carriage return or line feed alone, or a NUL.
    #[error("a reply has a bare carriage return, line feed or NUL")]
    Control,
    /// A line over the bound.
    #[error("a reply has a line that is too long")]
    LongLine,
    /// More lines, or more octets, than the bounds allow.
    #[error("a reply does not end")]
    Endless,
}

/// Takes bytes, gives replies.
#[derive(Debug, Default)]
pub struct Reader {
    bounds: Bounds,
    bytes: Vec<u8>,
    code: Option<u16>,
    lines: Vec<String>,
    taken: usize,
}

impl Reader {
    /// A reader that holds a peer to `bounds`.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// Takes what came from the peer. What is over the bound is dropped, and [`Self::read`] says
    /// so.
    pub fn feed(&mut self, bytes: &[u8]) {
        let room = (self.bounds.bytes.saturating_add(1)).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }

    /// Whether nothing is waiting, not even a part of a reply.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.code.is_none()
    }

    /// The next whole reply; `None` when more bytes are needed.
    ///
    /// Errors: [`Malformed`]; the connection is of no use then.
    pub fn read(&mut self) -> Result<Option<Reply>, Malformed> {
        while let Some(line) = self.line()? {
            let (code, last, text) = split(&line)?;
            if self.code.is_some_and(|before| before != code) {
                return Err(Malformed::Mixed);
            }
            self.code = Some(code);
            self.lines.push(text);
            if last {
                self.code = None;
                self.taken = 0;
                return Ok(Some(reply(code, std::mem::take(&mut self.lines))));
            }
            if self.lines.len() >= self.bounds.lines {
                return Err(Malformed::Endless);
            }
        }
        Ok(None)
    }

    /// Takes one line out of the buffer, without its CRLF.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else {
            if self.bytes.len() >= self.bounds.line {
                return Err(Malformed::LongLine);
            }
            return Ok(None);
        };
        if end >= self.bounds.line {
            return Err(Malformed::LongLine);
        }
        self.taken = self.taken.saturating_add(end).saturating_add(1);
        if self.bytes.len() > self.bounds.bytes || self.taken > self.bounds.bytes {
            return Err(Malformed::Endless);
        }
        let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
        line.pop();
        if line.pop() != Some(b'\r') || line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err(Malformed::Control);
        }
        Ok(Some(line))
    }
}

/// Code, whether it is the last line, and the text.
fn split(line: &[u8]) -> Result<(u16, bool, String), Malformed> {
    let (digits, rest) = line.split_at_checked(3).ok_or(Malformed::Code)?;
    let code = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u16>().ok())
        .filter(|code| (200..600).contains(code))
        .ok_or(Malformed::Code)?;
    let (last, text) = match rest.split_first() {
        None => (true, &[][..]),
        Some((b' ', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return Err(Malformed::Code),
    };
    let text = String::from_utf8_lossy(text)
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    Ok((code, last, text))
}

/// Puts the lines together; the enhanced status is taken out of the text when it fits the code.
fn reply(code: u16, mut lines: Vec<String>) -> Reply {
    let status = lines.first().and_then(|line| status(code, line));
    if let Some(status) = status {
        let prefix = status.to_string();
        for line in &mut lines {
            if let Some(rest) = line.strip_prefix(&prefix)
                && (rest.is_empty() || rest.starts_with(' '))
            {
                *line = rest.trim_start().to_owned();
            }
        }
    }
    Reply { code, status, lines }
}

fn status(code: u16, line: &str) -> Option<Status> {
    let word = line.split(' ').next()?;
    let status = word.parse::<Status>().ok()?;
    word.starts_with(char::from(b'0'.saturating_add(u8::try_from(code / 100).ok()?)))
        .then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, Malformed> {
        let mut reader = Reader::default();
        let mut replies = Vec::new();
        for byte in text.as_bytes() {
            reader.feed(&[*byte]);
            while let Some(reply) = reader.read()? {
                let status = reply.status.map(|status| status.to_string());
                replies.push(format!(
                    "{} {} {}",
                    reply.code,
                    status.as_deref().unwrap_or("-"),
                    reply.lines.join("|")
                ));
            }
        }
        Ok(replies)
    }

    #[test]
    fn replies_are_read() {
        let read = |text| read(text).unwrap().join("; ");
        assert_eq!(read("250 ok\r\n"), "250 - ok");
        assert_eq!(read("250\r\n"), "250 - ");
        assert_eq!(read("250-a\r\n250-\r\n250 b\r\n"), "250 - a||b");
        assert_eq!(read("550 5.1.1 no\r\n421 4.3.2 bye\r\n"), "550 5.1.1 no; 421 4.3.2 bye");
        assert_eq!(read("550-5.1.1 no\r\n550 5.1.1 such\r\n"), "550 5.1.1 no|such");
        assert_eq!(read("550 4.1.1 no\r\n"), "550 - 4.1.1 no", "the classes disagree");
        assert_eq!(read("250 2.0.0\r\n"), "250 2.0.0 ");
        assert_eq!(read("250 a\tb\u{7f}\r\n"), "250 - a b ");
        assert_eq!(read("25"), "");
    }

    #[test]
    fn garbage_is_no_reply() {
        for (text, error) in [
            ("HTTP/1.1 400 Bad\r\n", Malformed::Code),
            ("25\r\n", Malformed::Code),
            ("\r\n", Malformed::Code),
            ("2500 x\r\n", Malformed::Code),
            ("150 x\r\n", Malformed::Code),
            ("650 x\r\n", Malformed::Code),
            ("+50 x\r\n", Malformed::Code),
            ("250-a\r\n251 b\r\n", Malformed::Mixed),
            ("250 a\n", Malformed::Control),
            ("250 a\rb\r\n", Malformed::Control),
            ("250 a\0\r\n", Malformed::Control),
        ] {
            assert_eq!(read(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn nothing_is_endless() {
        assert_eq!(read(&"250-x\r\n".repeat(129)), Err(Malformed::Endless));
        assert_eq!(read(&"2".repeat(5000)), Err(Malformed::LongLine));
        let mut reader = Reader::default();
        for _ in 0..1000 {
            reader.feed(&[b'2'; 1000]);
        }
        assert!(reader.bytes.len() <= 64 * 1024 + 1);
        assert!(reader.read().is_err());
        let mut reader = Reader::new(Bounds { bytes: 20, ..Bounds::default() });
        reader.feed(b"250-aaaaa\r\n250-bbbbb\r\n");
        assert_eq!(reader.read(), Err(Malformed::Endless));
    }

    #[test]
    fn non_ascii_text_does_no_harm() {
        let mut reader = Reader::default();
        reader.feed(b"250 gr\xfc\xdfe\r\n");
        assert!(reader.read().unwrap().unwrap().lines[0].starts_with("gr"));
        assert!(reader.is_empty());
    }
}
