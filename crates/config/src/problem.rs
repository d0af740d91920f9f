//! What is wrong with a configuration: where, and what would be right.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use toml::de::{DeTable, DeValue};

/// Why a configuration cannot be used. Its text is for the operator, and may have many lines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file says something that cannot be.
    #[error("{report}")]
    File {
        /// File, line, column, field and what would be right, with the line shown.
        report: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// Path of the field, such as `server.hostname`; empty when the text is no TOML.
        field: String,
    },
    /// A variable of the environment or a flag says something that cannot be.
    #[error("{origin}: {message}")]
    Override {
        /// Name of the variable or flag.
        origin: String,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// Settings that cannot go together, none of them in a file.
    #[error("{field}: {message}")]
    Setting {
        /// Path of the field.
        field: String,
        /// What is wrong, and what would be right.
        message: String,
    },
}

/// A file's text, to find fields in it and to show them.
pub(crate) struct Text<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl Text<'_> {
    /// What the TOML reader found wrong.
    pub(crate) fn malformed(&self, error: &toml::de::Error) -> Problem {
        let span = error.span().unwrap_or(0..0);
        let field = self.field_at(&span).unwrap_or_default();
        let (message, help) = explain(error.message());
        self.problem(span, field, &message, help.as_deref())
    }

    /// What the check found wrong with the value of `field`; `None` when the file does not set it.
    pub(crate) fn unfit(&self, field: &str, message: &str) -> Option<Problem> {
        let span = self.span_of(field)?;
        Some(self.problem(span, field.to_owned(), message, None))
    }

    fn problem(
        &self,
        span: Range<usize>,
        field: String,
        text: &str,
        help: Option<&str>,
    ) -> Problem {
        let (line, column) = self.position(span.start);
        let title = if field.is_empty() { text.to_owned() } else { format!("{field}: {text}") };
        let path = self.path.display().to_string();
        let snippet = Snippet::source(self.text)
            .path(path)
            .annotation(AnnotationKind::Primary.span(span).label(help.unwrap_or("here")));
        let group = Level::ERROR.primary_title(title).element(snippet);
        let report = Renderer::plain().render(&[group]);
        Problem::File { report, line, column, field }
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        (line, column)
    }

    fn span_of(&self, field: &str) -> Option<Range<usize>> {
        let document = DeTable::parse(self.text).ok()?;
        let mut table = document.get_ref();
        let mut found = None;
        for name in field.split('.') {
            let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
            found = Some(if matches!(value.get_ref(), DeValue::Table(_)) {
                key.span()
            } else {
                value.span()
            });
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        found
    }

    fn field_at(&self, span: &Range<usize>) -> Option<String> {
        let document = DeTable::parse(self.text).ok()?;
        let mut deepest = None;
        visit(document.get_ref(), "", &mut |path, key, value| {
            let holds = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
            if holds(&key) || holds(&value) {
                deepest = Some(path.to_owned());
            }
        });
        deepest
    }
}

fn visit(
    table: &DeTable<'_>,
    above: &str,
    each: &mut impl FnMut(&str, Range<usize>, Range<usize>),
) {
    for (key, value) in table {
        let path = match above {
            "" => key.get_ref().to_string(),
            _ => format!("{above}.{}", key.get_ref()),
        };
        each(&path, key.span(), value.span());
        if let DeValue::Table(inner) = value.get_ref() {
            visit(inner, &path, each);
        }
    }
}

/// A message for people of what serde said, and the nearest name when one was unknown.
pub(crate) fn explain(message: &str) -> (String, Option<String>) {
    let unknown = ["unknown field `", "unknown variant `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split_once('`'));
    let Some((given, rest)) = unknown else {
        return (message.to_owned(), None);
    };
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let mut text = format!("`{given}` is not known here");
    let near = nearest(given, &known);
    let help = near.map(|name| format!("did you mean `{name}`?"));
    match &help {
        Some(help) => write!(text, "; {help}"),
        None => write!(text, "; known are {}", known.join(", ")),
    }
    .unwrap_or_default();
    (text, help)
}

/// The name among `known` that `given` most likely stands for.
fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|name| (distance(&given, name), *name))
        .min()
        .filter(|(steps, name)| *steps <= 1 + name.len() / 3)
        .map(|(_, name)| name)
}

/// How many letters have to change to make `left` into `right`.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut next = vec![above + 1];
        for ((other, diagonal), up) in right.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            let swap = diagonal + usize::from(*other != letter);
            next.push(swap.min(up + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        assert_eq!(nearest("hostnam", &["data", "hostname", "user"]), Some("hostname"));
        assert_eq!(nearest("message-size-max", &["message_size_max"]), Some("message_size_max"));
        assert_eq!(nearest("zebra", &["data", "hostname"]), None);
    }
}
