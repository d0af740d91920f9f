//! The checks of a caught message: a report in each of its forms, and what others say of it.

use std::net::IpAddr;

use axum::{
    Json,
    extract::{Path, Query as Asked, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use mailwright_config::GivenRecords;
use mailwright_sandbox::{
    facts::Context,
    outside::{Journey, Outside},
    report::{Demand, Report, json, junit, sarif},
    support::Audience,
};
use mailwright_store::capture::{self, Entry};
use serde::Deserialize;

use super::{ApiError, Inner, Sandbox, message::path};

/// What a check is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    clients: Option<String>,
    fail_on: String,
    online: bool,
    format: Option<String>,
    /// The address that will send.
    ip: Option<IpAddr>,
    /// How it will name itself.
    helo: Option<String>,
    /// The reverse-path.
    from: Option<String>,
    /// Records of the DNS, as in a zone file.
    records: String,
}

/// Who is taken to send a message in place of its client, and what the DNS will say by then.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    pub(super) ip: Option<IpAddr>,
    pub(super) helo: Option<String>,
    pub(super) from: Option<String>,
    pub(super) records: String,
}

impl Inner {
    /// What is known of a message beside its octets: how it came, and what others say of it, as
    /// far as somebody may be asked.
    pub(crate) async fn context(
        &self,
        entry: &Entry,
        bytes: &[u8],
        sender: Sender,
        is_online: bool,
    ) -> Result<Context, ApiError> {
        let settings = self.backing.config.now().checks.clone();
        let records = GivenRecords::parse(&sender.records).map_err(ApiError::bad)?;
        let outside = Outside::new(settings, self.backing.egress.clone(), is_online).with(records);
        let path = sender.from.unwrap_or_else(|| path(&entry.sender).to_owned());
        let mut context = Context {
            received: Some(entry.received),
            reverse_path: Some(path.clone()),
            ..Context::default()
        };
        if outside.is_empty() {
            return Ok(context);
        }
        let id = entry.message;
        let caught = self.store().look(|tx| capture::caught(tx, id)).await?.unwrap_or_default();
        let peer = caught.peer.parse::<std::net::SocketAddr>().ok().map(|peer| peer.ip());
        let journey = Journey {
            client: sender.ip.or(peer),
            is_named: sender.ip.is_some(),
            helo: sender.helo.unwrap_or(caught.helo),
            reverse_path: Some(path),
            recipients: entry.recipients.clone(),
            came: Some(entry.received),
        };
        context.verdicts = outside.ask(bytes, journey).await;
        Ok(context)
    }
}

/// Checks a message; links and the DNS are asked only with `online`.
pub(crate) async fn check(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, ApiError> {
    checked(&sandbox, &id, wanted).await
}

/// The same, asked by JSON of any type, so that what is wrong with it is told in our form.
pub(crate) async fn check_so(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    body: String,
) -> Result<Response, ApiError> {
    let wanted = serde_json::from_str(&body).map_err(|error| ApiError::bad(error.to_string()))?;
    checked(&sandbox, &id, wanted).await
}

async fn checked(sandbox: &Sandbox, id: &str, wanted: Wanted) -> Result<Response, ApiError> {
    let bad = |error: &dyn std::fmt::Display| ApiError::bad(error.to_string());
    let clients = wanted.clients.as_deref().unwrap_or("current");
    let audience = Audience::parse(clients).map_err(|error| bad(&error))?;
    let demands = Demand::parse_all(&wanted.fail_on).map_err(|error| bad(&error))?;
    let egress = sandbox.backing.egress.as_ref();
    let egress = egress.filter(|_| wanted.online);
    if wanted.online && egress.is_none() {
        return Err(ApiError::bad("this server asks nobody"));
    }
    let entry = sandbox.any_entry(id).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let Wanted { ip, helo, from, records, .. } = wanted;
    let sender = Sender { ip, helo, from, records };
    let context = sandbox.context(&entry, &bytes, sender, wanted.online).await?;
    let mut report = sandbox.apart(move || Report::new(&bytes, &audience, context)).await?;
    if let Some(egress) = egress {
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
