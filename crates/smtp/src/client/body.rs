//! A message on its way to a host: dot-stuffed for `DATA`, counted for `BDAT`.
//!
//! Under `DATA` a CR or LF that stands alone becomes CRLF: a host that takes it for the end of a
//! line would else see another message than we sent (smuggling). The dot that ends the message is
//! only ever written by [`Stuffer::end`].
//! Source: RFC 5321 section 4.5.2, RFC 3030 section 2.

/// Makes a message fit for `DATA`, piece by piece.
#[derive(Debug, Default)]
pub struct Stuffer {
    last: Last,
}

/// What the bytes before ended with.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The end of a line, or nothing.
    #[default]
    Line,
    /// A CR whose LF may come.
    Cr,
    /// Anything else.
    Text,
}

impl Stuffer {
    /// Appends `bytes` to `out`, stuffed.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len());
        let mut rest = bytes;
        while let Some(byte) = rest.first() {
            if self.last == Last::Cr && *byte != b'\n' {
                out.push(b'\n');
                self.last = Last::Line;
            }
            match byte {
                b'\n' => {
                    let end: &[u8] = if self.last == Last::Cr { b"\n" } else { b"\r\n" };
                    out.extend_from_slice(end);
                    self.last = Last::Line;
                    rest = rest.get(1..).unwrap_or_default();
                }
                b'\r' => {
                    out.push(b'\r');
                    self.last = Last::Cr;
                    rest = rest.get(1..).unwrap_or_default();
                }
                first => {
                    if self.last == Last::Line && *first == b'.' {
                        out.push(b'.');
                    }
                    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                    let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
                    out.extend_from_slice(text);
                    self.last = Last::Text;
                    rest = after;
                }
            }
        }
    }

    /// Appends what ends the message: the end of its last line where that is missing, and the dot.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.last {
            Last::Line => b".\r\n",
            Last::Cr => b"\n.\r\n",
            Last::Text => b"\r\n.\r\n",
        });
        self.last = Last::Line;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuffed(pieces: &[&[u8]]) -> String {
        let mut stuffer = Stuffer::default();
        let mut out = Vec::new();
        for piece in pieces {
            stuffer.push(piece, &mut out);
        }
        stuffer.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dots_are_stuffed_wherever_the_message_is_cut() {
        for (message, wire) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"),
            ("..a.\r\n", "...a.\r\n.\r\n"),
            ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r\r\nb", "a\r\n\r\nb\r\n.\r\n"),
            ("a\r", "a\r\n.\r\n"),
            ("\n\n.", "\r\n\r\n..\r\n.\r\n"),
        ] {
            assert_eq!(stuffed(&[message.as_bytes()]), wire, "{message:?}");
            for cut in 0..=message.len() {
                let (head, tail) = message.as_bytes().split_at(cut);
                assert_eq!(stuffed(&[head, tail]), wire, "{message:?} cut at {cut}");
            }
            let bytes: Vec<&[u8]> = message.as_bytes().chunks(1).collect();
            assert_eq!(stuffed(&bytes), wire, "{message:?} byte by byte");
        }
    }
}
