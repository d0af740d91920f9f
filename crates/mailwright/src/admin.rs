//! Commands on a server's data, the same in the running server and on the opened store.

mod account;
mod alias;
mod audit;
mod block;
mod doctor;
mod domain;
mod events;
mod give;
mod inbox;
mod inspect;
mod message;
mod queue;
mod records;
mod report;
pub(crate) mod sendmail;
mod snapshot;
mod take;
mod tls;

use mailwright_directory::DirectoryError;
use mailwright_store::StoreError;
use mailwright_words::{Address, Id, Timestamp};
use serde::Serialize;

pub(crate) use sendmail::local_client;

use crate::{Failure, cli::AdminCommand, console::Console, office::Office};

/// Carries out a command.
///
/// Errors: what was wrong, in a sentence for the person who gave it.
pub(crate) async fn run(
    command: AdminCommand,
    office: &Office,
    console: &mut Console,
) -> Result<(), Failure> {
    if let Some(told) = audit::told(&command) {
        office.directory.audit(("admin", "command line", ""), told, office.now()).await;
    }
    carry_out(command, office, console).await
}

#[expect(clippy::cognitive_complexity, reason = "one line for each command")]
async fn carry_out(
    command: AdminCommand,
    office: &Office,
    console: &mut Console,
) -> Result<(), Failure> {
    match command {
        AdminCommand::Domain(command) => domain::run(command, office, console).await,
        AdminCommand::Account(command) => account::run(command, office, console).await,
        AdminCommand::Alias(command) => alias::run(command, office, console).await,
        AdminCommand::Block(command) => block::run(command, office, console).await,
        AdminCommand::Audit(command) => audit::run(command, office, console).await,
        AdminCommand::Inbox(command) => inbox::run(command, office, console).await,
        AdminCommand::Message(command) => message::run(command, office, console).await,
        AdminCommand::Queue(command) => queue::run(command, office, console).await,
        AdminCommand::Events { hours, json } => events::run((hours, json), office, console).await,
        AdminCommand::Doctor(doctor) => doctor::run(*doctor, office, console).await,
        AdminCommand::Report(command) => report::run(command, office, console).await,
        AdminCommand::Tls(command) => tls::run(command, office, console).await,
        AdminCommand::Take { address, again } => {
            take::run((&address, again), office, console).await
        }
        AdminCommand::Give { address, folder } => {
            give::run(&address, folder.as_deref(), office, console).await
        }
        AdminCommand::Snapshot => snapshot::run(office, console).await,
        AdminCommand::Sendmail(command) => sendmail::run(command, office, console).await,
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        match &error {
            DirectoryError::Store(store) => stored(store),
            _ => Self::new(error.to_string()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        stored(&error)
    }
}

fn stored(error: &StoreError) -> Failure {
    match error {
        StoreError::Missing(what) => Failure::new(format!("there is no such {what}")),
        StoreError::Exists(what) => Failure::new(format!("this {what} is there already")),
        other => Failure::of("the store", other),
    }
}

/// Reads an address that a person gave.
fn address(text: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|error| Failure::of(&format!("{text:?} is no address"), &error))
}

/// Reads an id that a person gave.
fn id(text: &str) -> Result<Id, Failure> {
    text.parse().map_err(|error| Failure::of(&format!("{text:?} is no id"), &error))
}

/// A time in JSON.
fn time(at: Timestamp) -> String {
    at.rfc3339()
}

/// Prints rows as one JSON array.
async fn json<T: Serialize>(console: &Console, rows: &[T]) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(rows).map_err(|error| Failure::of("JSON", &error))?;
    Ok(console.line(&text).await?)
}

/// Prints rows in columns, as wide as they need to be.
async fn table(console: &Console, rows: &[Vec<String>]) -> Result<(), Failure> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        console.line(line.trim_end()).await?;
    }
    Ok(())
}

/// Waits for the disk where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| Failure::of("reading the store", &error))??)
}
