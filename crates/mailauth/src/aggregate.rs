//! A report to a domain: what came in its name, and what was made of it.
//!
//! Source: RFC 9990.

use mail_auth::report::{
    ActionDisposition, Alignment, DKIMAuthResult, DateRange, Discovery, Disposition, DkimResult,
    DmarcResult, PolicyOverride, PolicyOverrideReason, PolicyPublished, Record as Counted, Report,
    ReportMetadata, SPFAuthResult, SPFDomainScope, SpfResult,
};

use crate::{Policy, Record};

/// What a report tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate<'a> {
    /// Who reports.
    pub organisation: &'a str,
    /// The address that answers go to.
    pub contact: &'a str,
    /// What tells this report from others of ours.
    pub id: &'a str,
    /// The first and the last second that it is about, since 1970.
    pub span: (u64, u64),
    /// Where the record is.
    pub domain: &'a str,
    /// What it said.
    pub published: &'a Record,
    /// What came.
    pub rows: Vec<Row>,
}

/// Messages of which the same is to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Where they came from.
    pub ip: String,
    /// How many.
    pub count: u64,
    /// What was done: `none`, `quarantine` or `reject`.
    pub disposition: String,
    /// Why that is not what the record asks for, in the words of the RFC.
    pub instead: Option<String>,
    /// Whether a signature was right and aligned.
    pub dkim_aligned: bool,
    /// Whether SPF was right and aligned.
    pub spf_aligned: bool,
    /// The author's domain.
    pub header_from: String,
    /// The reverse-path's domain; empty for a null one.
    pub envelope_from: String,
    /// The recipient's domain.
    pub envelope_to: String,
    /// Domain, selector and result of each signature.
    pub dkim: Vec<(String, String, String)>,
    /// SPF: whether it is of the client's name, the domain, the result.
    pub spf: Option<(bool, String, String)>,
}

impl Aggregate<'_> {
    /// The report as XML.
    pub fn xml(&self) -> String {
        let alignment = |strict: bool| if strict { Alignment::Strict } else { Alignment::Relaxed };
        Report {
            version: 1.0,
            report_metadata: ReportMetadata {
                org_name: self.organisation.to_owned(),
                report_id: self.id.to_owned(),
                date_range: DateRange { begin: self.span.0, end: self.span.1 },
                generator: Some(concat!("Mailwright ", env!("CARGO_PKG_VERSION")).to_owned()),
                ..ReportMetadata::default()
            },
            policy_published: PolicyPublished {
                domain: self.domain.to_owned(),
                version_published: None,
                adkim: alignment(self.published.strict_dkim),
                aspf: alignment(self.published.strict_spf),
                p: policy(self.published.policy),
                sp: policy(self.published.below),
                np: policy(self.published.missing),
                testing: self.published.testing,
                discovery_method: Discovery::Treewalk,
                fo: None,
            },
            record: self.rows.iter().map(counted).collect(),
            extensions: Vec::new(),
        }
        .with_email(self.contact)
        .to_xml()
    }
}

impl Policy {
    /// Reads what [`as_str`](Self::as_str) wrote; anything else is none.
    pub fn of(text: &str) -> Self {
        let all = [Self::Reject, Self::Quarantine];
        all.into_iter().find(|one| one.as_str() == text).unwrap_or(Self::None)
    }
}

const fn policy(policy: Policy) -> Disposition {
    match policy {
        Policy::None => Disposition::None,
        Policy::Quarantine => Disposition::Quarantine,
        Policy::Reject => Disposition::Reject,
    }
}

