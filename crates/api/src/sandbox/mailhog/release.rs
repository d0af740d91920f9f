//! Release: a message goes to a real address that is allowed, by this server's own way. The
//! server that a request names is not asked, nor is its password: nobody is to have this machine
//! connect to where they like.

use axum::{
    body::Bytes,
    extract::{Path, Query as Params, State},
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;

use super::{Answer, Asked};
use crate::sandbox::{ApiError, Sandbox};

#[derive(Debug, Deserialize)]
struct Order {
    #[serde(rename = "Email", alias = "email")]
    address: String,
}

pub(super) async fn release(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<StatusCode> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let entry = sandbox.entry(&inbox, &id).await?;
    let order: Order =
        serde_json::from_slice(&bytes).map_err(|error| ApiError::bad(error.to_string()))?;
    sandbox.release_as_asked(&inbox, entry.message, (vec![order.address], &headers)).await?;
    Ok(StatusCode::OK)
}
