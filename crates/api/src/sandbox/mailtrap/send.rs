//! Messages that are sent over HTTP, one by one or many in a request.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mailwright_directory::Inbox;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Place;
use crate::sandbox::{
    ApiError, Sandbox, change,
    compose::{Draft, File},
    summary::Contact,
};

/// Messages of one request.
const BATCH_MAX: usize = 500;

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Person {
    #[serde(rename = "email")]
    address: String,
    name: Option<String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Attached {
    content: String,
    filename: String,
    #[serde(rename = "type")]
    media: Option<String>,
    disposition: Option<String>,
    content_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sent {
    from: Person,
    to: Vec<Person>,
    cc: Vec<Person>,
    bcc: Vec<Person>,
    reply_to: Option<Person>,
    subject: String,
    text: Option<String>,
    html: Option<String>,
    headers: Map<String, Value>,
    custom_variables: Map<String, Value>,
    category: Option<String>,
    attachments: Vec<Attached>,
    template_uuid: Option<String>,
    template_variables: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Batch {
    base: Map<String, Value>,
    requests: Vec<Map<String, Value>>,
}

fn failed(error: &ApiError) -> Response {
    let code = match error.code() {
        StatusCode::SERVICE_UNAVAILABLE => StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    (code, Json(json!({ "success": false, "errors": [error.to_string()] }))).into_response()
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad(format!("the body is not what it should be: {error}")))
}

async fn target(sandbox: &Sandbox, place: &Place, headers: &HeaderMap) -> Result<Inbox, ApiError> {
    if place.inbox.is_empty() {
        return sandbox.chosen(None, headers).await;
    }
    sandbox.used_inbox(place).await
}

pub(super) async fn send(
    State(sandbox): State<Sandbox>,
    place: Place,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let taken = async {
        let sent: Sent = read(&bytes)?;
        let inbox = target(&sandbox, &place, &headers).await?;
        take(&sandbox, &inbox, sent).await
    };
    match taken.await {
        Ok(id) => Json(json!({ "success": true, "message_ids": [id] })).into_response(),
        Err(error) => failed(&error),
    }
}

pub(super) async fn batch(
    State(sandbox): State<Sandbox>,
    place: Place,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let opened = async {
        let batch: Batch = read(&bytes)?;
        if batch.requests.len() > BATCH_MAX {
            return Err(ApiError::bad(format!("a request has {BATCH_MAX} messages at most")));
        }
        Ok((target(&sandbox, &place, &headers).await?, batch))
    };
    let (inbox, batch) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return failed(&error),
    };
    // What is said once for all is written once for each.
    let most = octets(sandbox.backing.config.now().limits.message_size_max).saturating_mul(4);
    let (base, mut written) = (size(&batch.base), 0_usize);
    let mut responses = Vec::new();
    for request in batch.requests {
        written = written.saturating_add(base).saturating_add(size(&request));
        if written > most {
            let why = "the messages of a batch have four times the octets that one may have";
            responses.push(json!({ "success": false, "errors": [why] }));
            continue;
        }
        let mut whole = batch.base.clone();
        whole.extend(request);
        let sent = serde_json::from_value::<Sent>(whole.into());
        let taken = match sent {
            Ok(sent) => take(&sandbox, &inbox, sent).await,
            Err(error) => Err(ApiError::bad(error.to_string())),
        };
        responses.push(match taken {
            Ok(id) => json!({ "success": true, "message_ids": [id] }),
            Err(error) => json!({ "success": false, "errors": [error.to_string()] }),
        });
    }
    Json(json!({ "success": true, "responses": responses })).into_response()
}

fn octets(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// Octets of texts in what is said of a message.
fn size(said: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(all) => all.iter().map(of).sum(),
            Value::Object(all) => size(all),
            _ => 8,
        }
    }
    said.iter().map(|(name, value)| name.len() + of(value)).sum()
}

/// Puts what its template says into a message.
async fn by_template(sandbox: &Sandbox, sent: &mut Sent) -> Result<(), ApiError> {
    let Some(uuid) = sent.template_uuid.take() else { return Ok(()) };
    if !sent.subject.is_empty() || sent.text.is_some() || sent.html.is_some() {
        return Err(ApiError::bad("subject, text and html are the template's with template_uuid"));
    }
    let filled = sandbox.filled(&uuid, std::mem::take(&mut sent.template_variables)).await?;
    sent.subject = filled.subject;
    sent.category.get_or_insert(filled.category);
    (sent.html, sent.text) = (filled.html, filled.text);
    Ok(())
}

async fn take(sandbox: &Sandbox, inbox: &Inbox, mut sent: Sent) -> Result<String, ApiError> {
    by_template(sandbox, &mut sent).await?;
    let tags = change::tags_of(&sent.category.clone().into_iter().collect::<Vec<_>>())?;
    let entry = sandbox.submit(inbox, &draft(sent)?).await?;
    if !tags.is_empty() {
        sandbox.tag(vec![entry.message], tags).await?;
    }
    Ok(entry.message.to_string())
}

fn draft(sent: Sent) -> Result<Draft, ApiError> {
    if sent.subject.is_empty() {
        return Err(ApiError::bad("'subject' is required"));
    }
    if sent.text.is_none() && sent.html.is_none() {
        return Err(ApiError::bad("must specify either text or html body"));
    }
    let contact =
        |one: Person| Contact { name: one.name.unwrap_or_default(), address: one.address };
    let contacts = |all: Vec<Person>| all.into_iter().map(contact).collect();
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let mut headers: Vec<(String, String)> =
        sent.headers.into_iter().map(|(name, value)| (name, text(value))).collect();
    if let Some(category) = sent.category {
        headers.push(("X-MT-Category".to_owned(), category));
    }
    if !sent.custom_variables.is_empty() {
        let json = Value::from(sent.custom_variables).to_string();
        headers.push(("X-MT-Custom-Variables".to_owned(), json));
    }
    Ok(Draft {
        from: contact(sent.from),
        to: contacts(sent.to),
        cc: contacts(sent.cc),
        bcc: contacts(sent.bcc),
        reply_to: sent.reply_to.map(contact).into_iter().collect(),
        subject: sent.subject,
        text: sent.text.unwrap_or_default(),
        html: sent.html.unwrap_or_default(),
        headers,
        files: sent.attachments.into_iter().map(file).collect::<Result<_, _>>()?,
    })
}

fn file(attached: Attached) -> Result<File, ApiError> {
    let name = attached.filename;
    let bytes = STANDARD.decode(attached.content.trim()).ok();
    let bytes =
        bytes.ok_or_else(|| ApiError::bad(format!("the content of {name:?} is no base64")))?;
    // Only what a page shows has an id here.
    let is_inline = attached.disposition.as_deref() == Some("inline");
    let content_id = attached.content_id.filter(|_| is_inline).unwrap_or_default();
    Ok(File { name, media: attached.media.unwrap_or_default(), content_id, bytes })
}
