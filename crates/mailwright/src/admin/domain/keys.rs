//! `mailwright domain keys`, `rotate` and `import-key`.

use mailwright_directory::{Key, KeyState};
use serde::Serialize;

use super::{super::json, ours, table, time};
use crate::{Failure, console::Console, office::Office};

/// Octets of a key that is read.
const KEY_MAX: usize = 64 * 1024;

#[derive(Serialize)]
pub(super) struct Row {
    selector: String,
    algorithm: String,
    state: &'static str,
    created: String,
    changed: String,
    name: String,
    record: String,
}

pub(super) fn row(key: &Key) -> Row {
    Row {
        selector: key.selector.clone(),
        algorithm: key.algorithm.clone(),
        state: key.state.as_str(),
        created: time(key.created),
        changed: time(key.changed),
        name: key.name(),
        record: key.record.clone(),
    }
}

pub(super) async fn list(
    name: &str,
    as_json: bool,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    let domain = ours(name, office).await?;
    let mut keys = office.directory.keys().await?;
    keys.retain(|key| key.domain == domain.as_str());
    if as_json {
        return json(console, &keys.iter().map(row).collect::<Vec<_>>()).await;
    }
    let line = |key: &Key| {
        let advice = match key.state {
            KeyState::Pending => "signs once its record is found",
            KeyState::Active => "signs",
            KeyState::Old => "its record has to stay",
            KeyState::Retired => "its record may go",
        };
        vec![key.selector.clone(), key.state.as_str().to_owned(), advice.to_owned()]
    };
    table(console, &keys.iter().map(line).collect::<Vec<_>>()).await
}

pub(super) async fn rotate(
    name: &str,
    activate: bool,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    let domain = ours(name, office).await?;
    if activate {
        let count = office.directory.activate_keys(&domain, office.now()).await?;
        if count == 0 {
            return Err(Failure::new(format!("no key of {domain} waits; make some first")));
        }
        return list(name, false, office, console).await;
    }
    office.directory.make_keys(&domain, office.now()).await?;
    let keys = office.directory.keys().await?;
    let waits = |key: &&Key| key.domain == domain.as_str() && key.state == KeyState::Pending;
    let line = |key: &Key| vec![key.name(), "TXT".to_owned(), key.record.clone()];
    let lines: Vec<Vec<String>> = keys.iter().filter(waits).map(line).collect();
    console.line("set these records in the DNS; the keys sign once they are found:").await?;
    table(console, &lines).await
}

pub(super) async fn import(
    name: &str,
    selector: &str,
    office: &Office,
    console: &mut Console,
) -> Result<(), Failure> {
    let domain = ours(name, office).await?;
    let mut pem = Vec::new();
    loop {
        let chunk = console.read().await?;
        pem.extend_from_slice(&chunk);
        if chunk.is_empty() || pem.len() > KEY_MAX {
            break;
        }
    }
    let pem = String::from_utf8_lossy(&pem);
    office.directory.import_key(&domain, selector, &pem, office.now()).await?;
    list(name, false, office, console).await
}
