//! `mailwright check`: a message before it is sent, or those that an inbox caught.

mod inbox;
mod rules;

use std::{
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
};

use mailwright_config::{GivenRecords, Live, Source};
use mailwright_net::{Clock as _, System, egress::Egress};
use mailwright_sandbox::{
    facts::Context,
    message::Message,
    outside::{Journey, Outside},
    report::{Demand, Report, json, junit, sarif},
    support::Audience,
};

use crate::{
    Failure,
    cli::{Check, ReportFormat},
    load,
    stdout::stdout,
    world,
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
    /// How it came, as far as that is known.
    journey: Journey,
}

/// Checks the messages and prints a report of each.
pub(crate) async fn run(check: &Check, source: &Source) -> Result<ExitCode, Failure> {
    if check.rules {
        stdout().write_all(rules::page().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let refused = |error: &dyn std::error::Error| Failure::of("this cannot be checked", error);
    let audience =
        Audience::parse(&check.clients).map_err(|error| refused(&error).with(NOTHING))?;
    let demands =
        Demand::parse_all(&check.fail_on).map_err(|error| refused(&error).with(NOTHING))?;
    let messages = messages(check, source).await.map_err(|failure| failure.with(NOTHING))?;
    let (outside, egress) = outside(check, source).map_err(|failure| failure.with(NOTHING))?;
    let mut reports = Vec::new();
    for Named { name, bytes, journey } in messages {
        let context = told(check, &outside, &bytes, journey).await;
        let mut report = Report::new(&bytes, &audience, context);
        if let Some(egress) = egress.as_ref().filter(|_| check.online) {
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
            journey: Journey::default(),
        });
    }
    Ok(all)
}

/// Who is asked about a message: nobody, unless the command or the configuration says so.
fn outside(check: &Check, source: &Source) -> Result<(Outside, Option<Egress>), Failure> {
    let config = load(source)?;
    let settings = config.checks.clone();
    let asks = check.online || settings.dns || settings.rspamd.is_some();
    let egress = if asks { Some(world::egress(&Live::new(config))?) } else { None };
    let mut outside = Outside::new(settings, egress.clone(), check.online);
    if let Some(file) = &check.records {
        let place = file.display();
        let bytes =
            read(file).map_err(|error| Failure::of(&format!("cannot read {place}"), &error))?;
        let records = GivenRecords::parse(&String::from_utf8_lossy(&bytes));
        outside = outside.with(records.map_err(|why| Failure::new(format!("{place}: {why}")))?);
    }
    Ok((outside, egress))
}

/// What is known of a message beside its octets.
async fn told(check: &Check, outside: &Outside, bytes: &[u8], mut journey: Journey) -> Context {
    if let Some(ip) = check.ip {
        (journey.client, journey.is_named) = (Some(ip), true);
    }
    if let Some(helo) = &check.helo {
        journey.helo.clone_from(helo);
    }
    if let Some(from) = &check.from {
        journey.reverse_path = Some(from.trim_matches(['<', '>']).to_owned());
    }
    let (received, reverse_path) = (journey.came, journey.reverse_path.clone());
    if journey.reverse_path.is_none() {
        let author = Message::read(bytes).people("from").into_iter().next();
        journey.reverse_path = author.map(|author| author.address());
    }
    journey.came = journey.came.or_else(|| Some(System::new().now()));
    let verdicts = outside.ask(bytes, journey).await;
    Context { received, reverse_path, verdicts }
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
    let mut out = stdout();
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
