//! `mailwright check`: a message before it is sent, or those that an inbox caught.

mod inbox;
mod rules;

use std::{
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
};

use mailwright_config::{Live, Source};
use mailwright_net::egress::Egress;
use mailwright_sandbox::{
    facts::Context,
    report::{Demand, Report, json, junit, sarif},
    support::Audience,
};

use crate::{
    Failure,
    cli::{Check, ReportFormat},
    load, world,
};

/// Largest message that is read, in octets.
const MESSAGE_MAX: u64 = 256 << 20;
/// What the exit code is when a condition holds under which the check fails.
const FAILED: u8 = 1;
/// What it is when there is nothing that could be checked.
const NOTHING: u8 = 2;

/// A message, and what it is called.
struct Named {
    name: String,
    bytes: Vec<u8>,
    context: Context,
}

/// Checks the messages and prints a report of each.
pub(crate) async fn run(check: &Check, source: &Source) -> Result<ExitCode, Failure> {
    if check.rules {
        io::stdout().write_all(rules::page().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let refused = |error: &dyn std::error::Error| Failure::of("this cannot be checked", error);
    let audience =
        Audience::parse(&check.clients).map_err(|error| refused(&error).with(NOTHING))?;
    let demands =
        Demand::parse_all(&check.fail_on).map_err(|error| refused(&error).with(NOTHING))?;
    let messages = messages(check, source).await.map_err(|failure| failure.with(NOTHING))?;
    let egress = if check.online {
        Some(egress(source).map_err(|failure| failure.with(NOTHING))?)
    } else {
        None
    };
    let mut reports = Vec::new();
    for Named { name, bytes, context } in messages {
        let mut report = Report::new(&bytes, &audience, context);
        if let Some(egress) = &egress {
            let settings = egress.settings();
            report.ask_links(egress, (settings.links_max, settings.at_once)).await;
        }
        reports.push((name, report));
    }
    let failed = reports
        .iter()
        .any(|(_, report)| demands.iter().any(|demand| demand.failure(report).is_some()));
    let format = if check.json { ReportFormat::Json } else { check.format };
    print(&reports, &demands, format)?;
    Ok(if failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

async fn messages(check: &Check, source: &Source) -> Result<Vec<Named>, Failure> {
    if let Some(name) = &check.inbox {
        let config = load(source)?;
        return inbox::messages(check, name, config).await;
    }
    let mut all = Vec::new();
    for file in &check.files {
        let bytes = read(file)
            .map_err(|error| Failure::of(&format!("cannot read {}", file.display()), &error))?;
        all.push(Named {
            name: file.display().to_string(),
            bytes: mailwright_doctor::compose::with_crlf(&bytes),
            context: Context::default(),
        });
    }
    Ok(all)
}

fn egress(source: &Source) -> Result<Egress, Failure> {
    world::egress(&Live::new(load(source)?))
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

fn print(reports: &[(String, Report)], demands: &[Demand], format: ReportFormat) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let failures = |report: &Report| -> Vec<String> {
        demands.iter().filter_map(|demand| demand.failure(report)).collect()
    };
    match format {
        ReportFormat::Junit => return out.write_all(junit(reports, demands).as_bytes()),
        ReportFormat::Sarif => {
            return writeln!(out, "{:#}", sarif(reports, env!("CARGO_PKG_VERSION")));
        }
        ReportFormat::Json => {
            let all = reports.iter().map(|(name, report)| json(name, report, &failures(report)));
            return writeln!(out, "{:#}", all.collect::<serde_json::Value>());
        }
        ReportFormat::Text => {}
    }
    for (name, report) in reports {
        writeln!(out, "{name}\n\n{}", report.text())?;
        for failure in failures(report) {
            writeln!(out, "FAILED: {failure}")?;
        }
    }
    Ok(())
}
