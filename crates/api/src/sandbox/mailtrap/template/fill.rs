//! Fills a template with values: the part of Handlebars that templates of mail use.
//!
//! `{{name}}` and `{{a.b}}` stand for a value, escaped in HTML; `{{{name}}}` for it as it is;
//! `{{#if}}`, `{{#unless}}`, `{{#each}}` and `{{#with}}` end with `{{/..}}` and may have an
//! `{{else}}`; `{{! }}` is nothing. A value that is missing is nothing, too. Depth, steps and
//! length are bounded, since templates and values come from whoever asks.

use serde_json::Value;

/// Sections within sections.
const DEPTH_MAX: usize = 20;
/// Pieces that are looked at to fill one template.
const STEPS_MAX: usize = 200_000;

/// What is wrong with a template.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error("the template has a {{{{ without its end")]
    Open,
    #[error("the template has no {{{{/{0}}}}}")]
    Unclosed(String),
    #[error("the template has a {{{{/{0}}}}} without its begin")]
    Closes(String),
    #[error("the template has {{{{{0}}}}}, which is not known here")]
    Unknown(String),
    #[error("the template is too deep, too long, or takes too long")]
    TooMuch,
}

/// A piece of a template.
#[derive(Debug)]
enum Piece {
    Text(String),
    Value { path: String, is_raw: bool },
    Section { kind: Kind, path: String, then: Vec<Self>, otherwise: Vec<Self> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    If,
    Unless,
    Each,
    With,
}

impl Kind {
    const ALL: [(&'static str, Self); 4] =
        [("if", Self::If), ("unless", Self::Unless), ("each", Self::Each), ("with", Self::With)];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// Fills a template; values are escaped where they go into HTML.
///
/// Errors: [`Wrong`].
pub(super) fn fill(
    template: &str,
    values: &Value,
    (is_html, length_max): (bool, usize),
) -> Result<String, Wrong> {
    let mut reader = Reader { rest: template };
    let (pieces, end) = reader.pieces(0)?;
    if let Some(end) = end {
        return Err(Wrong::Closes(end));
    }
    let mut filler = Filler { output: String::new(), steps: 0, is_html, length_max };
    filler.fill(&pieces, &[values], None)?;
    Ok(filler.output)
}

struct Reader<'a> {
    rest: &'a str,
}

/// What stands between braces.
struct Tag<'a> {
    text: &'a str,
    is_raw: bool,
}

impl<'a> Reader<'a> {
    /// The text up to the next tag, and the tag, if there is one.
    fn next(&mut self) -> Result<(&'a str, Option<Tag<'a>>), Wrong> {
        let Some((before, behind)) = self.rest.split_once("{{") else {
            return Ok((std::mem::take(&mut self.rest), None));
        };
        let (is_raw, inner, end) = match behind.strip_prefix('{') {
            Some(inner) => (true, inner, "}}}"),
            None => (false, behind, "}}"),
        };
        let (text, rest) = inner.split_once(end).ok_or(Wrong::Open)?;
        self.rest = rest;
        Ok((before, Some(Tag { text: text.trim(), is_raw })))
    }

    /// The pieces up to the end of a section, `else`, or the end of all; and which it was.
    fn pieces(&mut self, depth: usize) -> Result<(Vec<Piece>, Option<String>), Wrong> {
        if depth > DEPTH_MAX {
            return Err(Wrong::TooMuch);
        }
        let mut all = Vec::new();
        loop {
            let (text, tag) = self.next()?;
            if !text.is_empty() {
                all.push(Piece::Text(text.to_owned()));
            }
            let Some(Tag { text, is_raw }) = tag else { return Ok((all, None)) };
            if is_raw {
                all.push(Piece::Value { path: path(text)?, is_raw });
            } else if let Some(end) = text.strip_prefix('/') {
                return Ok((all, Some(end.trim().to_owned())));
            } else if text == "else" || text == "^" {
                return Ok((all, Some("else".to_owned())));
            } else if let Some(begin) = text.strip_prefix('#') {
                all.push(self.section(begin.trim(), depth)?);
            } else if let Some(raw) = text.strip_prefix('&') {
                all.push(Piece::Value { path: path(raw.trim())?, is_raw: true });
            } else if !text.starts_with('!') {
                all.push(Piece::Value { path: path(text)?, is_raw: false });
            }
        }
    }

