//! Reports of a good and of a bad message, in each form.

use super::*;
use crate::links::{Answer, FetchError, FetchErrorKind, Later, Method};

const GOOD: &[u8] = b"From: Ann <ann@mail.test>\r\nTo: bob@mail.test\r\nSubject: Hello\r\n\
    Date: Wed, 25 Nov 2026 06:00:00 +0000\r\nMessage-ID: <1@mail.test>\r\n\r\nHello Bob\r\n";
const BAD: &[u8] = b"Subject: WIN BIG MONEY NOW\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/html; charset=utf-8\r\n\r\n\
    <style>p{display:grid;gap:1px}</style><p><a href='http://localhost/'>x</a>\
    <a href='#nowhere'>y</a>\r\n";

fn of(bytes: &[u8]) -> Report {
    Report::new(bytes, &Audience::Current, Context::default())
}

#[test]
fn a_good_message_meets_what_a_bad_one_fails() {
    let (good, bad) = (of(GOOD), of(BAD));
    let demands = Demand::parse_all("html<98, spam>1, links.broken>0").unwrap();
    let failures = |report| demands.iter().filter_map(|one| one.failure(report)).count();
    assert_eq!(failures(&good), 0, "{}", good.text());
    assert_eq!(failures(&bad), 3, "{}", bad.text());
}

#[test]
fn the_text_names_features_rules_and_links() {
    let text = of(BAD).text();
    for word in ["display", "line 1:", "MISSING_", "link-local", "link-no-anchor", "text-missing"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(of(GOOD).text().contains("100 of 100"));
}

#[test]
fn every_number_can_be_asked_for_and_nothing_else() {
    let report = of(BAD);
    for (name, _) in NUMBERS {
        // Of what others say nothing is known, and that fails.
        let is_ours =
            !["auth", "lists", "spamd", "rspamd"].contains(&name.split('.').next().unwrap());
        assert_eq!(report.number(name).is_some(), is_ours, "{name}");
        let demand = Demand::parse_all(&format!("{name}<-1")).unwrap().remove(0);
        assert_eq!(demand.failure(&report).is_none(), is_ours, "{name}");
    }
    for bad in ["html", "html<", "html<x", "nothing>1", "spam>inf", "<3"] {
        assert!(Demand::parse_all(bad).is_err(), "{bad}");
    }
    assert_eq!(Demand::parse_all(""), Ok(Vec::new()));
}

/// Nobody answers but one.
struct One;

impl Fetch for One {
    fn fetch<'a>(&'a self, _: Method, url: &'a str) -> Later<'a, Result<Answer, FetchError>> {
        let (kind, text) = (FetchErrorKind::Unreachable, "nobody".to_owned());
        let answer = match url {
            "https://shop.eu/" => Ok(Answer { status: 200, redirects: Vec::new() }),
            _ => Err(FetchError { kind, text, redirects: Vec::new() }),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn asked() -> Report {
    let bytes = b"Subject: x\r\nContent-Type: text/html\r\n\r\n<a href=https://shop.eu/>a</a>\
        <a href=https://gone.eu/>b</a><a href=http://localhost/>c</a>\r\n";
    let mut report = of(bytes);
    {
        let mut asking = std::pin::pin!(report.ask_links(&One, (10, 2)));
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        assert!(asking.as_mut().poll(context).is_ready());
    }
    report
}

#[test]
fn a_dead_link_is_broken_and_one_found_twice_is_counted_once() {
    let report = asked();
    assert_eq!(report.number("links.broken"), Some(2.0), "{}", report.text());
    assert!(report.text().contains("broken https://gone.eu/: nobody"), "{}", report.text());
    assert_eq!(of(BAD).statuses, None, "nobody is asked by itself");
}

#[test]
fn junit_has_a_case_a_demand_and_is_whole_xml() {
    let demands = Demand::parse_all("links.broken>0,spam>90").unwrap();
    let xml = junit(&[("a & <b>.eml".to_owned(), asked())], &demands);
    for part in [
        "<testsuites name=\"mailwright check\" tests=\"2\" failures=\"1\" errors=\"0\">",
        "<testsuite name=\"a &amp; &lt;b&gt;.eml\" tests=\"2\" failures=\"1\"",
        "<failure message=\"links.broken is 2, which is above 0\"/>",
        "name=\"spam&gt;90\"/>",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    assert_eq!(junit(&[], &demands).matches("<testsuite ").count(), 0);
}

#[test]
fn sarif_names_each_rule_once_and_points_to_it() {
    let log = sarif(&[("a b.eml".to_owned(), asked()), ("c.eml".to_owned(), of(BAD))], "1.2.3");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > rules.len());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[index]["id"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
    }
    assert_eq!(
        results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "a%20b.eml"
    );
    assert!(results.iter().any(|result| result["ruleId"] == "link-dead"));
}

#[test]
fn json_has_every_number() {
    let told = json("x", &asked(), &["no".to_owned()]);
    assert_eq!(told["numbers"].as_object().unwrap().len(), NUMBERS.len());
    assert_eq!(told["statuses"][1]["verdict"], "broken");
    assert_eq!(json("x", &of(GOOD), &[])["statuses"], serde_json::Value::Null);
}
