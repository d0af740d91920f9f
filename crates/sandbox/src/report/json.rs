//! A report as JSON.

use serde_json::{Map, Value, json};

use super::{NUMBERS, Report};

/// The report of the message `name`, of which these demands failed.
pub fn json(name: &str, report: &Report, failures: &[String]) -> Value {
    let numbers: Map<String, Value> =
        NUMBERS.iter().map(|(name, _)| ((*name).to_owned(), json!(report.number(name)))).collect();
    json!({
        "file": name,
        "numbers": numbers,
        "features": features(report),
        "spam": spam(report),
        "links": links(report),
        "statuses": statuses(report),
        "structure": structure(report),
        "failures": failures,
    })
}

fn features(report: &Report) -> Vec<Value> {
    let all = report.usages.iter().filter_map(|usage| {
        let feature = usage.feature()?;
        let places = usage.places.iter().map(|place| [place.line, place.column]);
        let places: Vec<_> = places.collect();
        Some(json!({ "slug": feature.slug, "title": feature.title, "count": usage.count,
            "places": places, "clients_without": usage.findings().len() }))
    });
    all.collect()
}

fn spam(report: &Report) -> Vec<Value> {
    let one = |rule: &&crate::spam::Rule| {
        let (name, means) = (rule.name, rule.explanation);
        json!({ "name": name, "points": rule.points, "means": means })
    };
    report.spam.hits.iter().map(one).collect()
}

fn links(report: &Report) -> Vec<Value> {
    let all = report.links.iter().map(|finding| {
        let target = report.targets.get(finding.link).map(|link| link.url.as_str());
        let fault = finding.fault;
        json!({ "fault": fault.name(), "target": target, "detail": finding.detail,
            "means": fault.explanation() })
    });
    all.collect()
}

/// What links said; null where nobody was asked.
fn statuses(report: &Report) -> Value {
    let Some(all) = &report.statuses else { return Value::Null };
    let all = all.iter().map(|status| {
        json!({ "url": status.url, "verdict": status.verdict.as_str(), "status": status.status,
            "redirects": status.redirects, "error": status.error })
    });
    all.collect()
}

fn structure(report: &Report) -> Vec<Value> {
    let all = report.findings().into_iter().filter(|finding| finding.area == "structure");
    let all = all.map(|finding| {
        json!({ "rule": finding.rule, "level": finding.level.as_str(),
            "message": finding.message, "line": finding.line })
    });
    all.collect()
}
