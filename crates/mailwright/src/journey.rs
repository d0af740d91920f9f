//! `mailwright doctor message ID`: what befell a message of ours, and what it tells of itself.
//!
//! The id may be that of a message, of one of its recipients in the queue, or of a copy in a
//! mailbox or an inbox; what is over is told as well, as long as its events are kept.

use std::{collections::BTreeMap, time::Duration};

use mailwright_doctor::{
    Check, Report, Section, code,
    message::{self, Carrier},
};
use mailwright_store::{
    StoreError, Tx,
    capture::{self, Caught},
    event::{self, Event},
    mailbox::{self, Copy},
    queue::{self, AttemptRow, Entry},
};
use mailwright_words::Id;

use crate::{Failure, office::Office, world};

/// How long a name server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Attempts of a recipient, events, and recipients that are told.
const TOLD_MAX: usize = 100;
/// Octets of a message that are looked at.
const MESSAGE_MAX: usize = 64 << 20;

/// What is known of a message.
#[derive(Default)]
struct Known {
    copy: Option<Copy>,
    caught: Option<Caught>,
    recipients: Vec<Goal>,
    events: Vec<Event>,
}

/// One recipient, in the queue or done with.
struct Goal {
    address: String,
    entry: Option<Entry>,
    /// Newest first.
    attempts: Vec<AttemptRow>,
    /// It came where it was to go, so that what went wrong before is past.
    has_arrived: bool,
}

/// Examines the message of this id.
///
/// Errors: there is none, or the store cannot be read.
pub(crate) async fn examine(
    text: &str,
    carrier: &Carrier,
    office: &Office,
) -> Result<Report, Failure> {
    let wanted: Id = text
        .parse()
        .map_err(|error| Failure::of(&format!("{text:?} is no file and no id"), &error))?;
    let known = office.store.read(move |tx| known(tx, wanted)).await?;
    if known.recipients.is_empty() && known.events.is_empty() && known.copy.is_none() {
        return Err(Failure::new(format!(
            "there is no message {text}; what is over is told of while its events are kept"
        )));
    }
    let mut sections: Vec<Section> = known.caught.as_ref().map(came).into_iter().collect();
    sections.extend(known.recipients.iter().map(went));
    if !known.events.is_empty() {
        let mut section = Section::new("events");
        section.checks = known.events.iter().map(|event| happened(event, &known)).collect();
        sections.push(section);
    }
    if let Some(copy) = known.copy {
        let bytes = content(copy, office).await?;
        let world = world::plain(&office.config.now(), PATIENCE)?;
        sections.extend(message::examine(&world, text, &bytes, carrier).await.sections);
    }
    Ok(Report::new(text, sections, true))
}

fn known(tx: &mut Tx<'_>, wanted: Id) -> Result<Known, StoreError> {
    let copy = mailbox::copy(tx, wanted)?;
    let caught = capture::caught(tx, wanted)?;
    let spool = match (queue::entry(tx, wanted)?, &copy) {
        (Some(entry), _) => Some(entry.message),
        (None, Some(copy)) => copy.origin,
        (None, None) => Some(queue::message_of(tx, wanted)?.unwrap_or(wanted)),
    };
    let Some(spool) = spool else { return Ok(Known { copy, caught, ..Known::default() }) };
    let events = event::of_message(tx, spool, TOLD_MAX)?;
    let mut goals = BTreeMap::new();
    for event in &events {
        if let Some(recipient) = event.recipient {
            let address = event.address.clone().unwrap_or_default();
            goals.entry(recipient).or_insert((address, None));
        }
    }
    for entry in queue::of_message(tx, spool)?.into_iter().take(TOLD_MAX) {
        goals.insert(entry.id, (entry.recipient.clone(), Some(entry)));
    }
    let mut recipients = Vec::new();
    for (recipient, (address, entry)) in goals {
        let attempts = queue::attempts(tx, recipient, TOLD_MAX)?;
        let has_arrived = attempts.iter().any(|attempt| is_good(&attempt.outcome));
        recipients.push(Goal { address, entry, attempts, has_arrived });
    }
    Ok(Known { copy, caught, recipients, events })
}

