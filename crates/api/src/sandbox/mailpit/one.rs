//! One message: whole, its header, its octets, its parts, its text and HTML.

use axum::{
    Json,
    extract::{Path, Query as Params, State},
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use mailwright_directory::Inbox;
use mailwright_mime::{Part, Structure};
use mailwright_store::capture::Entry;
use mailwright_view::NumberSet;
use serde_json::{Map, Value, json};

use super::{Answer, Asked, blind, contact, contacts};
use crate::sandbox::{
    ApiError, Inner, Sandbox,
    find::{Item, Page},
    message::{moment, path},
    page,
    part::{octets, raw as raw_octets, saved},
    query::Query,
    whole::{Leaf, Role, content_id, file_name, headers as fields, leaves, media, sums, texts},
};

/// The message of that id; `latest` is the newest that `?query=` finds.
pub(super) async fn named(
    sandbox: &Inner,
    asked: &Asked,
    headers: &HeaderMap,
    id: &str,
) -> Result<(Inbox, Entry), ApiError> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), headers).await?;
    if id != "latest" {
        let entry = sandbox.entry(&inbox, id).await?;
        return Ok((inbox, entry));
    }
    let now = sandbox.now();
    let query = Query::parse(&asked.query, now, asked.zone_minutes(now));
    let found = sandbox.find(&inbox, query, Page::newest(1)).await?;
    let item = found.items.into_iter().next().ok_or(ApiError::NoMessage)?;
    Ok((inbox, item.entry))
}

/// The message of that id with its octets; see [`named`].
pub(super) async fn opened(
    sandbox: &Inner,
    asked: &Asked,
    headers: &HeaderMap,
    id: &str,
) -> Result<(Entry, Vec<u8>), ApiError> {
    let (_, entry) = named(sandbox, asked, headers, id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    Ok((entry, bytes))
}

pub(super) async fn message(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let (inbox, entry) = named(&sandbox, &asked, &headers, &id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let item = sandbox.item(entry).await?;
    if !item.is_read() {
        let uid = item.entry.uid;
        sandbox.mark(&inbox, NumberSet::range(uid..=uid), true).await?;
    }
    Ok(Json(whole(&item, &bytes)))
}

fn whole(item: &Item, bytes: &[u8]) -> Value {
    let Item { entry, summary } = item;
    let structure = Structure::parse(bytes);
    let leaves = leaves(&structure);
    let texts = texts(&structure, &leaves);
    let of = |role: Role| {
        let each = leaves.iter().filter(|leaf| leaf.role == role);
        let each = each.filter_map(|leaf| Some(attachment(structure.part(leaf.index)?, leaf)));
        each.collect::<Vec<_>>()
    };
    json!({
        "ID": entry.message.to_string(),
        "MessageID": summary.message_id,
        "Read": true,
        "From": summary.from.first().map(contact),
        "To": contacts(&summary.to),
        "Cc": contacts(&summary.cc),
        "Bcc": blind(entry, summary),
        "ReplyTo": contacts(&summary.reply_to),
        "ReturnPath": path(&entry.sender),
        "Subject": summary.subject,
        "ListUnsubscribe": unsubscribe(&structure),
        "Date": moment(summary.date.unwrap_or_else(|| entry.received.ms())),
        "Tags": entry.tags,
        "Username": entry.username.clone().unwrap_or_default(),
        "Text": texts.plain,
        "HTML": texts.html,
        "Size": entry.size,
        "Inline": of(Role::Inline),
        "Attachments": of(Role::Attachment),
        "Envelope": { "From": path(&entry.sender), "To": entry.recipients },
    })
}

fn attachment(part: &Part<'_>, leaf: &Leaf) -> Value {
    let octets = part.decoded();
    let sums = sums(&octets);
    json!({
        "PartID": leaf.path,
        "FileName": file_name(part, leaf),
        "ContentType": media(part),
        "ContentID": content_id(part),
        "Size": octets.len(),
        "Checksums": { "MD5": sums.md5, "SHA1": sums.sha1, "SHA256": sums.sha256 },
    })
}

/// What `List-Unsubscribe` says, and what is wrong with it. Source: RFC 2369, RFC 8058.
fn unsubscribe(structure: &Structure<'_>) -> Value {
    let all = fields(structure);
    let find = |name: &str| {
        let found = all.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (header, post) = (find("List-Unsubscribe"), find("List-Unsubscribe-Post"));
    let links: Vec<&str> = header
        .split('<')
        .filter_map(|piece| piece.split_once('>').map(|(link, _)| link.trim()))
        .collect();
    let is_link = |link: &&&str| {
        let lower = link.to_ascii_lowercase();
        ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
    };
    let errors = if !header.is_empty() && links.is_empty() {
        "the field holds no link in angle brackets"
    } else if links.iter().filter(is_link).count() != links.len() {
        "a link is neither of the web nor an address"
    } else {
        ""
    };
    json!({ "Header": header, "Links": links, "Errors": errors, "HeaderPost": post })
}

pub(super) async fn headers(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let (_, bytes) = opened(&sandbox, &asked, &headers, &id).await?;
    let mut told: Map<String, Value> = Map::new();
    for (name, value) in fields(&Structure::parse(&bytes)) {
        let entry = told.entry(canonical(&name)).or_insert_with(|| json!([]));
        if let Value::Array(values) = entry {
            values.push(value.into());
        }
    }
    Ok(Json(told.into()))
}

/// A name of a field with a capital letter at the start of each word.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    });
    words.collect::<Vec<_>>().join("-")
}

pub(super) async fn raw(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (entry, bytes) = opened(&sandbox, &asked, &headers, &id).await?;
    let name = format!("{}.eml", entry.message);
    Ok(raw_octets(bytes, asked.dl.is_some().then_some(name.as_str())))
}

pub(super) async fn part(
    State(sandbox): State<Sandbox>,
    Path((id, part)): Path<(String, String)>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (_, bytes) = opened(&sandbox, &asked, &headers, &id).await?;
    Ok(saved(&bytes, &part).ok_or(ApiError::NoPart)?)
}

/// Where the page shows a message.
fn place(inbox: &str, entry: &Entry) -> String {
    format!("/inbox/{}?message={}", page::link(inbox), entry.message)
}

/// Text or HTML of a message as a file, which a test may look at; it is never run.
pub(super) async fn view(
    State(sandbox): State<Sandbox>,
    Path(file): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (id, is_html) = match file.rsplit_once('.') {
        Some((id, "html")) => (id, true),
        Some((id, "txt")) => (id, false),
        Some(_) => return Err(ApiError::NoPath.into()),
        // The message in the page.
        None => {
            let (inbox, entry) = named(&sandbox, &asked, &headers, &file).await?;
            return Ok(Redirect::to(&place(&inbox.name, &entry)).into_response());
        }
    };
    let (entry, bytes) = opened(&sandbox, &asked, &headers, id).await?;
    let texts = {
        let structure = Structure::parse(&bytes);
        texts(&structure, &leaves(&structure))
    };
    if is_html {
        if texts.html.is_empty() {
            return Err(ApiError::NoPart.into());
        }
        return Ok(sandbox.page(entry.message, texts.html).await?);
    }
    Ok(octets(texts.plain.into_bytes(), "text/plain; charset=utf-8", None))
}
