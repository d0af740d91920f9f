//! The HTTP API of `MailCatcher` over one inbox.

use axum::{
    Json, Router,
    extract::{
        Path, Query as Params, State, WebSocketUpgrade,
        ws::{WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use mailwright_directory::Inbox;
use mailwright_mime::Structure;
use mailwright_view::NumberSet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiError, Sandbox,
    event::{Follower, Told},
    find::{Item, PAGE_MAX, Page},
    mailpit::{heard, say},
    message::moment,
    part::{self, octets},
    query::Query,
    whole::{self, Leaf, Role},
};

/// Octets of what a client may say, which is nothing.
const SAID_MAX: usize = 4096;

pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/messages", get(messages).delete(remove_all))
        .route("/messages/{file}", get(one).delete(remove))
        .route("/messages/{id}/parts/{part}", get(one_part))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    inbox: Option<String>,
}

type Answer<T = Response> = Result<T, ApiError>;

fn brackets(address: &str) -> String {
    if address.starts_with('<') { address.to_owned() } else { format!("<{address}>") }
}

fn summed(item: &Item) -> Value {
    let entry = &item.entry;
    json!({
        "id": entry.uid,
        "sender": brackets(&entry.sender),
        "recipients": entry.recipients.iter().map(|one| brackets(one)).collect::<Vec<_>>(),
        "subject": item.summary.subject,
        "size": entry.size.to_string(),
        "created_at": moment(entry.received.ms()),
    })
}

/// The list, oldest first; or events, when the client wants to go on as a WebSocket.
async fn messages(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    if let Ok(upgrade) = upgrade {
        let follower = Follower::new(sandbox, inbox, None).await?;
        let upgrade = upgrade.max_message_size(SAID_MAX).max_frame_size(SAID_MAX);
        return Ok(upgrade.on_upgrade(move |socket| tell(socket, follower)));
    }
    let (mut all, mut before) = (Vec::new(), u32::MAX);
    while all.len() < PAGE_MAX * 10 {
        let page = Page { before, ..Page::newest(PAGE_MAX) };
        let found = sandbox.find(&inbox, Query::All, page).await?;
        let Some(last) = found.items.last() else { break };
        before = last.entry.uid;
        all.extend(found.items.iter().map(summed));
    }
    all.reverse();
    Ok(Json(all).into_response())
}

async fn tell(mut socket: WebSocket, mut follower: Follower) {
    while let Some(told) = heard(&mut socket, &mut follower).await {
        let events = match &told {
            Told::New(item) => vec![json!({ "type": "add", "message": summed(item) })],
            Told::Gone(numbers) => {
                numbers.iter().map(|id| json!({ "type": "remove", "id": id })).collect()
            }
            Told::Reload => vec![json!({ "type": "clear" })],
            Told::End => vec![json!({ "type": "clear" }), json!({ "type": "quit" })],
            Told::Changed(_) | Told::Trouble(_) => Vec::new(),
        };
        for event in events {
            if !say(&mut socket, &event).await {
                return;
            }
        }
        if matches!(told, Told::End) {
            return;
        }
    }
}

async fn remove_all(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    sandbox.delete(&inbox, NumberSet::range(1..=u32::MAX)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let (item, _) = opened(&sandbox, &inbox, &id).await?;
    let uid = item.entry.uid;
    sandbox.delete(&inbox, NumberSet::range(uid..=uid)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn opened(sandbox: &Sandbox, inbox: &Inbox, id: &str) -> Result<(Item, Vec<u8>), ApiError> {
    let number: u32 = id.parse().ok().ok_or(ApiError::NoMessage)?;
    let entry = sandbox.entry_numbered(inbox, number).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    Ok((sandbox.item(entry).await?, bytes))
}

async fn one(
    State(sandbox): State<Sandbox>,
    Path(file): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let (id, format) = file.rsplit_once('.').ok_or(ApiError::NoPath)?;
    let (item, bytes) = opened(&sandbox, &inbox, id).await?;
    let (texts, told) = {
        let structure = Structure::parse(&bytes);
        let leaves = whole::leaves(&structure);
        let told = (format == "json").then(|| whole_of(&item, &structure, &leaves));
        (whole::texts(&structure, &leaves), told)
    };
    let some = |text: String| if text.is_empty() { Err(ApiError::NoPart) } else { Ok(text) };
    Ok(match format {
        "json" => Json(told).into_response(),
        "html" => sandbox.page(item.entry.message, some(texts.html)?).await?,
        "plain" => octets(some(texts.plain)?.into_bytes(), "text/plain; charset=utf-8", None),
        "source" => part::raw(bytes, None),
        "eml" => octets(bytes, "message/rfc822", Some(&format!("{id}.eml"))),
        _ => return Err(ApiError::NoPath),
    })
}

/// How a part is named in a path: by its id, or by its place.
fn name_of(structure: &Structure<'_>, leaf: &Leaf) -> String {
    let id = structure.part(leaf.index).map(whole::content_id).unwrap_or_default();
    if id.is_empty() { leaf.path.clone() } else { id }
}

fn whole_of(item: &Item, structure: &Structure<'_>, leaves: &[Leaf]) -> Value {
    let texts = whole::texts(structure, leaves);
    let mut formats = vec!["source"];
    formats.extend((!texts.html.is_empty()).then_some("html"));
    formats.extend((!texts.plain.is_empty()).then_some("plain"));
    let files = leaves.iter().filter(|leaf| leaf.role != Role::Text).filter_map(|leaf| {
        let part = structure.part(leaf.index)?;
        let name = name_of(structure, leaf);
        let href = format!("/messages/{}/parts/{}", item.entry.uid, super::page::link(&name));
        Some(json!({ "cid": name, "type": whole::media(part),
            "filename": whole::file_name(part, leaf), "size": part.decoded().len(),
            "href": href }))
    });
    let mut all = summed(item);
    if let Value::Object(map) = &mut all {
        let kind = structure.root().map(whole::media).unwrap_or_default();
        map.insert("type".to_owned(), kind.into());
        map.insert("formats".to_owned(), json!(formats));
        map.insert("attachments".to_owned(), files.collect());
    }
    all
}

async fn one_part(
    State(sandbox): State<Sandbox>,
    Path((id, place)): Path<(String, String)>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let (_, bytes) = opened(&sandbox, &inbox, &id).await?;
    let found =
        part::saved(&bytes, &format!("cid:{place}")).or_else(|| part::saved(&bytes, &place));
    found.ok_or(ApiError::NoPart)
}
