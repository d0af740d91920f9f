//! The checks of a caught message: a report in each of its forms, and what its pictures show.

use axum::{
    Json,
    extract::{Path, Query as Asked, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use mailwright_sandbox::{
    facts::Context,
    report::{Demand, Report, json, junit, sarif},
    support::Audience,
};
use serde::Deserialize;

use super::{ApiError, Sandbox};

/// What a check is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    clients: Option<String>,
    fail_on: String,
    online: bool,
    format: Option<String>,
}

/// Checks a message; links are asked for only with `online`.
pub(crate) async fn check(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, ApiError> {
    let bad = |error: &dyn std::fmt::Display| ApiError::bad(error.to_string());
    let clients = wanted.clients.as_deref().unwrap_or("current");
    let audience = Audience::parse(clients).map_err(|error| bad(&error))?;
    let demands = Demand::parse_all(&wanted.fail_on).map_err(|error| bad(&error))?;
    let entry = sandbox.any_entry(&id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let context = Context {
        received: Some(entry.received),
        reverse_path: Some(entry.sender.clone()),
        ..Context::default()
    };
    let mut report =
        sandbox.store().off_thread(move |_| Ok(Report::new(&bytes, &audience, context))).await?;
    if wanted.online {
        let egress = sandbox.backing.egress.as_ref();
        let egress = egress.ok_or_else(|| ApiError::bad("this server asks nobody"))?;
        let settings = egress.settings();
        report.ask_links(egress, (settings.links_max, settings.at_once)).await;
    }
    let failures: Vec<String> = demands.iter().filter_map(|one| one.failure(&report)).collect();
    let name = format!("{id}.eml");
    Ok(match wanted.format.as_deref().unwrap_or("json") {
        "json" => Json(json(&name, &report, &failures)).into_response(),
        "sarif" => Json(sarif(&[(name, report)], env!("CARGO_PKG_VERSION"))).into_response(),
        "junit" => ([(CONTENT_TYPE, "application/xml")], junit(&[(name, report)], &demands))
            .into_response(),
        "text" => report.text().into_response(),
        _ => return Err(ApiError::bad("format is json, sarif, junit or text")),
    })
}
