//! `mailwright message`.

use mailwright_store::mailbox::{self, Copy, Listed};
use serde::Serialize;

use super::{address, blocking, id, json, table, time};
use crate::{Failure, cli::MessageCommand, console::Console, office::Office};

/// Most messages that one list tells.
const LISTED_MAX: usize = 100_000;

#[derive(Serialize)]
struct Row {
    id: String,
    folder: String,
    from: String,
    to: String,
    subject: String,
    size: u64,
    received: String,
    flags: Vec<String>,
}

pub(super) async fn run(
    command: MessageCommand,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    match command {
        MessageCommand::List { address, folder, json } => {
            list(office, console, (&address, folder), json).await
        }
        // With or without `--raw`: there is no other form yet, and no cooked one is promised.
        MessageCommand::Show { id, .. } => show(office, console, &id).await,
    }
}

async fn list(
    office: &Office,
    console: &Console,
    (name, folder): (&str, Option<String>),
    as_json: bool,
) -> Result<(), Failure> {
    let missing = || Failure::new(format!("there is no account {name}"));
    let account = office.directory.account(&address(name)?).await?.ok_or_else(missing)?;
    let wanted = folder.clone();
    let read = move |tx: &mut mailwright_store::Tx<'_>| {
        let owner = account.principal;
        let is_there = match &folder {
            Some(name) => mailbox::folder(tx, owner, name)?.is_some(),
            None => true,
        };
        Ok((is_there, mailbox::list(tx, owner, folder.as_deref(), None, LISTED_MAX)?))
    };
    let (is_there, listed) = office.store.read(read).await?;
    if !is_there {
        return Err(Failure::new(format!("{name} has no folder {}", wanted.unwrap_or_default())));
    }
    let rows: Vec<Row> = listed.into_iter().map(row).collect();
    if as_json {
        return json(console, &rows).await;
    }
    let lines: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| vec![row.id, row.folder, row.received, row.from, row.subject])
        .collect();
    table(console, &lines).await
}

fn row(listed: Listed) -> Row {
    Row {
        id: listed.id.to_string(),
        folder: listed.folder,
        from: listed.from,
        to: listed.to,
        subject: listed.subject,
        size: listed.size,
        received: time(listed.received),
        flags: listed.flags,
    }
}

async fn show(office: &Office, console: &Console, text: &str) -> Result<(), Failure> {
    let message = id(text)?;
    let copy = office.store.read(move |tx| mailbox::copy(tx, message)).await?;
    let Copy { head, body, head_skip, .. } =
        copy.ok_or_else(|| Failure::new(format!("there is no message {text}")))?;
    console.write(head).await?;
    let store = office.store.clone();
    let mut reader = blocking(move || {
        let mut reader = store.body_reader(body)?;
        reader.seek(head_skip);
        Ok(reader)
    })
    .await?;
    loop {
        let (back, piece) = blocking(move || {
            let piece = reader.next_piece()?;
            Ok((reader, piece))
        })
        .await?;
        reader = back;
        match piece {
            Some(bytes) => console.write(bytes).await?,
            None => return Ok(()),
        }
    }
}
