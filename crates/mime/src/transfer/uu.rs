//! Decodes uuencoded text, as some old writers still send it.

/// The longest line that is kept; one of data has 61 characters.
const LINE_MAX: usize = 256;

/// Decodes uuencoded text that comes in pieces. What is outside `begin` and `end` is dropped.
#[derive(Debug, Default)]
pub struct Uuencode {
    line: Vec<u8>,
    is_inside: bool,
}

impl Uuencode {
    /// Decodes the next octets onto `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let room = LINE_MAX.saturating_sub(self.line.len());
            let is_whole = piece.ends_with(b"\n");
            self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
            if is_whole {
                self.end_line(out);
            }
        }
    }

    /// Decodes a last line without its end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.end_line(out);
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii_end();
        if !self.is_inside {
            self.is_inside = line.starts_with(b"begin ");
            return;
        }
        let Some((&first, text)) = line.split_first() else { return };
        let len = usize::from(value(first));
        if line == b"end" || len == 0 {
            self.is_inside = false;
            return;
        }
        let start = out.len();
        for quad in text.chunks(4) {
            let mut bits = 0_u32;
            for place in 0..4 {
                bits = bits << 6 | u32::from(quad.get(place).copied().map_or(0, value));
            }
            let [_, one, two, three] = bits.to_be_bytes();
            out.extend_from_slice(&[one, two, three]);
        }
        out.truncate((start + len).min(out.len()));
    }
}

/// The six bits of a character: blank and backquote are zero.
const fn value(byte: u8) -> u8 {
    byte.wrapping_sub(b' ') & 63
}
