//! `mailwright queue`.

use mailwright_store::{
    Lane, Tx,
    event::{self, Event},
    queue::{self, AttemptRow, Entry, Transport},
};
use mailwright_words::{Id, Timestamp};
use serde::Serialize;

use super::{id, json, table, time};
use crate::{Failure, cli::QueueCommand, console::Console, office::Office};

/// Rows read at once.
const PAGE: usize = 1000;
/// Attempts and events that `show` tells.
const SHOWN_MAX: usize = 100;

#[derive(Serialize)]
struct Row {
    id: String,
    message: String,
    recipient: String,
    state: &'static str,
    due: String,
    attempts: u32,
    last_reply: Option<String>,
}

type Change = fn(&mut Tx<'_>, Id, Timestamp) -> Result<(), mailwright_store::StoreError>;

pub(super) async fn run(
    command: QueueCommand,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    let (text, change, done): (String, Change, &str) = match command {
        QueueCommand::List { json } => return list(office, console, json).await,
        QueueCommand::Show { id } => return show(office, console, &id).await,
        QueueCommand::Retry { id } => (id, queue::retry, "will be tried now"),
        QueueCommand::Hold { id } => (id, queue::hold, "held"),
        QueueCommand::Release { id } => (id, queue::unhold, "released"),
        QueueCommand::Delete { id } => (id, queue::delete, "deleted"),
    };
    let entries = found(office, &text).await?;
    if entries.is_empty() {
        return Err(Failure::new(format!("nothing in the queue has the id {text}")));
    }
    for entry in entries {
        let now = office.now();
        office.store.write(Lane::Quick, move |tx| change(tx, entry.id, now)).await?;
        console.line(&format!("{} {} {done}", entry.id, entry.recipient)).await?;
    }
    office.store.spooled().notify_one();
    Ok(())
}

/// The recipient of this id, or all of the message of this id.
async fn found(office: &Office, text: &str) -> Result<Vec<Entry>, Failure> {
    let wanted = id(text)?;
    let entries = office.store.read(move |tx| match queue::entry(tx, wanted)? {
        Some(entry) => Ok(vec![entry]),
        None => queue::of_message(tx, wanted),
    });
    Ok(entries.await?)
}

async fn list(office: &Office, console: &Console, as_json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let page = office.store.read(move |tx| queue::list(tx, after, PAGE)).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        rows.extend(page.into_iter().map(row));
    }
    if as_json {
        return json(console, &rows).await;
    }
    let lines: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| {
            let reply = row.last_reply.unwrap_or_default();
            vec![row.id, row.state.to_owned(), row.due, row.recipient, reply]
        })
        .collect();
    table(console, &lines).await
}

fn row(entry: Entry) -> Row {
    Row {
        id: entry.id.to_string(),
        message: entry.message.to_string(),
        recipient: entry.recipient,
        state: if entry.is_active { "active" } else { entry.state.as_str() },
        due: time(entry.due),
        attempts: entry.attempts,
        last_reply: entry.last_reply,
    }
}

async fn show(office: &Office, console: &Console, text: &str) -> Result<(), Failure> {
    let wanted = id(text)?;
    let entries = found(office, text).await?;
    let message = entries.first().map_or(wanted, |entry| entry.message);
    let events = office.store.read(move |tx| event::of_message(tx, message, SHOWN_MAX)).await?;
    if entries.is_empty() && events.is_empty() {
        return Err(Failure::new(format!("nothing in the queue has the id {text}")));
    }
    for entry in &entries {
        console.line(&described(entry)).await?;
        let recipient = entry.id;
        let attempts =
            office.store.read(move |tx| queue::attempts(tx, recipient, SHOWN_MAX)).await?;
        for (number, attempt) in attempts.iter().enumerate() {
            console.line(&tried(attempt, number == 0)).await?;
        }
    }
    for event in &events {
        console.line(&happened(event)).await?;
    }
    Ok(())
}

fn described(entry: &Entry) -> String {
    format!(
        "recipient    {}\nmessage      {}\naddress      {}\nsender       {}\nstate        {}\n\
         due          {}\nexpires      {}\nattempts     {}\nlast reply   {}\n",
        entry.id,
        entry.message,
        entry.recipient,
        entry.sender,
        if entry.is_active { "active" } else { entry.state.as_str() },
        time(entry.due),
        time(entry.expires),
        entry.attempts,
        entry.last_reply.as_deref().unwrap_or("none")
    )
}

fn tried(attempt: &AttemptRow, newest: bool) -> String {
    let mut text = format!(
        "attempt {}  {} to {}  {}  {}  {}",
        attempt.number,
        time(attempt.started),
        time(attempt.ended),
        attempt.host.as_deref().unwrap_or("no host"),
        attempt.outcome,
        attempt.reply.as_deref().unwrap_or_default()
    );
    if let Some(Transport { asked, got, why }) = &attempt.transport {
        let got = got.as_deref().unwrap_or("nothing encrypted");
        let lines = [format!("TLS asked: {asked} ({why})"), format!("TLS got: {got}")];
        for line in &lines {
            text.extend(["\n    ", line]);
        }
    }
    if let Some(transcript) = attempt.transcript.as_ref().filter(|_| newest) {
        for line in transcript.lines() {
            text.push_str("\n    ");
            text.push_str(line);
        }
    }
    text
}

fn happened(event: &Event) -> String {
    let about = event.address.as_deref().unwrap_or_default();
    let detail = event.detail.as_deref().unwrap_or_default();
    format!("event  {}  {}  {about}  {detail}", time(event.at), event.kind).trim_end().to_owned()
}
