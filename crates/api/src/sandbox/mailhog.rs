//! The HTTP APIs of `MailHog`, versions 1 and 2, over one inbox.
//!
//! The list of version 1 has the path of Mailpit's, so it is below `/mailhog/{inbox}` alone; all
//! else is at its own path, too.

mod events;
mod form;
mod jim;
mod release;

use axum::{
    Json, Router,
    extract::{Path, Query as Params, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use mailwright_directory::Inbox;
use mailwright_mime::{Structure, fold_case};
use mailwright_view::NumberSet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiError, Sandbox,
    find::{Found, Page},
    part::octets,
    query::{Query, Test},
};

/// Messages of a page that says nothing else, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 250;
/// Octets of messages in one answer; a list ends before it is longer.
const ANSWER_MAX: usize = 64 << 20;

/// What has no other meaning at its path.
pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/api/v1/messages/{id}", get(one).delete(remove))
        .route("/api/v1/messages/{id}/download", get(download))
        .route("/api/v1/messages/{id}/release", post(release::release))
        .route("/api/v1/messages/{id}/mime/part/{part}/download", get(download_part))
        .route("/api/v1/events", get(events::stream))
        .route("/api/v2/messages", get(messages))
        .route("/api/v2/search", get(search))
        .route("/api/v2/websocket", get(events::socket))
        .route("/api/v2/jim", get(jim::get).post(jim::set).put(jim::set).delete(jim::remove))
        // Servers are not chosen by who asks.
        .route("/api/v2/outgoing-smtp", get(|| async { Json(json!({})) }))
}

/// All of it.
pub(super) fn whole() -> Router<Sandbox> {
    let all = get(list).merge(delete(remove_all));
    router().route("/api/v1/messages", all)
}

/// What requests say behind the question mark.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    inbox: Option<String>,
    start: usize,
    limit: Option<usize>,
    kind: String,
    query: String,
}

/// An error, as text.
#[derive(Debug)]
struct Told(ApiError);

impl<E: Into<ApiError>> From<E> for Told {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        (self.0.code(), format!("{}\n", self.0)).into_response()
    }
}

type Answer<T> = Result<T, Told>;

/// The messages of a page, as many as fit into an answer.
async fn told(sandbox: &Sandbox, found: &Found) -> Result<Vec<Value>, ApiError> {
    let (mut all, mut octets) = (Vec::new(), 0_usize);
    for item in &found.items {
        let bytes = sandbox.bytes(item.entry.message).await?;
        octets = octets.saturating_add(bytes.len());
        if octets > ANSWER_MAX && !all.is_empty() {
            break;
        }
        all.push(form::message(sandbox, &item.entry, &bytes).await?);
    }
    Ok(all)
}

async fn page(
    sandbox: &Sandbox,
    (inbox, query): (&Inbox, Query),
    asked: &Asked,
) -> Answer<Json<Value>> {
    let limit = asked.limit.unwrap_or(PAGE).min(PAGE_MAX);
    let page = Page { skip: asked.start, counts: true, ..Page::newest(limit) };
    let found = sandbox.find(inbox, query, page).await?;
    let items = told(sandbox, &found).await?;
    Ok(Json(json!({ "total": found.total, "count": items.len(), "start": asked.start,
        "items": items })))
}

async fn messages(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    page(&sandbox, (&inbox, Query::All), &asked).await
}

async fn search(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let text = fold_case(&asked.query);
    if text.is_empty() {
        return Err(ApiError::bad("no query").into());
    }
    let test = match asked.kind.as_str() {
        "from" => Test::Sender(text),
        "to" => Test::Recipient(text),
        "containing" => Test::Text(text),
        _ => return Err(ApiError::bad("kind is from, to or containing").into()),
    };
    page(&sandbox, (&inbox, Query::Is(test)), &asked).await
}

async fn list(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let found = sandbox.find(&inbox, Query::All, Page::newest(1000)).await?;
    Ok(Json(told(&sandbox, &found).await?.into()))
}

async fn remove_all(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    sandbox.delete(&inbox, NumberSet::range(1..=u32::MAX)).await?;
    Ok(StatusCode::OK)
}

async fn one(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let entry = sandbox.entry(&inbox, &id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    Ok(Json(form::message(&sandbox, &entry, &bytes).await?))
}

async fn remove(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let entry = sandbox.entry(&inbox, &id).await?;
    sandbox.delete(&inbox, NumberSet::range(entry.uid..=entry.uid)).await?;
    Ok(StatusCode::OK)
}

async fn download(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Response> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let entry = sandbox.entry(&inbox, &id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    Ok(octets(bytes, "message/rfc822", Some(&format!("{}.eml", entry.message))))
}

/// A part as it was sent, still encoded, with the fields that say how.
async fn download_part(
    State(sandbox): State<Sandbox>,
    Path((id, place)): Path<(String, usize)>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Response> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let entry = sandbox.entry(&inbox, &id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let structure = Structure::parse(&bytes);
    let index = structure.children(0).nth(place).ok_or(ApiError::NoPart)?;
    let found = structure.part(index).ok_or(ApiError::NoPart)?;
    let name = found.file_name().unwrap_or_else(|| format!("{id}-part-{place}"));
    let body = found.body_bytes().to_vec();
    let mut response = octets(body, "application/octet-stream", Some(&name));
    if let Ok(media) = HeaderValue::from_str(&super::whole::media(found)) {
        response.headers_mut().insert(header::CONTENT_TYPE, media);
    }
    let encoding =
        found.fields().find(|field| field.name.eq_ignore_ascii_case(b"Content-Transfer-Encoding"));
    let encoding = encoding.map(|field| String::from_utf8_lossy(field.value).trim().to_owned());
    if let Some(value) = encoding.and_then(|text| HeaderValue::from_str(&text).ok()) {
        let name = HeaderName::from_static("content-transfer-encoding");
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}
