//! Decodes character references of HTML, by number and by name.

use std::borrow::Cow;
use std::sync::LazyLock;

/// The names of the HTML standard, sorted: each line has the name with its semicolon, when it has
/// to have one, a blank, and its characters by hexadecimal number.
static NAMES: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    include_str!("entities.txt").lines().filter_map(|line| line.split_once(' ')).collect()
});

/// The longest name, and more digits than a character has.
const NAME_MAX: usize = 33;

/// Decodes the reference at the start of `text`, and gives what follows it.
pub(super) fn decode(text: &str) -> Option<(Cow<'static, str>, &str)> {
    let inner = text.strip_prefix('&')?;
    match inner.strip_prefix('#') {
        Some(number) => numeric(number),
        None => named(inner),
    }
}

fn numeric(text: &str) -> Option<(Cow<'static, str>, &str)> {
    let (digits, radix) = match text.strip_prefix(['x', 'X']) {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    let is_digit = |b: &u8| char::from(*b).is_digit(radix);
    let len = digits.bytes().take_while(is_digit).take(NAME_MAX).count();
    let (digits, rest) = digits.split_at_checked(len)?;
    if digits.is_empty() {
        return None;
    }
    let rest = rest.strip_prefix(';').unwrap_or(rest);
    let number = u32::from_str_radix(digits, radix).unwrap_or(u32::MAX);
    Some((Cow::Owned(character(number).to_string()), rest))
}

fn character(number: u32) -> char {
    let replaced = match u8::try_from(number) {
        Ok(0) => None,
        // Numbers of C1 mean Windows-1252.
        Ok(byte @ 0x80..=0x9f) => {
            let bytes = [byte];
            let text = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&bytes).0;
            text.chars().next()
        }
        _ => char::from_u32(number),
    };
    replaced.unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// A name with its semicolon, else the longest one that may stand without.
fn named(text: &str) -> Option<(Cow<'static, str>, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_alphanumeric).take(NAME_MAX).count();
    let has_semicolon = text.as_bytes().get(len) == Some(&b';');
    let whole = has_semicolon.then_some(len + 1);
    // The names without a semicolon have two to six letters.
    whole.into_iter().chain((2..=len.min(6)).rev()).find_map(|len| {
        let (name, rest) = text.split_at_checked(len)?;
        Some((Cow::Owned(lookup(name)?), rest))
    })
}

fn lookup(name: &str) -> Option<String> {
    let place = NAMES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    let (_, codes) = NAMES.get(place)?;
    codes.split(',').map(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        assert_eq!(NAMES.len(), 2231);
        for (name, _) in NAMES.iter() {
            let written = format!("&{name}");
            let (text, rest) = decode(&written).unwrap();
            assert!(!text.is_empty() && rest.is_empty(), "{name}");
        }
        assert_eq!(decode("&NotEqualTilde;x"), Some(("\u{2242}\u{338}".into(), "x")));
    }
}
