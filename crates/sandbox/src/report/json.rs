//! A report as JSON.

use serde_json::{Map, Value, json};

use super::{NUMBERS, Report};
use crate::auth::OneClick;
use crate::verdict::{Found, ListKind};

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
        "auth": auth(report),
        "lists": lists(report),
        "filters": filters(report),
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

/// Where it is from; null where nobody was asked.
fn auth(report: &Report) -> Value {
    let Some(auth) = &report.verdicts.auth else { return Value::Null };
    let spf = auth.spf.as_ref().map(
        |spf| json!({ "result": spf.word.as_str(), "domain": spf.domain, "reason": spf.reason }),
    );
    let dkim = auth.dkim.iter().map(|one| {
        json!({ "result": one.word.as_str(), "domain": one.domain, "selector": one.selector,
            "reason": one.reason, "covers": one.covers })
    });
    let dmarc = auth.dmarc.as_ref().map(|dmarc| {
        json!({ "result": dmarc.word.as_str(), "domain": dmarc.domain, "reason": dmarc.reason,
            "policy": dmarc.policy.as_str(), "record_at": dmarc.record_at,
            "aligned": { "dkim": dmarc.dkim_aligned, "spf": dmarc.spf_aligned } })
    });
    let findings = report.findings().into_iter().filter(|finding| finding.area == "auth");
    let findings = findings.map(|finding| {
        json!({ "rule": finding.rule, "level": finding.level.as_str(),
            "message": finding.message })
    });
    json!({
        "client": auth.client.map(|ip| ip.to_string()),
        "spf": spf,
        "dkim": dkim.collect::<Vec<_>>(),
        "dmarc": dmarc,
        "one_click": report.one_click.as_ref().map(OneClick::as_str),
        "findings": findings.collect::<Vec<_>>(),
    })
}

/// What lists said; null where none was asked.
fn lists(report: &Report) -> Value {
    let Some(all) = &report.verdicts.lists else { return Value::Null };
    let all = all.iter().map(|list| {
        let entries = list.entries.iter().map(|entry| match &entry.found {
            Found::Free => json!({ "what": entry.what, "listed": false }),
            Found::Unknown(why) => json!({ "what": entry.what, "listed": null, "why": why }),
            Found::Listed { codes, reason } => {
                let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
                json!({ "what": entry.what, "listed": true, "codes": codes, "reason": reason })
            }
        });
        let kind = if list.kind == ListKind::Addresses { "addresses" } else { "domains" };
        json!({ "list": list.zone, "kind": kind, "unsound": list.unsound,
            "entries": entries.collect::<Vec<_>>() })
    });
    all.collect()
}

fn filters(report: &Report) -> Vec<Value> {
    let all = report.verdicts.filters.iter().map(|opinion| match &opinion.rating {
        Err(why) => json!({ "filter": opinion.filter, "error": why }),
        Ok(rating) => {
            let rules = rating.symbols.iter().map(
                |one| json!({ "name": one.name, "points": one.points, "means": one.explanation }),
            );
            json!({ "filter": opinion.filter, "error": null, "score": rating.score,
                "threshold": rating.threshold, "spam": rating.is_spam, "action": rating.action,
                "rules": rules.collect::<Vec<_>>() })
        }
    });
    all.collect()
}
