//! What a test wants of a message: links, elements of its HTML, matches of a pattern.

use regex::RegexBuilder;
use scraper::{ElementRef, Html, Selector};
use serde_json::{Value, json};

use super::{ApiError, code, whole::Texts};

/// Links or elements that are told.
const FOUND_MAX: usize = 500;
/// Octets of a pattern or selector.
const PATTERN_MAX: usize = 1000;
/// Octets that a compiled pattern may take.
const REGEX_SIZE_MAX: usize = 1 << 19;
/// Octets of a text that patterns are tried on.
const TEXT_MAX: usize = 1 << 20;
/// Octets of a link's text that are told. Links and elements may stand in each other, and each
/// has the text of all that is in it.
const LINK_MAX: usize = 2000;
/// Octets of elements that are told, over all of them.
const TOLD_MAX: usize = 4 << 20;
/// Nodes of a page in which elements are chosen by what is in them.
const HAS_MAX: usize = 5000;

/// What is looked for until it takes too long.
pub(crate) type IsLate<'a> = &'a dyn Fn() -> bool;

/// The links of a message, each with the text that a reader sees.
pub(crate) fn links(texts: &Texts, page: &Html) -> Vec<Value> {
    let mut found: Vec<(String, String)> = Vec::new();
    for element in page.tree.nodes().filter_map(ElementRef::wrap) {
        if found.len() >= FOUND_MAX {
            break;
        }
        let url = element.value().attr("href").unwrap_or_default().trim();
        if matches!(element.value().name(), "a" | "area") && !url.is_empty() {
            found.push((url.to_owned(), text_of(element, LINK_MAX)));
        }
    }
    for url in code::urls(&texts.plain) {
        if !found.iter().any(|(known, _)| *known == url) {
            found.push((url, String::new()));
        }
    }
    let each = found.into_iter().take(FOUND_MAX);
    each.map(|(url, text)| json!({ "url": url, "text": text })).collect()
}

/// A CSS selector.
///
/// Errors: it is none.
pub(crate) fn selector_of(selector: &str) -> Result<Selector, ApiError> {
    if selector.len() > PATTERN_MAX {
        return Err(ApiError::bad("the selector is too long"));
    }
    let parsed = Selector::parse(selector).ok();
    parsed.ok_or_else(|| ApiError::bad(format!("{selector:?} is no CSS selector")))
}

/// The elements of a page that a CSS selector names, as many as fit into an answer.
///
/// Errors: it is none, or takes too long.
pub(crate) fn selected(
    page: &Html,
    selector: &str,
    is_late: IsLate<'_>,
) -> Result<Vec<Value>, ApiError> {
    let parsed = selector_of(selector)?;
    let looks_inside = selector.to_ascii_lowercase().contains(":has(");
    if looks_inside && page.tree.nodes().len() > HAS_MAX {
        return Err(ApiError::bad("the page is too large for a selector with :has()"));
    }
    let (mut found, mut octets) = (Vec::new(), 0_usize);
    for element in page.tree.nodes().filter_map(ElementRef::wrap) {
        if is_late() {
            return Err(late());
        }
        if !parsed.matches(&element) {
            continue;
        }
        let (told, size) = told(element);
        octets = octets.saturating_add(size);
        if found.len() >= FOUND_MAX || octets > TOLD_MAX {
            break;
        }
        found.push(told);
    }
    Ok(found)
}

/// An element, and how many octets it takes to tell it.
fn told(element: ElementRef<'_>) -> (Value, usize) {
    let mut attributes = serde_json::Map::new();
    let mut size = 0_usize;
    for (name, value) in element.value().attrs() {
        size = size.saturating_add(name.len()).saturating_add(value.len());
        attributes.insert(name.to_owned(), Value::from(value));
    }
    let (text, html) = (text_of(element, TOLD_MAX), element.html());
    size = size.saturating_add(text.len()).saturating_add(html.len());
    let told = json!({
        "tag": element.value().name(),
        "text": text,
        "attributes": attributes,
        "html": html,
    });
    (told, size)
}

fn late() -> ApiError {
    ApiError::bad("it takes too long to look for that in this message")
}

/// The matches of a pattern in a text: the first group of each, or all of it.
///
/// Errors: it is no pattern, or takes too long.
pub(crate) fn matched(
    text: &str,
    pattern: &str,
    is_late: IsLate<'_>,
) -> Result<Vec<String>, ApiError> {
    let regex = pattern_of(pattern)?;
    let (mut all, mut octets) = (Vec::new(), 0_usize);
    for found in regex.captures_iter(searched(text)).take(FOUND_MAX) {
        if is_late() {
            return Err(late());
        }
        let Some(group) = found.get(1).or_else(|| found.get(0)) else { continue };
        octets = octets.saturating_add(group.len());
        if octets > TOLD_MAX {
            break;
        }
        all.push(group.as_str().to_owned());
    }
    Ok(all)
}

