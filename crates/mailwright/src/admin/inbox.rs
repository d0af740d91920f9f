//! `mailwright inbox`: the inboxes of a server.

use std::time::Duration;

use mailwright_config::InboxSettings;
use mailwright_directory::Inbox;
use mailwright_intake::{Asked, NoRelease};
use mailwright_store::{Lane, Tx, capture};
use mailwright_words::Id;
use serde::Serialize;

use super::{address, id, json, table, time};
use crate::{
    Failure,
    cli::{InboxCommand, TokenCommand},
    console::Console,
    office::Office,
};

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
        InboxCommand::Settings { name } => settings(&name, office, console).await,
        InboxCommand::Set { name, settings } => set(&name, &settings, office).await,
        InboxCommand::Expire { name, ttl, never: _ } => expire(&name, ttl, office).await,
        InboxCommand::Release { name, to, message, query, from, again } => {
            let which = Which { message, query };
            let key = if again {
                format!("once {}", office.store.ids().next(office.now()))
            } else {
                String::new()
            };
            release((&name, which), Asked { to, from, key }, (office, console)).await
        }
        InboxCommand::Token(command) => token(command, office, console).await,
        InboxCommand::Remove { name } => {
            let found = find(&name, office).await?;
            Ok(office.directory.remove_inbox(&found, office.now()).await?)
        }
    }
}

async fn settings(name: &str, office: &Office, console: &Console) -> Result<(), Failure> {
    let found = find(name, office).await?.principal;
    let (settings, _) = office.intake.inbox_settings(found).await?;
    Ok(console.line(&settings.to_json()).await?)
}

async fn set(name: &str, settings: &str, office: &Office) -> Result<(), Failure> {
    let found = find(name, office).await?.principal;
    let settings = InboxSettings::read(settings).map_err(Failure::new)?;
    Ok(office.intake.set_inbox_settings(found, settings).await?)
}

async fn expire(name: &str, ttl: Option<u64>, office: &Office) -> Result<(), Failure> {
    let (found, now) = (find(name, office).await?.principal, office.now());
    let expires = ttl.map(|ttl| now.plus(Duration::from_secs(ttl)));
    let set = move |tx: &mut Tx<'_>| capture::set_expires(tx, found, expires);
    Ok(office.store.write(Lane::Quick, set).await?)
}

/// A token, as it is listed.
#[derive(Serialize)]
struct Token {
    label: String,
    created: String,
    last_used: Option<String>,
}

async fn token(command: TokenCommand, office: &Office, console: &Console) -> Result<(), Failure> {
    let directory = &office.directory;
    match command {
        TokenCommand::Add { name, label } => {
            let found = find(&name, office).await?;
            let secret = directory.add_inbox_token(&found, &label, office.now()).await?;
            Ok(console.line(secret.expose()).await?)
        }
        TokenCommand::List { name, json: as_json } => {
            let all = directory.inbox_tokens(&find(&name, office).await?).await?;
            let rows = all.into_iter().map(|one| Token {
                label: one.label,
                created: time(one.created),
                last_used: one.last_used.map(time),
            });
            let rows: Vec<Token> = rows.collect();
            if as_json {
                return json(console, &rows).await;
            }
            let line = |row: Token| vec![row.label, row.created, row.last_used.unwrap_or_default()];
            table(console, &rows.into_iter().map(line).collect::<Vec<_>>()).await
        }
        TokenCommand::Revoke { name, label } => {
            let found = find(&name, office).await?;
            Ok(directory.revoke_inbox_token(&found, &label).await?)
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

/// Which messages of an inbox.
struct Which {
    message: Vec<String>,
    query: Option<String>,
}

impl Which {
    async fn ids(self, inbox: &Inbox, office: &Office) -> Result<Vec<Id>, Failure> {
        let Some(query) = self.query else {
            let mut all = Vec::new();
            for text in &self.message {
                let wanted = id(text)?;
                let found = office.store.look(|tx| capture::stored(tx, wanted)).await?;
                if found.is_none_or(|found| found.inbox != inbox.principal) {
                    let name = &inbox.name;
                    return Err(Failure::new(format!("the inbox {name} has no message {text}")));
                }
                all.push(wanted);
            }
            return Ok(all);
        };
        let most = office.config.now().sandbox.release.messages_max;
        let now = office.now();
        let all = mailwright_api::matching(&office.store, inbox, &query, now, most).await?;
        if all.len() > most {
            return Err(Failure::new(format!("more than {most} messages match")));
        }
        Ok(all)
    }
}

async fn release(
    (name, which): (&str, Which),
    asked: Asked,
    (office, console): (&Office, &Console),
) -> Result<(), Failure> {
    let inbox = find(name, office).await?;
    let ids = which.ids(&inbox, office).await?;
    let no = |error: NoRelease| Failure::new(error.to_string());
    let release = office.intake.releasing(&asked, office.now()).await.map_err(no)?;
    for message in ids {
        let done = office.intake.release(&release, message, office.now()).await.map_err(no)?;
        for address in &done.to {
            let spool = done.spool.map(|spool| spool.to_string()).unwrap_or_default();
            console.line(&format!("{message}  {address}  queued as {spool}")).await?;
        }
        for address in &done.before {
            console.line(&format!("{message}  {address}  had it before")).await?;
        }
    }
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
