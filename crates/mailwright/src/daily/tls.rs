//! Tells domains how safely mail reached them.
//!
//! Source: RFC 8460.

use mailwright_net::dns::Answer;
use mailwright_store::{
    Tx,
    transport::{self, SessionRow, day_begins},
};
use mailwright_words::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Desk, Due, ReportError,
    compose::gzip,
    handover::{Place, Report},
    record,
};

/// The type of a packed report.
const MEDIA: &str = "application/tlsrpt+gzip";
/// Rows of one report.
const ROWS_MAX: usize = 1000;

/// Who wants to know.
///
/// Errors: the name cannot be looked up.
pub(super) async fn places(desk: &Desk<'_>, due: &Due) -> Result<Vec<Place>, ReportError> {
    match desk.dns.txt(&format!("_smtp._tls.{}", due.domain)).await {
        Answer::Found(records) => Ok(record::places(&records)),
        Answer::NoData | Answer::NoSuchDomain => Ok(Vec::new()),
        Answer::Temporary(why) => Err(ReportError::Dns(why)),
    }
}

/// What is told: one report.
///
/// Errors: the store does not answer.
pub(super) async fn reports(desk: &Desk<'_>, due: &Due) -> Result<Vec<Report>, ReportError> {
    let (day, domain) = (due.day, due.domain.clone());
    let read = move |tx: &mut Tx<'_>| transport::sessions(tx, (day, &domain), ROWS_MAX);
    let rows = desk.office.store.read(read).await?;
    let from = desk.from.to_string();
    let about = About { host: desk.host(), organisation: desk.organisation(), from: &from };
    Ok(report(due, about, (&rows, desk.now)).into_iter().collect())
}

/// Who reports.
#[derive(Debug, Clone, Copy)]
struct About<'a> {
    /// Our name.
    host: &'a str,
    /// Ourselves, as people know us.
    organisation: &'a str,
    /// Where questions go.
    from: &'a str,
}

/// The report, from the sessions of its day, those under one policy side by side. It goes whatever
/// is wrong with the domain's TLS: that may be what it tells of. Source: RFC 8460 section 3, RFC
/// 8689 section 5.
fn report(due: &Due, about: About<'_>, (rows, now): (&[SessionRow], Timestamp)) -> Option<Report> {
    let About { host, organisation, from } = about;
    let domain = &due.domain;
    let same = |one: &SessionRow, next: &SessionRow| one.policy == next.policy;
    let policies: Vec<Value> = rows.chunk_by(same).map(|rows| policy(domain, rows)).collect();
    let id = due.id(host, &Value::from(policies.clone()).to_string());
    let (begin, end) = due.span(now);
    let moment = |seconds: u64| {
        Timestamp::new(i64::try_from(seconds).unwrap_or(0).saturating_mul(1000)).rfc3339()
    };
    let report = json!({
        "organization-name": organisation,
        "date-range": { "start-datetime": moment(begin), "end-datetime": moment(end) },
        "contact-info": from,
        "report-id": id,
        "policies": policies,
    });
    let day = day_begins(due.day).rfc3339();
    let day = day.split('T').next().unwrap_or_default();
    Some(Report {
        kind: Some("tlsrpt"),
        fields: vec![
            ("TLS-Report-Domain", domain.clone()),
            ("TLS-Report-Submitter", host.to_owned()),
            ("TLS-Required", "No".to_owned()),
        ],
        text: format!("How safely {host} sent mail\r\nto {domain}\r\non {day} (UTC).\r\n"),
        file: format!("{host}!{domain}!{begin}!{end}.json.gz"),
        media: MEDIA,
        octets: gzip(report.to_string().as_bytes()).ok()?,
        id,
    })
}

fn policy(domain: &str, rows: &[SessionRow]) -> Value {
    let text = rows.first().map(|row| row.policy.as_str()).unwrap_or_default();
    let mut policy: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    policy.insert("policy-domain".to_owned(), json!(domain));
    let count = |good: bool| -> u64 {
        rows.iter().filter(|row| row.failure.is_empty() == good).map(|row| row.count).sum()
    };
    let failed: Vec<Value> =
        rows.iter().filter(|row| !row.failure.is_empty()).map(detail).collect();
    json!({
        "policy": policy,
        "summary": {
            "total-successful-session-count": count(true),
            "total-failure-session-count": count(false),
        },
        "failure-details": failed,
    })
}

fn detail(row: &SessionRow) -> Value {
    let mut detail = Map::new();
    detail.insert("result-type".to_owned(), json!(row.failure));
    detail.insert("failed-session-count".to_owned(), json!(row.count));
    for (name, value) in [("receiving-mx-hostname", &row.host), ("receiving-ip", &row.address)] {
        if !value.is_empty() {
            detail.insert(name.to_owned(), json!(value));
        }
    }
    Value::Object(detail)
}

#[cfg(test)]
mod tests {
    use mailwright_mailauth::report::{Content, Report as Read};
    use mailwright_words::Address;

    use super::*;
    use crate::{daily::Kind, daily::compose, report as reading};

    fn row(policy: &str, host: &str, failure: &str, count: u64) -> SessionRow {
        SessionRow {
            day: 20_000,
            domain: "x.example".to_owned(),
            policy: policy.to_owned(),
            host: host.to_owned(),
            address: if host.is_empty() { String::new() } else { "192.0.2.1".to_owned() },
            failure: failure.to_owned(),
            count,
        }
    }

    #[test]
    fn what_is_written_is_what_others_read() {
        let from = Address::parse("reports@ours.example").unwrap();
        let about =
            About { host: "mx.ours.example", organisation: "Ours", from: "reports@ours.example" };
        let due = Due { kind: Kind::Tls, day: 20_000, domain: "x.example".to_owned() };
        let rows = [
            row(r#"{"policy-type":"no-policy-found"}"#, "mx.x.example", "", 3),
            row(r#"{"policy-type":"tlsa","policy-string":["3 1 1 00"]}"#, "mx.x.example", "", 5),
            row(
                r#"{"policy-type":"tlsa","policy-string":["3 1 1 00"]}"#,
                "mx.x.example",
                "tlsa-invalid",
                2,
            ),
        ];
        let now = day_begins(20_002);
        let told = report(&due, about, (&rows, now)).unwrap();
        let to = Address::parse("tls@x.example").unwrap();
        let text = compose::message(("mx.ours.example", &from), &due, &told, &to);
        let read = reading::read(&text).unwrap();
        assert_eq!(read, [Read::read(&told.octets).unwrap()], "as a message and as a file");
        let read = &read[0];
        assert_eq!((read.organisation.as_str(), read.begins), ("Ours", day_begins(20_000)));
        assert_eq!(read.ends, Timestamp::new(day_begins(20_001).ms() - 1000));
        assert_eq!((read.domain(), read.counts()), ("x.example", (8, 2)));
        let Content::Tls(tls) = &read.content else { panic!("{read:?}") };
        let kinds: Vec<&str> = tls.policies.iter().map(|policy| policy.kind.as_str()).collect();
        assert_eq!(kinds, ["no-policy-found", "tlsa"]);
    }
}
