//! `mailwright report`.

use mailwright_mailauth::report::{Aggregate, AggregateRow, Content, TlsPolicy, TlsReport};
use mailwright_store::{
    Lane, StoreError, Tx,
    report::{self, ReportFilter, ReportRow},
    transport,
};
use serde::Serialize;

use super::{json, table, time};
use crate::{
    Failure,
    cli::ReportCommand,
    console::Console,
    daily,
    office::Office,
    report::{FILE_MAX, Sender, read, rows},
};

#[derive(Serialize)]
struct Row {
    id: i64,
    kind: String,
    domain: String,
    organisation: String,
    contact: String,
    number: String,
    begins: String,
    ends: String,
    received: String,
    author: String,
    proven: bool,
    passed: u64,
    failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
}

pub(super) async fn run(
    command: ReportCommand,
    office: &Office,
    console: &mut Console,
) -> Result<(), Failure> {
    match command {
        ReportCommand::List { kind, domain, limit, json } => {
            let domain = domain.map(|name| name.to_ascii_lowercase());
            list(ReportFilter { kind, domain, limit }, office, console, json).await
        }
        ReportCommand::Show { id, json } => show(id, office, console, json).await,
        ReportCommand::Import => import(office, console).await,
        ReportCommand::Send { today } => send(today, office, console).await,
    }
}

fn row(row: ReportRow, content: Option<Content>) -> Row {
    Row {
        id: row.id,
        kind: row.kind,
        domain: row.domain,
        organisation: row.organisation,
        contact: row.contact,
        number: row.number,
        begins: time(row.begins),
        ends: time(row.ends),
        received: time(row.received),
        author: row.author,
        proven: row.proven,
        passed: row.passed,
        failed: row.failed,
        content,
    }
}

async fn list(
    filter: ReportFilter,
    office: &Office,
    console: &Console,
    as_json: bool,
) -> Result<(), Failure> {
    if let Some(kind) = filter.kind.as_deref().filter(|kind| !["dmarc", "tls"].contains(kind)) {
        return Err(Failure::new(format!("{kind:?} is no kind of report: dmarc or tls")));
    }
    let found = office.store.read(move |tx| report::list(tx, &filter)).await?;
    let rows: Vec<Row> = found.into_iter().map(|found| row(found, None)).collect();
    if as_json {
        return json(console, &rows).await;
    }
    let line = |row: Row| {
        let day = row.begins.chars().take(10).collect();
        let counts = format!("{} passed, {} failed", row.passed, row.failed);
        vec![row.id.to_string(), row.kind, day, row.domain, row.organisation, counts]
    };
    table(console, &rows.into_iter().map(line).collect::<Vec<_>>()).await
}

async fn show(id: i64, office: &Office, console: &Console, as_json: bool) -> Result<(), Failure> {
    let found = office.store.read(move |tx| report::get(tx, id)).await?;
    let found = found.ok_or(StoreError::Missing("report"))?;
    let content: Content =
        serde_json::from_str(&found.content).map_err(|error| Failure::of("JSON", &error))?;
    if as_json {
        return json(console, &[row(found, Some(content))]).await;
    }
    for line in head(&found) {
        console.line(&line).await?;
    }
    console.line("").await?;
    match content {
        Content::Dmarc(aggregate) => table(console, &sources(&aggregate)).await,
        Content::Tls(tls) => table(console, &sessions(&tls)).await,
    }
}

fn head(row: &ReportRow) -> Vec<String> {
    let what = match row.kind.as_str() {
        "dmarc" => "Messages in the name of",
        _ => "Sessions with the servers of",
    };
    let author = match (row.author.as_str(), row.proven) {
        ("", _) => "from whom is not known".to_owned(),
        (author, true) => format!("from {author}, proven by DMARC"),
        (author, false) => format!("from {author}, which is not proven"),
    };
    vec![
        format!("{what} {}: {} passed, {} failed", row.domain, row.passed, row.failed),
        format!("From {} to {}", time(row.begins), time(row.ends)),
        format!("By {} ({}), report {}", row.organisation, row.contact, row.number),
        format!("It came {}, {author}", time(row.received)),
    ]
}

