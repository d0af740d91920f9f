//! Reads DMARC aggregate reports.
//!
//! Source: RFC 9990, RFC 7489 appendix C.

use mail_auth::report::{
    ActionDisposition, Disposition, DkimResult, DmarcResult, PolicyOverride, Record,
    Report as Theirs, SPFDomainScope, SpfResult,
};

use super::{Aggregate, AggregateRow, Content, ROWS_MAX, Report, ReportError, plain, seconds};

/// What a report or a row may have any number of.
const LISTED: [&str; 5] = ["<dkim", "<spf", "<reason", "<extension", "<error"];
/// Most of these in a report: ten a row in one with as many rows as there may be.
const LISTED_MAX: usize = 10 * ROWS_MAX;

/// Reads the XML of a report.
pub(super) fn read(xml: &[u8]) -> Result<Report, ReportError> {
    // Whatever is kept of a report has a tag of its own, so that too much of it is seen before.
    let count = |tag: &&str| memchr::memmem::find_iter(xml, tag.as_bytes()).count();
    if count(&"<record") > ROWS_MAX || LISTED.iter().map(count).sum::<usize>() > LISTED_MAX {
        return Err(ReportError::Rows);
    }
    let theirs = Theirs::parse_xml(xml).map_err(|error| ReportError::Broken(plain(&error)))?;
    let (about, policy) = (theirs.report_metadata, theirs.policy_published);
    let moment = |number: u64| seconds(i64::try_from(number).unwrap_or(0));
    Ok(Report {
        organisation: plain(&about.org_name),
        contact: plain(
            about
                .extra_contact_info
                .as_deref()
                .filter(|_| about.email.is_empty())
                .unwrap_or(&about.email),
        ),
        number: plain(&about.report_id),
        begins: moment(about.date_range.begin),
        ends: moment(about.date_range.end),
        content: Content::Dmarc(Aggregate {
            domain: plain(&policy.domain).to_ascii_lowercase(),
            policy: wish(policy.p).to_owned(),
            subdomain_policy: wish(policy.sp).to_owned(),
            rows: theirs.record.iter().map(row).collect(),
        }),
    })
}

const fn wish(policy: Disposition) -> &'static str {
    match policy {
        Disposition::None => "none",
        Disposition::Quarantine => "quarantine",
        Disposition::Reject => "reject",
        Disposition::Unspecified => "",
    }
}

const fn done(disposition: ActionDisposition) -> &'static str {
    match disposition {
        ActionDisposition::None => "none",
        ActionDisposition::Pass => "pass",
        ActionDisposition::Quarantine => "quarantine",
        ActionDisposition::Reject => "reject",
        ActionDisposition::Unspecified => "",
    }
}

fn row(record: &Record) -> AggregateRow {
    let evaluated = &record.row.policy_evaluated;
    AggregateRow {
        ip: record.row.source_ip,
        count: record.row.count.into(),
        disposition: done(evaluated.disposition).to_owned(),
        dkim: evaluated.dkim == DmarcResult::Pass,
        spf: evaluated.spf == DmarcResult::Pass,
        header_from: plain(&record.identifiers.header_from),
        envelope_from: plain(&record.identifiers.envelope_from),
        reasons: evaluated
            .reason
            .iter()
            .take(RESULTS_MAX)
            .map(|reason| {
                let word = override_word(reason.type_);
                let comment = reason.comment.as_deref().map(plain).filter(|text| !text.is_empty());
                comment.map_or_else(|| word.to_owned(), |text| format!("{word} ({text})"))
            })
            .collect(),
        results: results(record),
    }
}

/// Most results of a row.
const RESULTS_MAX: usize = 100;

fn results(record: &Record) -> Vec<String> {
    let auth = &record.auth_results;
    let dkim = auth.dkim.iter().take(RESULTS_MAX).map(|dkim| {
        let (domain, selector) = (plain(&dkim.domain), plain(&dkim.selector));
        format!("dkim={} d={domain} s={selector}", dkim_word(dkim.result))
    });
    let spf = auth.spf.iter().take(RESULTS_MAX).map(|spf| {
        let identity = if spf.scope == SPFDomainScope::Helo { "helo" } else { "mfrom" };
        format!("spf={} {identity}={}", spf_word(spf.result), plain(&spf.domain))
    });
    dkim.chain(spf).collect()
}

const fn override_word(why: PolicyOverride) -> &'static str {
    match why {
        PolicyOverride::LocalPolicy => "local_policy",
        PolicyOverride::MailingList => "mailing_list",
        PolicyOverride::PolicyTestMode => "policy_test_mode",
        PolicyOverride::TrustedForwarder => "trusted_forwarder",
        PolicyOverride::Other => "other",
    }
}

const fn dkim_word(result: DkimResult) -> &'static str {
    match result {
        DkimResult::None => "none",
        DkimResult::Pass => "pass",
        DkimResult::Fail => "fail",
        DkimResult::Policy => "policy",
        DkimResult::Neutral => "neutral",
        DkimResult::TempError => "temperror",
        DkimResult::PermError => "permerror",
    }
}

const fn spf_word(result: SpfResult) -> &'static str {
    match result {
        SpfResult::None => "none",
        SpfResult::Neutral => "neutral",
        SpfResult::Pass => "pass",
        SpfResult::Fail => "fail",
        SpfResult::SoftFail => "softfail",
        SpfResult::TempError => "temperror",
        SpfResult::PermError => "permerror",
    }
}
