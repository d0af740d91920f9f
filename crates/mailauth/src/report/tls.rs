//! Reads reports about TLS.
//!
//! Read by our own shapes: a report with a moment or an address that makes no sense is not to be
//! lost for it, and one without its dates is none. Source: RFC 8460 section 4.

use std::net::IpAddr;

use mailwright_words::Timestamp;
use serde::Deserialize;

use super::{Content, ROWS_MAX, Report, ReportError, TlsFailure, TlsPolicy, TlsReport, plain};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Theirs {
    #[serde(default)]
    organization_name: Option<String>,
    #[serde(default)]
    contact_info: Option<String>,
    #[serde(default)]
    report_id: String,
    date_range: Range,
    #[serde(default)]
    policies: Vec<Policy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Range {
    start_datetime: String,
    end_datetime: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Policy {
    #[serde(rename = "policy")]
    details: Details,
    #[serde(default)]
    summary: Summary,
    #[serde(default)]
    failure_details: Vec<Failure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Details {
    #[serde(default)]
    policy_type: String,
    #[serde(default)]
    policy_domain: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Summary {
    #[serde(default)]
    total_successful_session_count: u64,
    #[serde(default)]
    total_failure_session_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Failure {
    #[serde(default)]
    result_type: String,
    #[serde(default)]
    sending_mta_ip: Option<String>,
    #[serde(default)]
    receiving_mx_hostname: Option<String>,
    #[serde(default)]
    receiving_ip: Option<String>,
    #[serde(default)]
    failed_session_count: u64,
    #[serde(default)]
    additional_information: Option<String>,
    #[serde(default)]
    #[serde(rename = "failure-reason-code")]
    code: Option<String>,
}

/// Objects and lists of a row, and of the rest of a report, at most.
const SHAPES_MAX: usize = 8 * ROWS_MAX;

/// Reads the JSON of a report.
pub(super) fn read(json: &[u8]) -> Result<Report, ReportError> {
    // Each row is one of these, and takes far more room than its text: too many are seen before.
    if memchr::memchr2_iter(b'{', b'[', json).count() > SHAPES_MAX {
        return Err(ReportError::Rows);
    }
    let broken = |text: &str| ReportError::Broken(plain(text));
    let theirs: Theirs =
        serde_json::from_slice(json).map_err(|error| broken(&error.to_string()))?;
    let rows = theirs.policies.iter().map(|policy| policy.failure_details.len().saturating_add(1));
    if rows.fold(0, usize::saturating_add) > ROWS_MAX {
        return Err(ReportError::Rows);
    }
    if theirs.policies.is_empty() {
        return Err(broken("it tells of no policy"));
    }
    let moment = |text: &str| {
        Timestamp::from_rfc3339(text.trim()).ok_or_else(|| broken("its date-range is none"))
    };
    Ok(Report {
        organisation: plain(&theirs.organization_name.unwrap_or_default()),
        contact: plain(&theirs.contact_info.unwrap_or_default()),
        number: plain(&theirs.report_id),
        begins: moment(&theirs.date_range.start_datetime)?,
        ends: moment(&theirs.date_range.end_datetime)?,
        content: Content::Tls(TlsReport { policies: theirs.policies.iter().map(policy).collect() }),
    })
}

fn policy(theirs: &Policy) -> TlsPolicy {
    TlsPolicy {
        domain: plain(&theirs.details.policy_domain).trim_end_matches('.').to_ascii_lowercase(),
        kind: plain(&theirs.details.policy_type),
        succeeded: theirs.summary.total_successful_session_count,
        failed: theirs.summary.total_failure_session_count,
        failures: theirs.failure_details.iter().map(failure).collect(),
    }
}

fn failure(theirs: &Failure) -> TlsFailure {
    let address = |text: &Option<String>| -> Option<IpAddr> { text.as_ref()?.trim().parse().ok() };
    let told = [&theirs.code, &theirs.additional_information];
    let told: Vec<String> = told.into_iter().flatten().map(|text| plain(text)).collect();
    TlsFailure {
        kind: plain(&theirs.result_type),
        host: plain(theirs.receiving_mx_hostname.as_deref().unwrap_or_default()),
        ip: address(&theirs.receiving_ip),
        sender: address(&theirs.sending_mta_ip),
        count: theirs.failed_session_count,
        detail: told.join("; "),
    }
}
