//! Tells domains what came in their name, and what was made of it.
//!
//! Source: RFC 9990.

use mailwright_mailauth::{Policy, Record, aggregate, destinations};
use mailwright_store::{
    Tx,
    authentication::{DkimFound, Published},
    seen::{self, Counted},
};
use mailwright_words::Address;

use super::{
    Desk, Due, ReportError,
    compose::gzip,
    handover::{OCTETS_MAX, Place, Report},
};

/// Rows of a domain and day that are told; what is beyond them would be too much for a message.
const ROWS_MAX: usize = 20_000;

/// Who wants to know.
///
/// Errors: a name cannot be looked up.
pub(super) async fn places(desk: &Desk<'_>, due: &Due) -> Result<Vec<Place>, ReportError> {
    let wanted = destinations(&due.domain, &*desk.dns).await.map_err(ReportError::Dns)?;
    let places = wanted.into_iter().filter_map(|one| {
        let to = Address::parse(&one.address).ok()?;
        Some(Place::Mail { to, octets_max: one.octets_max.unwrap_or(OCTETS_MAX).min(OCTETS_MAX) })
    });
    Ok(places.collect())
}

/// What is told: a report for each record that the domain had on the day.
///
/// Errors: the store does not answer.
pub(super) async fn reports(desk: &Desk<'_>, due: &Due) -> Result<Vec<Report>, ReportError> {
    let (day, domain) = (due.day, due.domain.clone());
    let read = move |tx: &mut Tx<'_>| seen::of_day(tx, (day, &domain), ROWS_MAX);
    let rows = desk.office.store.read(read).await?;
    let same = rows.chunk_by(|one, other| one.policy == other.policy);
    Ok(same.filter_map(|rows| report(desk, due, rows)).collect())
}

/// The report of rows under one record.
fn report(desk: &Desk<'_>, due: &Due, rows: &[Counted]) -> Option<Report> {
    let (host, domain) = (desk.host(), &due.domain);
    let contents: Vec<_> = rows.iter().map(|row| (&row.policy, &row.seen, row.count)).collect();
    let id = due.id(host, &serde_json::to_string(&contents).ok()?);
    let span = due.span(desk.now);
    let report = aggregate::Aggregate {
        organisation: desk.organisation(),
        contact: &desk.from.to_string(),
        id: &id,
        span,
        domain,
        published: &record(&rows.first()?.policy),
        rows: rows.iter().map(row).collect(),
    };
    let octets = gzip(report.xml().as_bytes()).ok()?;
    Some(Report {
        kind: None,
        fields: Vec::new(),
        text: format!(
            "This is a report about mail that came to {host}\r\nin the name of {domain}.\r\n\
             Its form is that of RFC 9990.\r\n"
        ),
        file: format!("{host}!{domain}!{}!{}!{id}.xml.gz", span.0, span.1),
        media: "application/gzip",
        octets,
        id,
    })
}

fn record(published: &Published) -> Record {
    Record {
        policy: Policy::of(&published.p),
        below: Policy::of(&published.sp),
        missing: Policy::of(&published.np),
        strict_dkim: published.strict_dkim,
        strict_spf: published.strict_spf,
        testing: published.testing,
    }
}

fn row(counted: &Counted) -> aggregate::Row {
    let seen = &counted.seen;
    let signature =
        |one: &DkimFound| (one.domain.clone(), one.selector.clone(), one.result.clone());
    aggregate::Row {
        ip: seen.ip.clone(),
        count: counted.count,
        disposition: seen.disposition.clone(),
        instead: seen.instead.clone(),
        dkim_aligned: seen.dkim_aligned,
        spf_aligned: seen.spf_aligned,
        header_from: seen.header_from.clone(),
        envelope_from: seen.mail_from.clone(),
        envelope_to: seen.to.clone(),
        dkim: seen.dkim.iter().map(signature).collect(),
        spf: seen
            .spf
            .as_ref()
            .map(|one| (one.scope == "helo", one.domain.clone(), one.result.clone())),
    }
}
