//! Tells domains what came in their name, and what was made of it.
//!
//! Source: RFC 9990.

use mailwright_mailauth::{Destination, Policy, Record, aggregate, destinations};
use mailwright_store::{Lane, StoreError, Tx, seen};
use mailwright_words::Domain;

use super::{
    Desk, ReportError,
    mail::{self, Mail, Unsent},
};
use crate::office::Office;

/// Rows of a domain and day that are told; what is beyond them would be too much for a message.
const ROWS_MAX: usize = 20_000;
/// Octets of a report, as it is attached, beyond which nobody takes it.
const OCTETS_MAX: usize = 10 << 20;

/// Tells what is due; says how many reports went.
///
/// Errors: the store does not answer.
pub(super) async fn send(desk: &Desk<'_>) -> Result<usize, ReportError> {
    let store = &desk.office.store;
    let (mut place, mut sent) = ((i64::MIN, String::new()), 0);
    loop {
        let (behind, before) = (place.clone(), desk.before);
        let next = store.read(move |tx| seen::next(tx, (behind.0, &behind.1), before)).await?;
        let Some((day, domain)) = next else { return Ok(sent) };
        place = (day, domain.clone());
        match report(desk, day, &domain).await {
            Ok(count) => sent += count,
            Err(ReportError::Store(error)) => return Err(error.into()),
            // The others need not wait for this one.
            Err(error) => {
                tracing::info!(domain, %error, "A report waits.");
                continue;
            }
        }
        store.write(Lane::Bulk, move |tx| seen::forget(tx, (day, &domain))).await?;
    }
}

/// Forgets what was seen before a day.
///
/// Errors: those of the store.
pub(super) async fn forget(office: &Office, before: i64) -> Result<(), StoreError> {
    while office.store.write(Lane::Bulk, move |tx| seen::forget_before(tx, before)).await? > 0 {}
    Ok(())
}

/// Tells a domain of a day, one report for each record that it had.
async fn report(desk: &Desk<'_>, day: i64, domain: &str) -> Result<usize, ReportError> {
    // Its name stands in fields and in the name of a file.
    if Domain::parse(domain).is_err() {
        return Ok(0);
    }
    let wanted = destinations(domain, &desk.dns).await.map_err(ReportError::Dns)?;
    if wanted.is_empty() {
        return Ok(0);
    }
    let name = domain.to_owned();
    let read = move |tx: &mut Tx<'_>| seen::of_day(tx, (day, &name), ROWS_MAX);
    let rows = desk.office.store.read(read).await?;
    let mut sent = 0;
    for (number, same) in rows.chunk_by(|one, other| one.policy == other.policy).enumerate() {
        let Some(first) = same.first() else { continue };
        let id = format!("{}.{day}.{number}.{domain}", desk.now.ms());
        let span = desk.span(day);
        let published = record(&first.policy);
        let report = aggregate::Aggregate {
            organisation: &desk.organisation,
            contact: &desk.from,
            id: &id,
            span,
            domain,
            published: &published,
            rows: same.iter().map(row).collect(),
        };
        let Ok(octets) = mail::gzip(report.xml().as_bytes()) else { continue };
        for one in &wanted {
            match tell(desk, (domain, span, &id), one, &octets).await {
                Ok(went) => sent += usize::from(went),
                // Who has it already shall not get it again.
                Err(error) if sent > 0 => tracing::warn!(domain, %error, "A report is lost."),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(sent)
}

/// Tells one address; whether it goes there.
async fn tell(
    desk: &Desk<'_>,
    (domain, span, id): (&str, (u64, u64), &str),
    to: &Destination,
    octets: &[u8],
) -> Result<bool, ReportError> {
    let address = &to.address;
    if octets.len() > to.octets_max.unwrap_or(OCTETS_MAX).min(OCTETS_MAX) {
        tracing::warn!(domain, address, size = octets.len(), "A report is too large to be sent.");
        return Ok(false);
    }
    let host = &desk.office.config.now().server.hostname;
    let subject = format!("Report Domain: {domain}\r\n\tSubmitter: {host}\r\n\tReport-ID: <{id}>");
    let text = format!(
        "This is a report about mail that came to {host}\r\nin the name of {domain}.\r\n\
         Its form is that of RFC 9990.\r\n"
    );
    let file = format!("{host}!{domain}!{}!{}!{id}.xml.gz", span.0, span.1);
    let mail = Mail {
        to: address,
        subject: &subject,
        kind: None,
        fields: &[],
        text: &text,
        file: &file,
        media: "application/gzip",
        octets,
    };
    match mail::send(desk, &mail).await {
        Ok(()) => {
            tracing::info!(domain, address, "Report sent.");
            Ok(true)
        }
        Err(Unsent::Never(why)) => {
            tracing::warn!(domain, address, why, "A report is not sent.");
            Ok(false)
        }
        Err(later) => Err(later.into()),
    }
}

fn record(published: &mailwright_store::authentication::Published) -> Record {
    Record {
        policy: Policy::of(&published.p),
        below: Policy::of(&published.sp),
        missing: Policy::of(&published.np),
        strict_dkim: published.strict_dkim,
        strict_spf: published.strict_spf,
        testing: published.testing,
    }
}

fn row(counted: &seen::Counted) -> aggregate::Row {
    let seen = &counted.seen;
    let signature = |one: &mailwright_store::authentication::DkimFound| {
        (one.domain.clone(), one.selector.clone(), one.result.clone())
    };
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
