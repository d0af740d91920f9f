//! The field `Authentication-Results`: what we found, and what others claim in our name.
//!
//! Source: RFC 8601.

use std::ops::Range;

use mailwright_words::headers::{Field, HeaderBlock};

use crate::verify::label;
use crate::{Spf, Verdicts, Word};

/// Most octets of a value that came from elsewhere.
const VALUE_MAX: usize = 255;

/// What is said of a chain that makes up for DMARC.
const VOUCHED: &str = "a sealer that is trusted vouches for the message";

/// The field that tells what was found, with its CRLF.
pub fn field(authserv: &str, verdicts: &Verdicts) -> String {
    let mut parts = vec![format!("Authentication-Results: {authserv}")];
    spf(&mut parts, &verdicts.helo, "smtp.helo");
    if let Some(from) = &verdicts.mail_from {
        spf(&mut parts, from, "smtp.mailfrom");
    }
    for dkim in &verdicts.dkim {
        let mut part = format!("dkim={}{}", dkim.word, said(&dkim.reason));
        for (name, text) in [
            ("header.d", &dkim.domain),
            ("header.s", &dkim.selector),
            ("header.a", &dkim.algorithm),
            ("header.b", &dkim.start),
        ] {
            add(&mut part, name, text);
        }
        parts.push(part);
    }
    if verdicts.dkim.is_empty() {
        parts.push("dkim=none".to_owned());
    }
    if let Some(dmarc) = &verdicts.dmarc {
        let mut part = format!("dmarc={}{}", dmarc.word, said(&dmarc.reason));
        if dmarc.record_at.is_some() {
            add(&mut part, "policy.published-domain-policy", dmarc.published.as_str());
        }
        add(&mut part, "header.from", &dmarc.domain);
        parts.push(part);
    }
    if verdicts.arc.word != Word::None {
        let arc = &verdicts.arc;
        let reason = if arc.vouched { VOUCHED } else { &arc.reason };
        parts.push(format!("arc={}{}", arc.word, said(reason)));
    }
    let mut part = format!("iprev={}{}", verdicts.iprev.word, said(&verdicts.iprev.reason));
    add(&mut part, "policy.iprev", &verdicts.ip.to_string());
    parts.push(part);
    format!("{}\r\n", parts.join(";\r\n\t"))
}

fn spf(parts: &mut Vec<String>, spf: &Spf, property: &str) {
    let mut part = format!("spf={}{}", spf.word, said(&spf.reason));
    add(&mut part, property, &spf.domain);
    parts.push(part);
}

fn said(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" reason={}", quoted(reason)) }
}

/// Adds a property on a line of its own, unless it is empty.
fn add(part: &mut String, name: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let is_plain = |one: u8| one.is_ascii_alphanumeric() || b"-_.".contains(&one);
    let text = if text.bytes().all(is_plain) && text.len() <= VALUE_MAX {
        text.to_owned()
    } else {
        quoted(text)
    };
    part.extend(["\r\n\t ", name, "=", &text]);
}

/// Text from elsewhere can neither end the string nor the line.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        let is_safe = c == ' ' || c.is_ascii_graphic();
        if out.len() >= VALUE_MAX {
            break;
        }
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            _ if is_safe => out.push(c),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

/// Where fields stand that claim to be ours.
///
/// Source: RFC 8601 section 5.
pub fn forged(block: &HeaderBlock<'_>, authserv: &str) -> Vec<Range<usize>> {
    block
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case("Authentication-Results"))
        .filter(|field| names(&field.text(), authserv))
        .map(|field| field.range)
        .collect()
}

/// The field of a header that is in our name.
pub(crate) fn of<'a>(block: &HeaderBlock<'a>, authserv: &str) -> Option<Field<'a>> {
    block
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case("Authentication-Results"))
        .find(|field| names(&field.text(), authserv))
}

/// Whether the identifier before the first semicolon is, or hides, the one that is ours.
fn names(value: &str, authserv: &str) -> bool {
    let plain = without_comments(value);
    let id = plain.split(';').next().unwrap_or_default().trim();
    let id = id.strip_prefix('"').map_or(id, |inner| inner.split('"').next().unwrap_or(inner));
    let first = id.split_ascii_whitespace().next().unwrap_or_default();
    first.trim_end_matches('.').eq_ignore_ascii_case(authserv)
}