fn counted(row: &Row) -> Counted {
    let aligned = |is: bool| if is { DmarcResult::Pass } else { DmarcResult::Fail };
    let passes = row.dkim_aligned || row.spf_aligned;
    let mut counted = Counted::default();
    counted.row.source_ip = row.ip.parse().ok();
    counted.row.count = u32::try_from(row.count).unwrap_or(u32::MAX);
    let evaluated = &mut counted.row.policy_evaluated;
    evaluated.disposition = match row.disposition.as_str() {
        "quarantine" => ActionDisposition::Quarantine,
        "reject" => ActionDisposition::Reject,
        _ if passes => ActionDisposition::Pass,
        _ => ActionDisposition::None,
    };
    (evaluated.dkim, evaluated.spf) = (aligned(row.dkim_aligned), aligned(row.spf_aligned));
    evaluated.reason = row.instead.iter().map(|word| reason(word)).collect();
    counted.identifiers.header_from.clone_from(&row.header_from);
    counted.identifiers.envelope_from.clone_from(&row.envelope_from);
    counted.identifiers.envelope_to = Some(row.envelope_to.clone()).filter(|to| !to.is_empty());
    let signature = |(domain, selector, result): &(String, String, String)| DKIMAuthResult {
        domain: domain.clone(),
        selector: selector.clone(),
        result: signed(result),
        human_result: None,
    };
    counted.auth_results.dkim = row.dkim.iter().map(signature).collect();
    let sent = |(is_helo, domain, result): &(bool, String, String)| SPFAuthResult {
        domain: domain.clone(),
        scope: if *is_helo { SPFDomainScope::Helo } else { SPFDomainScope::MailFrom },
        result: allowed(result),
        human_result: None,
    };
    counted.auth_results.spf = row.spf.iter().map(sent).collect();
    counted
}

fn reason(word: &str) -> PolicyOverrideReason {
    PolicyOverrideReason::new(match word {
        "local_policy" => PolicyOverride::LocalPolicy,
        "policy_test_mode" => PolicyOverride::PolicyTestMode,
        "trusted_forwarder" => PolicyOverride::TrustedForwarder,
        _ => PolicyOverride::Other,
    })
}

fn signed(word: &str) -> DkimResult {
    match word {
        "pass" => DkimResult::Pass,
        "fail" => DkimResult::Fail,
        "policy" => DkimResult::Policy,
        "neutral" => DkimResult::Neutral,
        "temperror" => DkimResult::TempError,
        "permerror" => DkimResult::PermError,
        _ => DkimResult::None,
    }
}

fn allowed(word: &str) -> SpfResult {
    match word {
        "pass" => SpfResult::Pass,
        "fail" => SpfResult::Fail,
        "softfail" => SpfResult::SoftFail,
        "neutral" => SpfResult::Neutral,
        "temperror" => SpfResult::TempError,
        "permerror" => SpfResult::PermError,
        _ => SpfResult::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_meant() {
        let published = Record {
            policy: Policy::Reject,
            below: Policy::Quarantine,
            missing: Policy::None,
            strict_dkim: true,
            strict_spf: false,
            testing: true,
        };
        let row = Row {
            ip: "2001:db8::1".to_owned(),
            count: 3,
            disposition: "none".to_owned(),
            instead: Some("trusted_forwarder".to_owned()),
            spf_aligned: true,
            header_from: "a\"<b>&.example".to_owned(),
            dkim: vec![("x.example".to_owned(), "s&1".to_owned(), "permerror".to_owned())],
            spf: Some((false, "a.example".to_owned(), "pass".to_owned())),
            ..Row::default()
        };
        let report = Aggregate {
            organisation: "Home&Co",
            contact: "reports@home.example",
            id: "1.2.example.com",
            span: (1_795_478_400, 1_795_564_799),
            domain: "example.com",
            published: &published,
            rows: vec![row, Row { disposition: "reject".to_owned(), ..Row::default() }],
        };
        let xml = report.xml();
        let read = Report::parse_xml(xml.as_bytes()).unwrap();
        assert_eq!(read.org_name(), "Home&Co");
        assert_eq!((read.date_range_begin(), read.date_range_end()), report.span);
        assert_eq!((read.p(), read.np()), (Disposition::Reject, Disposition::None));
        assert_eq!((read.adkim(), read.testing()), (Alignment::Strict, true));
        let [first, second] = read.records() else { panic!("{xml}") };
        assert_eq!(first.header_from(), "a\"<b>&.example");
        assert_eq!((first.count(), first.action_disposition()), (3, ActionDisposition::Pass));
        assert_eq!(first.dkim_auth_result()[0].result(), DkimResult::PermError);
        assert_eq!(first.dkim_auth_result()[0].selector(), "s&1");
        assert_eq!(first.spf_auth_result()[0].scope(), SPFDomainScope::MailFrom);
        assert_eq!(second.action_disposition(), ActionDisposition::Reject);
        assert!(xml.contains("<type>trusted_forwarder</type>"), "{xml}");
    }
}
