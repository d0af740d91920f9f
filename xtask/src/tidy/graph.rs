//! Rules about crates: their edges are those of ARCHITECTURE.md, their licences are allowed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Source;
use crate::run::{Failure, read, root};

const LICENCES: [&str; 12] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
    "Apache-2.0 WITH LLVM-exception",
];
/// Native code or hidden native code of TLS that the design keeps out.
const BANNED: [&str; 4] = ["openssl", "openssl-sys", "native-tls", "ring"];

type Edges = BTreeMap<String, BTreeSet<String>>;

/// Checks edges, the straight line's names, licences and banned crates.
pub(super) fn check(sources: &[Source], findings: &mut Vec<String>) -> Result<(), Failure> {
    let metadata = read("cargo", &["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_str(&metadata)
        .map_err(|error| Failure(format!("cargo metadata: {error}")))?;
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    edges(&documented(&page), &real(&metadata), findings);
    names(&page, sources, findings);
    licences(&metadata, findings);
    banned(findings)
}

/// The edges that the table of ARCHITECTURE.md shows: rows `| `crate` | duty | uses |`.
fn documented(page: &str) -> Edges {
    let rows = section(page, "## Crates").lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let name = ticked(cells.get(1)?).next()?;
        Some((name.to_owned(), ticked(cells.get(3)?).map(str::to_owned).collect()))
    })
    .collect()
}

fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let rest = page.split_once(heading).map(|(_, rest)| rest).unwrap_or_default();
    rest.split("\n## ").next().unwrap_or_default()
}

/// What stands between back-ticks.
fn ticked(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn short(package: &str) -> Option<&str> {
    match package {
        "mailwright" | "xtask" => Some(package),
        _ => package.strip_prefix("mailwright-"),
    }
}

/// The edges between our crates that cargo knows, those of tests left out.
fn real(metadata: &Value) -> Edges {
    let packages = metadata.get("packages").and_then(Value::as_array);
    let ours = packages.into_iter().flatten().filter(|package| package["source"].is_null());
    ours.filter_map(|package| {
        let name = short(package["name"].as_str()?)?;
        let uses = package["dependencies"].as_array()?.iter();
        let uses = uses
            .filter(|edge| edge["kind"].is_null() && edge.get("path").is_some())
            .filter_map(|edge| short(edge["name"].as_str()?).map(str::to_owned));
        Some((name.to_owned(), uses.collect()))
    })
    .collect()
}

fn edges(documented: &Edges, real: &Edges, findings: &mut Vec<String>) {
    let none = BTreeSet::new();
    let names: BTreeSet<&String> = documented.keys().chain(real.keys()).collect();
    for name in names {
        let (shown, is) = match (documented.get(name), real.get(name)) {
            (None, _) => {
                findings.push(format!("ARCHITECTURE.md: crate `{name}` is not in the table"));
                continue;
            }
            (Some(_), None) => {
                findings.push(format!("ARCHITECTURE.md: there is no crate `{name}`"));
                continue;
            }
            (shown, is) => (shown.unwrap_or(&none), is.unwrap_or(&none)),
        };
        for extra in is.difference(shown) {
            findings.push(format!("ARCHITECTURE.md: `{name}` also uses `{extra}`"));
        }
        for gone in shown.difference(is) {
            findings.push(format!("ARCHITECTURE.md: `{name}` does not use `{gone}`"));
        }
    }
}

/// Each `crate::path` of the straight line exists: the crate, and a word in it for the last part.
fn names(page: &str, sources: &[Source], findings: &mut Vec<String>) {
    let rows = section(page, "## The straight line").lines().filter(|line| line.starts_with('|'));
    for name in rows.flat_map(ticked).filter(|name| name.contains("::")) {
        let crate_name = name.split("::").next().unwrap_or_default();
        let folder = format!("crates/{crate_name}/src/");
        let last = name.rsplit("::").next().unwrap_or_default();
        let kinds = ["fn", "struct", "enum", "trait", "mod", "type"];
        let found = sources
            .iter()
            .filter(|source| source.path.starts_with(&folder))
            .any(|source| kinds.iter().any(|kind| defines(&source.text, kind, last)));
        if !found {
            findings.push(format!("ARCHITECTURE.md: the straight line's `{name}` does not exist"));
        }
    }
}

fn defines(text: &str, kind: &str, name: &str) -> bool {
    let wanted = format!("{kind} {name}");
    text.match_indices(&wanted).any(|(at, found)| {
        let next = text.get(at + found.len()..).and_then(|rest| rest.chars().next());
        !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Crates that are really built, on any system; the lock file names more.
fn banned(findings: &mut Vec<String>) -> Result<(), Failure> {
    let all = ["--workspace", "--target", "all", "--edges", "normal,build", "--locked"];
    let arguments: Vec<&str> = ["tree", "--prefix", "none"].into_iter().chain(all).collect();
    let tree = read("cargo", &arguments)?;
    let built: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let kept_out = BANNED.iter().filter(|name| built.contains(**name));
    findings.extend(kept_out.map(|name| format!("{name}: this crate is kept out (deny.toml)")));
    Ok(())
}

fn licences(metadata: &Value, findings: &mut Vec<String>) {
    let packages = metadata.get("packages").and_then(Value::as_array);
    for package in packages.into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence) {
            findings.push(format!("{name}: licence `{licence}` is not allowed"));
        }
    }
}

/// Whether an SPDX expression leaves us a choice of allowed licences.
fn is_allowed(expression: &str) -> bool {
    let plain = expression.replace('/', " OR ");
    let mut depth = 0_i32;
    let mut cut = None;
    // The outermost operator decides; OR binds weaker than AND.
    for operator in [" OR ", " AND "] {
        for (at, letter) in plain.char_indices() {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            let here = plain.get(at..).is_some_and(|rest| rest.starts_with(operator));
            if depth == 0 && here && cut.is_none() {
                cut = Some((at, operator));
            }
        }
    }
    let Some((at, operator)) = cut else {
        let plain = plain.trim();
        let inner = plain.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        return inner.map_or_else(|| LICENCES.contains(&plain), is_allowed);
    };
    let left = plain.get(..at).unwrap_or_default();
    let right = plain.get(at + operator.len()..).unwrap_or_default();
    if operator == " OR " {
        is_allowed(left) || is_allowed(right)
    } else {
        is_allowed(left) && is_allowed(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions_are_understood() {
        for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-3.0) AND ISC"] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in ["", "AGPL-3.0", "MIT AND GPL-3.0", "(GPL-2.0 OR AGPL-3.0) AND MIT"] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn an_edge_that_is_not_shown_is_found() {
        let page = "## Crates\n| `a` | does | `b` |\n| `b` | does | nothing |\n## Next\n";
        let shown = documented(page);
        let mut real = shown.clone();
        let mut findings = Vec::new();
        edges(&shown, &real, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        real.entry("b".to_owned()).or_default().insert("a".to_owned());
        real.insert("c".to_owned(), BTreeSet::new());
        edges(&shown, &real, &mut findings);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