/// A line for each source, what failed first.
fn sources(aggregate: &Aggregate) -> Vec<Vec<String>> {
    let mut rows: Vec<&AggregateRow> = aggregate.rows.iter().collect();
    rows.sort_by_key(|row| (row.passed(), std::cmp::Reverse(row.count)));
    rows.iter()
        .map(|row| {
            let word = |passed| if passed { "pass" } else { "fail" };
            vec![
                row.count.to_string(),
                row.ip.map_or_else(|| "?".to_owned(), |ip| ip.to_string()),
                if row.passed() { "passed" } else { "failed" }.to_owned(),
                row.disposition.clone(),
                row.header_from.clone(),
                format!("aligned: dkim={} spf={}", word(row.dkim), word(row.spf)),
                [row.results.as_slice(), row.reasons.as_slice()].concat().join(", "),
            ]
        })
        .collect()
}

/// A line for each policy, and one for each way in which sessions failed.
fn sessions(report: &TlsReport) -> Vec<Vec<String>> {
    report.policies.iter().flat_map(policy).collect()
}

fn policy(policy: &TlsPolicy) -> Vec<Vec<String>> {
    let counts = format!("{} passed, {} failed", policy.succeeded, policy.failed);
    let first = vec![policy.domain.clone(), policy.kind.clone(), counts];
    let failure = policy.failures.iter().map(|failure| {
        let text = |ip: Option<std::net::IpAddr>| ip.map(|ip| ip.to_string()).unwrap_or_default();
        vec![
            format!("  {}", failure.host),
            text(failure.ip),
            format!("{} {}", failure.count, failure.kind),
            failure.detail.clone(),
        ]
    });
    std::iter::once(first).chain(failure).collect()
}

async fn send(today: bool, office: &Office, console: &Console) -> Result<(), Failure> {
    if office.config.now().reports.from.is_none() {
        return Err(Failure::new("reports.from is not set, so that no report can be sent"));
    }
    let before = transport::day(office.now()).saturating_add(i64::from(today));
    let sent = daily::send(office, before)
        .await
        .map_err(|error| Failure::of("not every report could be sent", &error))?;
    Ok(console.line(&format!("{sent} reports sent")).await?)
}

async fn import(office: &Office, console: &mut Console) -> Result<(), Failure> {
    let most = usize::try_from(FILE_MAX).unwrap_or(usize::MAX);
    let mut file = Vec::new();
    loop {
        let chunk = console.read().await?;
        if chunk.is_empty() {
            break;
        }
        if file.len().saturating_add(chunk.len()) > most {
            return Err(Failure::new(format!("it has more than {FILE_MAX} octets")));
        }
        file.extend_from_slice(&chunk);
    }
    let found = tokio::task::spawn_blocking(move || read(&file)).await;
    let found = found.map_err(|error| Failure::of("reading a report", &error))?;
    let found = found.map_err(|error| Failure::of("this is no report", &error))?;
    let rows = rows(office, found, &Sender::default(), office.now()).await?;
    let domains: Vec<String> = rows.iter().map(|row| row.domain.clone()).collect();
    if rows.is_empty() {
        return Err(Failure::new("it is about no domain of this server".to_owned()));
    }
    let keep = move |tx: &mut Tx<'_>| {
        rows.iter().try_fold(0_usize, |kept, row| {
            Ok(kept.saturating_add(usize::from(report::keep(tx, row)?)))
        })
    };
    let kept = office.store.write(Lane::Quick, keep).await?;
    let domains = domains.join(", ");
    let told = if kept == 0 { "it was there already" } else { "kept" };
    Ok(console.line(&format!("Report about {domains}: {told}")).await?)
}