/// Methods and results of a field's value, in lower case.
pub(crate) fn methods(value: &str) -> Vec<(String, String)> {
    let plain = without_comments(value).to_ascii_lowercase();
    let owned = |(method, word): (&str, &str)| (method.to_owned(), word.to_owned());
    plain.split(';').filter_map(|part| method(part).map(owned)).collect()
}

/// Whether a field's value says that DMARC passed for this author, or without saying for whom.
pub(crate) fn passes_dmarc(value: &str, author: &str) -> bool {
    let plain = without_comments(value).to_ascii_lowercase();
    plain.split(';').filter(|part| method(part) == Some(("dmarc", "pass"))).any(|part| {
        let mut properties = part.split_ascii_whitespace().filter_map(|one| one.split_once('='));
        let from = properties.find(|(name, _)| *name == "header.from");
        from.is_none_or(|(_, domain)| label(domain.trim_matches('"')) == author)
    })
}

/// The method of a part of a field's value, and its result.
fn method(part: &str) -> Option<(&str, &str)> {
    let (method, rest) = part.split_once('=')?;
    let method = method.split('/').next().unwrap_or_default().trim();
    Some((method, rest.split_ascii_whitespace().next()?))
}

/// A structured value without comments, which may nest; what is quoted stays.
fn without_comments(value: &str) -> String {
    let (mut out, mut depth, mut is_quoted) = (String::new(), 0_usize, false);
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next();
                out.extend(escaped.filter(|_| depth == 0));
            }
            '"' if depth == 0 => {
                is_quoted = !is_quoted;
                out.push(c);
            }
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted && depth > 0 => depth -= 1,
            // A semicolon inside of a string ends nothing.
            ';' if is_quoted => out.push(','),
            _ if depth == 0 => out.push(if matches!(c, '\r' | '\n' | '\t') { ' ' } else { c }),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_claims_to_be_ours_is_found_however_it_is_written() {
        for (value, expected) in [
            (" mx.home.example; spf=pass", true),
            (" MX.Home.Example 1; none", true),
            (" (a (nested) comment) mx.home.example (x) ;none", true),
            ("\r\n\tmx.home.example;\r\n\tdkim=pass", true),
            (" \"mx.home.example\"; none", true),
            (" mx.home.example", true),
            (" mx.home.example.; none", true),
            (" other.example; x=mx.home.example", false),
            (" mx.home.example.evil.example; none", false),
            (" (mx.home.example) other.example; none", false),
        ] {
            let header = format!("From: a\r\nAuthentication-Results:{value}\r\nTo: b\r\n\r\n");
            let found = forged(&HeaderBlock::new(header.as_bytes()), "mx.home.example");
            assert_eq!(!found.is_empty(), expected, "{value}");
        }
    }

    #[test]
    fn methods_are_read_without_comments_and_strings() {
        let value = " i=1; mx.example;\r\n\tspf=pass (x; dmarc=pass) smtp.mailfrom=a;\
            dkim=fail reason=\"; dmarc=pass\" header.d=b; DMARC=Pass (p=none)";
        let found = methods(value);
        let words = |method: &str| -> Vec<&str> {
            found.iter().filter(|(one, _)| one == method).map(|(_, word)| word.as_str()).collect()
        };
        assert_eq!(words("spf"), ["pass"]);
        assert_eq!(words("dkim"), ["fail"]);
        assert_eq!(words("dmarc"), ["pass"]);
    }

    #[test]
    fn what_passed_for_another_author_did_not_pass_for_this_one() {
        for (value, expected) in [
            ("i=1; mx.a; dmarc=pass header.from=a.example", true),
            ("i=1; mx.a; dmarc=pass (p=none) header.from=\"A.example.\"", true),
            ("i=1; mx.a; spf=pass; dmarc=pass", true),
            ("i=1; mx.a; dmarc=pass header.from=b.example", false),
            ("i=1; mx.a; dmarc=fail header.from=a.example", false),
            ("i=1; mx.a; dmarc=fail; spf=pass header.from=a.example", false),
            ("i=1; mx.a; dmarc=pass policy.x=header.from header.from=a.example.b", false),
        ] {
            assert_eq!(passes_dmarc(value, "a.example"), expected, "{value}");
        }
    }

    #[test]
    fn text_from_elsewhere_stays_inside_its_string() {
        assert_eq!(quoted("a\"; spf=pass\r\nX: y\\"), "\"a\\\"; spf=pass??X: y\\\\\"");
        assert!(quoted(&"\"".repeat(1000)).len() < 300);
    }
}
