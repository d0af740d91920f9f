//! Decodes quoted-printable. An equals sign that encodes nothing stays as it is.
//!
//! Blanks at the end of a line were added on the way, and go. Source: RFC 2045 section 6.7.

use memchr::memchr2;

use super::hex;

/// The most octets that are kept back for what may follow them.
const HELD_MAX: usize = 1 << 10;

/// Decodes quoted-printable that comes in pieces.
#[derive(Debug, Default)]
pub struct QuotedPrintable {
    /// The end of the last piece, whose meaning hangs on what follows.
    held: Vec<u8>,
}

impl QuotedPrintable {
    /// Decodes the next octets onto `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.held.is_empty() {
            let ready = ready(bytes);
            decode(bytes.get(..ready).unwrap_or_default(), out);
            self.held.extend_from_slice(bytes.get(ready..).unwrap_or_default());
            return;
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        self.push(&all, out);
    }

    /// Decodes what was kept back; blanks at the end of the body go like those of a line.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        let end = match held.strip_suffix(b"\r") {
            Some(line) => line,
            None => held.trim_ascii_end(),
        };
        let soft = end.strip_suffix(b"=").unwrap_or(end);
        decode(soft, out);
        if held.ends_with(b"\r") && soft.len() == end.len() {
            out.push(b'\r');
        }
    }
}

/// How many octets can be decoded without knowing what follows.
fn ready(bytes: &[u8]) -> usize {
    let floor = bytes.len().saturating_sub(HELD_MAX);
    let tail = bytes.get(floor..).unwrap_or_default();
    let is_open = |&b: &u8| matches!(b, b' ' | b'\t' | b'\r');
    let blanks = tail.iter().rev().take_while(|b| is_open(b)).count();
    let end = bytes.len() - blanks;
    let before = bytes.get(..end).unwrap_or_default();
    match before {
        [.., b'='] => end - 1,
        [.., b'=', _] if blanks == 0 => end - 2,
        _ => end,
    }
}

/// Decodes octets that end with no open escape.
fn decode(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    // What stands before it in `out` was encoded, or was decoded before.
    let mut floor = out.len();
    while let Some(at) = memchr2(b'=', b'\n', rest) {
        let (plain, more) = rest.split_at_checked(at).unwrap_or((rest, b""));
        out.extend_from_slice(plain);
        if more.first() == Some(&b'\n') {
            trim_line(out, floor);
            out.push(b'\n');
            rest = more.get(1..).unwrap_or_default();
        } else {
            rest = escape(more, out);
        }
        floor = out.len();
    }
    out.extend_from_slice(rest);
}

/// Takes the blanks off the end of the line in `out`, which its LF follows.
fn trim_line(out: &mut Vec<u8>, floor: usize) {
    let line = out.get(floor..).unwrap_or_default();
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    let has_cr = text.len() < line.len();
    let blanks = text.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
    if blanks > 0 {
        let end = floor + text.len() - blanks;
        out.truncate(end);
        if has_cr {
            out.push(b'\r');
        }
    }
}

/// Decodes the escape at the start of `bytes`. Gives what follows it.
fn escape<'a>(bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let rest = bytes.get(1..).unwrap_or_default();
    if let [high, low, more @ ..] = rest
        && let Some(byte) = hex(*high, *low)
    {
        out.push(byte);
        return more;
    }
    let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let line = rest.get(blanks..).unwrap_or_default();
    let soft = line.strip_prefix(b"\r\n").or_else(|| line.strip_prefix(b"\n"));
    soft.unwrap_or_else(|| {
        out.push(b'=');
        rest
    })
}