fn is_good(outcome: &str) -> bool {
    matches!(outcome, "delivered" | "relayed" | "expanded")
}

/// How a message came into an inbox of the sandbox.
fn came(caught: &Caught) -> Section {
    let mut section = Section::new("how it came");
    let tls = caught.tls.as_deref().unwrap_or("no TLS");
    let user = caught.username.as_deref().map(|user| format!(", as {user}")).unwrap_or_default();
    let found = format!("{} from {} ({}){user}, {tls}", caught.protocol, caught.peer, caught.helo);
    section.push(Check::right("message.caught", "Session", found));
    let found = format!("{} to {}", caught.sender, caught.recipients.join(", "));
    section.push(Check::right("message.envelope", "Envelope", found));
    section.conversation.clone_from(&caught.conversation);
    section
}

/// What befell one recipient: each attempt with what was said.
fn went(goal: &Goal) -> Section {
    let mut section = Section::new(format!("to {}", goal.address));
    if let Some(entry) = &goal.entry {
        let state = if entry.is_active { "being tried" } else { entry.state.as_str() };
        let found = format!("{state}; next try {}, given up {}", entry.due, entry.expires);
        section.push(Check::right("message.queued", "Queue", found));
    }
    for attempt in goal.attempts.iter().rev() {
        section.sections.push(tried(attempt, goal.has_arrived));
    }
    section
}

fn tried(attempt: &AttemptRow, has_arrived: bool) -> Section {
    const ID: &str = "message.attempt";
    let host = attempt.host.as_deref().unwrap_or("no host");
    let reply = attempt.reply.as_deref().unwrap_or("no reply");
    let found = format!("{} {host}: {}: {reply}", attempt.started, attempt.outcome);
    let title = format!("Attempt {}", attempt.number);
    let check = match attempt.outcome.as_str() {
        outcome if is_good(outcome) || has_arrived => Check::right(ID, title, found),
        "failed" => explained(Check::wrong(ID, title, found), reply),
        _ => explained(Check::warning(ID, title, found), reply),
    };
    let mut section = Section::default();
    section.push(check);
    if let Some(transport) = &attempt.transport {
        let got = transport.got.as_deref().unwrap_or("none");
        let found =
            format!("{} was asked for, {got} came about; {}", transport.asked, transport.why);
        section.push(Check::right("message.tls", "TLS", found));
    }
    section.conversation = attempt.transcript.clone().unwrap_or_default();
    section
}

fn happened(event: &Event, known: &Known) -> Check {
    const ID: &str = "message.event";
    let address = event.address.as_deref().unwrap_or_default();
    let detail = event.detail.as_deref().unwrap_or_default();
    let found = format!("{} {address} {detail}", event.at).trim_end().to_owned();
    let title = event.kind.clone();
    let has_arrived = known.recipients.iter().any(|one| one.has_arrived && one.address == address);
    match event.kind.as_str() {
        "failed" | "bounced" | "expired" => explained(Check::wrong(ID, title, found), detail),
        "complaint" => Check::warning(ID, title, found),
        "reported" if detail.starts_with("failed") => {
            explained(Check::warning(ID, title, found), detail)
        }
        "deferred" | "held" | "postponed" if !has_arrived => {
            explained(Check::warning(ID, title, found), detail)
        }
        _ => Check::right(ID, title, found),
    }
}

/// With what the reply means and what to do.
fn explained(check: Check, reply: &str) -> Check {
    match code::explain(reply).meanings.into_iter().next() {
        Some(meaning) => check.means(meaning.means).mend(meaning.mend),
        None => check,
    }
}

/// A copy as it is read.
async fn content(copy: Copy, office: &Office) -> Result<Vec<u8>, Failure> {
    let Copy { head, body, head_skip, .. } = copy;
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
        Ok::<_, StoreError>(bytes)
    });
    Ok(read.await.map_err(|error| Failure::of("reading the store", &error))??)
}
