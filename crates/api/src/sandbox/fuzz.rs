//! What has to hold for any input: the bodies of the fuzz targets of this crate.
//!
//! `fuzz/` calls them with inputs that a fuzzer invents, the tests here with the corpus.

use mailwright_words::Timestamp;
use scraper::Html;

use super::query::{Query, Test};
use super::whole::Texts;
use super::{code, document::document, extract};

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);
/// Tests of a query whose answers are tried in all ways.
const TRIED_MAX: usize = 4;
/// Tests that any query has at most.
const TESTS_MAX: usize = 1200;

/// A query is read, asks a bounded number of questions, and what is known of some of them is
/// never other than what all of them tell.
pub fn query(input: &[u8]) {
    let (zone, text) = input.split_first().map_or((0, input), |(first, rest)| (*first, rest));
    let text = String::from_utf8_lossy(text);
    let query = Query::parse(&text, NOW, (i32::from(zone) - 128) * 15);
    let tests = query.tests().len();
    assert!(tests <= TESTS_MAX, "{tests} tests");
    assert!(!query.is_all() || tests == 0, "all messages are asked for without a question");
    let tried = tests.min(TRIED_MAX);
    // Each of them is false, true or open; those behind them are false.
    for way in 0..3_usize.pow(u32::try_from(tried).unwrap_or(0)) {
        let told = |place: usize| match way / 3_usize.pow(u32::try_from(place).unwrap_or(0)) % 3 {
            _ if place >= tried => Some(false),
            0 => Some(false),
            1 => Some(true),
            _ => None,
        };
        let told: Vec<Option<bool>> = (0..tests).map(told).collect();
        completed(&query, &told);
    }
}

/// What is known while some answers are open holds for both ways in which all of them could be
/// answered alike.
fn completed(query: &Query, told: &[Option<bool>]) {
    let mut answers = told.iter().copied();
    let known = query.known(&mut answers);
    assert_eq!(answers.next(), None, "each test takes its answer");
    for open in [false, true] {
        let all: Vec<bool> = told.iter().map(|answer| answer.unwrap_or(open)).collect();
        let whole = query.known(&mut all.iter().map(|answer| Some(*answer)));
        assert_eq!(whole, Some(holds(query, &all)), "{query:?} {all:?}");
        assert!(known.is_none() || known == whole, "{query:?} {told:?}");
    }
}

/// What a query comes to when its tests are answered so, in their order.
fn holds(query: &Query, answers: &[bool]) -> bool {
    let tests: Vec<*const Test> = query.tests().into_iter().map(std::ptr::from_ref).collect();
    query.holds(&mut |test| {
        let place = tests.iter().position(|one| std::ptr::eq(*one, test));
        assert!(place.is_some(), "a test that is asked is one of the query's");
        place.and_then(|place| answers.get(place)).copied().unwrap_or(false)
    })
}

/// What is taken out of a message stands in it, and is bounded.
///
/// The first line is a selector or a pattern, the rest the HTML and the text of a message.
pub fn extract(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (wanted, content) = text.split_once('\n').unwrap_or(("", &text));
    let page = document(content);
    selected(&page, wanted);
    matched(content, wanted);
    let shown = mailwright_mime::html_to_text(content);
    addresses(content);
    addresses(&shown);
    codes(content);
    codes(&shown);
    let texts = Texts { plain: content.to_owned(), html: content.to_owned() };
    let links = extract::links(&texts, &page);
    assert!(links.len() <= 500);
    assert!(links.iter().all(|link| link["url"].as_str().is_some_and(|url| !url.is_empty())));
}

fn selected(page: &Html, selector: &str) {
    match extract::selected(page, selector, &|| false) {
        Ok(found) => assert!(found.len() <= 500 && found.iter().all(|one| one["tag"].is_string())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn matched(text: &str, pattern: &str) {
    match extract::matched(text, pattern, &|| false) {
        Ok(found) => {
            assert!(found.len() <= 500);
            assert!(found.iter().all(|one| text.contains(one.as_str())), "a match is in it");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn addresses(text: &str) {
    for url in code::urls(text) {
        let is_web = ["http://", "https://"].iter().any(|scheme| {
            url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme))
        });
        assert!(is_web && text.contains(&url), "{url}");
    }
}

fn codes(text: &str) {
    for code in code::codes(text) {
        assert!((4..=10).contains(&code.len()), "{code}");
        assert!(code.bytes().all(|octet| octet.is_ascii_alphanumeric()), "{code}");
        assert!(code.bytes().any(|octet| octet.is_ascii_digit()), "{code}");
    }
}

#[cfg(test)]
mod tests {
    use mailwright_testkit::fuzz::play;

    #[test]
    fn every_input_of_the_corpora_holds() {
        play("query", super::query);
        play("extract", super::extract);
    }
}
