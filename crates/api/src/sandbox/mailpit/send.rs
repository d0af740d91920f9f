//! Messages that are sent over HTTP.

use axum::{
    Json,
    body::Bytes,
    extract::{Query as Params, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asked;
use crate::sandbox::{
    ApiError, Sandbox, change,
    compose::{Draft, File},
    summary::Contact,
};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Named {
    #[serde(rename = "Email")]
    address: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Attached {
    content: String,
    filename: String,
    content_type: String,
    #[serde(rename = "ContentID")]
    content_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Sent {
    from: Named,
    to: Vec<Named>,
    cc: Vec<Named>,
    bcc: Vec<String>,
    reply_to: Vec<Named>,
    subject: String,
    text: String,
    #[serde(rename = "HTML")]
    html: String,
    headers: serde_json::Map<String, Value>,
    tags: Vec<String>,
    attachments: Vec<Attached>,
}

pub(in crate::sandbox) async fn send(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    match take(&sandbox, &asked, &headers, &bytes).await {
        Ok(id) => Json(json!({ "ID": id })).into_response(),
        Err(error) => {
            let code = match error.code() {
                StatusCode::SERVICE_UNAVAILABLE => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            };
            (code, Json(json!({ "Error": error.to_string() }))).into_response()
        }
    }
}

async fn take(
    sandbox: &Sandbox,
    asked: &Asked,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<String, ApiError> {
    let sent: Sent = serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad(format!("the body is not what it should be: {error}")))?;
    let inbox = sandbox.chosen(asked.inbox.as_deref(), headers).await?;
    let tags = change::tags_of(&sent.tags)?;
    let entry = sandbox.submit(&inbox, &draft(sent)?).await?;
    if !tags.is_empty() {
        sandbox.tag(vec![entry.message], tags).await?;
    }
    Ok(entry.message.to_string())
}

fn draft(sent: Sent) -> Result<Draft, ApiError> {
    let contact = |one: Named| Contact { name: one.name, address: one.address };
    let contacts = |all: Vec<Named>| all.into_iter().map(contact).collect();
    let bcc = sent.bcc.into_iter().map(|address| Contact { name: String::new(), address });
    let mut files = Vec::new();
    for attached in sent.attachments {
        let bytes = STANDARD.decode(attached.content.trim()).ok();
        let bytes = bytes.ok_or_else(|| {
            ApiError::bad(format!("the content of {:?} is no base64", attached.filename))
        })?;
        let (name, media) = (attached.filename, attached.content_type);
        files.push(File { name, media, content_id: attached.content_id, bytes });
    }
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(Draft {
        from: contact(sent.from),
        to: contacts(sent.to),
        cc: contacts(sent.cc),
        bcc: bcc.collect(),
        reply_to: contacts(sent.reply_to),
        subject: sent.subject,
        text: sent.text,
        html: sent.html,
        headers: sent.headers.into_iter().map(|(name, value)| (name, text(value))).collect(),
        files,
    })
}
