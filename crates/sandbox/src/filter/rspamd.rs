//! rspamd: the message goes there by HTTP, and JSON comes back.
//!
//! Source: rspamd's HTTP protocol, `POST /checkv2`.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use mailwright_net::egress::{Ask, Egress};
use serde_json::Value;

use super::{ANSWER_MAX, line, ordered};
use crate::outside::Journey;
use crate::verdict::{Rating, Symbol};

/// Actions that a reader notices.
const ACTIONS: [&str; 4] = ["reject", "rewrite subject", "add header", "quarantine"];
/// Recipients that are told of.
const RECIPIENTS_MAX: usize = 50;

/// Asks the rspamd at `base`, such as `http://127.0.0.1:11333`, which `egress` may ask.
///
/// Errors: why there is no rating, in words.
pub async fn rspamd(
    egress: &Egress,
    base: &str,
    message: &[u8],
    journey: &Journey,
) -> Result<Rating, String> {
    let url = format!("{}/checkv2", base.trim_end_matches('/'));
    let mut ask = Ask::new(Method::POST, &url).reading(ANSWER_MAX);
    ask.body = Bytes::copy_from_slice(message);
    let mut tell = |name: &'static str, value: &str| {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
            ask.headers.append(HeaderName::from_static(name), value);
        }
    };
    if let Some(ip) = journey.client {
        tell("ip", &ip.to_string());
    }
    tell("helo", &journey.helo);
    tell("from", journey.reverse_path.as_deref().unwrap_or_default());
    for recipient in journey.recipients.iter().take(RECIPIENTS_MAX) {
        tell("rcpt", recipient);
    }
    let answered = egress.ask(ask).await.map_err(|unanswered| line(&unanswered.to_string()))?;
    if !answered.status.is_success() {
        return Err(format!("rspamd says {}", answered.status.as_u16()));
    }
    read(&answered.body)
}

/// Reads an answer.
fn read(answer: &[u8]) -> Result<Rating, String> {
    let all: Value = serde_json::from_slice(answer).ok().ok_or("what answers is no rspamd")?;
    let number = |name: &str| all.get(name).and_then(Value::as_f64).filter(|n| n.is_finite());
    let score = number("score").ok_or("rspamd gives no score")?;
    let action = all.get("action").and_then(Value::as_str).ok_or("rspamd names no action")?;
    // It says so, too, where a rule was so sure that the others were not asked.
    let is_skipped = all.get("is_skipped").and_then(Value::as_bool) == Some(true);
    if is_skipped && !ACTIONS.contains(&action) {
        return Err("rspamd skips the message".to_owned());
    }
    let symbols = all.get("symbols").and_then(Value::as_object);
    let symbols = symbols.into_iter().flatten().map(|(name, symbol)| {
        let text = |name: &str| symbol.get(name).and_then(Value::as_str).unwrap_or_default();
        let points = symbol.get("score").and_then(Value::as_f64).filter(|n| n.is_finite());
        let explanation = line(text("description"));
        Symbol { name: line(name), points: points.unwrap_or(0.0), explanation }
    });
    Ok(ordered(Rating {
        score,
        threshold: number("required_score").unwrap_or(0.0),
        is_spam: ACTIONS.contains(&action),
        action: Some(line(action)),
        symbols: symbols.collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let rating = read(
            br#"{"is_skipped":false,"score":7.2,"required_score":15.0,"action":"add header",
            "symbols":{"MISSING_DATE":{"name":"MISSING_DATE","score":1.0,"metric_score":1.0,
            "description":"Message date is missing"},"R_BAD":{"score":6.2,"options":["x"]}},
            "message-id":"undef"}"#,
        );
        let rating = rating.unwrap();
        assert!(rating.is_spam && (rating.score - 7.2).abs() < 1e-9);
        assert_eq!(rating.action.as_deref(), Some("add header"));
        let names: Vec<&str> = rating.symbols.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["R_BAD", "MISSING_DATE"]);
        let sure = read(
            br#"{"is_skipped":true,"score":15.0,"required_score":15.0,"action":"reject",
            "symbols":{"GTUBE":{"name":"GTUBE","score":0.0,"metric_score":0.0}}}"#,
        );
        assert!(sure.unwrap().is_spam);
        let greylist = read(br#"{"score":4.1,"required_score":15.0,"action":"greylist"}"#);
        assert!(!greylist.unwrap().is_spam);
    }

    #[test]
    fn hostile_answers_are_no_rating() {
        for answer in [
            "",
            "<html>",
            "[]",
            "null",
            r#"{"score":"7","action":"reject"}"#,
            r#"{"score":7}"#,
            r#"{"score":1e400,"action":"reject"}"#,
            r#"{"is_skipped":true,"score":0,"action":"no action"}"#,
            r#"{"error":"unauthorized"}"#,
        ] {
            assert!(read(answer.as_bytes()).is_err(), "{answer}");
        }
        let odd = r#"{"score":1,"action":"a\u001bb","symbols":{"A\n\u0007":{"score":"x"},"B":7}}"#;
        let rating = read(odd.as_bytes()).unwrap();
        assert!(!rating.action.unwrap().contains(char::is_control));
        assert!(rating.symbols.iter().all(|one| !one.name.contains(char::is_control)));
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(deep.as_bytes()).is_err());
    }
}
