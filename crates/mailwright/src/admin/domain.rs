//! `mailwright domain`.

use mailwright_directory::DomainKind;
use mailwright_words::Domain;
use serde::Serialize;

use super::{address, json, records, table, time};
use crate::{Failure, cli::DomainCommand, console::Console, office::Office};

#[derive(Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    catch_all: Option<String>,
    created: String,
}

pub(super) async fn run(
    command: DomainCommand,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    match command {
        DomainCommand::Add { name, backup, catch_all } => {
            let name = domain(&name)?;
            let catch_all = catch_all.as_deref().map(address).transpose()?;
            let kind = if backup { DomainKind::Backup } else { DomainKind::Local };
            office.directory.add_domain(&name, kind, office.now()).await?;
            if let Some(target) = catch_all {
                office.directory.set_catch_all(&name, Some(&target)).await?;
            }
            Ok(console.line(&format!("added {name}")).await?)
        }
        DomainCommand::List { json } => list(office, console, json).await,
        DomainCommand::Records { name, zone } => print_records(&name, zone, office, console).await,
        DomainCommand::Remove { name } => {
            let name = domain(&name)?;
            office.directory.remove_domain(&name).await?;
            Ok(console.line(&format!("removed {name}")).await?)
        }
    }
}

async fn list(office: &Office, console: &Console, as_json: bool) -> Result<(), Failure> {
    let domains = office.directory.domains().await?;
    let rows: Vec<Row> = domains
        .into_iter()
        .map(|domain| Row {
            name: domain.name,
            kind: domain.kind.as_str(),
            catch_all: domain.catch_all,
            created: time(domain.created),
        })
        .collect();
    if as_json {
        return json(console, &rows).await;
    }
    let lines: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| vec![row.name, row.kind.to_owned(), row.catch_all.unwrap_or_default()])
        .collect();
    table(console, &lines).await
}

async fn print_records(
    name: &str,
    zone: bool,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    let name = domain(name)?;
    if !office.is_ours(&name).await? {
        return Err(Failure::new(format!("{name} is no domain of ours")));
    }
    let config = office.config.now();
    let found = records::srv(name.as_str(), &config.server.hostname, &config.services());
    if zone {
        for record in found {
            console.line(&record.zone()).await?;
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> = found
        .into_iter()
        .map(|record| vec![record.name, record.kind.to_owned(), record.data])
        .collect();
    table(console, &rows).await
}

fn domain(text: &str) -> Result<Domain, Failure> {
    Domain::parse(text).map_err(|error| Failure::of(&format!("{text:?} is no domain"), &error))
}
