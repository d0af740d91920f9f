//! Our own API: inboxes and their messages, search, wait, events, refusals.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query as Asked, State},
    http::{HeaderMap, StatusCode},
    middleware,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use mailwright_config::InboxSettings;
use mailwright_directory::Inbox;
use mailwright_view::NumberSet;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{
    ApiError, Sandbox, change, error,
    event::{self, Follower},
    extract,
    find::Page,
    message::{Wanted, listed, moment},
    part,
    query::Query,
    refusal, release,
    scope::need_all,
    settings, token,
    wait::{self, Wait},
};

/// Messages of a page that says nothing else.
const PAGE: usize = 50;
/// How long one waits who says nothing else, and at most.
const WAIT: Duration = Duration::from_secs(30);
const WAIT_MAX: Duration = Duration::from_mins(10);
/// Longest time an inbox may be made for, in seconds: ten years.
const TTL_MAX: u64 = 10 * 366 * 86_400;
/// Selectors, or patterns, of one request.
const WANTED_MAX: usize = 20;
/// Messages one may wait for in one request.
const COUNT_MAX: usize = 100;

pub(crate) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/api/inboxes", get(inboxes).post(add_inbox))
        .route("/api/inboxes/{inbox}", get(inbox).patch(change_inbox).delete(remove_inbox))
        .route(
            "/api/inboxes/{inbox}/messages",
            get(messages).delete(delete_messages).patch(change_messages),
        )
        .route("/api/inboxes/{inbox}/settings", get(settings::settings).put(settings::set))
        .route("/api/inboxes/{inbox}/release", post(release::found))
        .route("/api/inboxes/{inbox}/tokens", get(token::list).post(token::add))
        .route("/api/inboxes/{inbox}/tokens/{token}", delete(token::revoke))
        .route("/api/inboxes/{inbox}/wait", get(wait_for))
        .route("/api/inboxes/{inbox}/events", get(events))
        .route("/api/inboxes/{inbox}/tags", get(tags))
        .route("/api/messages/{id}", get(message).delete(delete_message).patch(change_message))
        .route("/api/messages/{id}/raw", get(raw))
        .route("/api/messages/{id}/check", get(super::checks::check).post(super::checks::check_so))
        .route("/api/messages/{id}/headers", get(headers))
        .route("/api/messages/{id}/release", post(release::one))
        .route("/api/messages/{id}/releases", get(release::releases))
        .route("/api/messages/{id}/parts/{part}", get(one_part))
        .route("/api/messages/{id}/parts/{part}/thumb", get(thumb))
        .route("/api/release", get(release::rules))
        .route("/api/refusals", get(refusals).delete(forget_refusals))
        .layer(middleware::map_response(error::in_our_form))
}

type Answer<T = Json<Value>> = Result<T, ApiError>;

fn told(inbox: &Inbox) -> Value {
    json!({
        "name": inbox.name,
        "number": inbox.number,
        "messages": inbox.total,
        "unread": inbox.unseen,
        "octets": inbox.bytes,
        "created": moment(inbox.created.ms()),
        "expires": inbox.expires.map(|at| moment(at.ms())),
    })
}

