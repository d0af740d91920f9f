//! Release: a message goes to real addresses that are allowed. Each request is one of its own,
//! unless a field `Idempotency-Key` says otherwise. Its body is `{"To": [..]}`, or the list alone,
//! as one client sends it.

use axum::{
    body::Bytes,
    extract::{Path, Query as Params, State},
    http::HeaderMap,
};
use serde::Deserialize;

use super::{Answer, Asked, list::body, one::named};
use crate::sandbox::{ApiError, Sandbox};

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Order {
    Whole {
        #[serde(rename = "To")]
        to: Vec<String>,
    },
    List(Vec<String>),
}

impl Default for Order {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

pub(super) async fn release(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<&'static str> {
    let (inbox, entry) = named(&sandbox, &asked, &headers, &id).await?;
    let (Order::Whole { to } | Order::List(to)) = body(&bytes)?;
    if to.is_empty() {
        return Err(ApiError::bad("To names no address").into());
    }
    sandbox.release_as_asked(&inbox, entry.message, (to, &headers)).await?;
    Ok("ok")
}
