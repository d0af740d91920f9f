//! `cargo xtask tidy`: the rules of the house that a program can check.
//!
//! They also run as a test, so that `cargo test` is enough to meet them. Each rule is a function
//! that adds what it finds; the list of all findings is the failure.

mod graph;
mod metric;
mod text;

use std::path::Path;

use crate::run::{Failure, read, root};

/// A Rust file of the workspace.
pub(crate) struct Source {
    /// Path from the workspace's folder, with `/`.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

impl Source {
    /// Whether all of the file is test code.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
            || self.path.contains("/tests/")
            || self.path.starts_with("tests/")
            || self.path.starts_with("fuzz/")
            || self.path.starts_with("crates/testkit/")
    }
}

/// Checks every rule.
pub(crate) fn tidy() -> Result<(), Failure> {
    let mut findings = Vec::new();
    let sources = sources()?;
    text::check(&sources, &mut findings);
    metric::check(&sources, &mut findings);
    sizes(&mut findings)?;
    transcripts(&sources, &mut findings)?;
    migrations(&mut findings)?;
    graph::check(&sources, &mut findings)?;
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure(format!("tidy found {}:\n  {}", findings.len(), findings.join("\n  "))))
}

/// Every file that git knows or would add.
fn files() -> Result<Vec<String>, Failure> {
    let list = read("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let files = list.lines().filter(|path| root().join(path).is_file()).map(str::to_owned);
    Ok(files.collect())
}

/// Every Rust file.
pub(crate) fn sources() -> Result<Vec<Source>, Failure> {
    let rust = |path: &String| Path::new(path).extension().is_some_and(|end| end == "rs");
    files()?
        .into_iter()
        .filter(rust)
        .map(|path| {
            let text = std::fs::read_to_string(root().join(&path))
                .map_err(|error| Failure(format!("{path}: {error}")))?;
            Ok(Source { path, text })
        })
        .collect()
}

/// No file is larger than 256 KiB.
fn sizes(findings: &mut Vec<String>) -> Result<(), Failure> {
    for path in files()? {
        let size = std::fs::metadata(root().join(&path))?.len();
        if size > 256 << 10 {
            findings.push(format!("{path}: {size} octets; the most is 256 KiB"));
        }
    }
    Ok(())
}

/// Every transcript lies in a folder that a test names.
fn transcripts(sources: &[Source], findings: &mut Vec<String>) -> Result<(), Failure> {
    for path in files()? {
        let Some((folder, _)) = path.rsplit_once('/') else { continue };
        let Some((_, kind)) = folder.rsplit_once("transcripts/") else { continue };
        let named = format!("transcripts/{kind}");
        let run = sources.iter().any(|source| source.text.contains(&named));
        if !run && kind != "README" {
            findings.push(format!("{path}: no test runs {named}"));
        }
    }
    Ok(())
}

/// Migrations are numbered without gaps, and a released one never changes.
fn migrations(findings: &mut Vec<String>) -> Result<(), Failure> {
    let mut names: Vec<String> = files()?
        .into_iter()
        .filter_map(|path| path.split_once("/migrations/").map(|(_, name)| name.to_owned()))
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "sql"))
        .collect();
    names.sort();
    for (name, number) in names.iter().zip(1_u32..) {
        if !name.starts_with(&format!("{number:04}")) {
            findings.push(format!("migrations/{name}: should begin with {number:04}"));
        }
    }
    let tags = read("git", &["tag", "--list", "v*", "--sort=-version:refname"])?;
    if let Some(tag) = tags.lines().next() {
        let only = ["diff", "--diff-filter=MD", "--name-only", tag, "--", "crates/store"];
        let changed = read("git", &only)?;
        let changed = changed.lines().filter(|path| path.contains("/migrations/"));
        findings.extend(changed.map(|path| format!("{path}: was released with {tag}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        if let Err(failure) = super::tidy() {
            panic!("{failure}");
        }
    }
}
