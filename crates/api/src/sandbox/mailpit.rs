//! The HTTP API of Mailpit, version 1, over one inbox: programs written for it work unchanged.
//!
//! Which inbox that is says `?inbox=`, the name of the host or the user; else it is the default
//! one. Names and forms are those of its published description.

mod chaos;
mod checks;
mod events;
mod list;
mod one;
mod release;
mod send;
mod server;
pub(super) mod swagger;
mod thumb;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use mailwright_store::capture::Entry;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use self::events::{heard, say};
use super::{
    ApiError, Sandbox,
    find::Item,
    message::{moment, path},
    remote,
    summary::{Contact, Summary},
};

pub(super) fn router(message_size_max: usize) -> Router<Sandbox> {
    // Base64 takes a third more.
    let send = DefaultBodyLimit::max(message_size_max.saturating_mul(3) / 2);
    Router::new()
        .route("/api/v1/messages", get(list::messages).put(list::mark).delete(list::delete))
        .route("/api/v1/search", get(list::search).delete(list::delete_found))
        .route("/api/v1/send", post(send::send).layer(send))
        .route("/api/v1/tags", get(list::tags).put(list::set_tags))
        .route("/api/v1/tags/{tag}", put(list::rename_tag).delete(list::drop_tag))
        .route("/api/v1/message/{id}", get(one::message))
        .route("/api/v1/message/{id}/headers", get(one::headers))
        .route("/api/v1/message/{id}/release", post(release::release))
        .route("/api/v1/message/{id}/raw", get(one::raw))
        .route("/api/v1/message/{id}/part/{part}", get(one::part))
        .route("/api/v1/message/{id}/part/{part}/thumb", get(thumb::thumb))
        .route("/api/v1/message/{id}/html-check", get(checks::html_check))
        .route("/api/v1/message/{id}/link-check", get(checks::link_check))
        .route("/api/v1/message/{id}/sa-check", get(checks::spam_check))
        .route("/api/v1/chaos", get(chaos::triggers).put(chaos::set))
        .route("/api/v1/info", get(server::info))
        .route("/api/v1/webui", get(server::webui))
        .route("/api/v1/swagger.json", get(swagger::document))
        .route("/api/events", get(events::events))
        .route("/view/{file}", get(one::view))
        .route("/proxy", get(remote::proxied))
        .route("/livez", get(server::alive))
        .route("/readyz", get(server::alive))
        .layer(middleware::from_fn(preflight))
}

/// What a browser asks before it asks; which origins may go on is not decided here.
async fn preflight(request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        return StatusCode::OK.into_response();
    }
    next.run(request).await
}

/// An error as Mailpit tells it: as text.
#[derive(Debug)]
pub(super) struct Told(ApiError);

impl<E: Into<ApiError>> From<E> for Told {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        (self.0.code(), format!("Error: {}", self.0)).into_response()
    }
}

type Answer<T> = Result<T, Told>;

/// What requests say behind the question mark.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Asked {
    inbox: Option<String>,
    query: String,
    start: usize,
    limit: Option<usize>,
    tz: String,
    dl: Option<String>,
}

impl Asked {
    /// Minutes that the zone asked for is east of UTC now.
    fn zone_minutes(&self, now: mailwright_words::Timestamp) -> i32 {
        let zone = jiff::tz::TimeZone::get(&self.tz).ok();
        let at = jiff::Timestamp::from_millisecond(now.ms()).ok();
        zone.zip(at).map_or(0, |(zone, at)| zone.to_offset(at).seconds() / 60)
    }
}

fn contact(one: &Contact) -> Value {
    json!({ "Name": one.name, "Address": one.address })
}

fn contacts(all: &[Contact]) -> Vec<Value> {
    all.iter().map(contact).collect()
}

/// Those who got it without being named in it.
fn blind(entry: &Entry, summary: &Summary) -> Vec<Value> {
    let named = |address: &str| {
        let all = summary.to.iter().chain(&summary.cc).chain(&summary.bcc);
        all.into_iter().any(|one| one.address.eq_ignore_ascii_case(address))
    };
    let unnamed = entry.recipients.iter().filter(|address| !named(address));
    let unnamed = unnamed.map(|address| json!({ "Name": "", "Address": address }));
    contacts(&summary.bcc).into_iter().chain(unnamed).collect()
}

/// A message in a list.
fn summary(item: &Item) -> Value {
    let Item { entry, summary } = item;
    json!({
        "ID": entry.message.to_string(),
        "MessageID": summary.message_id,
        "Read": item.is_read(),
        "From": summary.from.first().map(contact),
        "To": contacts(&summary.to),
        "Cc": contacts(&summary.cc),
        "Bcc": blind(entry, summary),
        "ReplyTo": contacts(&summary.reply_to),
        "Subject": summary.subject,
        "Created": moment(entry.received.ms()),
        "Username": entry.username.clone().unwrap_or_default(),
        "Tags": entry.tags,
        "Size": entry.size,
        "Attachments": summary.attachments,
        "Snippet": summary.snippet,
        "Envelope": { "From": path(&entry.sender), "To": entry.recipients },
    })
}
