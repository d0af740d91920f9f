//! Jim, who makes sessions go wrong by chance: as faults of the inbox, known by their seed, which
//! draw the same each time.
//!
//! What he does to a link is one of two speeds, the slowest and the fastest that are given.

use axum::{
    Json,
    body::Bytes,
    extract::{Query as Params, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use mailwright_config::{Fault, InboxSettings, Phase};
use mailwright_directory::Inbox;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::sandbox::{ApiError, Sandbox};

/// The seed by which they are known.
const SEED: u64 = 0x006a_696d;
/// Slowest speed that a fault has, in octets a second.
const SPEED_MIN: u64 = 100;

/// What he does, and how often; as he does without a word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Jim {
    disconnect_chance: f64,
    accept_chance: f64,
    link_speed_affect: f64,
    link_speed_min: f64,
    link_speed_max: f64,
    reject_sender_chance: f64,
    reject_recipient_chance: f64,
    reject_auth_chance: f64,
}

impl Default for Jim {
    fn default() -> Self {
        Self {
            disconnect_chance: 0.005,
            accept_chance: 0.99,
            link_speed_affect: 0.1,
            link_speed_min: 1024.0,
            link_speed_max: 10_240.0,
            reject_sender_chance: 0.05,
            reject_recipient_chance: 0.05,
            reject_auth_chance: 0.05,
        }
    }
}

impl Jim {
    /// What he says of himself.
    ///
    /// Errors: a chance is none, or a speed.
    fn faults(&self) -> Result<Vec<Fault>, ApiError> {
        let chances = [
            self.disconnect_chance,
            self.accept_chance,
            self.link_speed_affect,
            self.reject_sender_chance,
            self.reject_recipient_chance,
            self.reject_auth_chance,
        ];
        let speeds = [self.link_speed_min, self.link_speed_max];
        if !chances.iter().all(|chance| (0.0..=1.0).contains(chance)) {
            return Err(ApiError::bad("a chance is between 0 and 1"));
        }
        if !speeds.iter().all(|speed| (0.0..=1e12).contains(speed)) {
            return Err(ApiError::bad("a speed is a number of octets a second"));
        }
        let half = self.link_speed_affect / 2.0;
        let throttle = |speed: f64| json!(whole(speed).max(SPEED_MIN));
        [
            ("connect", 1.0 - self.accept_chance, "drop", json!(true)),
            ("data", self.disconnect_chance, "drop", json!(true)),
            ("body", half, "throttle", throttle(self.link_speed_min)),
            ("body", half, "throttle", throttle(self.link_speed_max)),
            ("mail", self.reject_sender_chance, "reply", json!("550 5.7.1 Jim says no")),
            ("rcpt", self.reject_recipient_chance, "reply", json!("550 5.7.1 Jim says no")),
            ("auth", self.reject_auth_chance, "reply", json!("535 5.7.8 Jim says no")),
        ]
        .into_iter()
        .map(|(at, probability, what, how)| {
            let made = json!({ "at": at, "seed": SEED, "probability": probability, what: how });
            serde_json::from_value(made).map_err(|error| ApiError::bad(error.to_string()))
        })
        .collect()
    }

    /// How he is in the settings of an inbox, if he is there.
    fn of(settings: &InboxSettings) -> Option<Self> {
        let ours: Vec<&Fault> = settings.faults.iter().filter(|one| one.seed == SEED).collect();
        let of = |phase: Phase| ours.iter().filter(move |one| one.at == phase);
        let chance = |phase: Phase| of(phase).filter_map(|one| one.probability).sum::<f64>();
        let speeds: Vec<u64> = of(Phase::Body).filter_map(|one| one.throttle).collect();
        let speed = |found: Option<&u64>| {
            let narrow = found.and_then(|speed| u32::try_from(*speed).ok());
            narrow.map_or(0.0, f64::from)
        };
        (!ours.is_empty()).then(|| Self {
            disconnect_chance: chance(Phase::Data),
            accept_chance: 1.0 - chance(Phase::Connect),
            link_speed_affect: chance(Phase::Body),
            link_speed_min: speed(speeds.first()),
            link_speed_max: speed(speeds.last()),
            reject_sender_chance: chance(Phase::Mail),
            reject_recipient_chance: chance(Phase::Rcpt),
            reject_auth_chance: chance(Phase::Auth),
        })
    }
}

/// A number of octets, its fraction left out.
fn whole(number: f64) -> u64 {
    format!("{:.0}", number.max(0.0)).parse().unwrap_or(u64::MAX)
}

async fn found(
    sandbox: &Sandbox,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<(Inbox, InboxSettings), ApiError> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), headers).await?;
    let (settings, _) = sandbox.backing.intake.inbox_settings(inbox.principal).await?;
    Ok((inbox, settings))
}

pub(super) async fn get(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (_, settings) = found(&sandbox, &asked, &headers).await?;
    Ok(match Jim::of(&settings) {
        Some(jim) => Json(jim).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// Has him come, or be otherwise: what is not said is as it is without a word, or as it was.
pub(super) async fn set(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<StatusCode> {
    let (inbox, mut settings) = found(&sandbox, &asked, &headers).await?;
    let before = Jim::of(&settings);
    let success = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let jim = changed(before.unwrap_or_default(), &bytes)?;
    settings.faults.retain(|fault| fault.seed != SEED);
    settings.faults.extend(jim.faults()?);
    settings.check().map_err(ApiError::bad)?;
    sandbox.backing.intake.set_inbox_settings(inbox.principal, settings).await?;
    Ok(success)
}

fn changed(before: Jim, bytes: &Bytes) -> Result<Jim, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(before);
    }
    let bad = |error: serde_json::Error| ApiError::bad(error.to_string());
    let given: serde_json::Map<String, Value> = serde_json::from_slice(bytes).map_err(bad)?;
    let mut all = serde_json::to_value(before).map_err(bad)?;
    if let Value::Object(map) = &mut all {
        map.extend(given);
    }
    serde_json::from_value(all).map_err(bad)
}

pub(super) async fn remove(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let (inbox, mut settings) = found(&sandbox, &asked, &headers).await?;
    if Jim::of(&settings).is_none() {
        return Ok(StatusCode::NOT_FOUND);
    }
    settings.faults.retain(|fault| fault.seed != SEED);
    sandbox.backing.intake.set_inbox_settings(inbox.principal, settings).await?;
    Ok(StatusCode::OK)
}
