//! The reference page of the configuration, made from the types' doc comments.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::{Config, load, reload};

const HEAD: &str = "# Configuration\n
<!-- Made by `cargo xtask docs` from crates/config. Do not edit. -->\n
One TOML file, given with `--config`. Without one, the defaults below stand: a server for this
machine alone. A field of the file is overridden by an environment variable that is named after
its section and field, `MAILWRIGHT_SERVER__HOSTNAME` for `hostname` in `[server]`; flags override
both. `mailwright config check` says what is wrong with a file, `mailwright config show` what is in
force.\n
SIGHUP has a running server read its configuration again. What changed takes effect at once, for
new sessions and attempts; a field marked *restart* keeps its value until the server is started
again, as does a listener that came or went, and the log names each. A file with an error changes
nothing.\n
A duration is written `\"30s\"`, `\"5m\"`, `\"1h30m\"` or `\"5d\"`; a size `\"25 MiB\"`,
`\"64 KiB\"` or as a number of octets; a network `\"192.0.2.0/24\"` or as one address.\n";

/// Renders `docs/reference/config.md`.
pub fn docs() -> String {
    let schema = schemars::schema_for!(Config).to_value();
    let mut page = HEAD.to_owned();
    for (name, property) in properties(&schema) {
        section(&mut page, &schema, name, property);
    }
    page.push_str("\n## All defaults\n\n```toml\n");
    page.push_str(&load::show(&Config::default()));
    page.push_str("```\n");
    page
}

fn section(page: &mut String, schema: &Value, name: &str, property: &Value) {
    let inner = property.get("additionalProperties");
    let heading = if inner.is_some() { format!("{name}.NAME") } else { name.to_owned() };
    write!(page, "\n## `[{heading}]`\n\n{}\n", flow(property)).unwrap_or_default();
    let mut path = vec![name];
    path.extend(inner.map(|_| "*"));
    fields(page, schema, resolve(schema, inner.unwrap_or(property)), &path);
    for nested in nested_tables(schema, resolve(schema, inner.unwrap_or(property))) {
        let (title, table) = nested;
        write!(page, "\n### `{title}` of `[{heading}]`\n\n{}\n", flow(table)).unwrap_or_default();
        fields(page, schema, table, &[]);
    }
}

fn fields(page: &mut String, schema: &Value, table: &Value, path: &[&str]) {
    page.push('\n');
    for (name, field) in properties(table) {
        let kind = kind(schema, field);
        let waits = reload::needs_restart(&[path, &[name]].concat());
        let mark = if waits { ", *restart*" } else { "" };
        writeln!(page, "- **`{name}`** ({kind}{mark}). {}", flow(field)).unwrap_or_default();
    }
}

/// Tables inside the fields of `table`, by field; several fields of one kind share an entry.
fn nested_tables<'a>(schema: &'a Value, table: &'a Value) -> Vec<(String, &'a Value)> {
    let mut found: Vec<(String, &Value)> = Vec::new();
    for (name, field) in properties(table) {
        let inner = field.get("items").or_else(|| field.get("additionalProperties"));
        let target = inner.map(|inner| resolve(schema, inner));
        let Some(target) = target.filter(|target| target.get("properties").is_some()) else {
            continue;
        };
        match found.iter_mut().find(|(_, known)| *known == target) {
            Some((title, _)) => *title = format!("{title}`, `{name}"),
            None => found.push((name.to_owned(), target)),
        }
    }
    found
}

fn properties(table: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let map = table.get("properties").and_then(Value::as_object);
    map.into_iter().flat_map(Map::iter).map(|(name, field)| (name.as_str(), field))
}

fn resolve<'a>(schema: &'a Value, value: &'a Value) -> &'a Value {
    let target = value.get("$ref").and_then(Value::as_str);
    target.and_then(|target| schema.pointer(target.strip_prefix('#')?)).unwrap_or(value)
}

/// The kind of value, in a word.
fn kind(schema: &Value, field: &Value) -> &'static str {
    let field = field.get("anyOf").and_then(|any| any.get(0)).unwrap_or(field);
    let target = resolve(schema, field);
    let named = match target.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        other => other.and_then(Value::as_str),
    };
    match named {
        Some("boolean") => "true or false",
        Some("integer") => "number",
        Some("array") => "list",
        Some("object") => "table",
        _ if target.get("oneOf").is_some() => "one word",
        _ => "text",
    }
}

/// A doc comment as one flowing text.
fn flow(value: &Value) -> String {
    let text = value.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undocumented(schema: &Value, table: &Value, path: &str, found: &mut Vec<String>) {
        for (name, field) in properties(table) {
            if flow(field).is_empty() {
                found.push(format!("{path}.{name}"));
            }
            let inner = field.get("items").or_else(|| field.get("additionalProperties"));
            let target = resolve(schema, inner.unwrap_or(field));
            undocumented(schema, target, &format!("{path}.{name}"), found);
        }
    }

    #[test]
    fn every_field_is_documented() {
        let schema = schemars::schema_for!(Config).to_value();
        let mut found = Vec::new();
        undocumented(&schema, &schema, "", &mut found);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn every_field_says_its_default() {
        let page = docs();
        let fields = page.lines().filter(|line| line.starts_with("- **`"));
        let silent: Vec<_> = fields
            .filter(|line| !line.contains("Default") && !line.contains("Has to be set"))
            .collect();
        assert!(silent.is_empty(), "{silent:#?}");
        assert!(page.contains("**`hostname`** (text)."));
        assert!(page.contains("**`host`** (text)."), "tables inside lists are described");
        assert!(page.contains("**`role`** (one word, *restart*)."), "what waits is marked");
        assert!(page.contains("**`format`** (one word, *restart*)."), "what waits is marked");
    }
}
