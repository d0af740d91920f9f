//! `mailwright alias`.

use mailwright_words::Address;
use serde::Serialize;

use super::{address, json, table, time};
use crate::{Failure, cli::AliasCommand, console::Console, office::Office};

#[derive(Serialize)]
struct Row {
    address: String,
    kind: &'static str,
    targets: Vec<String>,
    created: String,
}

pub(super) async fn run(
    command: AliasCommand,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    match command {
        AliasCommand::Add { address: name, kind, targets } => {
            let name = address(&name)?;
            let targets: Result<Vec<Address>, Failure> =
                targets.iter().map(|target| address(target)).collect();
            let kind = kind.parse()?;
            office.directory.add_alias(&name, kind, &targets?, office.now()).await?;
            Ok(console.line(&format!("added {name}")).await?)
        }
        AliasCommand::List { json } => list(office, console, json).await,
        AliasCommand::Remove { address: name } => {
            let name = address(&name)?;
            office.directory.remove_alias(&name).await?;
            Ok(console.line(&format!("removed {name}")).await?)
        }
    }
}

async fn list(office: &Office, console: &Console, as_json: bool) -> Result<(), Failure> {
    let aliases = office.directory.aliases().await?;
    let rows: Vec<Row> = aliases
        .into_iter()
        .map(|alias| Row {
            address: alias.address,
            kind: alias.kind.as_str(),
            targets: alias.targets,
            created: time(alias.created),
        })
        .collect();
    if as_json {
        return json(console, &rows).await;
    }
    let lines: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| vec![row.address, row.kind.to_owned(), row.targets.join(" ")])
        .collect();
    table(console, &lines).await
}
