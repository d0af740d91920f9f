//! `mailwright doctor`.

use mailwright_store::check::{Finding, Report};
use serde::Serialize;

use crate::{
    Failure, checkup,
    cli::{Doctor, DoctorCommand, Form},
    console::Console,
    journey,
    office::Office,
};

#[derive(Serialize)]
struct Told {
    bodies: u64,
    messages: u64,
    folders: u64,
    unrendered: u64,
    rendered: u64,
    unmended: u64,
    left_out: u64,
    findings: Vec<Wrong>,
}

#[derive(Serialize)]
struct Wrong {
    flaw: &'static str,
    place: String,
    mended: bool,
}

pub(super) async fn run(doctor: Doctor, office: &Office, console: &Console) -> Result<(), Failure> {
    match doctor.command {
        None => examine(doctor.form, office, console).await,
        Some(DoctorCommand::Store { mend, json }) => store(mend, json, office, console).await,
        Some(DoctorCommand::Message { what, carrier, form }) => {
            let carrier = crate::doctor::carrier(&carrier)?;
            let report = journey::examine(&what, &carrier, office).await?;
            tell(&report, form, console).await
        }
        Some(_) => Err(Failure::new("this examination needs no store")),
    }
}

/// Examines this server.
async fn examine(form: Form, office: &Office, console: &Console) -> Result<(), Failure> {
    tell(&checkup::examine(office).await?, form, console).await
}

async fn tell(
    report: &mailwright_doctor::Report,
    form: Form,
    console: &Console,
) -> Result<(), Failure> {
    let text = if form.json { format!("{:#}\n", report.json()) } else { report.text(form.verbose) };
    console.write(text.into_bytes()).await?;
    match report.exit_code() {
        0 => Ok(()),
        code => Err(Failure::told(code)),
    }
}

async fn store(mend: bool, json: bool, office: &Office, console: &Console) -> Result<(), Failure> {
    let report = office.store.check(office.now(), mend).await?;
    let unmended = report.unmended;
    if json {
        let text = serde_json::to_string_pretty(&told(report))
            .map_err(|error| Failure::of("JSON", &error))?;
        console.line(&text).await?;
    } else {
        print(console, &report).await?;
    }
    match unmended {
        0 => Ok(()),
        1 => Err(Failure::new("one thing is wrong with the store")),
        more => Err(Failure::new(format!("{more} things are wrong with the store"))),
    }
}

fn told(report: Report) -> Told {
    let wrong = |finding: Finding| Wrong {
        flaw: finding.flaw.name(),
        place: finding.place,
        mended: finding.mended,
    };
    Told {
        bodies: report.bodies,
        messages: report.messages,
        folders: report.folders,
        unrendered: report.unrendered,
        rendered: report.rendered,
        unmended: report.unmended,
        left_out: report.left_out,
        findings: report.findings.into_iter().map(wrong).collect(),
    }
}

async fn print(console: &Console, report: &Report) -> Result<(), Failure> {
    for Finding { flaw, place, mended } in &report.findings {
        let end = if *mended { " (mended)" } else { "" };
        console.line(&format!("{}: {place}{end}", flaw.name())).await?;
    }
    if report.left_out > 0 {
        console.line(&format!("and {} more", report.left_out)).await?;
    }
    let Report { bodies, messages, folders, rendered, unrendered, .. } = report;
    let sum = format!("{bodies} bodies, {messages} messages and {folders} folders checked");
    console.line(&sum).await?;
    if rendered + unrendered > 0 {
        let sum = format!("{rendered} messages rendered anew, {unrendered} are when asked for");
        console.line(&sum).await?;
    }
    Ok(())
}
