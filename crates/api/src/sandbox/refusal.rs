//! What was refused, as the API and webhooks tell it.

use mailwright_directory::{DEFAULT_INBOX, inbox_name};
use mailwright_intake::Refused;
use serde_json::{Value, json};

use super::message::moment;

/// A refusal; the conversation that led to it may be long.
pub(super) fn told(refused: &Refused, with_conversation: bool) -> Value {
    let conversation = with_conversation.then_some(refused.conversation.as_str());
    json!({
        "number": refused.number,
        "at": moment(refused.at.ms()),
        "peer": refused.peer,
        "username": refused.username,
        "command": refused.command,
        "reply": refused.reply,
        "conversation": conversation.unwrap_or_default(),
    })
}

/// The name of the inbox that it counts to: that of the user, or the default one, since a message
/// that never was is in none.
pub(super) fn inbox_of(refused: &Refused) -> String {
    let named = refused.username.as_deref().and_then(inbox_name);
    named.unwrap_or_else(|| DEFAULT_INBOX.to_owned())
}