    fn section(&mut self, begin: &str, depth: usize) -> Result<Piece, Wrong> {
        let unknown = || Wrong::Unknown(format!("#{begin}"));
        let (word, of) = begin.split_once(char::is_whitespace).ok_or_else(unknown)?;
        let found = Kind::ALL.iter().find(|(own, _)| *own == word);
        let kind = found.map(|(_, kind)| *kind).ok_or_else(unknown)?;
        let of = path(of.trim())?;
        let (then, mut end) = self.pieces(depth + 1)?;
        let mut otherwise = Vec::new();
        if end.as_deref() == Some("else") {
            (otherwise, end) = self.pieces(depth + 1)?;
        }
        match end {
            Some(end) if end == kind.word() => {
                Ok(Piece::Section { kind, path: of, then, otherwise })
            }
            Some(end) => Err(Wrong::Closes(end)),
            None => Err(Wrong::Unclosed(kind.word().to_owned())),
        }
    }
}

/// A path to a value: names with dots between them.
fn path(text: &str) -> Result<String, Wrong> {
    let is_name = |c: char| c.is_alphanumeric() || "_-.@/".contains(c);
    let is_path = !text.is_empty() && text.chars().all(is_name);
    if is_path { Ok(text.to_owned()) } else { Err(Wrong::Unknown(text.to_owned())) }
}

struct Filler {
    output: String,
    steps: usize,
    is_html: bool,
    length_max: usize,
}

impl Filler {
    fn fill(
        &mut self,
        pieces: &[Piece],
        scope: &[&Value],
        index: Option<usize>,
    ) -> Result<(), Wrong> {
        for piece in pieces {
            self.steps += 1;
            if self.steps > STEPS_MAX || self.output.len() > self.length_max {
                return Err(Wrong::TooMuch);
            }
            match piece {
                Piece::Text(text) => self.output.push_str(text),
                Piece::Value { path, .. } if path == "@index" => {
                    self.output.push_str(&index.map(|index| index.to_string()).unwrap_or_default());
                }
                Piece::Value { path, is_raw } => {
                    let text = found(path, scope).map(shown).unwrap_or_default();
                    let is_raw = *is_raw || !self.is_html;
                    self.output.push_str(&if is_raw { text } else { escaped(&text) });
                }
                Piece::Section { kind, path, then, otherwise } => {
                    let value = found(path, scope);
                    self.section(*kind, value, (then, otherwise), (scope, index))?;
                }
            }
        }
        Ok(())
    }

    fn section(
        &mut self,
        kind: Kind,
        value: Option<&Value>,
        (then, otherwise): (&[Piece], &[Piece]),
        (scope, index): (&[&Value], Option<usize>),
    ) -> Result<(), Wrong> {
        let value = value.filter(|value| holds(value));
        match (kind, value) {
            (Kind::If, Some(_)) | (Kind::Unless, None) => self.fill(then, scope, index),
            (Kind::With, Some(value)) => self.fill(then, &[scope, &[value]].concat(), index),
            (Kind::Each, Some(value)) => {
                let members: Vec<&Value> = match value {
                    Value::Array(all) => all.iter().collect(),
                    Value::Object(all) => all.values().collect(),
                    _ => Vec::new(),
                };
                for (index, member) in members.into_iter().enumerate() {
                    self.steps += 1;
                    if self.steps > STEPS_MAX {
                        return Err(Wrong::TooMuch);
                    }
                    self.fill(then, &[scope, &[member]].concat(), Some(index))?;
                }
                Ok(())
            }
            _ => self.fill(otherwise, scope, index),
        }
    }
}

/// The value at a path, looked for in what is closest; `../` looks one further out.
fn found<'a>(path: &str, scope: &[&'a Value]) -> Option<&'a Value> {
    let (mut path, mut depth) = (path, scope.len());
    while let Some(rest) = path.strip_prefix("../") {
        (path, depth) = (rest, depth.checked_sub(1)?);
    }
    let own = scope.get(..depth)?.last()?;
    let path = path.strip_prefix("this").map_or(path, |rest| rest.trim_start_matches(['.', '/']));
    let mut value: &Value = own;
    for name in path.split(['.', '/']).filter(|name| !name.is_empty()) {
        value = match value {
            Value::Array(all) => all.get(name.parse::<usize>().ok()?)?,
            other => other.get(name)?,
        };
    }
    Some(value)
}

