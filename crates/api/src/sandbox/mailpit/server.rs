//! What is told of the server itself.

use axum::{
    Json,
    extract::{Query as Params, State},
    http::HeaderMap,
};
use mailwright_store::capture;
use serde_json::{Map, Value, json};

use super::{Answer, Asked};
use crate::sandbox::Sandbox;

pub(super) async fn info(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let owner = inbox.principal;
    let tags = sandbox.read(move |tx| capture::tags(tx, owner)).await?;
    let tags: Map<String, Value> =
        tags.into_iter().map(|(name, count)| (name, count.into())).collect();
    let (_, refused) = sandbox.backing.intake.refusals().list();
    let version = env!("CARGO_PKG_VERSION");
    Ok(Json(json!({
        "Version": version,
        "LatestVersion": version,
        "Database": sandbox.store().path().display().to_string(),
        "DatabaseSize": inbox.bytes,
        "Messages": inbox.total,
        "Unread": inbox.unseen,
        "Tags": tags,
        "RuntimeStats": {
            "Uptime": sandbox.now().since(sandbox.started).as_secs(),
            "SMTPRejected": refused,
        },
    })))
}

/// What the page of this API may offer: nothing is released or broken on purpose here, and
/// what rates messages is always there.
pub(super) async fn webui() -> Json<Value> {
    Json(json!({
        "Label": "",
        "MessageRelay": { "Enabled": false },
        "SpamAssassin": true,
        "ChaosEnabled": false,
        "DuplicatesIgnored": false,
        "HideDeleteAllButton": false,
    }))
}

pub(super) async fn alive() -> &'static str {
    "ok"
}
