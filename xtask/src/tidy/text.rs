//! Rules about the text of Rust files.

use super::Source;

const LINE_MAX: usize = 100;
const LINES_MAX: usize = 700;

/// A word that stands for something better, where it is fine all the same, and what is better.
struct Banned {
    word: &'static str,
    except: &'static [&'static str],
    better: &'static str,
    in_tests: bool,
}

const BANNED: [Banned; 8] = [
    Banned {
        word: "message = %",
        except: &["xtask/"],
        better: "a log field of this name hides the line's message; it is called `spool`",
        in_tests: false,
    },
    Banned {
        word: "SystemTime::now",
        except: &["crates/net/", "xtask/"],
        better: "take the time from `net::Clock`",
        in_tests: false,
    },
    Banned {
        word: "println!(",
        except: &[
            "xtask/",
            "crates/mailwright/",
            "crates/store/examples/",
            "crates/mime/examples/",
        ],
        better: "log with `tracing`",
        in_tests: false,
    },
    Banned {
        word: "env::var",
        except: &["crates/config/", "xtask/", "crates/testkit/"],
        better: "only `config` reads the environment",
        in_tests: false,
    },
    Banned {
        word: "thread::sleep",
        except: &["xtask/"],
        better: "wait for the event, or on a manual clock",
        in_tests: true,
    },
    Banned {
        word: "TcpListener::bind",
        except: &["crates/net/", "xtask/", "crates/testkit/"],
        better: "only `net` opens sockets",
        in_tests: false,
    },
    Banned {
        word: "rusqlite",
        except: &["crates/store/", "xtask/"],
        better: "only `store` has SQL",
        in_tests: false,
    },
    Banned {
        word: "#[ignore",
        except: &["xtask/"],
        better: "a test runs, or is not there",
        in_tests: true,
    },
];

/// Checks all files.
pub(super) fn check(sources: &[Source], findings: &mut Vec<String>) {
    for source in sources {
        shape(source, findings);
        words(source, findings);
    }
}

fn shape(source: &Source, findings: &mut Vec<String>) {
    let path = &source.path;
    if !source.text.starts_with("//!") {
        findings.push(format!("{path}:1: does not begin by saying what it is for (`//!`)"));
    }
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!("{path}: {lines} lines; past {LINES_MAX} it wants to be two files"));
    }
    for (line, number) in source.text.lines().zip(1..) {
        if line.chars().count() > LINE_MAX {
            findings.push(format!("{path}:{number}: longer than {LINE_MAX} characters"));
        }
    }
}

/// Where the word for an address is that of a standard: an element of DMARC reports.
const REPORTS: &str = "crates/mailauth/src/report/";

fn words(source: &Source, findings: &mut Vec<String>) {
    let path = &source.path;
    let mut in_tests = source.is_test();
    let marker = concat!("TO", "DO");
    for (line, number) in source.text.lines().zip(1..) {
        in_tests |= line.trim() == "#[cfg(test)]";
        if line.contains(marker) && !line.contains('#') {
            findings.push(format!("{path}:{number}: `{marker}` needs the number of an issue"));
        }
        if !in_tests && !line.is_ascii() {
            findings.push(format!("{path}:{number}: not ASCII"));
        }
        let code = line.split("//").next().unwrap_or_default();
        let is_theirs = path.starts_with(REPORTS);
        let mut words = identifiers(code);
        if !is_theirs && words.any(|word| word == "email" || word.starts_with("email_")) {
            findings.push(format!("{path}:{number}: it is called `message` or `address` here"));
        }
        for rule in &BANNED {
            let fine = rule.except.iter().any(|start| path.starts_with(start));
            if !fine && (rule.in_tests || !in_tests) && code.contains(rule.word) {
                findings.push(format!("{path}:{number}: `{}`: {}", rule.word, rule.better));
            }
        }
    }
}

/// The words of a line of code, those inside string literals left out.
fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    code.split('"').step_by(2).flat_map(|part| {
        part.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        check(&[source], &mut findings);
        findings
    }

    #[test]
    fn a_clean_file_has_no_findings() {
        assert!(findings("crates/a/src/lib.rs", "//! A.\n\nfn a() {}\n").is_empty());
    }

    #[test]
    fn each_rule_finds_what_it_is_for() {
        let long = "x".repeat(101);
        let todo = concat!("// TO", "DO later");
        for line in [
            long.as_str(),
            todo,
            "let email = 1;",
            "let now = SystemTime::now();",
            "let \u{e4} = 1;",
            "println!(\"x\");",
        ] {
            let text = format!("//! A.\n{line}\n");
            assert_eq!(findings("crates/a/src/lib.rs", &text).len(), 1, "{line}");
        }
        assert_eq!(findings("crates/a/src/lib.rs", "fn a() {}\n").len(), 1);
        assert!(findings("crates/a/src/lib.rs", "//! A.\nlet x = \"email\";\n").is_empty());
    }
}
