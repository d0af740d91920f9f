//! A table of alignments: author, what was proved, and what follows.

use mailwright_net::dns::Fake;

use super::*;

/// The records of the table: name and text.
const RECORDS: [(&str, &str); 20] = [
    ("strict.example", "v=DMARC1; p=reject; adkim=s; aspf=s"),
    ("relaxed.example", "v=DMARC1; p=quarantine"),
    ("own.relaxed.example", "v=DMARC1; p=none"),
    ("testing.example", "v=DMARC1; p=reject; t=y"),
    ("below.example", "v=DMARC1; p=reject; sp=quarantine; np=reject"),
    ("only-np.example", "v=DMARC1; p=none; np=reject"),
    ("suffix.example", "v=DMARC1; p=reject; psd=y"),
    ("owner.suffix.example", "v=DMARC1; p=quarantine"),
    ("unit.corp.example", "v=DMARC1; p=reject; psd=n"),
    ("corp.example", "v=DMARC1; p=none"),
    ("two.example", "v=DMARC1; p=reject"),
    ("two.example", "v=DMARC1; p=none"),
    ("no-p.example", "v=DMARC1; rua=mailto:a@no-p.example"),
    ("nothing.example", "v=DMARC1"),
    ("foreign.example", "v=spf1 -all"),
    ("case.example", "V=DMARC1; P=Reject"),
    ("spaces.example", "v = DMARC1 ; p = reject ; "),
    ("odd.example", "v=DMARC1; p=reject; fo=x; adkim=relaxed; rua=mailto:a@b.example!1y"),
    ("no-word.relaxed.example", "v=DMARC1; p=rejct; rua=mailto:a@relaxed.example"),
    ("no-word-silent.relaxed.example", "v=DMARC1; p=rejct"),
];

fn dns() -> Fake {
    let dns = Fake::new();
    for (name, text) in RECORDS {
        dns.add_txt(&format!("_dmarc.{name}"), text);
    }
    for name in ["there.below.example", "there.only-np.example"] {
        dns.add_address(name, "192.0.2.1".parse().unwrap());
    }
    dns.set_broken("_dmarc.broken.example", true);
    dns.set_broken("_dmarc.flaky.relaxed.example", true);
    dns
}

fn evidence(text: &str) -> Evidence {
    let mut evidence = Evidence::default();
    for item in text.split_whitespace() {
        let (what, domain) = item.split_once(':').unwrap();
        let (kind, word) = what.split_once('=').unwrap_or((what, "pass"));
        let word = match word {
            "pass" => Word::Pass,
            "temp" => Word::TempError,
            _ => Word::Fail,
        };
        match kind {
            "spf" => evidence.spf = Some((word, domain.to_owned())),
            _ => evidence.dkim.push((word, domain.to_owned())),
        }
    }
    evidence
}

#[tokio::test]
async fn alignments_come_out_as_the_table_says() {
    let dns = dns();
    for (author, proved, expected) in [
        // Strict: the very name, of DKIM and of SPF.
        ("strict.example", "dkim:strict.example", "pass dkim"),
        ("strict.example", "dkim:a.strict.example", "fail reject"),
        ("strict.example", "spf:strict.example", "pass spf"),
        ("strict.example", "spf:a.strict.example", "fail reject"),
        ("strict.example", "dkim:other.example spf:strict.example", "pass spf"),
        ("strict.example", "", "fail reject"),
        ("strict.example", "dkim=fail:strict.example", "fail reject"),
        ("strict.example", "dkim=temp:strict.example", "temperror"),
        ("strict.example", "dkim=temp:strict.example spf:strict.example", "pass spf"),
        ("strict.example", "dkim=temp:other.example", "fail reject"),
        ("strict.example", "spf=temp:strict.example", "temperror"),
        // Relaxed: one organization, in both directions.
        ("relaxed.example", "dkim:a.b.relaxed.example", "pass dkim"),
        ("a.relaxed.example", "dkim:relaxed.example", "pass dkim"),
        ("a.relaxed.example", "spf:b.relaxed.example", "pass spf"),
        ("a.relaxed.example", "dkim:notrelaxed.example", "fail quarantine"),
        ("relaxed.example", "dkim:example", "fail quarantine"),
        ("relaxed.example", "dkim:flaky.relaxed.example", "temperror"),
        // The author's own record goes before that of the organization.
        ("own.relaxed.example", "dkim:evil.example", "fail none"),
        ("x.own.relaxed.example", "dkim:evil.example", "fail quarantine"),
        // What is asked for is one step less in a test.
        ("testing.example", "", "fail quarantine"),
        ("a.testing.example", "", "fail quarantine"),
        // Names below, names that do not exist.
        ("below.example", "", "fail reject"),
        ("there.below.example", "", "fail quarantine"),
        ("gone.below.example", "", "fail reject"),
        ("there.only-np.example", "", "fail none"),
        ("gone.only-np.example", "", "fail reject"),
        // Public suffixes: two customers of one are two organizations.
        ("owner.suffix.example", "dkim:other.suffix.example", "fail quarantine"),
        ("owner.suffix.example", "dkim:a.owner.suffix.example", "pass dkim"),
        ("lost.suffix.example", "dkim:owner.suffix.example", "fail reject"),
        ("lost.suffix.example", "dkim:a.lost.suffix.example", "pass dkim"),
        // A part of an organization that is one for itself.
        ("unit.corp.example", "dkim:corp.example", "fail reject"),
        ("a.unit.corp.example", "dkim:unit.corp.example", "pass dkim"),
        ("corp.example", "dkim:unit.corp.example", "fail none"),
        // Records that count, and that do not.
        ("two.example", "", "none"),
        ("no-p.example", "", "fail none"),
        ("nothing.example", "", "none"),
        ("foreign.example", "", "none"),
        ("absent.example", "dkim:absent.example", "none"),
        ("case.example", "", "fail reject"),
        ("spaces.example", "", "fail reject"),
        ("broken.example", "dkim:broken.example", "temperror"),
        // A tag that makes no sense spoils no other; a request that makes none asks for nothing,
        // and is a record all the same.
        ("odd.example", "", "fail reject"),
        ("odd.example", "dkim:a.odd.example", "pass dkim"),
        ("no-word.relaxed.example", "", "fail none"),
        ("no-word-silent.relaxed.example", "", "none"),
    ] {
        let dmarc = judge(author, &evidence(proved), &dns).await;
        let said = match dmarc.word {
            Word::Pass => format!("pass {}", dmarc.aligned().unwrap()),
            Word::Fail => format!("fail {}", dmarc.policy.as_str()),
            word => word.to_string(),
        };
        assert_eq!(said, expected, "{author} with `{proved}`: {}", dmarc.reason);
    }
}
