//! Reports as SARIF, which code hosts show beside the lines. Source: SARIF 2.1.0, OASIS.

use std::collections::BTreeMap;

use mailwright_words::percent::escaped;
use serde_json::{Value, json};

use super::{Finding, Report};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json";

/// The findings of messages, each with the name of its file.
pub fn sarif(reports: &[(String, Report)], version: &str) -> Value {
    let found: Vec<(&str, Finding)> = reports
        .iter()
        .flat_map(|(name, report)| {
            report.findings().into_iter().map(move |finding| (name.as_str(), finding))
        })
        .collect();
    let mut rules: BTreeMap<&str, &Finding> = BTreeMap::new();
    for (_, finding) in &found {
        rules.entry(finding.rule.as_str()).or_insert(finding);
    }
    let places: BTreeMap<&str, usize> =
        rules.keys().enumerate().map(|(place, rule)| (*rule, place)).collect();
    let results: Vec<Value> = found
        .iter()
        .map(|(name, finding)| result(name, finding, places.get(finding.rule.as_str())))
        .collect();
    let rules: Vec<Value> = rules.values().map(|finding| described(finding)).collect();
    let driver = json!({ "name": "mailwright", "version": version, "rules": rules });
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints",
            "results": results }],
    })
}

fn described(finding: &Finding) -> Value {
    json!({
        "id": finding.rule,
        "shortDescription": { "text": finding.means },
        "properties": { "tags": [finding.area] },
    })
}

fn result(name: &str, finding: &Finding, place: Option<&usize>) -> Value {
    json!({
        "ruleId": finding.rule,
        "ruleIndex": place,
        "level": finding.level.as_str(),
        "message": { "text": finding.message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": escaped(name, b"~/") },
            "region": { "startLine": finding.line },
        } }],
    })
}
