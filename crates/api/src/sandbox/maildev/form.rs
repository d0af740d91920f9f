//! A message as `MailDev` tells of it, and its filters: a path into that, and a text.

use mailwright_mime::{Structure, fold_case};
use mailwright_store::capture;
use serde_json::{Map, Value, json};

use crate::sandbox::{
    ApiError, Sandbox,
    find::Item,
    message::{contacts, moment, path},
    summary::Contact,
    whole::{self, Leaf, Role},
};

fn human(octets: u64) -> String {
    let (whole, unit) = match octets {
        0..1024 => return format!("{octets} Bytes"),
        1024..1_048_576 => (1024, "KB"),
        _ => (1_048_576, "MB"),
    };
    let hundredths = octets.saturating_mul(100) / whole;
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    format!("{} {unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// What a list of summaries tells of a message.
pub(super) fn summary(item: &Item) -> Value {
    let (entry, own) = (&item.entry, &item.summary);
    let mut told = json!({
        "id": entry.message.to_string(),
        "time": moment(entry.received.ms()),
        "read": item.is_read(),
        "subject": own.subject,
        "size": entry.size,
        "sizeHuman": human(entry.size),
        "from": contacts(&own.from),
        "to": contacts(&own.to),
        "attachmentCount": own.attachments + own.inline,
        "preview": own.snippet.chars().take(140).collect::<String>(),
    });
    if let Value::Object(map) = &mut told
        && !own.cc.is_empty()
    {
        map.insert("cc".to_owned(), contacts(&own.cc));
    }
    told
}

/// The parts that are files, each with a name that no other has.
pub(super) fn names(structure: &Structure<'_>) -> Vec<(Leaf, String)> {
    let mut named: Vec<(Leaf, String)> = Vec::new();
    for leaf in whole::leaves(structure) {
        if leaf.role == Role::Text {
            continue;
        }
        let Some(part) = structure.part(leaf.index) else { continue };
        let name = whole::file_name(part, &leaf);
        let is_taken = named.iter().any(|(_, own)| *own == name);
        let name = if is_taken { format!("{}-{name}", leaf.path) } else { name };
        named.push((leaf, name));
    }
    named
}

/// A whole message.
///
/// Errors: the store does not answer.
pub(super) async fn whole(sandbox: &Sandbox, item: &Item, bytes: &[u8]) -> Result<Value, ApiError> {
    let (entry, own) = (&item.entry, &item.summary);
    let id = entry.message;
    let caught = sandbox.store().look(|tx| capture::caught(tx, id)).await?.unwrap_or_default();
    let structure = Structure::parse(bytes);
    let texts = whole::texts(&structure, &whole::leaves(&structure));
    let named = |address: &String| {
        let mut all = own.to.iter().chain(&own.cc).chain(&own.bcc);
        all.any(|one| one.address.eq_ignore_ascii_case(address))
    };
    let unnamed = entry.recipients.iter().filter(|address| !named(address));
    let unnamed: Vec<Contact> =
        unnamed.map(|address| Contact { name: String::new(), address: address.clone() }).collect();
    let target = |address: &str| json!({ "address": address, "args": false });
    Ok(json!({
        "id": id.to_string(),
        "time": moment(entry.received.ms()),
        "read": item.is_read(),
        "subject": own.subject,
        "source": format!("/email/{id}/source"),
        "size": entry.size,
        "sizeHuman": human(entry.size),
        "from": contacts(&own.from),
        "to": contacts(&own.to),
        "cc": contacts(&own.cc),
        "bcc": contacts(&own.bcc),
        "calculatedBcc": contacts(&unnamed),
        "date": own.date.map(moment),
        "html": texts.html,
        "text": texts.plain,
        "headers": headers(&structure),
        "messageId": own.message_id,
        "priority": priority(&structure),
        "attachments": attachments(&structure),
        "envelope": {
            "from": target(path(&entry.sender)),
            "to": entry.recipients.iter().map(|one| target(one)).collect::<Vec<_>>(),
            "host": caught.helo,
            "remoteAddress": caught.peer.rsplit_once(':').map_or("", |(host, _)| host),
        },
    }))
}

fn headers(structure: &Structure<'_>) -> Map<String, Value> {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in whole::headers(structure) {
        let entry = all.entry(name.to_lowercase()).or_insert(Value::Null);
        *entry = match std::mem::take(entry) {
            Value::Null => value.into(),
            Value::Array(mut many) => {
                many.push(value.into());
                many.into()
            }
            one => json!([one, value]),
        };
    }
    all
}

/// How urgent a message says it is.
fn priority(structure: &Structure<'_>) -> &'static str {
    let all = whole::headers(structure);
    let find = |name: &str| {
        let found = all.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_lowercase()).unwrap_or_default()
    };
    let (number, word) = (find("X-Priority"), find("Importance") + &find("Priority"));
    match number.chars().next() {
        Some('1' | '2') => "high",
        Some('4' | '5') => "low",
        _ if word.contains("high") || word.starts_with("urgent") => "high",
        _ if word.contains("low") || word.contains("non-urgent") => "low",
        _ => "normal",
    }
}

fn attachments(structure: &Structure<'_>) -> Vec<Value> {
    let each = names(structure).into_iter().filter_map(|(leaf, name)| {
        let part = structure.part(leaf.index)?;
        let octets = part.decoded();
        let kind = if leaf.role == Role::Inline { "inline" } else { "attachment" };
        Some(json!({
            "filename": whole::file_name(part, &leaf),
            "fileName": whole::file_name(part, &leaf),
            "generatedFileName": name,
            "contentType": whole::media(part),
            "contentId": whole::content_id(part),
            "contentDisposition": kind,
            "size": octets.len(),
            "length": octets.len(),
            "checksum": whole::sums(&octets).md5,
        }))
    });
    each.collect()
}

/// Whether a value at `path`, in each element of lists on the way, holds a text.
pub(super) fn has(value: &Value, path: &str, text: &str) -> bool {
    let mut found = vec![value];
    for key in path.split('.').take(10) {
        let mut next = Vec::new();
        for one in found {
            match (one, key.parse::<usize>()) {
                (Value::Array(all), Ok(place)) => next.extend(all.get(place)),
                (Value::Array(all), Err(_)) => {
                    next.extend(all.iter().filter_map(|one| one.get(key)));
                }
                (one, _) => next.extend(one.get(key)),
            }
        }
        found = next;
    }
    let text = fold_case(text);
    found.into_iter().any(|one| match one {
        Value::String(own) => fold_case(own).contains(&text),
        other => fold_case(&other.to_string()) == text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_looks_along_its_path() {
        let told = json!({ "subject": "Hello", "read": false,
            "from": [{ "address": "ann@a.example" }, { "address": "bob@b.example" }] });
        assert!(has(&told, "subject", "hell") && has(&told, "from.address", "BOB"));
        assert!(has(&told, "from.1.address", "bob") && !has(&told, "from.0.address", "bob"));
        assert!(has(&told, "read", "false") && !has(&told, "none.at.all", ""));
    }

    #[test]
    fn octets_are_said_as_people_say_them() {
        let said = [0, 1023, 1024, 1536, 1_572_864].map(human);
        assert_eq!(said, ["0 Bytes", "1023 Bytes", "1 KB", "1.5 KB", "1.5 MB"]);
    }
}
