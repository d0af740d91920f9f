//! What the checks say of one message, in the forms of this API.

use axum::{
    Json,
    extract::{Path, Query as Params, State},
    http::{HeaderMap, StatusCode},
};
use mailwright_sandbox::{
    facts::{Context, Facts},
    links::{LinkStatus, Unled, Verdict, statuses},
    message::Message,
    spam,
    support::{CompatScore, CompatTotal, CompatWarning, check, compat, table},
    verdict::Opinion,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Asked, one::opened};
use crate::sandbox::{ApiError, Sandbox, checks::Sender};

pub(super) async fn html_check(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let (_, bytes) = opened(&sandbox, &asked, &headers, &id).await?;
    let told = sandbox.apart(move || supported(&bytes)).await?;
    told.map(Json).ok_or_else(|| ApiError::Bad("message does not contain HTML".to_owned()).into())
}

pub(super) async fn spam_check(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let (entry, bytes) = opened(&sandbox, &asked, &headers, &id).await?;
    let context = sandbox.context(&entry, &bytes, Sender::default(), false).await?;
    let mut filters = context.verdicts.filters.iter();
    if let Some(opinion) = filters.find(|opinion| opinion.filter == "spamd") {
        return Ok(Json(of_spamd(opinion)));
    }
    Ok(Json(sandbox.apart(move || rated(&bytes, context)).await?))
}

/// What is asked about links.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Following {
    follow: Option<String>,
}

/// Asks whether links work. With `follow` it is told what the end of redirects says, without it
/// the first of them.
pub(super) async fn link_check(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    (Params(asked), Params(following)): (Params<Asked>, Params<Following>),
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let (_, bytes) = opened(&sandbox, &asked, &headers, &id).await?;
    let egress = sandbox.backing.egress.as_ref();
    let egress = egress.ok_or_else(|| ApiError::bad("this server asks nobody"))?;
    let (links, unsubscribes) = sandbox
        .apart(move || {
            let message = Message::read(&bytes);
            let facts = Facts::new(&message, Context::default());
            let unsubscribes = facts.unsubscribes();
            (facts.links, unsubscribes)
        })
        .await?;
    let settings = egress.settings();
    let limits = (settings.links_max, settings.at_once);
    let follows = following.follow.is_some_and(|follow| matches!(&*follow, "true" | "1" | ""));
    let statuses = if follows {
        statuses(egress, &links, &unsubscribes, limits).await
    } else {
        statuses(&Unled(egress), &links, &unsubscribes, limits).await
    };
    Ok(Json(linked(&statuses)))
}

fn linked(all: &[LinkStatus]) -> Value {
    // Nobody asks what would unsubscribe: it has no status to tell of.
    let asked = all.iter().filter(|one| one.verdict != Verdict::Unsubscribes);
    let links: Vec<Value> = asked.map(link).collect();
    let failed = |link: &&Value| {
        link.get("StatusCode").and_then(Value::as_u64).is_none_or(|code| code == 0 || code >= 400)
    };
    json!({ "Errors": links.iter().filter(failed).count(), "Links": links })
}

/// A link with its status: 451 for an address that may not be asked, 0 where nothing answers.
fn link(one: &LinkStatus) -> Value {
    let code = match (one.verdict, one.status) {
        (Verdict::Forbidden, _) => 451,
        (_, status) => status.unwrap_or(0),
    };
    let words = StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason());
    let text = match (one.verdict, &one.error) {
        (Verdict::Forbidden, _) | (_, None) => words.unwrap_or_default().to_owned(),
        (_, Some(error)) if one.status.is_none() => error.clone(),
        _ => words.unwrap_or_default().to_owned(),
    };
    json!({ "URL": one.url, "StatusCode": code, "Status": text })
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

/// What a `spamd` says of it.
fn of_spamd(opinion: &Opinion) -> Value {
    match &opinion.rating {
        Err(why) => json!({ "IsSpam": false, "Error": why, "Score": 0, "Rules": [] }),
        Ok(rating) => {
            let rules = rating.symbols.iter().map(|one| {
                json!({ "Score": one.points, "Name": one.name, "Description": one.explanation })
            });
            json!({ "IsSpam": rating.is_spam, "Error": "", "Score": rating.score,
                "Rules": rules.collect::<Vec<_>>() })
        }
    }
}

/// What the built-in rules say of it.
fn rated(bytes: &[u8], context: Context) -> Value {
    let message = Message::read(bytes);
    let found = spam::spam(&Facts::new(&message, context));
    let rules = found.hits.iter().map(
        |rule| json!({ "Score": rule.points, "Name": rule.name, "Description": rule.explanation }),
    );
    json!({ "IsSpam": found.is_spam(), "Error": "", "Score": found.score,
        "Rules": rules.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use mailwright_words::Timestamp;

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
        let received = Some(Timestamp::new(1_795_500_937_042));
        let told = rated(HTML, Context { received, ..Context::default() });
        let rules = told["Rules"].as_array().unwrap();
        assert!(rules.iter().any(|rule| rule["Name"] == "MISSING_DATE"), "{told}");
        assert_eq!(told["IsSpam"], false);
    }

    #[test]
    fn links_have_the_status_that_clients_read() {
        let one = |verdict, status, error: Option<&str>| LinkStatus {
            url: "https://shop.eu/".to_owned(),
            verdict,
            status,
            redirects: Vec::new(),
            error: error.map(str::to_owned),
        };
        let told = linked(&[
            one(Verdict::Works, Some(200), None),
            one(Verdict::Broken, Some(404), Some("the server says 404")),
            one(Verdict::Broken, None, Some("nobody")),
            one(Verdict::Forbidden, None, Some("not public")),
            one(Verdict::Unsubscribes, None, None),
        ]);
        let all = told["Links"].as_array().unwrap();
        let codes: Vec<u64> = all.iter().map(|one| one["StatusCode"].as_u64().unwrap()).collect();
        assert_eq!((codes, &told["Errors"]), (vec![200, 404, 0, 451], &json!(3)));
        assert_eq!(all[0]["Status"], "OK");
        assert_eq!(all[2]["Status"], "nobody");
    }
}
