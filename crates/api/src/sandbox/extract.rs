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
const REGEX_SIZE_MAX: usize = 1 << 20;

/// The links of a message, each with the text that a reader sees.
pub(crate) fn links(texts: &Texts) -> Vec<Value> {
    let mut found: Vec<(String, String)> = Vec::new();
    if !texts.html.is_empty()
        && let Ok(anchors) = Selector::parse("a[href], area[href]")
    {
        let page = Html::parse_document(&texts.html);
        for anchor in page.select(&anchors).take(FOUND_MAX) {
            let url = anchor.value().attr("href").unwrap_or_default().trim().to_owned();
            if !url.is_empty() {
                found.push((url, text_of(anchor)));
            }
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

/// The elements of a message's HTML that a CSS selector names.
///
/// Errors: it is none.
pub(crate) fn selected(html: &str, selector: &str) -> Result<Vec<Value>, ApiError> {
    if selector.len() > PATTERN_MAX {
        return Err(ApiError::bad("the selector is too long"));
    }
    let parsed = Selector::parse(selector).ok();
    let parsed = parsed.ok_or_else(|| ApiError::bad(format!("{selector:?} is no CSS selector")))?;
    let page = Html::parse_document(html);
    let each = page.select(&parsed).take(FOUND_MAX).map(|element| {
        let attributes: serde_json::Map<String, Value> = element
            .value()
            .attrs()
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect();
        json!({
            "tag": element.value().name(),
            "text": text_of(element),
            "attributes": attributes,
            "html": element.html(),
        })
    });
    Ok(each.collect())
}

/// The matches of a pattern in a text: the first group of each, or all of it.
///
/// Errors: it is no pattern.
pub(crate) fn matched(text: &str, pattern: &str) -> Result<Vec<String>, ApiError> {
    let regex = pattern_of(pattern)?;
    let each = regex.captures_iter(text).take(FOUND_MAX);
    Ok(each
        .filter_map(|found| found.get(1).or_else(|| found.get(0)))
        .map(|found| found.as_str().to_owned())
        .collect())
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

fn text_of(element: ElementRef<'_>) -> String {
    let text: String = element.text().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_once_with_their_text() {
        let texts = Texts {
            plain: "https://a.example/1 https://b.example".into(),
            html: "<a href=' https://a.example/1 '><b>Press</b>\n here</a><a name=x>no</a>".into(),
        };
        let found = links(&texts);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], json!({ "url": "https://a.example/1", "text": "Press here" }));
    }

    #[test]
    fn selectors_and_patterns_that_are_none_are_told_apart_from_no_match() {
        let html = "<p class=a id=one>x <b>y</b></p><p class=b>z</p>";
        let found = selected(html, "p.a > b").unwrap();
        assert_eq!((found.len(), &found[0]["text"]), (1, &json!("y")));
        assert!(selected(html, "p.c").unwrap().is_empty());
        assert!(selected(html, "p[[").is_err());
        assert_eq!(matched("id=12 id=34", "id=(\\d+)").unwrap(), ["12", "34"]);
        assert!(matched("x", "(").is_err() && pattern_of(&"x{1000}".repeat(100)).is_err());
    }
}
