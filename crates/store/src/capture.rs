//! What a sandbox keeps: its inboxes, and beside each message that came into one its envelope, its
//! session, tags, and what lists and searches go by.
//!
//! The message itself is a message of a mailbox as any other. What is kept here is made in the
//! transaction that delivers it, and goes with the message.

mod brief;
mod extract;
pub mod hook;
mod inbox;
mod project;
mod release;
mod rows;
pub mod summary;
mod tag;
mod template;
#[cfg(test)]
mod tests;

use mailwright_words::Id;

pub(crate) use self::brief::{Envelope, envelope, write as write_brief};
pub(crate) use self::release::claim_release;
pub use self::{
    brief::Brief,
    extract::{EXTRACT_MAX, Extract},
    inbox::{
        Inbox, NewInbox, add_inbox, expired, has_settings, inbox_named, inboxes, set_expires,
        set_settings, settings,
    },
    project::{
        DEFAULT_PROJECT, Group, Project, add_project, drop_project, groups, inbox_addressed,
        projects, rename_project, set_group,
    },
    release::{NewRelease, Release, Stored, releases, stored},
    rows::{
        Entry, Kept, Scanned, entry, ids, late, list, numbered, of_origin, prune, scanned, sum_up,
    },
    tag::{drop_tag, rename_tag, set_tags, tagged, tags, tags_of},
    template::{
        Template, add_template, drop_template, set_template, template, template_named, templates,
    },
};
use crate::{engine::Tx, error::StoreError, params};

/// How a message came into an inbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caught {
    /// The reverse-path, as it is printed.
    pub sender: String,
    /// The forward-paths, in the order in which they were given.
    pub recipients: Vec<String>,
    /// Address and port of the client.
    pub peer: String,
    /// How it named itself.
    pub helo: String,
    /// The word for how it spoke, such as `ESMTPSA`.
    pub protocol: String,
    /// Version and cipher of its TLS.
    pub tls: Option<String>,
    /// The mechanism by which it authenticated.
    pub mechanism: Option<String>,
    /// As whom.
    pub username: Option<String>,
    /// What both sides said, without passwords and without the message.
    pub conversation: String,
}

/// Keeps how a message came into an inbox, and what was drawn from it; without that, it is summed
/// up later.
///
/// Errors: those of the database.
pub fn keep(
    tx: &mut Tx<'_>,
    (inbox, message): (Id, Id),
    caught: &Caught,
    extract: Option<&Extract>,
) -> Result<(), StoreError> {
    let (summary, words) = extract.map(Extract::summed).unzip();
    tx.execute(
        "INSERT INTO capture (message, inbox, sender, recipients, peer, helo, protocol, tls,
             mechanism, username, conversation, summary, words)
         VALUES (:message, :inbox, :sender, :recipients, :peer, :helo, :protocol, :tls,
             :mechanism, :username, :conversation, :summary, :words)",
        params! { message, inbox, sender: &caught.sender,
        recipients: &caught.recipients.join("\n"), peer: &caught.peer, helo: &caught.helo,
        protocol: &caught.protocol, tls: caught.tls.as_deref(),
        mechanism: caught.mechanism.as_deref(), username: caught.username.as_deref(),
        conversation: &caught.conversation, summary, words },
    )?;
    hook::announce_caught(tx, inbox, message)
}

/// How a message came into its inbox; nothing for one that came another way.
///
/// Errors: those of the database.
pub fn caught(tx: &mut Tx<'_>, message: Id) -> Result<Option<Caught>, StoreError> {
    tx.query_opt(
        "SELECT sender, recipients, peer, helo, protocol, tls, mechanism, username, conversation
         FROM capture WHERE message = :message",
        params! { message },
        |row| {
            Ok(Caught {
                sender: row.get(0)?,
                recipients: lines(&row.get::<String>(1)?),
                peer: row.get(2)?,
                helo: row.get(3)?,
                protocol: row.get(4)?,
                tls: row.get(5)?,
                mechanism: row.get(6)?,
                username: row.get(7)?,
                conversation: row.get(8)?,
            })
        },
    )
}

/// Removes what is kept of a message that goes.
pub(crate) fn forget(tx: &mut Tx<'_>, message: Id) -> Result<(), StoreError> {
    if tx.execute("DELETE FROM capture WHERE message = :message", params! { message })? > 0 {
        tx.execute("DELETE FROM capture_tag WHERE message = :message", params! { message })?;
    }
    tx.execute("DELETE FROM release WHERE message = :message", params! { message })?;
    Ok(())
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
