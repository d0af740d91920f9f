//! A message as `MailHog` tells of it: its parts as they were sent, still encoded.

use mailwright_mime::{Kind, Part, Structure};
use mailwright_store::capture::{self, Entry};
use serde_json::{Map, Value, json};

use crate::sandbox::{
    ApiError, Sandbox,
    message::{moment, path},
};

/// Levels of parts that are told.
const DEPTH_MAX: usize = 20;
/// Parts that are told.
const PARTS_MAX: usize = 500;
/// How often the octets of a message are told in its parts, each of which holds those within it.
const TIMES_MAX: usize = 4;

/// What may still be told of a message's parts.
struct Budget {
    parts: usize,
    octets: usize,
}

impl Budget {
    fn of(bytes: &[u8]) -> Self {
        Self { parts: PARTS_MAX, octets: bytes.len().saturating_mul(TIMES_MAX) }
    }

    /// The text of a body, where there is room for it.
    fn text(&mut self, body: &[u8]) -> String {
        let Some(left) = self.octets.checked_sub(body.len()) else { return String::new() };
        self.octets = left;
        String::from_utf8_lossy(body).into_owned()
    }
}

/// A message with all its octets.
///
/// Errors: the store does not answer.
pub(super) async fn message(
    sandbox: &Sandbox,
    entry: &Entry,
    bytes: &[u8],
) -> Result<Value, ApiError> {
    let id = entry.message;
    let caught = sandbox.store().look(|tx| capture::caught(tx, id)).await?.unwrap_or_default();
    let structure = Structure::parse(bytes);
    let mut budget = Budget::of(bytes);
    let sender = path(&entry.sender);
    Ok(json!({
        "ID": id.to_string(),
        "From": person(sender),
        "To": entry.recipients.iter().map(|one| person(one)).collect::<Vec<_>>(),
        "Content": content(&structure, 0, 0, &mut budget),
        "Created": moment(entry.received.ms()),
        "MIME": mime(&structure, 0, 0, &mut budget),
        "Raw": {
            "From": sender,
            "To": entry.recipients,
            "Data": String::from_utf8_lossy(bytes),
            "Helo": caught.helo,
        },
    }))
}

fn person(address: &str) -> Value {
    let (mailbox, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    json!({ "Relays": null, "Mailbox": mailbox, "Domain": domain, "Params": "" })
}

fn content(structure: &Structure<'_>, index: usize, depth: usize, budget: &mut Budget) -> Value {
    let Some(part) = structure.part(index) else { return Value::Null };
    let body = part.body_bytes();
    // What a part of parts has stands beside the message, not twice.
    let body_text = budget.text(body);
    let inner = if depth == 0 { Value::Null } else { mime(structure, index, depth, budget) };
    json!({
        "Headers": headers(part),
        "Body": body_text,
        "Size": body.len(),
        "MIME": inner,
    })
}

/// The parts of a part; nothing where it has none.
fn mime(structure: &Structure<'_>, index: usize, depth: usize, budget: &mut Budget) -> Value {
    let is_many = structure.part(index).is_some_and(|part| part.kind() == Kind::Multipart);
    if !is_many || depth >= DEPTH_MAX {
        return Value::Null;
    }
    let mut parts = Vec::new();
    for child in structure.children(index) {
        if budget.parts == 0 {
            break;
        }
        budget.parts -= 1;
        parts.push(content(structure, child, depth + 1, budget));
    }
    json!({ "Parts": parts })
}

/// The fields by name, each unfolded, not decoded.
fn headers(part: &Part<'_>) -> Map<String, Value> {
    let mut all: Map<String, Value> = Map::new();
    for field in part.fields() {
        let name = String::from_utf8_lossy(field.name).into_owned();
        let value = String::from_utf8_lossy(field.value).replace(['\r', '\n'], "");
        let entry = all.entry(name).or_insert_with(|| json!([]));
        if let Value::Array(values) = entry {
            values.push(value.trim().into());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_parts_are_not_told_without_end() {
        let mut bytes = b"x".repeat(100_000);
        for level in (0..DEPTH_MAX).rev() {
            let head =
                format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}");
            bytes = [head.as_bytes(), b"\r\n", &bytes, b"\r\n--b", level.to_string().as_bytes()]
                .concat();
            bytes.extend(b"--\r\n");
        }
        let structure = Structure::parse(&bytes);
        let told = mime(&structure, 0, 0, &mut Budget::of(&bytes)).to_string();
        assert!(told.len() < bytes.len() * (TIMES_MAX + 1), "{} of {}", told.len(), bytes.len());
        assert!(told.len() > bytes.len() * 2, "what an ordinary message has is told");
    }
}
