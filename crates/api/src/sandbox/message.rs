//! Messages as our own API tells of them.

use std::{sync::Arc, time::Duration};

use mailwright_directory::Inbox;
use mailwright_store::capture::{self, Caught};
use serde_json::{Map, Value, json};

use super::{ApiError, Inner, find::Item, summary::Contact, whole};

/// How long a message is looked through for what a test wants of it.
const LOOKED_FOR: Duration = Duration::from_secs(5);

/// What a test wants of a message besides the message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// CSS selectors over its HTML.
    pub(crate) select: Vec<String>,
    /// Patterns over its text, or its HTML where it has no text.
    pub(crate) regex: Vec<String>,
}

pub(crate) fn contacts(contacts: &[Contact]) -> Value {
    let each = contacts.iter().map(|one| json!({ "name": one.name, "address": one.address }));
    each.collect()
}

/// A moment, in milliseconds since 1970, as text.
pub(crate) fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|at| at.to_string()).unwrap_or_default()
}

/// What lists tell of a message.
pub(crate) fn listed(inbox: &str, item: &Item) -> Map<String, Value> {
    let (entry, summary) = (&item.entry, &item.summary);
    let told = json!({
        "id": entry.message.to_string(),
        "inbox": inbox,
        "number": entry.uid,
        "received": moment(entry.received.ms()),
        "size": entry.size,
        "read": item.is_read(),
        "tags": entry.tags,
        "subject": summary.subject,
        "messageId": summary.message_id,
        "date": summary.date.map(moment),
        "from": contacts(&summary.from),
        "to": contacts(&summary.to),
        "cc": contacts(&summary.cc),
        "bcc": contacts(&summary.bcc),
        "replyTo": contacts(&summary.reply_to),
        "snippet": summary.snippet,
        "attachmentCount": summary.attachments,
        "envelope": { "from": path(&entry.sender), "to": entry.recipients },
        "username": entry.username,
    });
    match told {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A reverse-path without its brackets.
pub(crate) fn path(sender: &str) -> &str {
    sender.trim_start_matches('<').trim_end_matches('>')
}

fn session(caught: &Caught) -> Value {
    json!({
        "peer": caught.peer,
        "helo": caught.helo,
        "protocol": caught.protocol,
        "tls": caught.tls,
        "mechanism": caught.mechanism,
        "username": caught.username,
        "conversation": caught.conversation,
    })
}

impl Inner {
    /// A message with all that is known of it.
    ///
    /// Errors: it is gone, a selector or pattern is none or takes too long, or the store does not
    /// answer.
    pub(crate) async fn whole(
        &self,
        inbox: &Inbox,
        item: Item,
        wanted: Wanted,
    ) -> Result<Value, ApiError> {
        let id = item.entry.message;
        let bytes = self.bytes(id).await?;
        let caught = self.store().look(|tx| capture::caught(tx, id)).await?;
        let mut told = listed(&inbox.name, &item);
        told.insert("session".to_owned(), session(&caught.unwrap_or_default()));
        let clock = Arc::clone(&self.backing.clock);
        let look = move || {
            let ends = clock.now().plus(LOOKED_FOR);
            whole::content(&bytes, &wanted, &|| clock.now() > ends)
        };
        told.extend(self.apart(look).await??);
        Ok(told.into())
    }

    /// The bytes of a message, as they came.
    ///
    /// Errors: it is gone, or the store does not answer.
    pub(crate) async fn bytes(&self, id: mailwright_words::Id) -> Result<Vec<u8>, ApiError> {
        let read = self
            .store()
            .off_thread(move |store| store.content(id)?.map(|content| content.whole()).transpose());
        read.await?.ok_or(ApiError::NoMessage)
    }
}