/// As much of a text as patterns are tried on.
pub(crate) fn searched(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_MAX.min(text.len()))).unwrap_or_default()
}

/// A pattern, bounded in what it may take.
///
/// Errors: it is none.
pub(crate) fn pattern_of(pattern: &str) -> Result<regex::Regex, ApiError> {
    if pattern.len() > PATTERN_MAX {
        return Err(ApiError::bad("the pattern is too long"));
    }
    let built = RegexBuilder::new(pattern).size_limit(REGEX_SIZE_MAX).multi_line(true).build();
    built.map_err(|error| ApiError::bad(format!("the pattern is none: {error}")))
}

/// The words in an element, up to so many octets or a few more.
fn text_of(element: ElementRef<'_>, most: usize) -> String {
    let mut all = String::new();
    let mut is_apart = false;
    for text in element.text() {
        is_apart |= text.starts_with(char::is_whitespace);
        let mut words = text.split_whitespace().peekable();
        let ends_apart = text.ends_with(char::is_whitespace);
        while let Some(word) = words.next() {
            if all.len() >= most {
                return all;
            }
            if is_apart && !all.is_empty() {
                all.push(' ');
            }
            let room = word.floor_char_boundary(most.saturating_sub(all.len()).min(word.len()));
            all.push_str(word.get(..room).unwrap_or_default());
            is_apart = words.peek().is_some() || ends_apart;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::document::document;

    const IN_TIME: IsLate<'_> = &|| false;

    fn of_html(html: String) -> Vec<Value> {
        let page = document(&html);
        links(&Texts { plain: String::new(), html }, &page)
    }

    #[test]
    fn links_are_told_once_with_their_text() {
        let texts = Texts {
            plain: "https://a.example/1 https://b.example".into(),
            html: "<a href=' https://a.example/1 '><b>Press</b>\n here</a><a name=x>no</a>".into(),
        };
        let found = links(&texts, &document(&texts.html));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], json!({ "url": "https://a.example/1", "text": "Press here" }));
    }

    #[test]
    fn words_are_apart_where_they_are_apart() {
        let text = |html: &str| of_html(format!("<a href=x>{html}</a>"))[0]["text"].clone();
        for (html, wanted) in [
            ("a<b>b</b>c", "abc"),
            (" a <b>b</b> c ", "a b c"),
            ("a<b> </b>b\n\t<i></i>c", "a b c"),
            ("<b>\u{e4}</b>\u{a0}x", "\u{e4} x"),
            ("<b></b>", ""),
        ] {
            assert_eq!(text(html), wanted, "{html}");
        }
        assert_eq!(text(&"\u{e4}".repeat(LINK_MAX)).as_str().unwrap().len(), LINK_MAX);
    }

    #[test]
    fn what_stands_in_itself_is_not_told_again_and_again() {
        let nested = "<a href=x><object>".repeat(600) + &"word ".repeat(20_000);
        let told = Value::from(of_html(nested)).to_string().len();
        assert!(told < FOUND_MAX * (LINK_MAX + 100), "{told}");
        let nested = "<div>".repeat(600) + &"word ".repeat(20_000);
        let found = selected(&document(&nested), "div", IN_TIME).unwrap();
        let told = Value::from(found).to_string().len();
        assert!(told > TOLD_MAX / 2 && told < TOLD_MAX * 2, "{told}");
        let lines = "x\n".repeat(TEXT_MAX);
        let told: usize =
            matched(&lines, "(?s)x.*", IN_TIME).unwrap().iter().map(String::len).sum();
        assert_eq!(told, TEXT_MAX);
    }

    #[test]
    fn what_takes_too_long_is_an_error() {
        let page = document(&"<p>x".repeat(10));
        assert!(selected(&page, "p", &|| true).is_err());
        assert!(matched("x", "x", &|| true).is_err());
        let large = document(&"<p>x".repeat(HAS_MAX));
        assert!(selected(&large, "body:HAS(p)", IN_TIME).is_err());
        assert_eq!(selected(&page, "body:has(p)", IN_TIME).unwrap().len(), 1);
    }

    #[test]
    fn selectors_and_patterns_that_are_none_are_told_apart_from_no_match() {
        let page = document("<p class=a id=one>x <b>y</b></p><p class=b>z</p>");
        let found = selected(&page, "p.a > b", IN_TIME).unwrap();
        assert_eq!((found.len(), &found[0]["text"]), (1, &json!("y")));
        assert!(selected(&page, "p.c", IN_TIME).unwrap().is_empty());
        assert!(selected(&page, "p[[", IN_TIME).is_err());
        assert_eq!(matched("id=12 id=34", "id=(\\d+)", IN_TIME).unwrap(), ["12", "34"]);
        let hostile = "x{1000}".repeat(100);
        assert!(matched("x", "(", IN_TIME).is_err() && pattern_of(&hostile).is_err());
    }
}
