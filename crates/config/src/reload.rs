//! What a reload changes at once, and what waits for a restart.
//!
//! A field either takes effect with the reload, or keeps its old value and is named: nothing is
//! half in force. The list here is the only place that knows which fields wait.

use toml::{Table, Value};

use crate::{Config, load};

/// Fields that take effect at a restart alone; `*` stands for a name.
pub(crate) const RESTART: [&str; 18] = [
    "server.data",
    "server.user",
    "server.group",
    "server.node",
    "http.addresses",
    "https.addresses",
    "acme.http_addresses",
    "log.format",
    "limits.buffered_bodies_max",
    "auth.checks_max",
    "egress.at_once",
    "storage.group_messages_max",
    "storage.group_size_max",
    "storage.segment_size",
    "storage.sync",
    "mailboxes.views_size_max",
    "listeners.*.role",
    "listeners.*.addresses",
];

/// What a reload makes of the configuration in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Reload {
    /// What is in force from now on: the new values, but the old ones of `waiting`.
    pub config: Config,
    /// Fields that changed.
    pub changed: Vec<String>,
    /// Fields that changed and wait for a restart; a listener that came or went among them.
    pub waiting: Vec<String>,
}

impl Config {
    /// What becomes of this configuration when `fresh` is read.
    pub fn reload(&self, fresh: &Self) -> Reload {
        let (old, new) = (load::table_of(self), load::table_of(fresh));
        let mut merge = Merge::default();
        let merged = merge.tables(&old, &new, &mut Vec::new());
        let Merge { mut changed, mut waiting } = merge;
        let Ok(config) = Self::deserialize_table(merged) else {
            // It was made of two sound ones; should it not be sound, all of it waits.
            waiting.append(&mut changed);
            return Reload { config: self.clone(), changed, waiting };
        };
        Reload { config, changed, waiting }
    }
}

/// Whether a change of the field at `path` waits for a restart.
pub(crate) fn needs_restart(path: &[&str]) -> bool {
    // A listener as a whole: one that came or went.
    let is_listener = matches!(path, ["listeners", _]);
    let is = |pattern: &&str| {
        let parts: Vec<&str> = pattern.split('.').collect();
        let same = |(part, name): (&&str, &&str)| *part == "*" || part == name;
        parts.len() == path.len() && parts.iter().zip(path).all(same)
    };
    is_listener || RESTART.iter().any(is)
}

#[derive(Default)]
struct Merge {
    changed: Vec<String>,
    waiting: Vec<String>,
}

impl Merge {
    fn tables<'a>(&mut self, old: &'a Table, new: &'a Table, path: &mut Vec<&'a str>) -> Table {
        let mut merged = Table::new();
        let added = new.keys().filter(|key| !old.contains_key(*key));
        for key in old.keys().chain(added) {
            path.push(key);
            if let Some(value) = self.field(old.get(key), new.get(key), path) {
                merged.insert(key.clone(), value);
            }
            path.pop();
        }
        merged
    }

    fn field<'a>(
        &mut self,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
        path: &mut Vec<&'a str>,
    ) -> Option<Value> {
        if let (Some(Value::Table(old)), Some(Value::Table(new))) = (old, new) {
            return Some(Value::Table(self.tables(old, new, path)));
        }
        if old == new {
            return old.cloned();
        }
        if needs_restart(path) {
            self.waiting.push(path.join("."));
            return old.cloned();
        }
        self.changed.push(path.join("."));
        new.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Listener, Role, Route};

    #[test]
    fn the_same_configuration_changes_nothing() {
        let config = Config::default();
        let reload = config.reload(&config.clone());
        assert_eq!(reload, Reload { config, changed: vec![], waiting: vec![] });
    }

    #[test]
    fn what_can_change_at_once_does_and_the_rest_keeps_its_value_and_is_named() {
        let old = Config::default();
        let mut new = old.clone();
        new.limits.recipients_max = 7;
        new.server.hostname = "mx.example".to_owned();
        new.server.user = Some("mailwright".to_owned());
        new.storage.segment_size = 1 << 20;
        new.routes.insert("*.example.com".to_owned(), Route::default());
        let mta = new.listeners.get_mut("mta").unwrap();
        mta.sessions_max = Some(3);
        mta.role = Role::Msa;
        new.listeners.remove("submission");
        new.listeners.insert("lmtp".to_owned(), Listener::new(Role::Lmtp, vec![]));
        let Reload { config, mut changed, mut waiting } = old.reload(&new);
        changed.sort();
        waiting.sort();
        let named = [
            "limits.recipients_max",
            "listeners.mta.sessions_max",
            "routes.*.example.com",
            "server.hostname",
        ];
        assert_eq!(changed, named);
        let named = [
            "listeners.lmtp",
            "listeners.mta.role",
            "listeners.submission",
            "server.user",
            "storage.segment_size",
        ];
        assert_eq!(waiting, named);
        assert_eq!(config.limits.recipients_max, 7);
        assert_eq!(config.listeners["mta"].sessions_max, Some(3));
        assert_eq!(config.listeners["mta"].role, Role::Mta);
        assert_eq!(config.listeners.len(), old.listeners.len());
        assert_eq!(config.server.user, None);
        assert_eq!(config.storage, old.storage);
        assert!(config.routes.contains_key("*.example.com"));
    }

    #[test]
    fn every_field_that_waits_is_one() {
        let mut all = Config::default();
        all.server.user = Some("a".to_owned());
        all.server.group = Some("a".to_owned());
        let table = load::table_of(&all);
        for pattern in RESTART {
            let mut at = Some(&table);
            let mut parts = pattern.split('.').peekable();
            while let Some(part) = parts.next() {
                let part = if part == "*" { "mta" } else { part };
                let value = at.and_then(|table| table.get(part));
                assert!(value.is_some(), "{pattern}: no {part}");
                at = if parts.peek().is_some() { value.and_then(Value::as_table) } else { None };
            }
        }
    }
}
