//! A report as people read it, at most 78 columns wide.

use super::{Check, Report, Section, Verdict};

/// Columns of a line.
const WIDTH: usize = 78;
/// Columns in front of a check's sentences.
const INDENT: usize = 14;

pub(super) fn text(report: &Report, whole: bool) -> String {
    let mut out = String::new();
    for section in &report.sections {
        tell(&mut out, section, whole);
    }
    out.push_str(&summary(report));
    out.push('\n');
    out
}

fn tell(out: &mut String, section: &Section, whole: bool) {
    if !section.title.is_empty() {
        out.push_str(&printable(&section.title));
        out.push('\n');
    }
    for check in &section.checks {
        out.push_str(&told(check, whole));
    }
    if whole {
        for line in section.conversation.lines() {
            out.extend(["      | ", &printable(line), "\n"]);
        }
    }
    if !section.checks.is_empty() || !section.title.is_empty() {
        out.push('\n');
    }
    for inner in &section.sections {
        tell(out, inner, whole);
    }
}

/// One check: a line, and what belongs to it.
fn told(check: &Check, whole: bool) -> String {
    let word = match check.verdict {
        Verdict::Right => "ok",
        Verdict::Warning => "warning",
        Verdict::Wrong => "WRONG",
        Verdict::CannotKnow => "unknown",
    };
    let first = format!("{}: {}", check.title, check.found);
    let mut out = wrapped(&format!("  {word:<8}"), 10, &first);
    let rest = [("tried", &check.tried), ("means", &check.means), ("to do", &check.mend)];
    for (name, text) in rest {
        let is_wanted = whole || (check.verdict != Verdict::Right && name != "tried");
        if is_wanted && !text.is_empty() {
            let label = format!("        {name}:");
            out.push_str(&wrapped(&format!("{label:<INDENT$} "), INDENT + 1, text));
        }
    }
    out
}

fn summary(report: &Report) -> String {
    let count = |verdict| report.checks().filter(|check| check.verdict == verdict).count();
    let (wrong, warnings) = (count(Verdict::Wrong), count(Verdict::Warning));
    let unknown = count(Verdict::CannotKnow);
    let mut parts = vec![match wrong {
        0 => "nothing is wrong".to_owned(),
        1 => "one thing is wrong".to_owned(),
        more => format!("{more} things are wrong"),
    }];
    if warnings > 0 {
        parts.push(format!("{warnings} could be better"));
    }
    if unknown > 0 {
        parts.push(format!("{unknown} could not be found out"));
    }
    if wrong == 0 && !report.examined {
        parts = vec!["it could not be examined".to_owned()];
    }
    format!("{}: {}", printable(&report.subject), parts.join(", "))
}

/// Words on lines of the width, those after the first indented.
fn wrapped(start: &str, indent: usize, text: &str) -> String {
    let mut out = start.to_owned();
    let mut column = start.chars().count();
    let text = printable(text);
    let mut is_first = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !is_first && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if !is_first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        is_first = false;
    }
    out.push('\n');
    out
}

/// Without what would move a terminal's cursor, or show words in another order than they have: a
/// host chooses them.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_turning(c) { ' ' } else { c }).collect()
}

/// Whether a character changes the direction of others, or is not to be seen.
/// Source: Unicode Standard Annex 9 section 2.
const fn is_turning(character: char) -> bool {
    let is_mark = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{feff}');
    is_mark || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_says_what_to_do_and_what_is_right_takes_a_line() {
        let checks = vec![
            Check::right("a", "Connection", "to 192.0.2.1 in 3 ms").means("never shown"),
            Check::wrong(
                "b",
                "STARTTLS",
                "the host does not offer it, which is one of the longer sentences",
            )
            .tried("EHLO")
            .means("Passwords would be readable on the way.")
            .mend("Switch it on.\u{1b}[2J\u{202e}"),
        ];
        let section = Section {
            conversation: "S: 220 x\nC: EHLO me".to_owned(),
            checks,
            ..Section::new("mx.example port 587")
        };
        let report = Report::new("mx.example", vec![section], true);
        assert_eq!(
            report.text(false),
            "mx.example port 587\n  ok      Connection: to 192.0.2.1 in 3 ms\n  WRONG   STARTTLS: \
             the host does not offer it, which is one of the longer\n          sentences\n        \
             means: Passwords would be readable on the way.\n        to do: Switch it on. [2J \n\n\
             mx.example: one thing is wrong\n"
        );
        let whole = report.text(true);
        assert!(whole.contains("tried: EHLO") && whole.contains("      | C: EHLO me\n"), "{whole}");
    }
}
