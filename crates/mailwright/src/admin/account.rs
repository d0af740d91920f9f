//! `mailwright account`.

use mailwright_directory::NewPassword;
use mailwright_sasl::Secret;
use mailwright_store::{Lane, directory::set_quota};
use serde::Serialize;

use super::{address, json, table, time};
use crate::{
    Failure,
    cli::{AccountCommand, AppPasswordCommand},
    console::Console,
    office::Office,
};

#[derive(Serialize)]
struct Row {
    address: String,
    created: String,
}

#[derive(Serialize)]
struct AppPasswordRow {
    name: String,
    cram_md5: bool,
    created: String,
    last_used: Option<String>,
}

pub(super) async fn run(
    command: AccountCommand,
    office: &Office,
    console: &mut Console,
) -> Result<(), Failure> {
    match command {
        AccountCommand::Add { address: name, password_stdin, hash, quota } => {
            add(office, console, &name, (password_stdin, hash), quota).await
        }
        AccountCommand::List { json } => list(office, console, json).await,
        AccountCommand::Password { address: name, hash, .. } => {
            let password = password(console, hash).await?;
            let name = address(&name)?;
            office.directory.set_password(&name, password, office.now()).await?;
            Ok(console.line(&format!("changed the password of {name}")).await?)
        }
        AccountCommand::Remove { address: name } => {
            let name = address(&name)?;
            office.directory.remove_account(&name, office.now()).await?;
            Ok(console.line(&format!("removed {name}")).await?)
        }
        AccountCommand::AppPassword(command) => app_password(command, office, console).await,
    }
}

async fn add(
    office: &Office,
    console: &mut Console,
    name: &str,
    (given, hash): (bool, bool),
    quota: Option<u64>,
) -> Result<(), Failure> {
    let name = address(name)?;
    let generated =
        || mailwright_directory::generate().map_err(|error| Failure::of("cannot generate", &error));
    let made = if given { None } else { Some(generated()?) };
    let password = match &made {
        Some(text) => NewPassword::Text(Secret::new(text.clone())),
        None => password(console, hash).await?,
    };
    let account = office.directory.add_account(&name, password, office.now()).await?;
    if quota.is_some() {
        let principal = account.principal;
        office.store.write(Lane::Quick, move |tx| set_quota(tx, principal, quota)).await?;
    }
    console.line(&format!("added {name}")).await?;
    match made {
        Some(text) => Ok(console.line(&format!("password {text}")).await?),
        None => Ok(()),
    }
}

async fn password(console: &mut Console, hash: bool) -> Result<NewPassword, Failure> {
    let text = console.secret().await?;
    Ok(if hash { NewPassword::Hash(text) } else { NewPassword::Text(Secret::new(text)) })
}

async fn list(office: &Office, console: &Console, as_json: bool) -> Result<(), Failure> {
    let accounts = office.directory.accounts().await?;
    let rows: Vec<Row> = accounts
        .into_iter()
        .map(|account| Row { address: account.address, created: time(account.created) })
        .collect();
    if as_json {
        return json(console, &rows).await;
    }
    let lines: Vec<Vec<String>> =
        rows.into_iter().map(|row| vec![row.address, row.created]).collect();
    table(console, &lines).await
}

async fn app_password(
    command: AppPasswordCommand,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    match command {
        AppPasswordCommand::Add { address: name, name: label, cram_md5 } => {
            let name = address(&name)?;
            let now = office.now();
            let made = office.directory.add_app_password(&name, &label, cram_md5, now).await?;
            Ok(console.line(made.expose()).await?)
        }
        AppPasswordCommand::List { address: name, json: as_json } => {
            let found = office.directory.app_passwords(&address(&name)?).await?;
            let rows: Vec<AppPasswordRow> = found
                .into_iter()
                .map(|one| AppPasswordRow {
                    name: one.label,
                    cram_md5: one.has_cram_md5,
                    created: time(one.created),
                    last_used: one.last_used.map(time),
                })
                .collect();
            if as_json {
                return json(console, &rows).await;
            }
            let never = || "never".to_owned();
            let lines: Vec<Vec<String>> = rows
                .into_iter()
                .map(|row| vec![row.name, row.created, row.last_used.unwrap_or_else(never)])
                .collect();
            table(console, &lines).await
        }
        AppPasswordCommand::Revoke { address: name, name: label } => {
            office.directory.revoke_app_password(&address(&name)?, &label).await?;
            Ok(console.line(&format!("revoked {label}")).await?)
        }
    }
}
