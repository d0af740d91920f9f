//! What was refused, as the API and webhooks tell it.

use mailwright_directory::{DEFAULT_INBOX, inbox_name};
use mailwright_intake::Refused;
use serde_json::{Value, json};

use super::message::moment;

/// A refusal with up to so many octets of the conversation that led to it, its end.
pub(super) fn told(refused: &Refused, most: usize) -> Value {
    let all = refused.conversation.as_str();
    let conversation = all.get(all.ceil_char_boundary(all.len().saturating_sub(most))..);
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

#[cfg(test)]
mod tests {
    use mailwright_words::Timestamp;

    use super::*;

    #[test]
    fn of_a_long_conversation_the_end_is_told() {
        let refused = Refused {
            number: 1,
            at: Timestamp::new(0),
            peer: String::new(),
            username: None,
            command: String::new(),
            reply: String::new(),
            conversation: "a\u{e4}b".to_owned(),
        };
        let end = |most| told(&refused, most)["conversation"].clone();
        for (most, wanted) in [(9, "a\u{e4}b"), (4, "a\u{e4}b"), (2, "b"), (1, "b"), (0, "")] {
            assert_eq!(end(most), wanted, "{most}");
        }
    }
}
