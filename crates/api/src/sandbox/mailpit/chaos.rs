//! Chaos: a share of senders, recipients and logins is refused, as faults of the inbox.
//!
//! They stand among its other faults, known by their seed, and draw the same each time.

use axum::{
    Json,
    body::Bytes,
    extract::{Query as Params, State},
    http::HeaderMap,
};
use mailwright_config::{Fault, InboxSettings};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Asked, list::body};
use crate::sandbox::{ApiError, Sandbox};

/// The seed by which they are known.
const SEED: u64 = 0x0063_6861_6f73;
/// Name, moment of a session, and the code of a trigger that says none.
const TRIGGERS: [(&str, &str, u16); 3] =
    [("Sender", "mail", 451), ("Recipient", "rcpt", 451), ("Authentication", "auth", 535)];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trigger {
    error_code: u16,
    probability: u8,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Triggers {
    sender: Option<Trigger>,
    recipient: Option<Trigger>,
    authentication: Option<Trigger>,
}

/// A fault that does what a trigger says.
///
/// Errors: it says what no server would.
fn fault(phase: &str, trigger: Trigger) -> Result<Fault, ApiError> {
    let Trigger { error_code, probability } = trigger;
    if !(400..600).contains(&error_code) || probability > 100 {
        return Err(ApiError::bad("an error code is 400 to 599, a probability 0 to 100"));
    }
    let made = json!({ "at": phase, "seed": SEED, "probability": f64::from(probability) / 100.0,
        "reply": format!("{error_code} Chaos") });
    serde_json::from_value(made).map_err(|error| ApiError::bad(error.to_string()))
}

/// What a fault of ours does, as its moment, code and probability.
fn trigger(fault: &Fault) -> Option<(String, u16, u8)> {
    let phase = serde_json::to_value(fault.at).ok()?.as_str()?.to_owned();
    let code = fault.reply.as_deref()?.get(..3)?.parse().ok()?;
    let share = fault.probability?;
    let near = |whole: &u8| (f64::from(*whole) / 100.0 - share).abs() < 0.005;
    Some((phase, code, (0..=100).find(near)?))
}

fn told(settings: &InboxSettings) -> Value {
    let ours = settings.faults.iter().filter(|fault| fault.seed == SEED);
    let known: Vec<(String, u16, u8)> = ours.filter_map(trigger).collect();
    let each = TRIGGERS.iter().map(|(name, phase, usual)| {
        let found = known.iter().find(|(own, _, _)| own == phase);
        let (code, share) = found.map_or((*usual, 0), |(_, code, share)| (*code, *share));
        ((*name).to_owned(), json!({ "ErrorCode": code, "Probability": share }))
    });
    each.collect::<Map<String, Value>>().into()
}

pub(super) async fn triggers(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let (settings, _) = sandbox.backing.intake.inbox_settings(inbox.principal).await?;
    Ok(Json(told(&settings)))
}

pub(super) async fn set(
    State(sandbox): State<Sandbox>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<Json<Value>> {
    let inbox = sandbox.chosen(asked.inbox.as_deref(), &headers).await?;
    let given: Triggers = body(&bytes)?;
    let (mut settings, _) = sandbox.backing.intake.inbox_settings(inbox.principal).await?;
    settings.faults.retain(|fault| fault.seed != SEED);
    let each = [given.sender, given.recipient, given.authentication];
    for ((_, phase, _), given) in TRIGGERS.iter().zip(each) {
        if let Some(given) = given {
            settings.faults.push(fault(phase, given)?);
        }
    }
    settings.check().map_err(ApiError::bad)?;
    let told = told(&settings);
    sandbox.backing.intake.set_inbox_settings(inbox.principal, settings).await?;
    Ok(Json(told))
}
