//! What the checks say, in the forms of this API.

use axum::{Json, extract::State};
use mailwright_sandbox::{
    facts::{Context, Facts},
    message::Message,
    spam::{self, THRESHOLD},
    support::{Usage, check, table},
};
use serde_json::{Value, json};

use super::{Answer, Place};
use crate::sandbox::{ApiError, Sandbox};

pub(super) async fn spam(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let (_, entry) = sandbox.numbered(&place).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let received = entry.received;
    let rated = tokio::task::spawn_blocking(move || {
        let message = Message::read(&bytes);
        let context = Context { received: Some(received), ..Context::default() };
        let found = spam::spam(&Facts::new(&message, context));
        let details = found.hits.iter().map(|rule| {
            json!({ "Pts": rule.points, "RuleName": rule.name, "Description": rule.explanation })
        });
        json!({ "report": {
            "ResponseCode": 0,
            "ResponseMessage": "EX_OK",
            "ResponseVersion": "1.1",
            "Score": found.score,
            "Spam": found.is_spam(),
            "Threshold": threshold(),
            "Details": details.collect::<Vec<_>>(),
        } })
    });
    Ok(Json(rated.await.ok().ok_or(ApiError::Busy)?))
}

/// The threshold as the whole number that clients read.
fn threshold() -> u32 {
    (0..100).find(|whole| f64::from(*whole) >= THRESHOLD).unwrap_or(5)
}

/// What clients do not show of a message, with lines.
pub(super) fn analysis(bytes: &[u8]) -> Value {
    let message = Message::read(bytes);
    let facts = Facts::new(&message, Context::default());
    if facts.page.is_none() {
        return json!({ "report": { "status": "error", "msg": "The message has no HTML" } });
    }
    let usages = check(facts.page.as_ref(), &message.names(), &message.medias());
    let errors: Vec<Value> = usages.iter().filter_map(fault).collect();
    json!({ "report": { "status": "success", "errors": errors } })
}

fn fault(usage: &Usage) -> Option<Value> {
    let (feature, findings) = (usage.feature()?, usage.findings());
    if findings.is_empty() {
        return None;
    }
    let (mut desktop, mut mobile, mut web) = (Vec::new(), Vec::new(), Vec::new());
    for finding in &findings {
        let Some(client) = table().clients.get(finding.client) else { continue };
        let into = match client.platform {
            "ios" | "android" => &mut mobile,
            platform if platform.contains("mobile") => &mut mobile,
            platform if platform.contains("web") || platform == "outlook-com" => &mut web,
            _ => &mut desktop,
        };
        into.push(format!("{} {}", client.family_name, client.platform_name));
    }
    Some(json!({
        "error_line": usage.places.first().map_or(1, |place| place.line),
        "rule_name": feature.title,
        "email_clients": { "desktop": desktop, "mobile": mobile, "web": web },
    }))
}
