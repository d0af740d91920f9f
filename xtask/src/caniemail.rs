//! `cargo xtask caniemail`: what mail clients support, as the compact table that is checked in.
//!
//! The data is that of caniemail.com (MIT), as the npm package `caniemail` carries it. It is
//! fetched when a developer asks for it; no build and no test needs the network for it. What the
//! lines mean stands in `crates/sandbox/src/support/table.rs`, which reads them.

#![expect(clippy::indexing_slicing, reason = "a name that a `Value` lacks gives Null")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::run::{Failure, root, run, say};

/// The package, and the version whose data is checked in.
const PACKAGE: &str = "caniemail@1.0.5";
/// Where the table goes.
const TABLE: &str = "crates/sandbox/src/support/caniemail.txt";

/// Fetches the data, and writes the table.
pub(crate) fn caniemail() -> Result<(), Failure> {
    let folder = root().join("target/caniemail");
    std::fs::create_dir_all(&folder)?;
    let place = folder.display().to_string();
    run("npm", &["pack", "--silent", "--pack-destination", &place, PACKAGE])?;
    let archive = folder.join(format!("{}.tgz", PACKAGE.replace('@', "-")));
    run("tar", &["-xzf", &archive.display().to_string(), "-C", &place])?;
    let text = std::fs::read_to_string(folder.join("package/data/caniemail.json"))?;
    let data: Value =
        serde_json::from_str(&text).map_err(|error| Failure(format!("{PACKAGE}: {error}")))?;
    let (table, count) = table(&data);
    std::fs::write(root().join(TABLE), &table)?;
    say(&format!("wrote {TABLE}: {count} features, {} octets", table.len()));
    Ok(())
}

/// The lines of all features, and how many features there are.
fn table(data: &Value) -> (String, usize) {
    let mut out =
        "# Made by `cargo xtask caniemail`. Do not edit. Licence: CANIEMAIL-LICENSE.\n".to_owned();
    let date = text(&data["last_update_date"]);
    line(&mut out, 'v', &[PACKAGE, date.get(..10).unwrap_or_default()]);
    for (mark, kind) in [('f', "family"), ('p', "platform")] {
        for (name, title) in data["nicenames"][kind].as_object().into_iter().flatten() {
            line(&mut out, mark, &[name, text(title)]);
        }
    }
    let mut features: Vec<&Value> = data["data"].as_array().into_iter().flatten().collect();
    features.sort_by_key(|feature| text(&feature["slug"]));
    let letters = letters(&features);
    for ((family, platform), letter) in &letters {
        line(&mut out, 'c', &[&letter.to_string(), family, platform]);
    }
    for feature in &features {
        one(&mut out, feature, &letters);
    }
    (out, features.len())
}

/// A letter for each client that any feature was tried with.
fn letters<'a>(features: &[&'a Value]) -> BTreeMap<(&'a str, &'a str), char> {
    let mut letters = BTreeMap::new();
    for feature in features {
        for (family, platforms) in feature["stats"].as_object().into_iter().flatten() {
            for platform in platforms.as_object().into_iter().flat_map(|all| all.keys()) {
                letters.insert((family.as_str(), platform.as_str()), ' ');
            }
        }
    }
    for (place, letter) in letters.values_mut().zip(('A'..='Z').chain('a'..='z')) {
        *place = letter;
    }
    letters
}

fn one(out: &mut String, feature: &Value, letters: &BTreeMap<(&str, &str), char>) {
    let of = |name: &str| text(&feature[name]);
    line(out, '=', &[of("slug"), of("category"), of("last_test_date"), of("title")]);
    let tags: Vec<&str> = feature["tags"].as_array().into_iter().flatten().map(text).collect();
    for (mark, value) in
        [('d', of("description")), ('k', of("keywords")), ('t', tags.join(",").as_str())]
    {
        if !value.trim().is_empty() {
            line(out, mark, &[value]);
        }
    }
    for (number, note) in feature["notes_by_num"].as_object().into_iter().flatten() {
        line(out, 'n', &[number, text(note)]);
    }
    // Clients of one history share a line.
    let mut histories: BTreeMap<String, String> = BTreeMap::new();
    for (family, platforms) in feature["stats"].as_object().into_iter().flatten() {
        for (platform, versions) in platforms.as_object().into_iter().flatten() {
            let mut versions: Vec<(&String, &Value)> =
                versions.as_object().into_iter().flatten().collect();
            versions.sort_by_key(|(version, _)| age(family, platform, version));
            let history: Vec<String> = versions
                .into_iter()
                .map(|(version, state)| format!("{version}{}", text(state).replace(' ', "")))
                .collect();
            let letter = letters.get(&(family.as_str(), platform.as_str())).copied();
            histories.entry(history.join(" ")).or_default().extend(letter);
        }
    }
    for (history, clients) in histories {
        line(out, '@', &[&clients, &history]);
    }
}

/// What versions of a client are sorted by, the oldest first: numbers, of which a date is one.
///
/// Outlook for macOS went by years before it was 16.
fn age(family: &str, platform: &str, version: &str) -> (bool, Vec<u64>) {
    let numbers: Vec<u64> = version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    let went_by_years = family == "outlook" && platform == "macos";
    (went_by_years && numbers.first().is_some_and(|first| *first < 2000), numbers)
}

/// A line of the table: its mark, then what it says, each behind a tab.
fn line(out: &mut String, mark: char, cells: &[&str]) {
    out.push(mark);
    for cell in cells {
        let plain = cell.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(out, "\t{plain}").unwrap_or_default();
    }
    out.push('\n');
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_they_came_out() {
        let sorted = |platform: &str, mut versions: Vec<&'static str>| {
            versions.sort_by_key(|version| age("outlook", platform, version));
            versions.join(" ")
        };
        assert_eq!(
            sorted("macos", vec!["16.80", "2019-02", "16.9", "2011"]),
            "2011 2019-02 16.9 16.80"
        );
        assert_eq!(sorted("ios", vec!["2022-01", "4.10", "4.9"]), "4.9 4.10 2022-01");
    }

    #[test]
    fn clients_of_one_history_share_a_line() {
        let data = serde_json::json!({
            "last_update_date": "2025-09-01 00:00:00",
            "nicenames": { "family": { "gmail": "Gmail" }, "platform": { "ios": "iOS" } },
            "data": [{
                "slug": "a", "title": "A\n b", "category": "css", "last_test_date": "2020-01-01",
                "description": "", "keywords": null, "tags": ["i18n"],
                "notes_by_num": { "1": "Only  here." },
                "stats": { "gmail": {
                    "ios": { "2020-01": "n", "2021-01": "a #1 #2" },
                    "android": { "2020-01": "n", "2021-01": "a #1 #2" },
                } },
            }],
        });
        let (table, count) = table(&data);
        assert_eq!(count, 1);
        let lines: Vec<&str> = table.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "v\tcaniemail@1.0.5\t2025-09-01",
                "f\tgmail\tGmail",
                "p\tios\tiOS",
                "c\tA\tgmail\tandroid",
                "c\tB\tgmail\tios",
                "=\ta\tcss\t2020-01-01\tA b",
                "t\ti18n",
                "n\t1\tOnly here.",
                "@\tAB\t2020-01n 2021-01a#1#2",
            ]
        );
    }
}
