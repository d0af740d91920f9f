//! `mailwright domain check`.

use mailwright_config::TlsNeed;
use mailwright_net::dns::System;
use serde::Serialize;

use super::{Known, ours, table};
use crate::{
    Failure,
    admin::{
        inspect::{Demand, Finding, demands, findings, senders},
        records,
    },
    console::Console,
    office::Office,
};

#[derive(Serialize)]
struct Told {
    domain: String,
    records: Vec<RecordTold>,
    demands: Vec<DemandTold>,
}

#[derive(Serialize)]
struct RecordTold {
    purpose: &'static str,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    state: &'static str,
    expected: String,
    found: String,
    needed: bool,
    why: &'static str,
}

#[derive(Serialize)]
struct DemandTold {
    demand: &'static str,
    by: &'static [&'static str],
    state: &'static str,
    because: String,
}

pub(super) async fn run(
    name: &str,
    as_json: bool,
    office: &Office,
    console: &Console,
) -> Result<(), Failure> {
    let domain = ours(name, office).await?;
    let config = office.config.now();
    let dns = System::new(&config.dns)
        .map_err(|error| Failure::of("configuration of the DNS", &error))?;
    let known = Known::of(&domain, office).await?;
    let facts = known.facts();
    let senders = senders(&dns, &facts).await;
    let findings = findings(&dns, &facts, (records::all(&facts), &senders)).await;
    let encrypts = config.relay.tls != TlsNeed::None;
    let demands = demands(&findings, &senders, (encrypts, config.dkim.sign));
    let trouble = findings.iter().filter(|finding| finding.is_trouble()).count();
    if as_json {
        let told = told(domain.to_string(), findings, demands);
        let text =
            serde_json::to_string_pretty(&told).map_err(|error| Failure::of("JSON", &error))?;
        console.line(&text).await?;
    } else {
        print(console, &findings, &demands).await?;
    }
    match trouble {
        0 => Ok(()),
        1 => Err(Failure::new(format!("one record of {domain} is not right"))),
        more => Err(Failure::new(format!("{more} records of {domain} are not right"))),
    }
}

fn told(domain: String, findings: Vec<Finding>, demands: Vec<Demand>) -> Told {
    let record = |finding: Finding| RecordTold {
        purpose: finding.record.purpose.as_str(),
        name: finding.record.name,
        kind: finding.record.kind,
        state: finding.state.as_str(),
        expected: finding.record.data,
        found: finding.found,
        needed: finding.record.purpose.is_needed(),
        why: finding.record.purpose.why(),
    };
    let demand = |demand: Demand| DemandTold {
        demand: demand.what,
        by: demand.who,
        state: demand.met.as_str(),
        because: demand.because,
    };
    Told {
        domain,
        records: findings.into_iter().map(record).collect(),
        demands: demands.into_iter().map(demand).collect(),
    }
}

async fn print(console: &Console, findings: &[Finding], demands: &[Demand]) -> Result<(), Failure> {
    let line = |finding: &Finding| {
        let Finding { record, state, .. } = finding;
        vec![state.as_str().to_owned(), record.purpose.as_str().to_owned(), record.name.clone()]
    };
    table(console, &findings.iter().map(line).collect::<Vec<_>>()).await?;
    for finding in findings.iter().filter(|one| one.state.as_str() != "right") {
        let Finding { record, found, .. } = finding;
        console
            .line(&format!("\n{} {}: {}", record.name, record.kind, finding.state.as_str()))
            .await?;
        console.line(&format!("  expected  {}", record.data)).await?;
        if !found.is_empty() {
            console.line(&format!("  found     {found}")).await?;
        }
        console.line(&format!("  matters   {}", record.purpose.why())).await?;
    }
    console.line("\nwhat large providers demand of who sends much:").await?;
    let line = |demand: &Demand| {
        let who = demand.who.join(", ");
        vec![demand.met.as_str().to_owned(), demand.what.to_owned(), who, demand.because.clone()]
    };
    table(console, &demands.iter().map(line).collect::<Vec<_>>()).await
}
