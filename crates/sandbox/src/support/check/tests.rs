//! Each feature is found where it is used, and not where its name only stands.

use super::*;
use crate::html::scan;
use crate::support::{UNTESTABLE, table};

/// The slugs that a sample of features.txt uses.
fn slugs(sample: &str) -> Vec<&'static str> {
    let usages = match sample.split_once(':') {
        Some(("part", media)) => check(None, &[], &[media.to_owned()]),
        Some(("header", name)) => check(None, &[name.to_owned()], &[]),
        _ => check(Some(&scan(sample)), &[], &[]),
    };
    usages.iter().filter_map(Usage::feature).map(|feature| feature.slug).collect()
}

#[test]
fn each_feature_is_found_and_not_mistaken() {
    let samples: Vec<Vec<&str>> = include_str!("features.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
        .collect();
    let mut wrong = Vec::new();
    for sample in &samples {
        let [slug, hit, miss] = sample[..] else { panic!("{sample:?}") };
        if !slugs(hit).contains(&slug) {
            wrong.push(format!("{slug} is not found in {hit}"));
        }
        if slugs(miss).contains(&slug) {
            wrong.push(format!("{slug} is found in {miss}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: Vec<&str> = samples.iter().map(|sample| sample[0]).collect();
    for feature in &table().features {
        let is_sampled = known.iter().filter(|slug| **slug == feature.slug).count();
        let is_excused = UNTESTABLE.iter().any(|(slug, _)| *slug == feature.slug);
        assert_eq!(is_sampled == 1, !is_excused, "{}", feature.slug);
    }
}

#[test]
fn uses_have_their_places() {
    let html = "<p>\n  <b style=\"color:red;\n    display:grid\">x</b></p>\n\
                <style>\na { gap: 1px }\n</style>";
    let usages = check(Some(&scan(html)), &[], &[]);
    let place = |slug: &str| {
        let usage = usages.iter().find(|usage| usage.feature().unwrap().slug == slug).unwrap();
        (usage.places[0].line, usage.places[0].column, usage.count)
    };
    assert_eq!(place("css-display-grid"), (3, 13, 1));
    assert_eq!(place("css-gap"), (5, 5, 1));
    assert_eq!(place("html-p"), (1, 1, 1));
}

#[test]
fn a_finding_names_the_clients_that_do_not_do_it() {
    let usages = check(Some(&scan("<style>@media print{a{b:c}}</style>")), &[], &[]);
    let media = usages.iter().find(|u| u.feature().unwrap().slug == "css-at-media").unwrap();
    let findings = media.findings();
    let is_there = |family: &str, platform: &str| {
        findings.iter().any(|finding| {
            let client = &table().clients[finding.client];
            (client.family, client.platform) == (family, platform)
        })
    };
    assert!(is_there("outlook", "windows") && !is_there("apple-mail", "ios"));
}

#[test]
fn a_hostile_page_has_bounded_findings() {
    let html = "<p style='display:grid'>".repeat(60_000);
    let usages = check(Some(&scan(&html)), &[], &[]);
    assert!(usages.iter().all(|usage| usage.places.len() <= PLACES_MAX));
    let grid = usages.iter().find(|u| u.feature().unwrap().slug == "css-display-grid").unwrap();
    assert_eq!(grid.count, 60_000);
}
