//! `mailwright doctor message ID`: what befell a message of ours, and what it tells of itself.

use std::time::Duration;

use mailwright_doctor::{
    Check, Report, Section, code,
    message::{self, Carrier},
};
use mailwright_store::{
    event::{self, Event},
    mailbox::{self, Copy},
    queue::{self, AttemptRow, Entry},
};
use mailwright_words::Id;

use crate::{Failure, office::Office, world};

/// How long a name server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Attempts of a recipient, and events, that are told.
const TOLD_MAX: usize = 100;
/// Octets of a message that are looked at.
const MESSAGE_MAX: usize = 64 << 20;

/// Examines the message of this id: a copy in a mailbox, or one that is or was in the queue.
///
/// Errors: there is none, or the store cannot be read.
pub(crate) async fn examine(
    text: &str,
    carrier: &Carrier,
    office: &Office,
) -> Result<Report, Failure> {
    let wanted: Id = text.parse().map_err(|error| {
        Failure::of(
            &format!(
                "{text:?} is no file and no \
                                        id"
            ),
            &error,
        )
    })?;
    let mut sections = way(wanted, office).await?;
    let copy = content(wanted, office).await?;
    if sections.is_empty() && copy.is_none() {
        return Err(Failure::new(format!("there is no message {text}")));
    }
    if let Some(bytes) = copy {
        let world = world::plain(&office.config.now(), PATIENCE)?;
        sections.extend(message::examine(&world, text, &bytes, carrier).await.sections);
    }
    Ok(Report::new(text, sections, true))
}

/// What befell it on its way: recipients, attempts, events.
async fn way(wanted: Id, office: &Office) -> Result<Vec<Section>, Failure> {
    let entries = office.store.read(move |tx| match queue::entry(tx, wanted)? {
        Some(entry) => Ok(vec![entry]),
        None => queue::of_message(tx, wanted),
    });
    let entries = entries.await?;
    let spool = entries.first().map_or(wanted, |entry| entry.message);
    let events = office.store.read(move |tx| event::of_message(tx, spool, TOLD_MAX)).await?;
    let mut sections = Vec::new();
    for entry in &entries {
        let recipient = entry.id;
        let attempts =
            office.store.read(move |tx| queue::attempts(tx, recipient, TOLD_MAX)).await?;
        sections.push(waiting(entry, &attempts));
    }
    if !events.is_empty() {
        let mut section = Section::new("events");
        section.checks = events.iter().map(happened).collect();
        sections.push(section);
    }
    Ok(sections)
}

/// A recipient that is still in the queue.
fn waiting(entry: &Entry, attempts: &[AttemptRow]) -> Section {
    let mut section = Section::new(format!("waiting for {}", entry.recipient));
    let state = if entry.is_active { "being tried" } else { entry.state.as_str() };
    let found = format!("{state}; next try {}, given up {}", entry.due, entry.expires);
    section.push(Check::right("message.queued", "Queue", found));
    for attempt in attempts.iter().rev() {
        let host = attempt.host.as_deref().unwrap_or("no host");
        let reply = attempt.reply.as_deref().unwrap_or("no reply");
        let title = format!("Attempt {}", attempt.number);
        let found = format!("{} {}: {}: {reply}", attempt.started, host, attempt.outcome);
        section.push(explained(Check::warning("message.attempt", title, found), reply));
    }
    let newest = attempts.first().and_then(|attempt| attempt.transcript.clone());
    section.conversation = newest.unwrap_or_default();
    section
}

fn happened(event: &Event) -> Check {
    const ID: &str = "message.event";
    let address = event.address.as_deref().unwrap_or_default();
    let detail = event.detail.as_deref().unwrap_or_default();
    let found = format!("{} {address} {detail}", event.at).trim_end().to_owned();
    match event.kind.as_str() {
        "failed" | "bounced" | "expired" => {
            explained(Check::wrong(ID, event.kind.clone(), found), detail)
        }
        "complaint" => Check::warning(ID, event.kind.clone(), found),
        "reported" if detail.starts_with("failed") => {
            explained(Check::warning(ID, event.kind.clone(), found), detail)
        }
        "deferred" | "held" => explained(Check::warning(ID, event.kind.clone(), found), detail),
        kind => Check::right(ID, kind.to_owned(), found),
    }
}

/// With what the reply means and what to do.
fn explained(check: Check, reply: &str) -> Check {
    match code::explain(reply).meanings.into_iter().next() {
        Some(meaning) => check.means(meaning.means).mend(meaning.mend),
        None => check,
    }
}

/// The copy in a mailbox.
async fn content(wanted: Id, office: &Office) -> Result<Option<Vec<u8>>, Failure> {
    let copy = office.store.read(move |tx| mailbox::copy(tx, wanted)).await?;
    let Some(Copy { head, body, head_skip, .. }) = copy else { return Ok(None) };
    let store = office.store.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut reader = store.body_reader(body)?;
        reader.seek(head_skip);
        let mut bytes = head;
        while bytes.len() < MESSAGE_MAX
            && let Some(piece) = reader.next_piece()?
        {
            bytes.extend_from_slice(&piece);
        }
        Ok::<_, mailwright_store::StoreError>(bytes)
    });
    let bytes = read.await.map_err(|error| Failure::of("reading the store", &error))??;
    Ok(Some(bytes))
}
