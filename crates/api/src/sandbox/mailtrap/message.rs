//! Messages: listed, told, marked, deleted; their bodies, fields and attachments.

use axum::{
    Json,
    extract::{Query as Params, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use mailwright_directory::Inbox;
use mailwright_mime::{Structure, fold_case};
use mailwright_store::capture;
use mailwright_view::NumberSet;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Place, human, number, report};
use crate::sandbox::{
    ApiError, Sandbox,
    checks::Sender,
    find::{Item, Page},
    message::{moment, path},
    part::{self, octets},
    query::{Query, Test},
    whole::{self, Leaf, Role},
};

/// Messages of a page.
const PAGE: usize = 30;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    search: String,
    last_id: Option<u32>,
    page: Option<usize>,
    attachment_type: Option<String>,
}

pub(super) async fn list(
    State(sandbox): State<Sandbox>,
    place: Place,
    Params(asked): Params<Asked>,
) -> Answer {
    let inbox = sandbox.used_inbox(&place).await?;
    let text = fold_case(asked.search.trim());
    let query = if text.is_empty() {
        Query::All
    } else {
        let tests = [Test::Subject(text.clone()), Test::To(text.clone()), Test::Recipient(text)];
        Query::Or(tests.map(Query::Is).into())
    };
    let skip = match asked.last_id {
        Some(_) => 0,
        None => asked.page.unwrap_or(1).saturating_sub(1).saturating_mul(PAGE),
    };
    let before = asked.last_id.unwrap_or(u32::MAX);
    let page = Page { before, skip, ..Page::newest(PAGE) };
    let mut all = Vec::new();
    for item in sandbox.find(&inbox, query, page).await?.items {
        all.push(told(&sandbox, &place, &inbox, &item).await?);
    }
    Ok(Json(all.into()))
}

async fn told(
    sandbox: &Sandbox,
    place: &Place,
    inbox: &Inbox,
    item: &Item,
) -> Result<Value, ApiError> {
    let Item { entry, summary } = item;
    let id = entry.message;
    let bytes = sandbox.bytes(id).await?;
    let caught = sandbox.store().look(|tx| capture::caught(tx, id)).await?.unwrap_or_default();
    let structure = Structure::parse(&bytes);
    let texts = whole::texts(&structure, &whole::leaves(&structure));
    let (from, to) = (summary.from.first(), summary.to.first());
    let recipient = entry.recipients.first().cloned().unwrap_or_default();
    let received = moment(entry.received.ms());
    let base = place.path(number(inbox), entry.uid);
    let peer = caught.peer.rsplit_once(':').map_or(caught.peer.as_str(), |(host, _)| host);
    let mut all = json!({
        "id": entry.uid,
        "subject": summary.subject,
        "sent_at": moment(summary.date.unwrap_or_else(|| entry.received.ms())),
        "from_email": from.map_or_else(|| path(&entry.sender), |one| &one.address),
        "from_name": from.map(|one| one.name.as_str()).unwrap_or_default(),
        "to_email": to.map_or(&recipient, |one| &one.address),
        "to_name": to.map(|one| one.name.as_str()).unwrap_or_default(),
        "email_size": entry.size,
        "is_read": item.is_read(),
        "created_at": received,
        "updated_at": received,
        "html_body_size": texts.html.len(),
        "text_body_size": texts.plain.len(),
        "human_size": human(bytes.len()),
        "html_path": format!("{base}/body.html"),
        "txt_path": format!("{base}/body.txt"),
        "raw_path": format!("{base}/body.raw"),
        "download_path": format!("{base}/body.eml"),
        "html_source_path": format!("{base}/body.htmlsource"),
        // Lists are asked when somebody asks for one message, and where that is configured.
        "blacklists_report_info": false,
        "smtp_information": {
            "ok": !peer.is_empty(),
            "data": {
                "mail_from_addr": path(&entry.sender),
                "client_ip": peer.trim_matches(['[', ']']),
                "rcpt_to_addrs": entry.recipients,
            },
        },
    });
    if let Value::Object(map) = &mut all {
        map.insert(format!("{}_id", place.word()), number(inbox).into());
    }
    Ok(all)
}

pub(super) async fn one(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let (inbox, entry) = sandbox.numbered(&place).await?;
    let item = sandbox.item(entry).await?;
    let mut all = told(&sandbox, &place, &inbox, &item).await?;
    let bytes = sandbox.bytes(item.entry.message).await?;
    let context = sandbox.context(&item.entry, &bytes, Sender::default(), false).await?;
    let author = item.summary.from.first().map_or("", |one| one.address.as_str());
    if let Value::Object(map) = &mut all {
        let lists = report::blacklists(&context, author);
        map.insert("blacklists_report_info".to_owned(), lists);
    }
    Ok(Json(all))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    message: Map<String, Value>,
}

pub(super) async fn change(
    State(sandbox): State<Sandbox>,
    place: Place,
    Json(change): Json<Change>,
) -> Answer {
    let (inbox, entry) = sandbox.numbered(&place).await?;
    let read = match change.message.get("is_read") {
        Some(Value::Bool(read)) => *read,
        Some(Value::String(text)) if text == "true" => true,
        Some(Value::String(text)) if text == "false" => false,
        _ => return Err(ApiError::bad("message.is_read is true or false").into()),
    };
    sandbox.mark(&inbox, NumberSet::range(entry.uid..=entry.uid), read).await?;
    one(State(sandbox), place).await
}

