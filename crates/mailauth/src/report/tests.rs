//! Reports as servers send them, and as nobody should.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<feedback>
  <report_metadata>
    <org_name>receiver.example</org_name>
    <email>noreply-dmarc@receiver.example</email>
    <report_id>1234567890</report_id>
    <date_range><begin>1700000000</begin><end>1700086399</end></date_range>
  </report_metadata>
  <policy_published>
    <domain>Example.com</domain><adkim>r</adkim><aspf>r</aspf><p>reject</p><sp>none</sp>
  </policy_published>
  <record>
    <row>
      <source_ip>192.0.2.1</source_ip><count>40</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf>
      </policy_evaluated>
    </row>
    <identifiers><header_from>example.com</header_from></identifiers>
    <auth_results>
      <dkim><domain>example.com</domain><result>pass</result><selector>one</selector></dkim>
      <spf><domain>bounce.example</domain><result>softfail</result></spf>
    </auth_results>
  </record>
  <record>
    <row>
      <source_ip>2001:db8::1</source_ip><count>2</count>
      <policy_evaluated><disposition>reject</disposition><dkim>fail</dkim><spf>fail</spf>
        <reason><type>mailing_list</type><comment>a list</comment></reason>
      </policy_evaluated>
    </row>
    <identifiers><header_from>shop.example.com</header_from></identifiers>
    <auth_results><spf><domain>evil.example</domain><result>fail</result></spf></auth_results>
  </record>
</feedback>"#;

const JSON: &str = r#"{
  "organization-name": "Company-X",
  "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
  "contact-info": "sts-reporting@company-x.example",
  "report-id": "5065427c-23d3",
  "policies": [{
    "policy": {"policy-type": "sts", "policy-string": ["version: STSv1"],
      "policy-domain": "company-y.example", "mx-host": "*.mail.company-y.example"},
    "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
    "failure-details": [
      {"result-type": "certificate-expired", "sending-mta-ip": "2001:db8:abcd:0012::1",
       "receiving-mx-hostname": "mx1.mail.company-y.example", "failed-session-count": 100},
      {"result-type": "starttls-not-supported", "receiving-ip": "no address",
       "receiving-mx-hostname": "mx2.mail.company-y.example", "failed-session-count": 203,
       "additional-information": "https://reports.company-x.example/\u001b[2J"}]
  }]
}"#;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn an_aggregate_report_is_read_packed_or_not() {
    let report = Report::read(XML.as_bytes()).unwrap();
    assert_eq!(
        (report.kind(), report.domain(), report.counts()),
        ("dmarc", "example.com", (40, 2))
    );
    assert_eq!(report.organisation, "receiver.example");
    assert_eq!((report.begins.ms(), report.ends.ms()), (1_700_000_000_000, 1_700_086_399_000));
    let Content::Dmarc(aggregate) = &report.content else { panic!("{report:?}") };
    assert_eq!(
        (aggregate.policy.as_str(), aggregate.subdomain_policy.as_str()),
        ("reject", "none")
    );
    let [first, second] = aggregate.rows.as_slice() else { panic!("{aggregate:?}") };
    assert_eq!(first.ip, Some([192, 0, 2, 1].into()));
    assert_eq!(
        first.results,
        ["dkim=pass d=example.com s=one", "spf=softfail mfrom=bounce.example"]
    );
    assert_eq!(second.reasons, ["mailing_list (a list)"]);
    assert_eq!((second.disposition.as_str(), second.passed()), ("reject", false));
    let marked = [b"\xef\xbb\xbf", XML.as_bytes()].concat();
    for packed in [gzip(XML.as_bytes()), zip(&[("a!b.xml", XML.as_bytes())]), marked] {
        assert!(Report::may_be(&packed));
        assert_eq!(Report::read(&packed).unwrap(), report);
    }
}

#[test]
fn a_report_about_tls_is_read_packed_or_not() {
    let report = Report::read(JSON.as_bytes()).unwrap();
    assert_eq!(
        (report.kind(), report.domain(), report.counts()),
        ("tls", "company-y.example", (5326, 303))
    );
    let Content::Tls(tls) = &report.content else { panic!("{report:?}") };
    let [first, second] = tls.policies[0].failures.as_slice() else { panic!("{tls:?}") };
    assert_eq!((first.kind.as_str(), first.count), ("certificate-expired", 100));
    assert_eq!(second.ip, None, "what is no address is left out");
    assert!(second.detail.ends_with("?[2J"), "a terminal is not to be told what to do");
    assert_eq!(Report::read(&gzip(JSON.as_bytes())).unwrap(), report);
}

#[test]
fn what_is_hostile_ends_at_a_limit() {
    let bomb = gzip(&vec![b' '; REPORT_MAX + 1]);
    assert!(bomb.len() < 200_000);
    assert_eq!(Report::read(&bomb), Err(ReportError::Large));
    let bomb = zip(&[("r.xml", &vec![b' '; REPORT_MAX + 1])]);
    assert_eq!(Report::read(&bomb), Err(ReportError::Large));
    let rows = XML.replace("</feedback>", &"<record></record>".repeat(ROWS_MAX)) + "</feedback>";
    assert_eq!(Report::read(rows.as_bytes()), Err(ReportError::Rows));
    let (start, end) = XML.split_once("</auth_results>").unwrap();
    for tag in ["<dkim/>", "<spf></spf>"] {
        let bomb = format!("{start}{}</auth_results>{end}", tag.repeat(10 * ROWS_MAX + 1));
        assert_eq!(Report::read(bomb.as_bytes()), Err(ReportError::Rows), "{tag}");
    }
    // Nothing of these is built up first: they break off at their end.
    let (start, _) = JSON.split_once("{\"result-type").unwrap();
    for row in ["{},", "[],"] {
        let bomb = gzip(format!("{start}{}", row.repeat(10_000_000)).as_bytes());
        assert!(bomb.len() < 300_000);
        assert_eq!(Report::read(&bomb), Err(ReportError::Rows), "{row}");
    }
    let entities = format!(
        "<!DOCTYPE l [<!ENTITY a \"{}\"><!ENTITY b \"&a;&a;&a;\">]>{}",
        "x".repeat(1000),
        XML.replace("receiver.example</org_name>", "&b;</org_name>"),
    );
    let name = Report::read(entities.as_bytes()).map(|report| report.organisation.len());
    assert!(name.is_err() || name.is_ok_and(|len| len < 300), "no entity grows");
}

#[test]
fn what_is_no_report_is_told_so() {
    for text in
        [&b""[..], b"hello", b"\x1f\x8b\x08\x00broken", b"PK\x03\x04broken", b"<html>", b"{}"]
    {
        assert!(Report::read(text).is_err(), "{text:?}");
    }
    let undated = JSON.replace("2016-04-01T00:00:00Z", "yesterday");
    assert!(Report::read(undated.as_bytes()).is_err());
    for len in 0..XML.len() {
        drop(Report::read(&XML.as_bytes()[..len]));
    }
}
