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
use crate::sandbox::{Sandbox, checks::Sender};

/// The score of a `spamd` where one is configured, else ours.
pub(super) async fn spam(State(sandbox): State<Sandbox>, place: Place) -> Answer {
    let (_, entry) = sandbox.numbered(&place).await?;
    let bytes = sandbox.bytes(entry.message).await?;
    let context = sandbox.context(&entry, &bytes, Sender::default(), false).await?;
    if let Some(rating) = context.verdicts.rating("spamd") {
        let details = rating.symbols.iter().map(|one| (one.points, &*one.name, &*one.explanation));
        let threshold = rating.threshold;
        return Ok(Json(scored(rating.score, rating.is_spam, threshold, details)));
    }
    let rated = sandbox.apart(move || {
        let message = Message::read(&bytes);
        let found = spam::spam(&Facts::new(&message, context));
        let details = found.hits.iter().map(|rule| (rule.points, rule.name, rule.explanation));
        scored(found.score, found.is_spam(), THRESHOLD, details)
    });
    Ok(Json(rated.await?))
}

fn scored<'r>(
    score: f64,
    is_spam: bool,
    threshold: f64,
    details: impl Iterator<Item = (f64, &'r str, &'r str)>,
) -> Value {
    let details = details.map(
        |(points, name, means)| json!({ "Pts": points, "RuleName": name, "Description": means }),
    );
    json!({ "report": {
        "ResponseCode": 0,
        "ResponseMessage": "EX_OK",
        "ResponseVersion": "1.1",
        "Score": score,
        "Spam": is_spam,
        "Threshold": whole(threshold),
        "Details": details.collect::<Vec<_>>(),
    } })
}

/// What blocklists say, in the form of this API; `false` where none is asked.
pub(super) fn blacklists(context: &Context, author: &str) -> Value {
    let Some(lists) = &context.verdicts.lists else { return Value::Bool(false) };
    // A list that cannot be relied on says nothing, and is left out.
    let sound = lists.iter().filter(|list| list.unsound.is_none() && !list.entries.is_empty());
    let report: Vec<Value> = sound
        .map(|list| {
            let is_listed = list.entries.iter().any(|entry| entry.found.is_listed());
            let url = format!("https://{}/", list.zone);
            json!({ "name": list.zone, "url": url, "in_black_list": is_listed })
        })
        .collect();
    let result = if report.is_empty() {
        "error"
    } else if context.verdicts.listed().next().is_some() {
        "not_successful"
    } else {
        "success"
    };
    let client = context.verdicts.auth.as_ref().and_then(|auth| auth.client);
    json!({
        "result": result,
        "domain": author.rsplit_once('@').map_or("", |(_, domain)| domain),
        "ip": client.map(|ip| ip.to_string()).unwrap_or_default(),
        "report": report,
    })
}

/// A threshold as the whole number that clients read.
fn whole(threshold: f64) -> u32 {
    (0..100).find(|whole| f64::from(*whole) >= threshold).unwrap_or(5)
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
