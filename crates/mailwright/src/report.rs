//! Reports of others about mail in the name of our domains: out of messages, into the store.

use std::collections::BTreeSet;

use mailwright_mailauth::report::{Content, ROWS_MAX, Report, ReportError};
use mailwright_mime::{Kind, Structure};
use mailwright_store::report::ReportRow;
use mailwright_words::Timestamp;

use crate::{Failure, office::Office};

/// Largest message or file that is read.
pub(crate) const FILE_MAX: u64 = 32 << 20;
/// Most parts of a message that are tried.
const PARTS_MAX: usize = 20;

/// Where a report is from: the domain of the message, and whether that is proven.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sender {
    pub(crate) author: String,
    pub(crate) proven: bool,
}

/// The reports in a file: one itself, or a message that carries some, of as many rows together as
/// one may have. It takes time; for a thread that may.
///
/// Errors: why its likeliest part is none.
pub(crate) fn read(file: &[u8]) -> Result<Vec<Report>, ReportError> {
    if Report::may_be(file) {
        return Report::read(file).map(|report| vec![report]);
    }
    let structure = Structure::parse(file);
    let leaves = structure.parts().iter().filter(|part| part.kind() == Kind::Leaf);
    let mut error = ReportError::Unknown;
    let (mut reports, mut rows) = (Vec::new(), 0_usize);
    for part in leaves.take(PARTS_MAX) {
        let octets = part.decoded();
        if !Report::may_be(&octets) {
            continue;
        }
        match Report::read(&octets) {
            Ok(report) => {
                rows = rows.saturating_add(report.rows());
                if rows > ROWS_MAX {
                    error = ReportError::Rows;
                    break;
                }
                reports.push(report);
            }
            Err(found) => error = found,
        }
    }
    if reports.is_empty() { Err(error) } else { Ok(reports) }
}

/// The rows of those that are about our domains.
///
/// Errors: those of the store.
pub(crate) async fn rows(
    office: &Office,
    reports: Vec<Report>,
    sender: &Sender,
    now: Timestamp,
) -> Result<Vec<ReportRow>, Failure> {
    let domains = office.directory.domains().await?;
    let ours: BTreeSet<String> = domains.into_iter().map(|domain| domain.name).collect();
    let mut rows = Vec::new();
    for report in reports {
        let Some(domain) = named(&report).into_iter().find(|name| is_ours(name, &ours)) else {
            tracing::debug!(domain = report.domain(), "A report about a domain that is not ours.");
            continue;
        };
        rows.push(row(&report, domain, sender, now)?);
    }
    Ok(rows)
}

/// The domains that a report names.
fn named(report: &Report) -> Vec<&str> {
    match &report.content {
        Content::Dmarc(aggregate) => vec![&aggregate.domain],
        Content::Tls(tls) => tls.policies.iter().map(|policy| policy.domain.as_str()).collect(),
    }
}

/// Whether a domain or one above it is ours.
fn is_ours(name: &str, ours: &BTreeSet<String>) -> bool {
    let above = std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, up)| up));
    above.take(10).any(|name| ours.contains(name))
}

fn row(report: &Report, domain: &str, from: &Sender, now: Timestamp) -> Result<ReportRow, Failure> {
    let content = serde_json::to_string(&report.content);
    let (passed, failed) = report.counts();
    Ok(ReportRow {
        id: 0,
        kind: report.kind().to_owned(),
        domain: domain.to_owned(),
        organisation: report.organisation.clone(),
        contact: report.contact.clone(),
        number: report.number.clone(),
        begins: report.begins,
        ends: report.ends,
        received: now,
        author: from.author.clone(),
        proven: from.proven,
        passed,
        failed,
        content: content.map_err(|error| Failure::of("JSON", &error))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_many_reports_is_read_up_to_the_rows_of_one() {
        let failures = vec!["{}"; 20_000].join(",");
        let report = format!(
            "{{\"report-id\":\"r\",\"date-range\":{{\"start-datetime\":\"2016-04-01T00:00:00Z\",\
             \"end-datetime\":\"2016-04-01T23:59:59Z\"}},\"policies\":[{{\"policy\":{{}},\
             \"failure-details\":[{failures}]}}]}}"
        );
        let part = format!("--b\r\nContent-Type: application/tlsrpt+json\r\n\r\n{report}\r\n");
        let message = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
            part.repeat(10)
        );
        let reports = read(message.as_bytes()).unwrap();
        assert_eq!(reports.iter().map(Report::rows).collect::<Vec<_>>(), [20_001, 20_001]);
    }
}
