//! Every check has a broken world in which it speaks, and is told of in the guide.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Checks that only tell what was found, or how long it took; and a property of RFC 8601.
const FACTS: [&str; 3] = ["smtp.implicit", "smtp.slow", "smtp.mailfrom"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The source without tests, and the tests.
fn texts() -> (String, String) {
    let mut files = Vec::new();
    sources(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let (mut code, mut tests) = (String::new(), String::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        match file.file_name().and_then(|name| name.to_str()) {
            Some("checks.rs" | "fake.rs") => {}
            Some("tests.rs") => tests.push_str(&text),
            _ => {
                let (own, test) =
                    text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&text, ""));
                code.push_str(own);
                tests.push_str(test);
            }
        }
    }
    (code, tests)
}

/// What names of checks begin with, and the names that are one word.
const GROUPS: [&str; 15] = [
    "certificate",
    "data",
    "domain",
    "host",
    "list",
    "message",
    "out",
    "port",
    "ports",
    "queue",
    "reading",
    "resolver",
    "server",
    "smtp",
    "tls",
];
const WORDS: [&str; 4] = ["backup", "clock", "login", "ports"];

/// The names of checks that a source makes.
fn names(code: &str) -> BTreeSet<String> {
    let literals = code.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
    let is_name = |text: &&str| match text.split_once('.') {
        Some((group, rest)) => {
            GROUPS.contains(&group)
                && !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        }
        None => WORDS.contains(text),
    };
    let facts = |name: &&str| !FACTS.contains(name);
    literals.filter(is_name).filter(facts).map(str::to_owned).collect()
}

#[test]
fn each_check_is_told_of_and_speaks_in_a_broken_world() {
    let (code, tests) = texts();
    let made = names(&code);
    assert!(made.len() > 55, "{made:?}");
    let guide = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/doctor.md");
    let guide = fs::read_to_string(guide).unwrap();
    let told: BTreeSet<String> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, _)| name.to_owned())
        .collect();
    let missing: Vec<&String> = made.difference(&told).collect();
    assert!(missing.is_empty(), "not in docs/guide/doctor.md: {missing:?}");
    for name in &told {
        assert!(code.contains(&format!("\"{name}\"")), "no check is named {name}");
        let speaks = [
            format!("(\"{name}\", Wrong"),
            format!("(\"{name}\", Warning"),
            format!("(\"{name}\", CannotKnow"),
            format!("(\"{name}\", Verdict::"),
            format!("(\"{name}\", verdict"),
            format!("id == \"{name}\""),
        ];
        let is_tried = speaks.iter().any(|piece| tests.contains(piece));
        assert!(is_tried, "{name} speaks in no test");
    }
}
