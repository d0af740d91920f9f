//! Every check has a pair of worlds, and is told of in the guide.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Checks that only tell what was found; and a property of RFC 8601.
const FACTS: [&str; 3] = ["smtp.implicit", "smtp.mailfrom", "road.route"];

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

/// The source, without tests.
fn code() -> String {
    let mut files = Vec::new();
    sources(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut code = String::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        match file.file_name().and_then(|name| name.to_str()) {
            Some("checks.rs" | "fake.rs" | "pairs.rs" | "tests.rs") => {}
            _ => code.push_str(text.split("#[cfg(test)]").next().unwrap_or_default()),
        }
    }
    code
}

/// What names of checks begin with, and the names that are one word.
const GROUPS: [&str; 24] = [
    "bimi",
    "certificate",
    "dane",
    "data",
    "dkim",
    "dmarc",
    "domain",
    "host",
    "list",
    "message",
    "mx",
    "out",
    "port",
    "ports",
    "queue",
    "reading",
    "resolver",
    "road",
    "server",
    "smtp",
    "spf",
    "sts",
    "tls",
    "tlsrpt",
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
fn each_check_has_a_pair_of_worlds_and_is_told_of() {
    let (code, paired) = (code(), crate::pairs::names());
    let made = names(&code);
    assert!(made.len() > 60, "{made:?}");
    assert_eq!(made, paired, "each check has a pair of worlds in pairs.rs, and each pair a check");
    let guide = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/doctor.md");
    let guide = fs::read_to_string(guide).unwrap();
    let told: BTreeSet<String> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(told, paired, "the guide tells of each check, and of no other");
}
