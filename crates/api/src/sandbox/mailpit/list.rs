//! Lists of messages, what is done to many at once, and tags.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query as Params, State},
    http::{HeaderMap, Uri, header},
};
use mailwright_directory::Inbox;
use mailwright_store::capture;
use mailwright_view::NumberSet;
use mailwright_words::Id;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Answer, Asked, summary};
use crate::sandbox::{
    ApiError, Inner, Sandbox, change,
    find::{Found, Page},
    query::Query,
};

/// Messages of a page that says nothing else.
const PAGE: usize = 50;

/// A list with its counts.
async fn listed(
    sandbox: &Inner,
    inbox: &Inbox,
    asked: &Asked,
    found: Found,
) -> Answer<Json<Value>> {
    let owner = inbox.principal;
    let tags = sandbox.read(move |tx| capture::tags(tx, owner)).await?;
    let Found { items, total, unread, .. } = found;
    Ok(Json(json!({
        "total": inbox.total,
        "unread": inbox.unseen,
        "count": items.len(),
        "messages_count": total,
        "messages_unread": unread,
        "start": asked.start,
        "tags": tags.into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "messages": items.iter().map(summary).collect::<Vec<_>>(),
    })))
}

pub(super) async fn messages(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    found(&sandbox, &asked, &headers, Query::All).await
}

pub(super) async fn search(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let query = query(&sandbox, &asked, &asked.query)?;
    found(&sandbox, &asked, &headers, query).await
}

async fn found(
    sandbox: &Inner,
    asked: &Asked,
    headers: &HeaderMap,
    query: Query,
) -> Answer<Json<Value>> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), headers).await?;
    let limit = asked.limit.unwrap_or(PAGE);
    let page = Page { skip: asked.start, counts: true, ..Page::newest(limit) };
    let found = sandbox.find(&inbox, query, page).await?;
    listed(sandbox, &inbox, asked, found).await
}

/// A query that has to ask for something.
fn query(sandbox: &Inner, asked: &Asked, text: &str) -> Answer<Query> {
    if text.trim().is_empty() {
        return Err(ApiError::bad("no search query").into());
    }
    let now = sandbox.now();
    Ok(Query::parse(text, now, asked.zone_minutes(now)))
}

/// A body that may be left out.
pub(super) fn body<T: DeserializeOwned + Default>(bytes: &Bytes) -> Answer<T> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    let read = serde_json::from_slice(bytes);
    read.map_err(|error| {
        ApiError::bad(format!("the body is not what it should be: {error}")).into()
    })
}

/// What is to be marked or deleted, as JSON or, as one client sends it, as a form.
fn mark_of(bytes: &Bytes) -> Answer<Mark> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let is_form = !text.trim_start().starts_with('{') && text.contains('=');
    let uri = format!("/?{text}").parse::<Uri>().ok().filter(|_| is_form);
    let Some(uri) = uri else { return body(bytes) };
    let Ok(Params(pairs)) = Params::<Vec<(String, String)>>::try_from_uri(&uri) else {
        return body(bytes);
    };
    let mut mark = Mark::default();
    for (name, value) in pairs {
        match name.to_ascii_lowercase().as_str() {
            "ids" => mark.ids.push(value),
            "read" => mark.read = ["true", "True", "1"].contains(&value.as_str()),
            "search" => mark.search = value,
            _ => {}
        }
    }
    Ok(mark)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mark {
    #[serde(rename = "IDs")]
    ids: Vec<String>,
    #[serde(rename = "Read")]
    read: bool,
    #[serde(rename = "Search")]
    search: String,
}

pub(super) async fn mark(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<&'static str> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let mark = mark_of(&bytes)?;
    if !mark.ids.is_empty() && !mark.search.is_empty() {
        return Err(ApiError::bad("either IDs or a search, not both").into());
    }
    if !mark.ids.is_empty() {
        let uids = numbers(&sandbox, &inbox, &mark.ids).await?;
        sandbox.mark(&inbox, uids, mark.read).await?;
    } else if mark.search.is_empty() {
        sandbox.mark_found(&inbox, &Query::All, mark.read).await?;
    } else {
        let query = query(&sandbox, &asked, &mark.search)?;
        sandbox.mark_found(&inbox, &query, mark.read).await?;
    }
    Ok("ok")
}

/// The numbers of those messages that are there.
async fn numbers(sandbox: &Inner, inbox: &Inbox, ids: &[String]) -> Answer<NumberSet> {
    let mut uids = Vec::new();
    for id in change::some(ids)? {
        match sandbox.entry(inbox, id).await {
            Ok(entry) => uids.push(entry.uid),
            Err(ApiError::NoMessage) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(uids.into_iter().collect())
}

pub(super) async fn delete(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<&'static str> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let mark = mark_of(&bytes)?;
    if mark.ids.is_empty() {
        sandbox.delete_found(&inbox, &Query::All).await?;
    } else {
        let uids = numbers(&sandbox, &inbox, &mark.ids).await?;
        sandbox.delete(&inbox, uids).await?;
    }
    // A client of `MailHog`, which has this path too, reads an answer as JSON, and names nothing
    // that it would accept.
    let is_read = headers.contains_key(header::ACCEPT) || !bytes.is_empty();
    Ok(if is_read { "ok" } else { "" })
}

pub(super) async fn delete_found(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<&'static str> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let query = query(&sandbox, &asked, &asked.query)?;
    sandbox.delete_found(&inbox, &query).await?;
    Ok("ok")
}

pub(super) async fn tags(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Vec<String>>> {
    let owner = sandbox.chosen(asked.inbox.as_deref(), &headers).await?.principal;
    let tags = sandbox.read(move |tx| capture::tags(tx, owner)).await?;
    Ok(Json(tags.into_iter().map(|(name, _)| name).collect()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tags {
    #[serde(rename = "IDs")]
    ids: Vec<String>,
    #[serde(rename = "Tags")]
    tags: Vec<String>,
}

pub(super) async fn set_tags(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<&'static str> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let given: Tags = body(&bytes)?;
    let mut ids: Vec<Id> = Vec::new();
    for id in change::some(&given.ids)? {
        ids.push(sandbox.entry(&inbox, id).await?.message);
    }
    sandbox.tag(ids, change::tags_of(&given.tags)?).await?;
    Ok("ok")
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Renamed {
    #[serde(rename = "Name")]
    name: String,
}

pub(super) async fn rename_tag(
    State(sandbox): State<Sandbox>,
    Path(tag): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<&'static str> {
    let owner = sandbox.chosen(asked.inbox.as_deref(), &headers).await?.principal;
    let renamed: Renamed = body(&bytes)?;
    let new = change::tags_of(&[renamed.name])?.pop().unwrap_or_default();
    sandbox.write(move |tx| capture::rename_tag(tx, owner, &tag, &new)).await?;
    Ok("ok")
}

pub(super) async fn drop_tag(
    State(sandbox): State<Sandbox>,
    Path(tag): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<&'static str> {
    let owner = sandbox.chosen(asked.inbox.as_deref(), &headers).await?.principal;
    sandbox.write(move |tx| capture::drop_tag(tx, owner, &tag)).await?;
    Ok("ok")
}
