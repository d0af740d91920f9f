//! What the checks say of one message, in the forms of this API.

use axum::{
    Json,
    extract::{Path, Query as Params, State},
    http::HeaderMap,
};
use mailwright_sandbox::{
    facts::{Context, Facts},
    message::Message,
    spam,
    support::{CompatScore, CompatTotal, CompatWarning, check, compat, table},
};
use mailwright_words::Timestamp;
use serde_json::{Map, Value, json};

use super::{Answer, Asked, one::opened};
use crate::sandbox::{ApiError, Sandbox};

pub(super) async fn html_check(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let (_, bytes) = opened(&sandbox, &asked, &headers, &id).await?;
    let told = apart(move || supported(&bytes)).await?;
    told.map(Json).ok_or_else(|| ApiError::Bad("message does not contain HTML".to_owned()).into())
}

pub(super) async fn spam_check(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let (entry, bytes) = opened(&sandbox, &asked, &headers, &id).await?;
    let received = entry.received;
    Ok(Json(apart(move || rated(&bytes, received)).await?))
}

/// A check may take some milliseconds of the processor: no other request waits for it.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
    let Ok(done) = tokio::task::spawn_blocking(work).await else {
        return Err(ApiError::Busy.into());
    };
    Ok(done)
}

/// What clients support of it; nothing where there is no HTML.
fn supported(bytes: &[u8]) -> Option<Value> {
    let message = Message::read(bytes);
    let facts = Facts::new(&message, Context::default());
    let page = facts.page.as_ref()?;
    let (warnings, total) = compat(page, &check(Some(page), &message.names(), &message.medias()));
    Some(json!({
        "Warnings": warnings.iter().map(warning).collect::<Vec<_>>(),
        "Platforms": platforms(),
        "Total": whole(total),
    }))
}

fn warning(warning: &CompatWarning) -> Value {
    let feature = warning.feature;
    let results = warning.results.iter().map(|one| {
        json!({ "Name": one.name, "Platform": one.platform, "Family": one.family,
            "Version": one.version, "Support": one.support, "NoteNumber": one.notes })
    });
    let notes = feature.notes.iter().map(|(number, note)| ((*number).to_owned(), json!(note)));
    json!({
        "Slug": feature.slug,
        "Title": feature.title,
        "Description": feature.description,
        "URL": feature.url(),
        "Category": feature.category,
        "Tags": feature.tags,
        "Keywords": feature.keywords,
        "Results": results.collect::<Vec<_>>(),
        "NotesByNumber": notes.collect::<Map<_, _>>(),
        "Score": score(warning.score),
    })
}

fn score(score: CompatScore) -> Value {
    json!({ "Found": score.found, "Supported": score.supported, "Partial": score.partial,
        "Unsupported": score.unsupported })
}

fn whole(total: CompatTotal) -> Value {
    json!({ "Tests": total.tests, "Nodes": total.nodes, "Supported": total.supported,
        "Partial": total.partial, "Unsupported": total.unsupported })
}

/// The clients of each platform.
fn platforms() -> Map<String, Value> {
    let mut all = Map::new();
    for client in &table().clients {
        let clients = all.entry(client.platform).or_insert_with(|| json!([]));
        if let Value::Array(clients) = clients {
            clients.push(json!(client.family_name));
        }
    }
    all
}

/// What the built-in rules say of it.
fn rated(bytes: &[u8], received: Timestamp) -> Value {
    let message = Message::read(bytes);
    let context = Context { received: Some(received), ..Context::default() };
    let found = spam::spam(&Facts::new(&message, context));
    let rules = found.hits.iter().map(
        |rule| json!({ "Score": rule.points, "Name": rule.name, "Description": rule.explanation }),
    );
    json!({ "IsSpam": found.is_spam(), "Error": "", "Score": found.score,
        "Rules": rules.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &[u8] = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n\
        <p style='display:grid'>x</p>\r\n";

    #[test]
    fn a_check_has_the_fields_that_clients_read() {
        let told = supported(HTML).unwrap();
        let warnings = told["Warnings"].as_array().unwrap();
        let grid = warnings.iter().find(|one| one["Slug"] == "css-display-grid").unwrap();
        assert_eq!(grid["Score"]["Found"], 1);
        assert!(grid["Results"].as_array().unwrap().iter().any(|one| one["Support"] == "no"));
        assert_eq!(told["Total"]["Nodes"], 1);
        assert!(!told["Platforms"]["windows"].as_array().unwrap().is_empty());
        assert!(supported(b"Subject: x\r\n\r\ntext\r\n").is_none());
    }

    #[test]
    fn a_rating_names_its_rules() {
        let told = rated(HTML, Timestamp::new(1_795_500_937_042));
        let rules = told["Rules"].as_array().unwrap();
        assert!(rules.iter().any(|rule| rule["Name"] == "MISSING_DATE"), "{told}");
        assert_eq!(told["IsSpam"], false);
    }
}
