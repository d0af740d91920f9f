//! Extensions of text: links and one-time codes, found without a parser of their language.

use std::sync::LazyLock;

use regex::Regex;

/// Links or codes of a message that are told.
const FOUND_MAX: usize = 500;

static URL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)\bhttps?://[^\s<>"'\x60{}|\\^\[\]]+"#).ok());
/// Words that stand near a code.
static NEAR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?ix) \b (code|otp|pin|passcode|password|token|one[-\ ]time|verification|verify|security
            |login|sign[-\ ]in|2fa|mfa|kode|c[o\u{f3}]digo|codice|best\u{e4}tigung|sicherheit)",
    )
    .ok()
});
static CODE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b([0-9]{3}[ -][0-9]{3}|[0-9]{4,8}|[A-Z0-9]{6,10})\b").ok());
/// Characters before a code in which a word that explains it is looked for, and behind it.
const NEIGHBOURS: usize = 80;

/// The web addresses in a plain text.
pub(crate) fn urls(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for url in URL.iter().flat_map(|regex| regex.find_iter(text)).take(FOUND_MAX) {
        let url = url.as_str().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'', '"']);
        if !found.iter().any(|known| known == url) {
            found.push(url.to_owned());
        }
    }
    found
}

/// What looks like a one-time code, the likeliest first.
///
/// A code stands near a word that says what it is; digits in addresses, prices and years are none.
pub(crate) fn codes(text: &str) -> Vec<String> {
    let (Some(code), Some(near), Some(url)) = (&*CODE, &*NEAR, &*URL) else { return Vec::new() };
    let text = url.replace_all(text, " ");
    let mut found: Vec<(usize, String)> = Vec::new();
    for one in code.find_iter(&text).take(FOUND_MAX) {
        let digits = one.as_str().chars().filter(char::is_ascii_digit).count();
        let letters = one.as_str().chars().any(|c| c.is_ascii_uppercase());
        if digits == 0 || letters && digits < 2 || is_part(&text, one.start(), one.end()) {
            continue;
        }
        let Some(distance) = distance(&text, (one.start(), one.end()), near) else { continue };
        let plain: String = one.as_str().chars().filter(char::is_ascii_alphanumeric).collect();
        if !found.iter().any(|(_, known)| *known == plain) {
            found.push((distance, plain));
        }
    }
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().map(|(_, code)| code).collect()
}

/// Whether it is a part of a price, an address or a longer number.
fn is_part(text: &str, start: usize, end: usize) -> bool {
    let before = text.get(..start).and_then(|text| text.chars().next_back());
    let after = text.get(end..).and_then(|text| text.chars().next());
    let joins =
        |c: char| matches!(c, '.' | ',' | '@' | '/' | '$' | '\u{20ac}' | '\u{a3}' | '_' | '#');
    let next_digit = || {
        let rest = text.get(end..).unwrap_or_default().chars().nth(1);
        rest.is_some_and(|c| c.is_ascii_digit())
    };
    before.is_some_and(|c| joins(c) && c != '#')
        || after.is_some_and(|c| matches!(c, '@' | '/' | '_') || joins(c) && next_digit())
}

/// How far the nearest word that explains a code is.
fn distance(text: &str, (start, end): (usize, usize), near: &Regex) -> Option<usize> {
    let from = text.floor_char_boundary(start.saturating_sub(NEIGHBOURS));
    let to = text.ceil_char_boundary(end.saturating_add(NEIGHBOURS).min(text.len()));
    let before =
        near.find_iter(text.get(from..start)?).last().map(|word| start - from - word.end());
    let after = near.find(text.get(end..to)?).map(|word| word.start() + NEIGHBOURS / 2);
    before.into_iter().chain(after).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_near_a_word_that_says_so() {
        for (text, wanted) in [
            ("Your verification code is 123456.", &["123456"][..]),
            ("123-456 is your login code", &["123456"]),
            ("Use code AB12CD to sign in", &["AB12CD"]),
            ("Order 20261125 for $1999.00, call 5550100", &[]),
            ("PIN: 0042. The code is valid until 2026.", &["0042", "2026"]),
            ("https://a.example/verify?code=998877", &[]),
            ("token ABCDEF", &[]),
            ("your code is 1\u{663}\u{664}\u{665}", &[]),
            ("your code: \u{e4}\u{f6}\u{fc} 777888", &["777888"]),
        ] {
            assert_eq!(codes(text), wanted, "{text}");
        }
    }

    #[test]
    fn links_end_where_the_sentence_goes_on() {
        let text = "See https://a.example/x?y=1, (http://b.example/). And https://a.example/x?y=1!";
        assert_eq!(urls(text), ["https://a.example/x?y=1", "http://b.example/"]);
    }
}
