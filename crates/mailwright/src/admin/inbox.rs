//! `mailwright inbox`: the inboxes of a server.

use std::time::Duration;

use mailwright_config::InboxSettings;
use mailwright_directory::Inbox;
use serde::Serialize;

use super::{address, json, table, time};
use crate::{Failure, cli::InboxCommand, console::Console, office::Office};

/// An inbox, as it is listed.
#[derive(Serialize)]
struct Listed {
    name: String,
    messages: u64,
    unread: u64,
    octets: u64,
    created: String,
    expires: Option<String>,
}

pub(super) async fn run(
    command: InboxCommand,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    match command {
        InboxCommand::Add { name, ttl, address } => {
            add(&name, ttl, &address, (office, console)).await
        }
        InboxCommand::List { json } => list(json, office, console).await,
        InboxCommand::Settings { name } => {
            let found = find(&name, office).await?.principal;
            let (settings, _) = office.intake.inbox_settings(found).await?;
            Ok(console.line(&settings.to_json()).await?)
        }
        InboxCommand::Set { name, settings } => {
            let found = find(&name, office).await?.principal;
            let settings = InboxSettings::read(&settings).map_err(Failure::new)?;
            Ok(office.intake.set_inbox_settings(found, settings).await?)
        }
        InboxCommand::Remove { name } => {
            let found = find(&name, office).await?;
            Ok(office.directory.remove_inbox(&found, office.now()).await?)
        }
    }
}

async fn find(name: &str, office: &Office) -> Result<Inbox, Failure> {
    let found = office.directory.find_inbox(name).await?;
    found.ok_or_else(|| Failure::new(format!("there is no inbox {name}")))
}

async fn add(
    name: &str,
    ttl: Option<u64>,
    addresses: &[String],
    (office, console): (&Office, &Console),
) -> Result<(), Failure> {
    let addresses =
        addresses.iter().map(|text| address(text)).collect::<Result<Vec<_>, Failure>>()?;
    let lifetime = ttl.map(Duration::from_secs);
    let (made, secret) = office.directory.add_inbox(Some(name), lifetime, office.now()).await?;
    for address in &addresses {
        office.directory.add_inbox_address(&made, address, office.now()).await?;
    }
    console.line(&format!("{}  {}", made.name, secret.expose())).await?;
    Ok(())
}

async fn list(as_json: bool, office: &Office, console: &Console) -> Result<(), Failure> {
    let inboxes = office.directory.inboxes().await?;
    if as_json {
        let rows: Vec<Listed> = inboxes
            .into_iter()
            .map(|inbox| Listed {
                name: inbox.name,
                messages: inbox.total,
                unread: inbox.unseen,
                octets: inbox.bytes,
                created: time(inbox.created),
                expires: inbox.expires.map(time),
            })
            .collect();
        return json(console, &rows).await;
    }
    let rows: Vec<Vec<String>> = inboxes
        .into_iter()
        .map(|inbox| {
            let expires = inbox.expires.map(time).unwrap_or_default();
            vec![inbox.name, inbox.total.to_string(), inbox.unseen.to_string(), expires]
        })
        .collect();
    table(console, &rows).await
}