async fn inboxes(State(sandbox): State<Sandbox>) -> Answer {
    let all = sandbox.inboxes().await?;
    Ok(Json(json!({ "inboxes": all.iter().map(told).collect::<Vec<_>>() })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NewInbox {
    name: Option<String>,
    /// Seconds.
    ttl: Option<u64>,
    settings: Option<InboxSettings>,
}

/// Takes JSON of any type, or nothing.
async fn add_inbox(State(sandbox): State<Sandbox>, body: Bytes) -> Answer<Response> {
    need_all()?;
    let new = if body.is_empty() {
        NewInbox::default()
    } else {
        Json::from_bytes(&body).map_err(|error| ApiError::bad(error.body_text()))?.0
    };
    let lifetime = new.ttl.map(lifetime).transpose()?;
    let settings = new.settings.map(settings::checked).transpose()?;
    let (directory, now) = (&sandbox.backing.directory, sandbox.now());
    let (made, secret) = directory.add_inbox(new.name.as_deref(), lifetime, now).await?;
    if let Some(settings) = settings {
        sandbox.backing.intake.set_inbox_settings(made.principal, settings).await?;
    }
    let mut told = told(&made);
    if let Value::Object(map) = &mut told {
        map.insert("password".to_owned(), secret.expose().into());
    }
    Ok((StatusCode::CREATED, Json(told)).into_response())
}

/// How long an inbox is to live, from seconds.
pub(super) fn lifetime(seconds: u64) -> Result<Duration, ApiError> {
    if seconds == 0 || seconds > TTL_MAX {
        return Err(ApiError::bad("ttl is a number of seconds, ten years at most"));
    }
    Ok(Duration::from_secs(seconds))
}

/// What is to become of an inbox.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct InboxChanges {
    ttl: Ttl,
}

/// How long an inbox is to live.
#[derive(Debug, Default)]
enum Ttl {
    /// Nothing is said of it.
    #[default]
    Unsaid,
    /// Seconds from now; none, and it lives for ever.
    Set(Option<u64>),
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Option::deserialize(from).map(Self::Set)
    }
}

async fn change_inbox(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    Json(changes): Json<InboxChanges>,
) -> Answer {
    let inbox = sandbox.inbox(&name).await?;
    if let Ttl::Set(ttl) = changes.ttl {
        let (owner, now) = (inbox.principal, sandbox.now());
        let expires = ttl.map(lifetime).transpose()?.map(|time| now.plus(time));
        sandbox.write(move |tx| mailwright_store::capture::set_expires(tx, owner, expires)).await?;
    }
    Ok(Json(told(&sandbox.inbox(&inbox.name).await?)))
}

async fn inbox(State(sandbox): State<Sandbox>, Path(name): Path<String>) -> Answer {
    Ok(Json(told(&sandbox.inbox(&name).await?)))
}

async fn remove_inbox(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    let inbox = sandbox.inbox(&name).await?;
    sandbox.backing.directory.remove_inbox(&inbox, sandbox.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a list of messages is asked for. A name that was misspelt would have all of them meant.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Listing {
    query: String,
    limit: Option<usize>,
    /// Only messages with smaller numbers: the last one of the page before.
    before: Option<u32>,
    /// Whether matches are counted beyond the page.
    count: bool,
}

async fn messages(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    Asked(asked): Asked<Listing>,
) -> Answer {
    let inbox = sandbox.inbox(&name).await?;
    let query = Query::sound(&asked.query, sandbox.now())?;
    let limit = asked.limit.unwrap_or(PAGE);
    let before = asked.before.unwrap_or(u32::MAX);
    let page = Page { before, counts: asked.count, ..Page::newest(limit) };
    let is_all = query.is_all();
    let found = sandbox.find(&inbox, query, page).await?;
    let messages: Vec<Value> =
        found.items.iter().map(|item| listed(&inbox.name, item).into()).collect();
    let next = found.items.last().filter(|_| found.items.len() >= limit.max(1));
    let total = (asked.count || is_all).then_some(found.total);
    Ok(Json(json!({
        "messages": messages,
        "total": total,
        "totalIsLeast": found.is_cut,
        "next": next.map(|item| item.entry.uid),
    })))
}

async fn delete_messages(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    Asked(asked): Asked<Listing>,
) -> Answer {
    let inbox = sandbox.inbox(&name).await?;
    let query = Query::sound(&asked.query, sandbox.now())?;
    let deleted = sandbox.delete_found(&inbox, &query).await?;
    Ok(Json(json!({ "deleted": deleted })))
}

/// What is to become of messages.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Changes {
    read: Option<bool>,
    tags: Option<Vec<String>>,
}

async fn change_messages(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    Asked(asked): Asked<Listing>,
    Json(changes): Json<Changes>,
) -> Answer<StatusCode> {
    let inbox = sandbox.inbox(&name).await?;
    let query = Query::sound(&asked.query, sandbox.now())?;
    if changes.tags.is_some() {
        return Err(ApiError::bad("tags are set message by message"));
    }
    if let Some(read) = changes.read {
        sandbox.mark_found(&inbox, &query, read).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn tags(State(sandbox): State<Sandbox>, Path(name): Path<String>) -> Answer {
    let owner = sandbox.inbox(&name).await?.principal;
    let tags = sandbox.read(move |tx| mailwright_store::capture::tags(tx, owner)).await?;
    let tags: serde_json::Map<String, Value> =
        tags.into_iter().map(|(name, count)| (name, count.into())).collect();
    Ok(Json(json!({ "tags": tags })))
}

/// The inbox that a message is in.
async fn home(sandbox: &Sandbox, owner: mailwright_words::Id) -> Result<Inbox, ApiError> {
    let all = sandbox.inboxes().await?;
    all.into_iter().find(|inbox| inbox.principal == owner).ok_or(ApiError::NoMessage)
}

async fn message(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Asked(asked): Asked<Vec<(String, String)>>,
) -> Answer {
    known(&asked, &["select", "regex"])?;
    let wanted = wanted(&asked)?;
    let entry = sandbox.any_entry(&id).await?;
    let inbox = home(&sandbox, entry.inbox).await?;
    let item = sandbox.item(entry).await?;
    Ok(Json(sandbox.whole(&inbox, item, wanted).await?))
}

/// Whether a request asks with these names alone: one that was misspelt would do nothing.
///
/// Errors: it asks with another one.
fn known(asked: &[(String, String)], names: &[&str]) -> Result<(), ApiError> {
    match asked.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some((odd, _)) => {
            let names = names.join(", ");
            Err(ApiError::bad(format!("{odd:?} means nothing here; what does: {names}")))
        }
    }
}

/// The selectors and patterns of a request. What is wrong with them is told before anybody waits.
///
/// Errors: one is none, or there are too many.
fn wanted(asked: &[(String, String)]) -> Result<Wanted, ApiError> {
    let all = |name: &str| -> Vec<String> {
        let of = asked.iter().filter(|(key, _)| key == name);
        of.map(|(_, value)| value.clone()).collect()
    };
    let wanted = Wanted { select: all("select"), regex: all("regex") };
    if wanted.select.len().max(wanted.regex.len()) > WANTED_MAX {
        let why = format!("a request has {WANTED_MAX} selectors and patterns at most");
        return Err(ApiError::bad(why));
    }
    for selector in &wanted.select {
        extract::selector_of(selector)?;
    }
    for pattern in &wanted.regex {
        extract::pattern_of(pattern)?;
    }
    Ok(wanted)
}

async fn delete_message(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let entry = sandbox.any_entry(&id).await?;
    let inbox = home(&sandbox, entry.inbox).await?;
    sandbox.delete(&inbox, NumberSet::range(entry.uid..=entry.uid)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change_message(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Json(changes): Json<Changes>,
) -> Answer<StatusCode> {
    let entry = sandbox.any_entry(&id).await?;
    let inbox = home(&sandbox, entry.inbox).await?;
    if let Some(read) = changes.read {
        sandbox.mark(&inbox, NumberSet::range(entry.uid..=entry.uid), read).await?;
    }
    if let Some(tags) = &changes.tags {
        sandbox.tag(vec![entry.message], change::tags_of(tags)?).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn raw(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Answer<Response> {
    let entry = sandbox.any_entry(&id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    Ok(part::raw(bytes, Some(&format!("{id}.eml"))))
}

async fn headers(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Answer {
    let entry = sandbox.any_entry(&id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let structure = mailwright_mime::Structure::parse(&bytes);
    let all = super::whole::headers(&structure);
    let all: Vec<Value> = all.into_iter().map(|(name, value)| json!([name, value])).collect();
    Ok(Json(json!({ "headers": all })))
}

async fn one_part(
    State(sandbox): State<Sandbox>,
    Path((id, path)): Path<(String, String)>,
) -> Answer<Response> {
    let entry = sandbox.any_entry(&id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    part::part(&bytes, &path).ok_or(ApiError::NoPart)
}

async fn thumb(
    State(sandbox): State<Sandbox>,
    Path((id, path)): Path<(String, String)>,
) -> Answer<Response> {
    let entry = sandbox.any_entry(&id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let octets = {
        let structure = mailwright_mime::Structure::parse(&bytes);
        let (_, part) = part::find(&structure, &path).ok_or(ApiError::NoPart)?;
        part.decoded().into_owned()
    };
    sandbox.small(octets).await
}

async fn wait_for(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    Asked(asked): Asked<Vec<(String, String)>>,
) -> Answer {
    let inbox = sandbox.inbox(&name).await?;
    known(&asked, &["query", "count", "timeout", "after", "select", "regex"])?;
    let one =
        |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let number = |name: &str, most: usize| match one(name) {
        Some(text) => {
            let number: Option<usize> = text.parse().ok().filter(|number| *number <= most);
            number.ok_or_else(|| ApiError::bad(format!("{name} is a number up to {most}")))
        }
        None => Ok(0),
    };
    let seconds = number("timeout", usize::try_from(WAIT_MAX.as_secs()).unwrap_or(600))?;
    let timeout = match one("timeout") {
        Some(_) => Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        None => WAIT,
    };
    let asked_for = Wait {
        query: Query::sound(one("query").unwrap_or_default(), sandbox.now())?,
        count: number("count", COUNT_MAX)?.max(1),
        after: u32::try_from(number("after", usize::MAX)?).unwrap_or(u32::MAX),
        timeout,
        wanted: wanted(&asked)?,
    };
    Ok(Json(wait::wait(sandbox, inbox, asked_for).await?))
}

async fn events(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let inbox = sandbox.inbox(&name).await?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let since = last.and_then(|text| text.parse().ok());
    let follower = Follower::new(sandbox, inbox, since).await?;
    Ok(event::stream(follower).into_response())
}

/// What was refused, as far as it counts to an inbox that the request reaches.
async fn refusals(State(sandbox): State<Sandbox>) -> Answer {
    let (mut list, mut total) = sandbox.backing.intake.refusals().list();
    if let Some(own) = sandbox.own_inbox().await? {
        list.retain(|refused| refusal::inbox_of(refused) == own.name);
        total = u64::try_from(list.len()).unwrap_or(u64::MAX);
    }
    let list = list.iter().map(|refused| refusal::told(refused, usize::MAX));
    Ok(Json(json!({ "refusals": list.collect::<Vec<_>>(), "total": total })))
}

async fn forget_refusals(State(sandbox): State<Sandbox>) -> Answer<StatusCode> {
    need_all()?;
    sandbox.backing.intake.refusals().clear();
    Ok(StatusCode::NO_CONTENT)
}
