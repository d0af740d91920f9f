//! What has to hold for any input: the bodies of the fuzz targets of this crate.
//!
//! `fuzz/` calls them with inputs that a fuzzer invents, the tests here with the corpus.

use crate::css::{declarations, facts};
use crate::facts::Context;
use crate::html::{Lines, Page, scan};
use crate::report::{Demand, NUMBERS, Report, json, junit, sarif};
use crate::support::{Audience, PLACES_MAX, check, score};

/// Clients whose score is looked at, as a message's reader could write them.
const AUDIENCES: [&str; 4] = ["current", "all", "outlook.windows=1", "gmail.*=3,apple-mail.*=2"];

/// The check of HTML and CSS tells of places that are there, the same each time.
pub fn html_css(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let page = scan(&text);
    tokens_follow_each_other(&page);
    let usages = check(Some(&page), &[], &[]);
    let lines = Lines::new(page.source);
    let last = page.source.matches('\n').count() + 1;
    for usage in &usages {
        assert!(usage.count >= usage.places.len() && usage.places.len() <= PLACES_MAX);
        assert!(usage.places.is_sorted(), "places go by the order of the page");
        assert!(usage.feature().is_some(), "a feature is one of the table");
        for place in &usage.places {
            assert!((1..=last).contains(&place.line), "{place:?} of {last} lines");
            let width = lines.line(place.line).chars().count();
            assert!((1..=width + 2).contains(&place.column), "{place:?} in {width} characters");
        }
    }
    for audience in AUDIENCES {
        let audience = Audience::parse(audience).unwrap_or(Audience::Current);
        let score = score(&usages, &audience);
        assert!((0.0..=100.0).contains(&score.total), "{}", score.total);
        assert!((0.0..=100.0).contains(&score.full), "{}", score.full);
        assert!(score.full <= score.total, "who supports all of it supports most of it");
    }
    assert_eq!(check(Some(&scan(&text)), &[], &[]), usages, "it is told the same again");
    styles(&text);
}

/// Tokens stand in the page one behind the other, and are cut between characters.
fn tokens_follow_each_other(page: &Page<'_>) {
    let mut end = 0;
    for node in &page.nodes {
        assert!(node.span.start >= end, "{:?} begins before {end}", node.span);
        assert!(page.source.get(node.span.clone()).is_some(), "{:?} is no text", node.span);
        end = node.span.end;
    }
}

/// A style's facts and declarations stand in it.
fn styles(css: &str) {
    for is_sheet in [true, false] {
        facts(css, is_sheet, &mut |at, fact| {
            assert!(css.is_char_boundary(at), "{fact:?} at {at}");
        });
    }
    for one in declarations(css) {
        assert!(css.is_char_boundary(one.at), "{one:?}");
        assert_eq!(one.property, one.property.to_lowercase());
    }
}

/// A condition is read as it was written, or told what is wrong; and it is met, or says why not.
///
/// The first line is the conditions, the rest the message that has to meet them.
pub fn demand(input: &[u8]) {
    let end = input.iter().position(|octet| *octet == b'\n').unwrap_or(input.len());
    let (line, message) = input.split_at(end);
    let text = String::from_utf8_lossy(line);
    let demands = match Demand::parse_all(&text) {
        Ok(demands) => demands,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let report = Report::new(message, &Audience::Current, Context::default());
    for demand in &demands {
        assert!(NUMBERS.iter().any(|(name, _)| *name == demand.name), "{demand:?}");
        assert_eq!(Demand::parse_all(&demand.to_string()).as_deref(), Ok(&[demand.clone()][..]));
        let is_met = report.number(&demand.name).is_some_and(|number| {
            assert!(number.is_finite(), "{number}");
            if demand.below { number >= demand.bound } else { number <= demand.bound }
        });
        assert_eq!(demand.failure(&report).is_none(), is_met, "{demand:?}");
    }
    assert!(!report.text().is_empty());
    assert!(json("m", &report, &[]).is_object());
    let reports = [("m".to_owned(), report)];
    assert!(sarif(&reports, "0").is_object());
    assert!(!junit(&reports, &demands).contains(|c: char| c.is_control() && c != '\n'));
}

#[cfg(test)]
mod tests {
    use mailwright_testkit::fuzz::play;

    use super::*;

    #[test]
    fn every_input_of_the_corpora_holds() {
        play("html_css", html_css);
        play("demand", demand);
    }
}
