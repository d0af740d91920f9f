//! Reports as XML in the manner of `JUnit`, which build servers show as tests: a suite a message,
//! a case a demand.

use std::fmt::Write as _;

use super::{Demand, Report};

/// The reports of messages, each with its name, under these demands.
pub fn junit(reports: &[(String, Report)], demands: &[Demand]) -> String {
    let mut suites = String::new();
    let (mut tests, mut failures) = (0, 0);
    for (name, report) in reports {
        let (cases, failed) = cases(name, report, demands);
        let count = demands.len().max(1);
        (tests, failures) = (tests + count, failures + failed);
        write!(
            suites,
            "  <testsuite name=\"{}\" tests=\"{count}\" failures=\"{failed}\" errors=\"0\" \
             skipped=\"0\">\n{cases}    <system-out>{}</system-out>\n  </testsuite>\n",
            escaped(name),
            escaped(&report.text())
        )
        .unwrap_or_default();
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"mailwright check\" \
         tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">\n{suites}</testsuites>\n"
    )
}

fn cases(name: &str, report: &Report, demands: &[Demand]) -> (String, usize) {
    let (mut cases, mut failed) = (String::new(), 0);
    let class = escaped(name);
    if demands.is_empty() {
        writeln!(cases, "    <testcase classname=\"{class}\" name=\"checked\"/>")
            .unwrap_or_default();
    }
    for demand in demands {
        let what = escaped(&demand.to_string());
        write!(cases, "    <testcase classname=\"{class}\" name=\"{what}\"").unwrap_or_default();
        match demand.failure(report) {
            None => cases.push_str("/>\n"),
            Some(why) => {
                failed += 1;
                let why = escaped(&why);
                writeln!(cases, ">\n      <failure message=\"{why}\"/>\n    </testcase>")
                    .unwrap_or_default();
            }
        }
    }
    (cases, failed)
}

/// Text that stays text in XML 1.0, which has no way to write most controls.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
