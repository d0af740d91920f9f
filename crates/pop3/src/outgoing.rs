//! A message on its way to the client: lines end in CRLF, leading dots are doubled.
//!
//! It takes the stored bytes piece by piece and keeps none of them. Any bytes may be stored: a LF
//! without CR becomes a CRLF, since clients that read up to a LF would else find the end of the
//! message within it; a last line without an end gets one. Bare CRs stay.
//! Source: RFC 1939 section 3 and section 7 (TOP).

use memchr::memchr;

/// Writes one message.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Lines of the body still wanted; `None` is all.
    lines: Option<u32>,
    /// Whether the blank line behind the header is still to come.
    in_header: bool,
    /// Octets of the line so far.
    seen: usize,
    /// Whether the last octet was a CR.
    cr: bool,
}

impl Outgoing {
    /// All of a message.
    pub const fn whole() -> Self {
        Self { lines: None, in_header: true, seen: 0, cr: false }
    }

    /// Its header, the blank line, and so many lines of its body.
    pub const fn top(lines: u32) -> Self {
        Self { lines: Some(lines), ..Self::whole() }
    }

    /// Whether all that was wanted is written.
    pub const fn is_done(&self) -> bool {
        !self.in_header && self.seen == 0 && matches!(self.lines, Some(0))
    }

    /// Writes the next stored octets to `out`.
    pub fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let mut rest = octets;
        while !rest.is_empty() && !self.is_done() {
            if self.seen == 0 && rest.first() == Some(&b'.') {
                out.push(b'.');
            }
            let Some((line, tail)) = memchr(b'\n', rest).and_then(|at| {
                let (line, tail) = rest.split_at_checked(at)?;
                Some((line, tail.get(1..)?))
            }) else {
                out.extend_from_slice(rest);
                self.seen = self.seen.saturating_add(rest.len());
                self.cr = rest.last() == Some(&b'\r');
                return;
            };
            out.extend_from_slice(line);
            self.seen = self.seen.saturating_add(line.len());
            self.cr = line.last().map_or(self.cr, |last| *last == b'\r');
            self.end_line(out);
            rest = tail;
        }
    }

    /// Writes the end of the message: of its last line, and the lone dot.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.seen > 0 {
            self.end_line(out);
        }
        out.extend_from_slice(b".\r\n");
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.cr { b"\n" } else { b"\r\n" });
        let blank = self.seen == usize::from(self.cr);
        if !self.in_header {
            self.lines = self.lines.map(|lines| lines.saturating_sub(1));
        }
        self.in_header &= !blank;
        self.seen = 0;
        self.cr = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(mut outgoing: Outgoing, stored: &[u8], size: usize) -> String {
        let mut out = Vec::new();
        for piece in stored.chunks(size) {
            outgoing.push(piece, &mut out);
        }
        outgoing.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn any_stored_bytes_become_lines_however_they_are_cut() {
        for (stored, want) in [
            (&b""[..], ".\r\n"),
            (b"a: b\r\n\r\n.x\r\n..\r\n", "a: b\r\n\r\n..x\r\n...\r\n.\r\n"),
            (b"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
            (b".", "..\r\n.\r\n"),
            (b"a\r", "a\r\n.\r\n"),
            (b"a\rb\r\r\n", "a\rb\r\r\n.\r\n"),
            (b"\n\n", "\r\n\r\n.\r\n"),
        ] {
            for size in 1..=stored.len().max(1) {
                let found = sent(Outgoing::whole(), stored, size);
                assert_eq!(found, want, "{} by {size}", stored.escape_ascii());
            }
        }
    }

    #[test]
    fn top_ends_after_the_lines_that_were_asked_for() {
        let stored = b"a: b\r\nc: d\r\n\r\n1\r\n\r\n.3\r\n4\r\n";
        for (lines, want) in [
            (0, "a: b\r\nc: d\r\n\r\n.\r\n"),
            (1, "a: b\r\nc: d\r\n\r\n1\r\n.\r\n"),
            (3, "a: b\r\nc: d\r\n\r\n1\r\n\r\n..3\r\n.\r\n"),
            (9, "a: b\r\nc: d\r\n\r\n1\r\n\r\n..3\r\n4\r\n.\r\n"),
        ] {
            for size in 1..stored.len() {
                assert_eq!(sent(Outgoing::top(lines), stored, size), want, "{lines} by {size}");
            }
        }
        assert_eq!(sent(Outgoing::top(0), b"no body: here", 3), "no body: here\r\n.\r\n");
        assert_eq!(sent(Outgoing::top(1), b"\n1\n2\n", 1), "\r\n1\r\n.\r\n");
    }
}
