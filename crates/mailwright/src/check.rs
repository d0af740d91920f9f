//! `mailwright check`: a message before it is sent, without a server.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
};

use mailwright_sandbox::{
    report::{Demand, NUMBERS, Report},
    support::Audience,
};

use crate::{Failure, cli::Check};

/// Largest message that is read, in octets.
const MESSAGE_MAX: u64 = 256 << 20;
/// What the exit code is when a condition holds under which the check fails.
const FAILED: u8 = 1;
/// What it is when there is nothing that could be checked.
const NOTHING: u8 = 2;

/// Checks the messages and prints a report of each.
pub(crate) fn run(check: &Check) -> Result<ExitCode, Failure> {
    let refused = |error: &dyn std::error::Error| Failure::of("this cannot be checked", error);
    let audience =
        Audience::parse(&check.clients).map_err(|error| refused(&error).with(NOTHING))?;
    let demands =
        Demand::parse_all(&check.fail_on).map_err(|error| refused(&error).with(NOTHING))?;
    let mut failed = false;
    let mut reports = Vec::new();
    for file in &check.files {
        let bytes = read(file).map_err(|error| {
            Failure::of(&format!("cannot read {}", file.display()), &error).with(NOTHING)
        })?;
        let report = Report::new(&mailwright_doctor::compose::with_crlf(&bytes), &audience, None);
        let failures: Vec<String> =
            demands.iter().filter_map(|demand| demand.failure(&report)).collect();
        failed |= !failures.is_empty();
        if check.json {
            reports.push(json(file, &report, &failures));
        } else {
            print(file, &report, &failures)?;
        }
    }
    if check.json {
        writeln!(io::stdout(), "{:#}", serde_json::Value::from(reports))?;
    }
    Ok(if failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(MESSAGE_MAX).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)?.take(MESSAGE_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn print(file: &Path, report: &Report, failures: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}\n\n{}", file.display(), report.text())?;
    for failure in failures {
        writeln!(out, "FAILED: {failure}")?;
    }
    Ok(())
}

fn json(file: &Path, report: &Report, failures: &[String]) -> serde_json::Value {
    let numbers = NUMBERS.iter().map(|(name, _)| (*name, report.number(name)));
    let rules = report.spam.hits.iter().map(|rule| {
        serde_json::json!({ "name": rule.name, "points": rule.points, "means": rule.explanation })
    });
    let links = report.links.iter().map(|finding| {
        let target = report.targets.get(finding.link);
        let fault = finding.fault;
        serde_json::json!({ "fault": fault.name(), "target": target, "detail": finding.detail,
            "means": fault.explanation() })
    });
    let features = report.usages.iter().filter_map(|usage| {
        let feature = usage.feature()?;
        let places = usage.places.iter().map(|place| [place.line, place.column]);
        Some(serde_json::json!({ "slug": feature.slug, "title": feature.title,
            "count": usage.count, "places": places.collect::<Vec<_>>(),
            "clients_without": usage.findings().len() }))
    });
    serde_json::json!({
        "file": file.display().to_string(),
        "numbers": numbers.collect::<std::collections::BTreeMap<_, _>>(),
        "features": features.collect::<Vec<_>>(),
        "spam": rules.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
        "failures": failures,
    })
}