pub(super) async fn remove(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let (inbox, entry) = sandbox.numbered(&place).await?;
    let uid = entry.uid;
    let item = sandbox.item(entry).await?;
    let last = told(&sandbox, &place, &inbox, &item).await?;
    sandbox.delete(&inbox, NumberSet::range(uid..=uid)).await?;
    Ok(Json(last))
}

/// One side of a message.
pub(super) async fn aspect(State(sandbox): State<Sandbox>, place: Place) -> Answer<Response> {
    let (_, entry) = sandbox.numbered(&place).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let (texts, fields) = {
        let structure = Structure::parse(&bytes);
        (whole::texts(&structure, &whole::leaves(&structure)), fields(&structure))
    };
    let text = "text/plain; charset=utf-8";
    let some = |body: String| if body.is_empty() { Err(ApiError::NoPart) } else { Ok(body) };
    Ok(match place.what.as_str() {
        "body.txt" => octets(some(texts.plain)?.into_bytes(), text, None),
        "body.htmlsource" => octets(some(texts.html)?.into_bytes(), text, None),
        "body.html" => sandbox.page(entry.message, some(texts.html)?).await?,
        "body.raw" => part::raw(bytes, None),
        "body.eml" => part::raw(bytes, Some(&format!("{}.eml", entry.message))),
        "mail_headers" => Json(json!({ "headers": fields })).into_response(),
        "analyze" => Json(sandbox.apart(move || report::analysis(&bytes)).await?).into_response(),
        _ => return Err(ApiError::NoPath.into()),
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct Forward {
    #[serde(rename = "email")]
    address: String,
}

pub(super) async fn forward(
    State(sandbox): State<Sandbox>,
    place: Place,
    headers: HeaderMap,
    Json(forward): Json<Forward>,
) -> Answer {
    let (inbox, entry) = sandbox.numbered(&place).await?;
    sandbox.release_as_asked(&inbox, entry.message, (vec![forward.address], &headers)).await?;
    Ok(Json(json!({ "message": "The message waits to be delivered" })))
}

/// The fields of a header by names in lower case with low lines; several of one name are a list.
fn fields(structure: &Structure<'_>) -> Map<String, Value> {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in whole::headers(structure) {
        let entry = all.entry(name.to_lowercase().replace('-', "_")).or_insert(Value::Null);
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

fn attached(
    place: &Place,
    (inbox, item): (&Inbox, &Item),
    structure: &Structure<'_>,
    (id, leaf): (usize, &Leaf),
) -> Option<Value> {
    let part = structure.part(leaf.index)?;
    let (size, received) = (part.decoded().len(), moment(item.entry.received.ms()));
    let base = place.path(number(inbox), item.entry.uid);
    let content_id = Some(whole::content_id(part)).filter(|id| !id.is_empty());
    Some(json!({
        "id": id,
        "message_id": item.entry.uid,
        "filename": whole::file_name(part, leaf),
        "attachment_type": if leaf.role == Role::Inline { "inline" } else { "attachment" },
        "content_type": whole::media(part),
        "content_id": content_id,
        "transfer_encoding": format!("{:?}", part.encoding()).to_lowercase(),
        "attachment_size": size,
        "created_at": received,
        "updated_at": received,
        "attachment_human_size": human(size),
        "download_path": format!("{base}/attachments/{id}/download"),
    }))
}

/// The leaves of a message that are no text of it, counted from 1.
fn files(structure: &Structure<'_>) -> Vec<(usize, Leaf)> {
    let leaves = whole::leaves(structure).into_iter().filter(|leaf| leaf.role != Role::Text);
    (1..).zip(leaves).collect()
}

async fn all_attachments(sandbox: &Sandbox, place: &Place) -> Result<Vec<Value>, ApiError> {
    let (inbox, entry) = sandbox.numbered(place).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let item = sandbox.item(entry).await?;
    let structure = Structure::parse(&bytes);
    let each = files(&structure);
    let told = each
        .iter()
        .filter_map(|(id, leaf)| attached(place, (&inbox, &item), &structure, (*id, leaf)));
    Ok(told.collect())
}

pub(super) async fn attachments(
    State(sandbox): State<Sandbox>,
    place: Place,
    Params(asked): Params<Asked>,
) -> Answer {
    let mut all = all_attachments(&sandbox, &place).await?;
    if let Some(kind) = asked.attachment_type {
        all.retain(|one| one.get("attachment_type").and_then(Value::as_str) == Some(&kind));
    }
    Ok(Json(all.into()))
}

pub(super) async fn attachment(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let all = all_attachments(&sandbox, &place).await?;
    let one = all.into_iter().nth(place.attachment.wrapping_sub(1));
    Ok(Json(one.ok_or(ApiError::NoPart)?))
}

pub(super) async fn download(State(sandbox): State<Sandbox>, place: Place) -> Answer<Response> {
    let (_, entry) = sandbox.numbered(&place).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let path = {
        let structure = Structure::parse(&bytes);
        files(&structure).into_iter().find(|(id, _)| *id == place.attachment)
    };
    let (_, leaf) = path.ok_or(ApiError::NoPart)?;
    Ok(part::saved(&bytes, &leaf.path).ok_or(ApiError::NoPart)?)
}
