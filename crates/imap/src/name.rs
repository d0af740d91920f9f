//! Mailbox names: UTF-8 inside, modified UTF-7 or UTF-8 on the wire.
//!
//! A name that cannot be read is refused with `NO`, and the session goes on.
//! Source: RFC 3501 section 5.1.3, RFC 9051 section 5.1, RFC 6855 section 3.

/// The separator of a name's levels.
pub(crate) const SEPARATOR: char = '/';
/// Longest name, in octets of UTF-8.
const NAME_MAX: usize = 1000;
/// Most levels of a name.
const LEVELS_MAX: usize = 30;

/// The letters of modified base64.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// A name from the wire; `utf8` says that the client and we agreed on UTF-8.
///
/// Octets beyond ASCII are UTF-8 in any case. `None`: it is no name.
pub(crate) fn read(octets: &[u8], utf8: bool) -> Option<String> {
    let name = decoded(octets, utf8)?;
    if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
        return None;
    }
    Some(canonical(&name))
}

/// A pattern from the wire, which may be empty.
pub(crate) fn read_pattern(octets: &[u8], utf8: bool) -> Option<String> {
    decoded(octets, utf8).filter(|name| name.len() <= NAME_MAX)
}

/// Whether a new mailbox may be called so.
pub(crate) fn may_be_made(name: &str) -> bool {
    let levels: Vec<&str> = name.split(SEPARATOR).collect();
    levels.len() <= LEVELS_MAX
        && levels.iter().all(|level| !level.is_empty() && !level.contains(['%', '*']))
}

/// The name with `INBOX` in upper case, wherever it stands for INBOX.
fn canonical(name: &str) -> String {
    match name.split_at_checked(5) {
        Some((head, tail))
            if head.eq_ignore_ascii_case("INBOX")
                && (tail.is_empty() || tail.starts_with(SEPARATOR)) =>
        {
            format!("INBOX{tail}")
        }
        _ => name.to_owned(),
    }
}

/// What a name of another server says; octets that are no name of a standard stay as they are.
pub(crate) fn read_leniently(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let decoded = Some(&text).filter(|text| text.is_ascii()).and_then(|t| decode(t, lenient_run));
    decoded.unwrap_or_else(|| text.into_owned())
}

fn decoded(octets: &[u8], utf8: bool) -> Option<String> {
    let text = str::from_utf8(octets).ok()?;
    if utf8 || !text.is_ascii() { Some(text.to_owned()) } else { decode(text, run) }
}

/// What a text in modified UTF-7 says.
fn decode(text: &str, run: fn(&str) -> Option<String>) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, coded)) = rest.split_once('&') {
        name.push_str(plain);
        let (coded, tail) = coded.split_once('-')?;
        if coded.is_empty() {
            name.push('&');
        } else {
            // Two runs beside each other would be two names for one mailbox.
            let again = tail.starts_with('&') && !tail.starts_with("&-");
            let run = run(coded).filter(|_| !again)?;
            name.push_str(&run);
        }
        rest = tail;
    }
    name.push_str(rest);
    Some(name)
}

/// What a run of modified base64 says. Only what needs it may stand in one.
fn run(coded: &str) -> Option<String> {
    let needless = |letter: char| letter.is_ascii_graphic() || letter == ' ';
    lenient_run(coded).filter(|text| !text.contains(needless))
}

fn lenient_run(coded: &str) -> Option<String> {
    let (mut units, mut bits, mut count) = (Vec::new(), 0_u32, 0_u32);
    for letter in coded.bytes() {
        let value = LETTERS.iter().position(|&known| known == letter)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0x3f_ffff;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push(u16::try_from(bits >> count & 0xffff).ok()?);
        }
    }
    let rest = bits & ((1 << count) - 1);
    if count >= 6 || rest != 0 {
        return None;
    }
    String::from_utf16(&units).ok().filter(|text| !text.is_empty())
}

/// The name in modified UTF-7.
pub(crate) fn encode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut units: Vec<u16> = Vec::new();
    for letter in name.chars() {
        let plain = letter.is_ascii_graphic() || letter == ' ';
        if !plain {
            units.extend_from_slice(letter.encode_utf16(&mut [0; 2]));
            continue;
        }
        flush(&mut units, &mut text);
        text.push(letter);
        if letter == '&' {
            text.push('-');
        }
    }
    flush(&mut units, &mut text);
    text
}

fn flush(units: &mut Vec<u16>, text: &mut String) {
    if units.is_empty() {
        return;
    }
    text.push('&');
    let (mut bits, mut count) = (0_u32, 0_u32);
    let letter = |value: u32| {
        let place = usize::try_from(value & 63).unwrap_or(0);
        LETTERS.get(place).map_or('A', |&letter| char::from(letter))
    };
    for unit in units.drain(..) {
        bits = (bits << 16 | u32::from(unit)) & 0x3f_ffff;
        count += 16;
        while count >= 6 {
            count -= 6;
            text.push(letter(bits >> count));
        }
    }
    if count > 0 {
        text.push(letter(bits << (6 - count)));
    }
    text.push('-');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_the_standard_are_read_and_written() {
        for (wire, name) in [
            (
                "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
                "~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}",
            ),
            ("Entw&APw-rfe", "Entw\u{fc}rfe"),
            ("R&-D", "R&D"),
            ("&2D3cNA-", "\u{1f434}"),
        ] {
            assert_eq!(read(wire.as_bytes(), false).as_deref(), Some(name));
            assert_eq!(encode(name), wire);
            assert_eq!(read(name.as_bytes(), true).as_deref(), Some(name));
        }
        assert_eq!(read(b"inbox/A", false).as_deref(), Some("INBOX/A"));
        assert_eq!(read(b"inboxes", false).as_deref(), Some("inboxes"));
        assert_eq!(read("\u{fc}".as_bytes(), false).as_deref(), Some("\u{fc}"));
    }

    #[test]
    fn what_is_no_name_is_none() {
        for wire in ["&", "a&b", "&AGE-", "&U-", "&U,BTFw-&ZeVnLIqe-", "&2D0-", "a\tb", "", "&!-"] {
            assert_eq!(read(wire.as_bytes(), false), None, "{wire}");
        }
        assert_eq!(read(b"\xff", true), None);
    }

    proptest! {
        #[test]
        fn each_name_comes_back(name in "\\PC{1,40}") {
            prop_assume!(read(name.as_bytes(), true).as_deref() == Some(name.as_str()));
            prop_assert_eq!(read(encode(&name).as_bytes(), false), Some(name));
        }

        #[test]
        fn one_name_has_one_form(wire in "[&A-Za-z,+\\-]{1,12}") {
            if let Some(name) = decode(&wire, run) {
                prop_assert_eq!(encode(&name), wire);
            }
        }
    }
}