/// Whether a value counts as true.
fn holds(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(_) => true,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => all.push_str("&amp;"),
            '<' => all.push_str("&lt;"),
            '>' => all.push_str("&gt;"),
            '"' => all.push_str("&quot;"),
            '\'' => all.push_str("&#x27;"),
            '`' => all.push_str("&#x60;"),
            '=' => all.push_str("&#x3D;"),
            other => all.push(other),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str) -> Result<String, Wrong> {
        let values = json!({
            "name": "<Ann> & co", "n": 3, "zero": 0, "no": false, "none": [],
            "user": { "first": "Ann" },
            "items": [{ "what": "a", "parts": ["x", "y"] }, { "what": "b", "parts": [] }],
        });
        fill(template, &values, (true, 10_000))
    }

    #[test]
    fn values_and_sections_are_filled() {
        for (template, wanted) in [
            ("plain } text {", "plain } text {"),
            ("Hi {{name}}", "Hi &lt;Ann&gt; &amp; co"),
            ("Hi {{{ name }}}, {{&name}}", "Hi <Ann> & co, <Ann> & co"),
            ("{{ user.first }}{{missing}}{{user.none}}{{! said }}{{n}}", "Ann3"),
            ("{{#if n}}yes{{else}}no{{/if}}{{#if zero}}yes{{else}}no{{/if}}", "yesno"),
            ("{{#unless no}}a{{/unless}}{{#unless n}}b{{/unless}}", "a"),
            (
                "{{#each items}}{{@index}}{{what}}{{#each parts}}{{this}}{{/each}}{{/each}}",
                "0axy1b",
            ),
            ("{{#each none}}x{{else}}empty{{/each}}", "empty"),
            ("{{#each items}}{{../n}}{{/each}}", "33"),
            ("{{#with user}}{{first}}{{/with}}{{items.1.what}}", "Annb"),
        ] {
            assert_eq!(filled(template).as_deref(), Ok(wanted), "{template}");
        }
        assert_eq!(fill("{{a}}", &json!({ "a": "<b>" }), (false, 100)).as_deref(), Ok("<b>"));
    }

    #[test]
    fn what_is_wrong_is_said_and_what_is_endless_ends() {
        for (template, wanted) in [
            ("{{a", Wrong::Open),
            ("{{{a}}", Wrong::Open),
            ("{{#if a}}x", Wrong::Unclosed("if".to_owned())),
            ("{{/if}}", Wrong::Closes("if".to_owned())),
            ("{{else}}", Wrong::Closes("else".to_owned())),
            ("{{#if a}}x{{/each}}", Wrong::Closes("each".to_owned())),
            ("{{#odd a}}x{{/odd}}", Wrong::Unknown("#odd a".to_owned())),
            ("{{> partial}}", Wrong::Unknown("> partial".to_owned())),
        ] {
            assert_eq!(filled(template), Err(wanted), "{template}");
        }
        let deep = "{{#if n}}".repeat(100);
        assert_eq!(filled(&deep), Err(Wrong::TooMuch));
        let many = json!({ "a": vec![0; 2000] });
        let template = "{{#each a}}{{#each ../a}}{{#each ../../a}}{{/each}}{{/each}}{{/each}}";
        assert_eq!(fill(template, &many, (true, 100)), Err(Wrong::TooMuch));
        let long = "{{#each a}}0123456789{{/each}}";
        assert_eq!(fill(long, &many, (true, 100)), Err(Wrong::TooMuch));
    }
}
