//! `mailwright block`.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use mailwright_directory::Block;
use serde::Serialize;

use super::{json, table, time};
use crate::{Failure, cli::BlockCommand, console::Console, office::Office};

#[derive(Serialize)]
struct Row {
    network: String,
    reason: String,
    automatic: bool,
    created: String,
    until: Option<String>,
}

pub(super) async fn run(
    command: BlockCommand,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    match command {
        BlockCommand::List { json } => list(office, console, json).await,
        BlockCommand::Add { network, hours, reason } => {
            let network = network_of(&network)?;
            let now = office.now();
            let time = hours.map(|hours| Duration::from_hours(hours.into()));
            let until = time.map(|time| now.plus(time));
            let block = Block {
                network: network.to_string(),
                reason,
                automatic: false,
                created: now,
                until,
            };
            office.directory.block(block).await?;
            Ok(console.line(&format!("blocked {network}")).await?)
        }
        BlockCommand::Remove { network } => {
            let network = network_of(&network)?;
            office.directory.unblock(network).await?;
            Ok(console.line(&format!("released {network}")).await?)
        }
    }
}

async fn list(office: &Office, console: &Console, as_json: bool) -> Result<(), Failure> {
    let now = office.now();
    let mut blocks = office.directory.blocks().await?;
    blocks.retain(|block| block.until.is_none_or(|until| until > now));
    let row = |block: Block| Row {
        network: block.network,
        reason: block.reason,
        automatic: block.automatic,
        created: time(block.created),
        until: block.until.map(time),
    };
    let rows: Vec<Row> = blocks.into_iter().map(row).collect();
    if as_json {
        return json(console, &rows).await;
    }
    let line = |row: Row| {
        let until =
            row.until.map_or_else(|| "for ever".to_owned(), |until| format!("until {until}"));
        vec![row.network, until, row.reason]
    };
    table(console, &rows.into_iter().map(line).collect::<Vec<_>>()).await
}

/// A network, or an address that stands for itself alone.
fn network_of(text: &str) -> Result<IpNet, Failure> {
    let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(one);
    let network = network.ok_or_else(|| Failure::new(format!("{text:?} is no network")))?;
    Ok(network.trunc())
}
