//! Decodes base64. What is not of its alphabet is skipped; padding may stand anywhere.
//!
//! Source: RFC 2045 section 6.8.

/// No digit of the alphabet.
const NONE: u8 = 0xff;
/// The padding.
const PAD: u8 = 0xfe;

static DIGITS: [u8; 256] = digits();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, within the table")]
#[expect(clippy::as_conversions, reason = "from u8, in a constant")]
const fn digits() -> [u8; 256] {
    let mut table = [NONE; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while value < 64 {
        table[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    table[b'=' as usize] = PAD;
    table
}

/// Decodes base64 that comes in pieces.
#[derive(Debug, Default)]
pub struct Base64 {
    bits: u32,
    digits: u32,
}

impl Base64 {
    /// Decodes the next octets onto `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let [first, more @ ..] = rest {
            if self.digits == 0
                && let Some((quad, after)) = rest.split_first_chunk::<4>()
                && let Some(three) = whole(*quad)
            {
                out.extend_from_slice(&three);
                rest = after;
                continue;
            }
            self.one(*first, out);
            rest = more;
        }
    }

    /// Decodes the digits that no padding ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let bits = self.bits << (24 - self.digits.min(4) * 6);
        let [_, one, two, _] = bits.to_be_bytes();
        match self.digits {
            2 => out.push(one),
            3 => out.extend_from_slice(&[one, two]),
            _ => {}
        }
        *self = Self::default();
    }

    fn one(&mut self, byte: u8, out: &mut Vec<u8>) {
        match digit(byte) {
            NONE => {}
            PAD => self.finish(out),
            digit => {
                self.bits = self.bits << 6 | u32::from(digit);
                self.digits += 1;
                if self.digits == 4 {
                    let [_, one, two, three] = self.bits.to_be_bytes();
                    out.extend_from_slice(&[one, two, three]);
                    *self = Self::default();
                }
            }
        }
    }
}

fn digit(byte: u8) -> u8 {
    DIGITS.get(usize::from(byte)).copied().unwrap_or(NONE)
}

/// Decodes four digits, when all four are.
fn whole(quad: [u8; 4]) -> Option<[u8; 3]> {
    let [a, b, c, d] = quad.map(digit);
    if (a | b | c | d) & 0x80 != 0 {
        return None;
    }
    let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
    let [_, one, two, three] = bits.to_be_bytes();
    Some([one, two, three])
}

/// How long a body is once decoded. Attachments are large, so digits are counted, not decoded.
pub(super) fn decoded_len(body: &[u8]) -> usize {
    let between_padding = body.split(|&byte| byte == b'=');
    let lengths = between_padding.map(|digits| {
        let is_digit = |&&byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let count = digits.iter().filter(is_digit).count();
        count / 4 * 3 + (count % 4).saturating_sub(1)
    });
    lengths.sum()
}
