//! What an inbox goes by: retention, room, faults; read and set as a whole.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use mailwright_config::InboxSettings;
use serde_json::{Value, json};

use super::{ApiError, Sandbox};

/// Settings that may be kept.
///
/// Errors: they make no sense.
pub(super) fn checked(settings: InboxSettings) -> Result<InboxSettings, ApiError> {
    settings.check().map_err(ApiError::bad)?;
    Ok(settings)
}

pub(super) async fn settings(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let inbox = sandbox.inbox(&name).await?;
    let (settings, struck) = sandbox.backing.intake.inbox_settings(inbox.principal).await?;
    Ok(Json(json!({ "settings": settings, "struck": struck })))
}

/// Takes JSON of any type, so that what is wrong with it is told in our form.
pub(super) async fn set(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    body: String,
) -> Result<StatusCode, ApiError> {
    let inbox = sandbox.inbox(&name).await?;
    let settings = InboxSettings::read(&body).map_err(ApiError::bad)?;
    sandbox.backing.intake.set_inbox_settings(inbox.principal, settings).await?;
    Ok(StatusCode::NO_CONTENT)
}
