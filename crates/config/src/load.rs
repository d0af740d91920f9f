//! Loading: the file, then the environment over it, then flags over both.
//!
//! Each setting of the environment or a flag is laid over alone, so that an error names the one
//! that caused it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::problem::{Text, explain};
use crate::{Config, Problem, check};

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file; without one the defaults stand.
    pub file: Option<PathBuf>,
    /// Variables of the environment; those not named `MAILWRIGHT_SECTION__FIELD` are skipped.
    pub environment: Vec<(String, String)>,
    /// Flags as path and text, such as `("server.data", "/var/lib/mailwright")`.
    pub flags: Vec<(String, String)>,
}

impl Source {
    /// The given file and flags, with the environment of this process.
    pub fn process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, environment, flags }
    }
}

/// The socket of the service manager that started this process, if it wants to be told.
///
/// Source: `sd_notify(3)`.
pub fn notify_socket() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())
}

/// Loads and checks the configuration.
///
/// Errors: a [`Problem`], which names the file, line, column and field or the variable, and what
/// would be right.
pub fn load(source: &Source) -> Result<Config, Problem> {
    let text = match &source.file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| Problem::Unreadable { path: path.clone(), source })?,
        None => String::new(),
    };
    let path = source.file.as_deref().unwrap_or_else(|| Path::new(""));
    let file = Text { path, text: &text };
    let mut config: Config = toml::from_str(&text).map_err(|error| file.malformed(&error))?;
    for (name, value) in &source.environment {
        if let Some(field) = field_of_variable(name) {
            config = overlay(&config, &field, name, value)?;
        }
    }
    for (field, value) in &source.flags {
        config = overlay(&config, field, field, value)?;
    }
    match check::check(&config) {
        Ok(()) => Ok(config),
        Err(unfit) => Err(file
            .unfit(&unfit.field, &unfit.message)
            .unwrap_or(Problem::Setting { field: unfit.field, message: unfit.message })),
    }
}

impl Config {
    /// Checks what was put together otherwise than by [`load`].
    ///
    /// Errors: a [`Problem`], which names the field, and what would be right.
    pub fn check(&self) -> Result<(), Problem> {
        let problem =
            |unfit: check::Unfit| Problem::Setting { field: unfit.field, message: unfit.message };
        check::check(self).map_err(problem)
    }
}

/// The whole configuration as TOML, passwords hidden.
pub fn show(config: &Config) -> String {
    let mut table = table_of(config);
    hide(&mut table);
    toml::to_string_pretty(&table).unwrap_or_default()
}

fn hide(table: &mut Table) {
    for (key, value) in table {
        match value {
            Value::String(text) if key == "password" => "***".clone_into(text),
            Value::Table(inner) => hide(inner),
            Value::Array(items) => {
                items.iter_mut().filter_map(Value::as_table_mut).for_each(hide);
            }
            _ => {}
        }
    }
}

pub(crate) fn table_of(config: &Config) -> Table {
    Table::try_from(config).unwrap_or_default()
}

fn field_of_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix("MAILWRIGHT_")?;
    rest.contains("__").then(|| rest.to_ascii_lowercase().replace("__", "."))
}

/// Sets one field from text. The text is read as TOML where that fits, else as a string.
fn overlay(config: &Config, field: &str, origin: &str, text: &str) -> Result<Config, Problem> {
    let typed = format!("value = {text}").parse::<Table>().ok();
    let typed = typed.and_then(|mut table| table.remove("value"));
    let plain = Value::String(text.to_owned());
    let listed = Value::Array(text.split(',').map(|item| item.trim().into()).collect());
    let mut first = None;
    for value in typed.into_iter().chain([plain, listed]) {
        let mut table = table_of(config);
        let read = match set(&mut table, field, value) {
            Some(()) => Config::deserialize_table(table),
            None => Err(format!("`{field}` is not a field of a section")),
        };
        match read {
            Ok(config) => return Ok(config),
            Err(message) => first = first.or(Some(message)),
        }
    }
    Err(Problem::Override { origin: origin.to_owned(), message: first.unwrap_or_default() })
}

impl Config {
    pub(crate) fn deserialize_table(table: Table) -> Result<Self, String> {
        table.try_into().map_err(|error: toml::de::Error| explain(error.message()).0)
    }
}

/// Puts `value` at `field`. Names of a map are found without regard to case, `-` or `_`.
fn set(table: &mut Table, field: &str, value: Value) -> Option<()> {
    let fold = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let (name, rest) = field.split_once('.').map_or((field, None), |(n, r)| (n, Some(r)));
    let known = table.keys().find(|key| fold(key) == fold(name)).cloned();
    let name = known.unwrap_or_else(|| name.to_owned());
    match rest {
        None => {
            table.insert(name, value);
            Some(())
        }
        Some(rest) => {
            let inner = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            set(inner.as_table_mut()?, rest, value)
        }
    }
}

#[cfg(test)]
mod tests;
