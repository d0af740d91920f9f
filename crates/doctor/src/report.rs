//! What an examination says: checks in sections, as text for people and as JSON for programs.
//!
//! The JSON form and the exit codes are promises to scripts; the text is for people and may change.

mod text;

use serde::Serialize;

/// Characters of what came back that are told.
const FOUND_MAX: usize = 2000;

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Right,
    /// Nobody can tell from here.
    CannotKnow,
    /// It works, and is better mended.
    Warning,
    /// Mail is lost, late or refused because of it.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A constant name, such as `smtp.starttls`.
    pub id: &'static str,
    /// What was looked at, in a word or three.
    pub title: String,
    /// What it came to.
    pub verdict: Verdict,
    /// What was tried.
    pub tried: String,
    /// What came back.
    pub found: String,
    /// What that means; empty when all is well.
    pub means: String,
    /// What to do about it; empty when there is nothing to do.
    pub mend: String,
}

impl Check {
    /// A check that found what it should.
    pub fn right(id: &'static str, title: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(id, title, Verdict::Right, found)
    }

    /// A check that found something that is better mended.
    pub fn warning(id: &'static str, title: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(id, title, Verdict::Warning, found)
    }

    /// A check that found what is wrong.
    pub fn wrong(id: &'static str, title: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(id, title, Verdict::Wrong, found)
    }

    /// A check that found out nothing.
    pub fn unknown(id: &'static str, title: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(id, title, Verdict::CannotKnow, found)
    }

    fn new(
        id: &'static str,
        title: impl Into<String>,
        verdict: Verdict,
        found: impl Into<String>,
    ) -> Self {
        Self {
            id,
            title: title.into(),
            verdict,
            tried: String::new(),
            found: clipped(found.into()),
            means: String::new(),
            mend: String::new(),
        }
    }

    /// Says what was tried.
    #[must_use]
    pub fn tried(mut self, text: impl Into<String>) -> Self {
        self.tried = text.into();
        self
    }

    /// Says what it means.
    #[must_use]
    pub fn means(mut self, text: impl Into<String>) -> Self {
        self.means = text.into();
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn mend(mut self, text: impl Into<String>) -> Self {
        self.mend = text.into();
        self
    }
}

/// A text that is not without end, as hosts and messages choose some.
fn clipped(text: String) -> String {
    match text.char_indices().nth(FOUND_MAX) {
        Some((end, _)) => format!("{} ...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// For a terminal: without control characters and what turns the direction of text.
pub fn printable(text: &str) -> String {
    text::printable(text)
}

/// Checks about one thing, such as one port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Section {
    /// What they are about.
    pub title: String,
    /// The checks, in the order they were made.
    pub checks: Vec<Check>,
    /// What is within it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Self>,
    /// What was said on the wire, without secrets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub conversation: String,
}

impl Section {
    /// A section without a check yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds a check.
    pub fn push(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// All checks, those of inner sections, too.
    pub fn all(&self) -> impl Iterator<Item = &Check> {
        let mut open = vec![self];
        std::iter::from_fn(move || {
            let section = open.pop()?;
            open.extend(section.sections.iter().rev());
            Some(section.checks.iter())
        })
        .flatten()
    }

    /// The worst verdict within.
    pub fn worst(&self) -> Verdict {
        self.all().map(|check| check.verdict).max().unwrap_or(Verdict::Right)
    }
}

/// A whole examination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was examined.
    pub subject: String,
    /// The worst verdict of all checks.
    pub verdict: Verdict,
    /// Whether enough could be looked at to say so.
    pub examined: bool,
    /// What was looked at.
    pub sections: Vec<Section>,
}

impl Report {
    /// Gathers sections. `examined` is false when what matters could not be looked at.
    pub fn new(subject: impl Into<String>, sections: Vec<Section>, examined: bool) -> Self {
        let worst = sections.iter().map(Section::worst).max().unwrap_or(Verdict::Right);
        Self { subject: subject.into(), verdict: worst, examined, sections }
    }

    /// All checks.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.sections.iter().flat_map(Section::all)
    }

    /// The exit code of a command that tells this: 0 when nothing is wrong, 1 when something is, 2
    /// when it could not be examined.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Wrong => 1,
            _ if !self.examined => 2,
            _ => 0,
        }
    }

    /// For people: what is right on a line, anything else with what to do about it. `whole` tells
    /// everything of every check, and what was said on the wire.
    pub fn text(&self, whole: bool) -> String {
        text::text(self, whole)
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: Vec<Check>, examined: bool) -> Report {
        let inner = Section { checks, ..Section::new("port 25") };
        let outer = Section { sections: vec![inner], ..Section::new("mx.example") };
        Report::new("mx.example", vec![outer], examined)
    }

    #[test]
    fn the_exit_code_follows_the_worst_check() {
        let right = || Check::right("a", "A", "found");
        for (checks, examined, code) in [
            (vec![], true, 0),
            (vec![right()], true, 0),
            (vec![right(), Check::warning("b", "B", "found")], true, 0),
            (vec![right(), Check::unknown("b", "B", "found")], true, 0),
            (vec![Check::unknown("b", "B", "found")], false, 2),
            (vec![Check::wrong("b", "B", "found"), right()], true, 1),
            (vec![Check::wrong("b", "B", "found")], false, 1),
        ] {
            assert_eq!(report(checks.clone(), examined).exit_code(), code, "{checks:?}");
        }
    }

    #[test]
    fn what_came_back_has_an_end() {
        let found = Check::right("a", "A", "\u{e4}".repeat(1_000_000)).found;
        assert_eq!(found.chars().count(), FOUND_MAX + 4);
        assert_eq!(Check::right("a", "A", "b").found, "b");
    }

    #[test]
    fn json_has_constant_names() {
        let check = Check::unknown("port.open", "Port", "no answer").tried("a connection");
        let json = report(vec![check], false).json();
        assert_eq!(json["verdict"], "cannot-know");
        let check = &json["sections"][0]["sections"][0]["checks"][0];
        assert_eq!(check["id"], "port.open");
        assert_eq!((&check["tried"], &check["mend"]), (&"a connection".into(), &"".into()));
    }
}
