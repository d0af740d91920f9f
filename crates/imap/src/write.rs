//! Responses written straight into the buffer that is sent.
//!
//! Source: RFC 9051 section 9.

use mailwright_view::Flags;
use mailwright_words::Timestamp;

use crate::command::{date::MONTHS, is_atom};

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut rest = pairs.as_mut_slice();
    let (mut ten, mut one) = (b'0', b'0');
    while let Some((pair, more)) = rest.split_first_mut() {
        *pair = [ten, one];
        rest = more;
        (ten, one) = if one == b'9' { (ten + 1, b'0') } else { (ten, one + 1) };
    }
    pairs
};

/// A number in decimal.
pub(crate) fn number(out: &mut Vec<u8>, number: impl Into<u64>) {
    let mut left: u64 = number.into();
    let mut digits = [0_u8; 20];
    let mut first = digits.len();
    for pair in digits.rchunks_exact_mut(2) {
        let two = usize::try_from(left % 100).unwrap_or(0);
        left /= 100;
        pair.copy_from_slice(PAIRS.get(two).unwrap_or(b"00"));
        first -= if left == 0 && two < 10 { 1 } else { 2 };
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// A string, in the shortest form that holds it.
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    const QUOTED_MAX: usize = 1000;
    let plain = |octet: &u8| matches!(octet, b' '..=b'~');
    if text.len() > QUOTED_MAX || !text.iter().all(plain) {
        literal(out, text);
        return;
    }
    quoted(out, text);
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &octet in text {
        if octet == b'"' || octet == b'\\' {
            out.push(b'\\');
        }
        out.push(octet);
    }
    out.push(b'"');
}

/// A literal.
pub(crate) fn literal(out: &mut Vec<u8>, text: &[u8]) {
    literal_head(out, u64::try_from(text.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(text);
}

/// What stands before the octets of a literal.
pub(crate) fn literal_head(out: &mut Vec<u8>, octets: u64) {
    out.push(b'{');
    number(out, octets);
    out.extend_from_slice(b"}\r\n");
}

/// A mailbox name; as it is when `utf8`, else in modified UTF-7.
pub(crate) fn mailbox(out: &mut Vec<u8>, name: &str, utf8: bool) {
    if !name.is_empty() && name.bytes().all(|octet| is_atom(octet) && octet != b'&') {
        let reserved = name.eq_ignore_ascii_case("NIL");
        if reserved { quoted(out, name.as_bytes()) } else { out.extend_from_slice(name.as_bytes()) }
    } else if utf8 {
        // UTF-8 may stand within quotation marks here; control characters are in no name.
        quoted(out, name.as_bytes());
    } else {
        string(out, crate::name::encode(name).as_bytes());
    }
}

/// UTF-8 text for a human, such as a preview.
pub(crate) fn text(out: &mut Vec<u8>, text: &[u8], utf8: bool) {
    let plain = |octet: &u8| *octet >= b' ' && *octet != 0x7f;
    if utf8 && text.len() < 1000 && text.iter().all(plain) && str::from_utf8(text).is_ok() {
        quoted(out, text);
    } else {
        string(out, text);
    }
}

/// `"17-Jul-1996 02:44:25 +0000"`.
pub(crate) fn date_time(out: &mut Vec<u8>, moment: Timestamp) {
    // The years that four digits hold.
    let seconds = moment.ms().div_euclid(1000).clamp(-62_167_219_200, 253_402_300_799);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    out.push(b'"');
    two(out, day);
    out.push(b'-');
    let name = usize::try_from(month - 1).ok().and_then(|place| MONTHS.get(place));
    out.extend_from_slice(name.map_or(b"Jan", |name| name.as_bytes()));
    out.push(b'-');
    two(out, year / 100);
    two(out, year % 100);
    out.push(b' ');
    two(out, of_day / 3600);
    out.push(b':');
    two(out, of_day / 60 % 60);
    out.push(b':');
    two(out, of_day % 60);
    out.extend_from_slice(b" +0000\"");
}

fn two(out: &mut Vec<u8>, number: i64) {
    let digit = |digit: i64| b'0' + u8::try_from(digit % 10).unwrap_or(0);
    out.extend_from_slice(&[digit(number / 10), digit(number)]);
}

/// Year, month and day of a day counted from 1970-01-01; years are counted from March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// `(\Seen $Junk)`.
pub(crate) fn flags(out: &mut Vec<u8>, flags: Flags, keywords: &[Box<str>], recent: bool) {
    out.push(b'(');
    let before = out.len();
    let mut word = |name: &str| {
        if out.len() > before {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    };
    for (bit, name) in Flags::NAMES {
        if flags.has(bit) {
            word(name);
        }
    }
    if recent {
        word("\\Recent");
    }
    if flags.keywords != 0 {
        for (bit, name) in (0..).zip(keywords) {
            if flags.has_keyword(bit) {
                word(name);
            }
        }
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_to_the_last_digit() {
        for value in [0, 9, 10, 99, 100, 123, 1000, 4_294_967_295, u64::MAX] {
            assert_eq!(written(|out| number(out, value)), value.to_string());
        }
    }

    #[test]
    fn strings_are_quoted_or_literals() {
        for (text, want) in [
            ("", "\"\""),
            ("a \"b\\", "\"a \\\"b\\\\\""),
            ("a\r\n", "{3}\r\na\r\n"),
            ("\u{e4}", "{2}\r\n\u{e4}"),
            ("\0", "{1}\r\n\0"),
        ] {
            assert_eq!(written(|out| string(out, text.as_bytes())), want);
        }
        assert_eq!(written(|out| mailbox(out, "INBOX", false)), "INBOX");
        assert_eq!(written(|out| mailbox(out, "a b", false)), "\"a b\"");
        assert_eq!(written(|out| mailbox(out, "\u{e4}&", false)), "\"&AOQ-&-\"");
        assert_eq!(written(|out| mailbox(out, "\u{e4}&", true)), "\"\u{e4}&\"");
        assert_eq!(written(|out| mailbox(out, "nil", true)), "\"nil\"");
    }

    #[test]
    fn dates_agree_with_those_that_are_read() {
        use crate::command::{Cursor, date};
        for ms in
            [0, 837_596_665_000, -1000, 951_782_400_000, 4_102_444_799_000, -62_167_219_200_000]
        {
            let text = written(|out| date_time(out, Timestamp::new(ms)));
            let read = date::moment(&mut Cursor::new(text.as_bytes(), 1)).unwrap();
            assert_eq!(read.ms(), ms, "{text}");
        }
        assert_eq!(
            written(|out| date_time(out, Timestamp::new(837_596_665_000))),
            "\"17-Jul-1996 09:44:25 +0000\""
        );
        assert_eq!(
            written(|out| date_time(out, Timestamp::new(i64::MAX))),
            "\"31-Dec-9999 23:59:59 +0000\""
        );
    }

    #[test]
    fn flags_stand_with_their_keywords() {
        let keywords = ["$Junk".into(), "a".into()];
        let both = Flags { system: Flags::SEEN | Flags::ANSWERED, keywords: 0b10 };
        assert_eq!(
            written(|out| flags(out, both, &keywords, true)),
            "(\\Answered \\Seen \\Recent a)"
        );
        assert_eq!(written(|out| flags(out, Flags::default(), &keywords, false)), "()");
    }
}
