//! Tokens of an inbox over the API: made, listed, revoked, by who reaches all inboxes.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Sandbox, message::moment, scope::need_all};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    label: String,
}

pub(super) async fn list(
    State(sandbox): State<Sandbox>,
    Path(inbox): Path<String>,
) -> Result<Json<Value>, ApiError> {
    need_all()?;
    let inbox = sandbox.inbox(&inbox).await?;
    let all = sandbox.backing.directory.inbox_tokens(&inbox).await?;
    let each = all.into_iter().map(|one| {
        json!({
            "label": one.label,
            "created": moment(one.created.ms()),
            "lastUsed": one.last_used.map(|at| moment(at.ms())),
        })
    });
    Ok(Json(json!({ "tokens": each.collect::<Vec<_>>() })))
}

pub(super) async fn add(
    State(sandbox): State<Sandbox>,
    Path(inbox): Path<String>,
    Json(new): Json<New>,
) -> Result<Response, ApiError> {
    need_all()?;
    let (inbox, now) = (sandbox.inbox(&inbox).await?, sandbox.now());
    let secret = sandbox.backing.directory.add_inbox_token(&inbox, &new.label, now).await?;
    let told = json!({
        "label": new.label,
        "created": moment(now.ms()),
        "lastUsed": null,
        "token": secret.expose(),
    });
    Ok((StatusCode::CREATED, Json(told)).into_response())
}

pub(super) async fn revoke(
    State(sandbox): State<Sandbox>,
    Path((inbox, label)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    need_all()?;
    let inbox = sandbox.inbox(&inbox).await?;
    sandbox.backing.directory.revoke_inbox_token(&inbox, &label).await?;
    // Who follows an inbox by it is not let wait for the next look.
    sandbox.revoked.notify_waiters();
    Ok(StatusCode::NO_CONTENT)
}
