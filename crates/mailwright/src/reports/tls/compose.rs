//! What a report about TLS says, and the message that carries it.
//!
//! Source: RFC 8460 sections 4 and 5.

use std::io::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use mailwright_store::transport::{SessionRow, day_begins};
use mailwright_words::{Address, Timestamp};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The type of a packed report.
pub(super) const KIND: &str = "application/tlsrpt+gzip";
/// Characters of a line of base64.
const LINE: usize = 76;

/// Who reports what to whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// Whose mail it is about.
    pub(super) domain: &'a str,
    /// The day, counted from 1970.
    pub(super) day: i64,
    /// Our name.
    pub(super) host: &'a str,
    /// Who reports, as people know them.
    pub(super) organisation: &'a str,
    /// Where questions go.
    pub(super) from: &'a Address,
}

impl About<'_> {
    /// The report's name, the same however often it is made.
    fn id(&self) -> String {
        let digest = Sha256::digest(format!("{} {} {}", self.day, self.domain, self.host));
        let digits =
            digest.iter().take(8).fold(String::new(), |id, octet| format!("{id}{octet:02x}"));
        format!("{}.{digits}@{}", self.day, self.host)
    }

    /// The last second of the day.
    fn ends(&self) -> Timestamp {
        Timestamp::new(day_begins(self.day.saturating_add(1)).ms().saturating_sub(1000))
    }

    fn file(&self) -> String {
        let seconds = |at: Timestamp| at.ms().div_euclid(1000);
        let (begins, ends) = (seconds(day_begins(self.day)), seconds(self.ends()));
        format!("{}!{}!{begins}!{ends}.json.gz", self.host, self.domain)
    }
}

/// The report, from the sessions of its day, those under one policy side by side.
pub(super) fn report(about: &About<'_>, rows: &[SessionRow]) -> Value {
    let same = |one: &SessionRow, next: &SessionRow| one.policy == next.policy;
    let policies: Vec<Value> = rows.chunk_by(same).map(|rows| policy(about, rows)).collect();
    json!({
        "organization-name": about.organisation,
        "date-range": {
            "start-datetime": day_begins(about.day).rfc3339(),
            "end-datetime": about.ends().rfc3339(),
        },
        "contact-info": about.from.to_string(),
        "report-id": about.id(),
        "policies": policies,
    })
}

fn policy(about: &About<'_>, rows: &[SessionRow]) -> Value {
    let text = rows.first().map(|row| row.policy.as_str()).unwrap_or_default();
    let mut policy: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    policy.insert("policy-domain".to_owned(), json!(about.domain));
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

/// The report as a file.
pub(super) fn packed(report: &Value) -> std::io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(report.to_string().as_bytes())?;
    packer.finish()
}

/// The message that carries the file to `to`. It goes whatever is wrong with the domain's TLS: that
/// may be what it tells of. Source: RFC 8460 section 3, RFC 8689 section 5.
pub(super) fn message(about: &About<'_>, to: &Address, file: &[u8], now: Timestamp) -> String {
    let (id, About { domain, host, from, .. }) = (about.id(), about);
    let (name, date, day) = (about.file(), now.rfc5322(), day_begins(about.day).rfc3339());
    let day = day.split('T').next().unwrap_or_default();
    let digest = Sha256::digest(file);
    let boundary =
        digest.iter().take(12).fold("=_".to_owned(), |text, octet| format!("{text}{octet:02x}"));
    let mut text = format!(
        "From: {from}\r\nTo: {to}\r\nDate: {date}\r\nMessage-ID: <{id}>\r\n\
         Subject: Report Domain: {domain}\r\n Submitter: {host}\r\n Report-ID: <{id}>\r\n\
         TLS-Report-Domain: {domain}\r\nTLS-Report-Submitter: {host}\r\nTLS-Required: No\r\n\
         Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"{boundary}\"\r\n\
         \r\n--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         How safely {host} sent mail to {domain} on {day} (UTC).\r\n\
         --{boundary}\r\nContent-Type: {KIND}\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment;\r\n filename=\"{name}\"\r\n\r\n"
    );
    let encoded = BASE64_STANDARD.encode(file);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, further) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        text.extend([line, "\r\n"]);
        rest = further;
    }
    text.extend(["--", &boundary, "--\r\n"]);
    text
}

#[cfg(test)]
mod tests {
    use mailwright_mailauth::report::{Content, Report};

    use super::*;
    use crate::report as reading;

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
        let about = About {
            domain: "x.example",
            day: 20_000,
            host: "mx.ours.example",
            organisation: "Ours",
            from: &from,
        };
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
        let file = packed(&report(&about, &rows)).unwrap();
        let to = Address::parse("tls@x.example").unwrap();
        let text = message(&about, &to, &file, Timestamp::new(0));
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
        let read = reading::read(text.as_bytes()).unwrap();
        assert_eq!(read, [Report::read(&file).unwrap()], "as a message and as a file");
        let read = &read[0];
        assert_eq!((read.organisation.as_str(), read.begins), ("Ours", day_begins(20_000)));
        assert_eq!(read.ends, Timestamp::new(day_begins(20_001).ms() - 1000));
        assert_eq!((read.domain(), read.counts()), ("x.example", (8, 2)));
        let Content::Tls(tls) = &read.content else { panic!("{read:?}") };
        let kinds: Vec<&str> = tls.policies.iter().map(|policy| policy.kind.as_str()).collect();
        assert_eq!(kinds, ["no-policy-found", "tlsa"]);
    }
}
