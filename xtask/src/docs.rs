//! `cargo xtask docs`: the reference pages that are made from the code.
//!
//! `config.md` from the configuration's types, `metrics.md` from their registry, `cli.md` from
//! `--help`, `rfc.md` from the `Source:` lines of the code,
//! `checks.md` from the rules of the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mailwright_words::metric::{Kind, METRICS};

use crate::run::{Failure, cargo, read, root, say};
use crate::tidy::sources;

/// A page of docs/reference, and what renders it.
type Page = (&'static str, fn() -> Result<String, Failure>);

/// Writes the pages, or says which are behind.
pub(crate) fn docs(check: bool) -> Result<(), Failure> {
    let pages: [Page; 5] = [
        ("config", || Ok(mailwright_config::docs())),
        ("metrics", || Ok(metrics())),
        ("rfc", rfc),
        ("cli", cli),
        ("checks", checks),
    ];
    let mut behind = Vec::new();
    for (name, page) in pages {
        let text = page()?;
        let path = root().join(format!("docs/reference/{name}.md"));
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            behind.push(format!("docs/reference/{name}.md"));
        } else {
            std::fs::write(&path, text)?;
            say(&format!("wrote docs/reference/{name}.md"));
        }
    }
    if behind.is_empty() {
        return Ok(());
    }
    Err(Failure(format!("run `cargo xtask docs`; behind the code: {}", behind.join(", "))))
}

/// The command line's reference: each `--help`, one after another.
fn cli() -> Result<String, Failure> {
    cargo(&["build", "--quiet", "--package", "mailwright"])?;
    let mut page =
        "# Command line\n\n<!-- Made by `cargo xtask docs` from `--help`. Do not edit. -->\n"
            .to_owned();
    help(&mut page, &[])?;
    Ok(page)
}

/// The rules of the checks, as the program lists them.
fn checks() -> Result<String, Failure> {
    let binary = root().join("target/debug/mailwright").display().to_string();
    read(&binary, &["check", "--rules"])
}

fn help(page: &mut String, command: &[&str]) -> Result<(), Failure> {
    let binary = root().join("target/debug/mailwright").display().to_string();
    let mut arguments = command.to_vec();
    arguments.push("--help");
    let text = read(&binary, &arguments)?;
    let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
    let title = ["mailwright"].iter().chain(command).copied().collect::<Vec<_>>().join(" ");
    let body = trimmed.join("\n");
    write!(page, "\n## {title}\n\n```text\n{}\n```\n", body.trim_end()).unwrap_or_default();
    let inner = trimmed
        .iter()
        .skip_while(|line| **line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    for name in inner {
        let deeper: Vec<&str> = command.iter().copied().chain([name]).collect();
        help(page, &deeper)?;
    }
    Ok(())
}

/// What is measured.
fn metrics() -> String {
    let mut page = "# Metrics\n
<!-- Made by `cargo xtask docs` from crates/words/src/metric.rs. Do not edit. -->\n
`GET /metrics` on the HTTP listener tells them in the text form of Prometheus. The values of labels
are few: names of listeners, and the words that stand here. Gauges of the queue are counted when the
page is asked for, at most every five seconds.\n
| metric | kind | labels | meaning |\n|---|---|---|---|\n"
        .to_owned();
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = match metric.kind {
            Kind::Histogram(bounds) => {
                let bounds: Vec<String> = bounds.iter().map(ToString::to_string).collect();
                format!("histogram: {}", bounds.join(", "))
            }
            other => other.as_str().to_owned(),
        };
        let (name, meaning) = (metric.name, metric.meaning.trim());
        writeln!(page, "| `{name}` | {kind} | {} | {meaning} |", labels.join(", "))
            .unwrap_or_default();
    }
    page
}

/// Which RFC is followed where.
fn rfc() -> Result<String, Failure> {
    let mut index: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for source in sources()? {
        let comments = source.text.lines().map(str::trim).filter(|line| line.starts_with("//"));
        for comment in comments {
            let numbers = comment.split("RFC ").skip(1).filter_map(|rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse::<u32>().ok()
            });
            for number in numbers {
                index.entry(number).or_default().insert(source.path.clone());
            }
        }
    }
    let mut page = "# RFCs\n
<!-- Made by `cargo xtask docs` from the comments of the code. Do not edit. -->\n
| RFC | followed in |\n|---|---|\n"
        .to_owned();
    for (number, files) in index {
        let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
        let link = format!("https://www.rfc-editor.org/rfc/rfc{number}");
        writeln!(page, "| [{number}]({link}) | {} |", files.join(", ")).unwrap_or_default();
    }
    Ok(page)
}
