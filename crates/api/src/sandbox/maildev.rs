//! The HTTP API of `MailDev` over one inbox: `/api/email` as version 3 has it, `/email` as before.

mod form;

use axum::{
    Json, Router,
    extract::{Path, Query as Params, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use mailwright_directory::Inbox;
use mailwright_mime::{Structure, fold_case};
use mailwright_store::capture::Entry;
use mailwright_view::NumberSet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ApiError, Sandbox, change,
    find::{Item, PAGE_MAX, Page},
    part::{self, octets},
    query::{Query, Test},
    whole,
};

/// Messages of a page of summaries that says nothing else, and at most.
const PAGE: usize = 50;
const SUMMARY_MAX: usize = 200;
/// Octets of messages in one answer; a list ends before it is longer.
const ANSWER_MAX: usize = 64 << 20;

pub(super) fn router() -> Router<Sandbox> {
    let mut routes = Router::new();
    for prefix in ["/api", ""] {
        let at = |path: &str| format!("{prefix}{path}");
        routes = routes
            .route(&at("/email"), get(list))
            .route(&at("/email/summary"), get(summaries))
            .route(&at("/email/all"), axum::routing::delete(remove_all))
            .route(&at("/email/read-all"), patch(read_all))
            .route(&at("/email/delete"), post(remove_some))
            .route(&at("/email/{id}"), get(one).delete(remove))
            .route(&at("/email/{id}/html"), get(html))
            .route(&at("/email/{id}/source"), get(source))
            .route(&at("/email/{id}/download"), get(download))
            .route(&at("/email/{id}/attachment/{name}"), get(attachment))
            .route(&at("/email/{id}/relay"), post(relay))
            .route(&at("/email/{id}/relay/{to}"), post(relay_to))
            .route(&at("/healthz"), get(|| async { Json(true) }))
            .route(&at("/config"), get(config));
    }
    routes
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    inbox: Option<String>,
    skip: Option<usize>,
    limit: Option<usize>,
    sort: String,
    search: String,
    unread: String,
}

type Answer<T = Json<Value>> = Result<T, ApiError>;

async fn opened(
    sandbox: &Sandbox,
    headers: &HeaderMap,
    id: &str,
) -> Result<(Inbox, Entry, Vec<u8>), ApiError> {
    let inbox = sandbox.chosen(None, headers).await?;
    let entry = sandbox.entry(&inbox, id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    Ok((inbox, entry, bytes))
}

/// Every message of an inbox that matches, oldest first.
async fn every(sandbox: &Sandbox, inbox: &Inbox, query: &Query) -> Result<Vec<Item>, ApiError> {
    let (mut all, mut before) = (Vec::new(), u32::MAX);
    while all.len() < PAGE_MAX * 10 {
        let page = Page { before, ..Page::newest(PAGE_MAX) };
        let found = sandbox.find(inbox, query.clone(), page).await?.items;
        let Some(last) = found.last() else { break };
        before = last.entry.uid;
        all.extend(found);
    }
    all.reverse();
    Ok(all)
}

/// Whole messages, oldest first; a path into a message with a text, such as `from.address`,
/// leaves out those that have it not.
async fn list(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    Params(pairs): Params<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Answer {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let known = ["inbox", "skip", "limit", "sort"];
    let filters: Vec<&(String, String)> =
        pairs.iter().filter(|(name, _)| !known.contains(&name.as_str())).collect();
    let mut items = every(&sandbox, &inbox, &Query::All).await?;
    if asked.sort == "desc" {
        items.reverse();
    }
    let (mut skip, limit) = (asked.skip.unwrap_or(0), asked.limit.unwrap_or(usize::MAX));
    let (mut all, mut octets) = (Vec::new(), 0_usize);
    for item in items {
        if all.len() >= limit || octets > ANSWER_MAX {
            break;
        }
        if filters.is_empty() && skip > 0 {
            skip -= 1;
            continue;
        }
        let bytes = sandbox.bytes(item.entry.message).await?;
        let told = form::whole(&sandbox, &item, &bytes).await?;
        if !filters.iter().all(|(path, text)| form::has(&told, path, text)) {
            continue;
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        octets = octets.saturating_add(bytes.len());
        all.push(told);
    }
    Ok(Json(all.into()))
}

async fn summaries(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let limit = asked.limit.filter(|limit| *limit > 0).unwrap_or(PAGE).min(SUMMARY_MAX);
    let skip = asked.skip.unwrap_or(0);
    let text = fold_case(asked.search.trim());
    let mut terms = Vec::new();
    if !text.is_empty() {
        terms.push(Query::Is(Test::Text(text)));
    }
    if asked.unread == "true" {
        terms.push(Query::Not(Box::new(Query::Is(Test::Read))));
    }
    let query = if terms.is_empty() { Query::All } else { Query::And(terms) };
    let (items, total, unread) = if asked.sort == "asc" {
        let all = every(&sandbox, &inbox, &query).await?;
        let (total, unread) = (all.len(), all.iter().filter(|item| !item.is_read()).count());
        (all.into_iter().skip(skip).take(limit).collect(), json!(total), json!(unread))
    } else {
        let page = Page { skip, counts: true, ..Page::newest(limit) };
        let found = sandbox.find(&inbox, query, page).await?;
        (found.items, json!(found.total), json!(found.unread))
    };
    Ok(Json(json!({
        "items": items.iter().map(form::summary).collect::<Vec<_>>(),
        "total": total,
        "storeTotal": inbox.total,
        "unread": unread,
        "skip": skip,
        "limit": limit,
    })))
}

async fn one(State(sandbox): State<Sandbox>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let (inbox, entry, bytes) = opened(&sandbox, &headers, &id).await?;
    let uid = entry.uid;
    let item = sandbox.item(entry).await?;
    if !item.is_read() {
        sandbox.mark(&inbox, NumberSet::range(uid..=uid), true).await?;
    }
    Ok(Json(form::whole(&sandbox, &item, &bytes).await?))
}

async fn remove(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let inbox = sandbox.chosen(None, &headers).await?;
    let entry = sandbox.entry(&inbox, &id).await?;
    sandbox.delete(&inbox, NumberSet::range(entry.uid..=entry.uid)).await?;
    Ok(Json(true.into()))
}

async fn remove_all(State(sandbox): State<Sandbox>, headers: HeaderMap) -> Answer {
    let inbox = sandbox.chosen(None, &headers).await?;
    sandbox.delete(&inbox, NumberSet::range(1..=u32::MAX)).await?;
    Ok(Json(true.into()))
}

#[derive(Debug, Deserialize)]
struct Some {
    ids: Vec<String>,
}

async fn remove_some(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    Json(some): Json<Some>,
) -> Answer {
    let inbox = sandbox.chosen(None, &headers).await?;
    let (mut deleted, mut missing) = (Vec::new(), Vec::new());
    let mut uids = Vec::new();
    change::some(&some.ids)?;
    for id in some.ids {
        match sandbox.entry(&inbox, &id).await {
            Ok(entry) if !deleted.contains(&id) => {
                uids.push(entry.uid);
                deleted.push(id);
            }
            Ok(_) => {}
            Err(ApiError::NoMessage) => missing.push(id),
            Err(error) => return Err(error),
        }
    }
    sandbox.delete(&inbox, uids.into_iter().collect()).await?;
    Ok(Json(json!({ "deleted": deleted, "notFound": missing })))
}

async fn read_all(State(sandbox): State<Sandbox>, headers: HeaderMap) -> Answer {
    let inbox = sandbox.chosen(None, &headers).await?;
    let unread = Query::Not(Box::new(Query::Is(Test::Read)));
    sandbox.mark_found(&inbox, &unread, true).await?;
    Ok(Json(inbox.unseen.into()))
}

async fn html(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (_, entry, bytes) = opened(&sandbox, &headers, &id).await?;
    let texts = {
        let structure = Structure::parse(&bytes);
        whole::texts(&structure, &whole::leaves(&structure))
    };
    if texts.html.is_empty() {
        let told = json!({ "error": "Email has no HTML content" });
        return Ok((StatusCode::NOT_FOUND, Json(told)).into_response());
    }
    sandbox.page(entry.message, texts.html).await
}

async fn source(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (_, _, bytes) = opened(&sandbox, &headers, &id).await?;
    Ok(part::raw(bytes, None))
}

async fn download(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (_, entry, bytes) = opened(&sandbox, &headers, &id).await?;
    Ok(octets(bytes, "message/rfc822", Some(&format!("{}.eml", entry.message))))
}

/// To those whom the message was for.
async fn relay(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    relayed(&sandbox, &id, (None, &headers)).await
}

async fn relay_to(
    State(sandbox): State<Sandbox>,
    Path((id, to)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    relayed(&sandbox, &id, (Some(to), &headers)).await
}

async fn relayed(
    sandbox: &Sandbox,
    id: &str,
    (to, headers): (Option<String>, &HeaderMap),
) -> Answer {
    let inbox = sandbox.chosen(None, headers).await?;
    let entry = sandbox.entry(&inbox, id).await?;
    let to = to.map_or_else(|| entry.recipients.clone(), |to| vec![to]);
    sandbox.release_as_asked(&inbox, entry.message, (to, headers)).await?;
    Ok(Json(true.into()))
}

async fn attachment(
    State(sandbox): State<Sandbox>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (_, _, bytes) = opened(&sandbox, &headers, &id).await?;
    let path = {
        let structure = Structure::parse(&bytes);
        let named = form::names(&structure).into_iter().find(|(_, own)| *own == name);
        named.map(|(leaf, _)| leaf.path).ok_or(ApiError::NoPart)?
    };
    part::saved(&bytes, &path).ok_or(ApiError::NoPart)
}

async fn config(State(sandbox): State<Sandbox>) -> Json<Value> {
    let config = sandbox.backing.config.now();
    let mut sandboxes =
        config.listeners.values().filter(|one| one.role == mailwright_config::Role::Sandbox);
    let port = sandboxes.find_map(|one| one.addresses.first().map(std::net::SocketAddr::port));
    let may = sandbox.backing.intake.may_release().is_ok();
    let route = config.routes.get("*").and_then(|route| route.hosts.first()).filter(|_| may);
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "smtpPort": port,
        "isOutgoingEnabled": may, "outgoingHost": route.map(|hop| hop.host.clone()) }))
}
