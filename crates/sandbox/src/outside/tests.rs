//! Messages whose origin holds and does not, lists that can be relied on and not, with a DNS that
//! the tests fill, with records given by hand, and with neither.

use mailwright_mailauth::sign::{Algorithm, Digester, Selected, Signer, SigningKey, record};
use mailwright_net::dns::Fake;

use super::*;
use crate::auth::OneClick;
use crate::report::{Demand, Report};
use crate::support::Audience;
use crate::verdict::Word;

const MAILING: &str = "From: Shop <news@shop.test>\r\nTo: bob@client.test\r\nSubject: News\r\n\
    Date: Tue, 24 Nov 2026 06:15:00 +0000\r\nMessage-ID: <1@shop.test>\r\n\
    List-Unsubscribe: <https://shop.test/u>\r\n\
    List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n\
    See https://www.partner.test/x and http://192.0.2.77/y\r\n";

/// The message signed by its domain, and the record of the key.
fn signed(message: &str) -> (String, String) {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let text = record(key.algorithm(), &key.public().unwrap());
    let keys = vec![Selected { selector: "s1".to_owned(), key }];
    let signer = Signer { domain: "shop.test".to_owned(), keys };
    let mut digester = Digester::default();
    digester.push(message.as_bytes());
    let fields = digester.finish().unwrap().sign(&signer, Timestamp::new(1), None).unwrap();
    (format!("{}{message}", String::from_utf8(fields).unwrap()), text)
}

/// From an address that somebody named.
fn journey() -> Journey {
    Journey {
        client: Some([192, 0, 2, 1].into()),
        is_named: true,
        helo: "mail.shop.test".to_owned(),
        reverse_path: Some("bounce@shop.test".to_owned()),
        recipients: vec!["bob@client.test".to_owned()],
        came: Some(Timestamp::new(1_795_500_937_042)),
    }
}

fn zone(key: &str) -> GivenRecords {
    GivenRecords::parse(&format!(
        "shop.test TXT v=spf1 ip4:192.0.2.1 -all\n_dmarc.shop.test TXT v=DMARC1; p=reject\n\
         s1._domainkey.shop.test TXT {key}\n"
    ))
    .unwrap()
}

async fn report(message: &str, outside: &Outside, journey: Journey) -> Report {
    let verdicts = outside.ask(message.as_bytes(), journey).await;
    let context = Context { verdicts, ..Context::default() };
    Report::new(message.as_bytes(), &Audience::Current, context)
}

/// The numbers, `?` for what is not known, and the rules of an area that are not kept.
fn told(report: &Report, names: &[&str], area: &str) -> (Vec<String>, Vec<String>) {
    let number = |name: &&str| {
        report.number(name).map_or_else(|| "?".to_owned(), |number| number.to_string())
    };
    let rules = report.findings().into_iter().filter(|finding| finding.area == area);
    (names.iter().map(number).collect(), rules.map(|finding| finding.rule).collect())
}

const AUTH: [&str; 6] =
    ["auth", "auth.spf", "auth.dkim", "auth.dmarc", "auth.oneclick", "auth.unknown"];

#[tokio::test]
async fn records_given_by_hand_tell_how_a_domain_will_come_out() {
    let (message, key) = signed(MAILING);
    let outside = Outside::new(Checks::default(), None, false).with(zone(&key));
    let good = report(&message, &outside, journey()).await;
    let (numbers, rules) = told(&good, &AUTH, "auth");
    assert_eq!(numbers, ["0", "1", "1", "1", "1", "0"], "{}", good.text());
    assert_eq!(rules, [""; 0]);
    assert!(good.text().contains("DKIM of shop.test: pass"), "{}", good.text());

    let elsewhere = Journey { client: Some([198, 51, 100, 1].into()), ..journey() };
    let unsigned = report(MAILING, &outside, elsewhere).await;
    let (numbers, rules) = told(&unsigned, &AUTH, "auth");
    assert_eq!(numbers, ["4", "0", "0", "0", "0", "0"], "{}", unsigned.text());
    assert_eq!(rules, ["spf-fail", "dkim-none", "dmarc-fail", "one-click-unsigned"]);
    assert_eq!(unsigned.one_click, Some(OneClick::Unsigned));

    let changed = message.replace("See https", "Look https");
    let (numbers, rules) = told(&report(&changed, &outside, journey()).await, &AUTH, "auth");
    assert_eq!(numbers, ["2", "1", "0", "1", "0", "0"], "SPF alone is enough for DMARC");
    assert_eq!(rules, ["dkim-bad", "one-click-unsigned"]);
}

#[tokio::test]
async fn what_nobody_was_asked_for_is_neither_good_nor_bad() {
    let (message, key) = signed(MAILING);
    let text = format!("s1._domainkey.shop.test TXT {key}");
    let records = GivenRecords::parse(&text).unwrap();
    let outside = Outside::new(Checks::default(), None, false).with(records);
    let (numbers, rules) = told(&report(&message, &outside, journey()).await, &AUTH, "auth");
    assert_eq!(numbers, ["0", "?", "1", "?", "1", "2"], "the key alone was given");
    assert_eq!(rules, ["auth-unknown", "auth-unknown"]);

    // A client of this machine is not the one that will send.
    let here = Journey { client: Some([127, 0, 0, 1].into()), is_named: false, ..journey() };
    let outside = Outside::new(Checks::default(), None, false).with(zone(&key));
    let unsure = report(MAILING, &outside, here.clone()).await;
    let (numbers, rules) = told(&unsure, &AUTH, "auth");
    assert_eq!(numbers, ["2", "?", "0", "?", "0", "2"], "{}", unsure.text());
    assert_eq!(rules, ["auth-unknown", "dkim-none", "auth-unknown", "one-click-unsigned"]);
    let demand = Demand::parse_all("auth.spf<1").unwrap().remove(0);
    let why = "auth.spf is not known: the address that sends is not known";
    assert_eq!(demand.failure(&unsure).as_deref(), Some(why));

    // Unless the configuration names one.
    let settings = Checks { send_from: Some([192, 0, 2, 1].into()), ..Checks::default() };
    let outside = Outside::new(settings, None, false).with(zone(&key));
    assert_eq!(report(MAILING, &outside, here).await.number("auth.spf"), Some(1.0));

    // And where nobody is asked at all, nothing is said of it.
    let outside = Outside::new(Checks::default(), None, false);
    assert!(outside.is_empty());
    let silent = report(&message, &outside, journey()).await;
    let (numbers, rules) = told(&silent, &AUTH, "auth");
    assert_eq!((numbers, rules.len()), (vec!["?".to_owned(); 6], 0));
    assert!(!silent.text().contains("Origin"));
}

#[tokio::test]
async fn the_dns_is_asked_for_the_rest() {
    let (message, key) = signed(MAILING);
    let dns = Fake::new();
    dns.add_txt("shop.test", "v=spf1 -all");
    dns.add_txt("s1._domainkey.shop.test", &key);
    dns.set_broken("_dmarc.shop.test", true);
    let dns: Arc<dyn Resolver> = Arc::new(dns);
    let outside = Outside::new(Checks::default(), None, true).with_resolver(Arc::clone(&dns));
    let (numbers, rules) = told(&report(&message, &outside, journey()).await, &AUTH, "auth");
    assert_eq!(numbers, ["1", "0", "1", "?", "1", "1"]);
    assert_eq!(rules, ["spf-fail", "auth-unknown"]);
    // What will be published comes before what is.
    let text = "shop.test TXT v=spf1 ip4:192.0.2.1 -all\n_dmarc.shop.test TXT v=DMARC1; p=none";
    let outside = outside.with(GivenRecords::parse(text).unwrap());
    let (numbers, _) = told(&report(&message, &outside, journey()).await, &AUTH, "auth");
    assert_eq!(numbers, ["0", "1", "1", "1", "1", "0"]);
    // A bounce is judged by the name of the client.
    let bounce = Journey { reverse_path: Some(String::new()), ..journey() };
    let found = report(&message, &outside, bounce).await;
    let spf = found.verdicts.auth.unwrap().spf.unwrap();
    assert_eq!((spf.word, spf.domain.as_str()), (Word::None, "mail.shop.test"));
}

#[tokio::test]
async fn one_click_needs_its_fields_and_an_https_address() {
    let one_click = async |message: &str| {
        let (message, key) = signed(message);
        let outside = Outside::new(Checks::default(), None, false).with(zone(&key));
        report(&message, &outside, journey()).await.one_click
    };
    assert_eq!(one_click(MAILING).await, Some(OneClick::Works));
    let two = MAILING.replace("<https", "<mailto:u@shop.test>, <HTTPS");
    assert_eq!(one_click(&two).await, Some(OneClick::Works));
    let post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
    let without = MAILING.replace(post, "");
    assert_eq!(one_click(&without).await, Some(OneClick::NoPost));
    let odd = MAILING.replace("=One-Click", "=Yes");
    assert_eq!(one_click(&odd).await, Some(OneClick::NoPost));
    let plain = MAILING.replace("<https", "<http");
    assert_eq!(one_click(&plain).await, Some(OneClick::NoHttps));
    let personal = without.replace("List-Unsubscribe: <https://shop.test/u>\r\n", "");
    assert_eq!(one_click(&personal).await, None);
    // Fields that were put in after signing are covered by nobody.
    let (message, key) = signed(&personal);
    let late = message
        .replace("Subject:", &format!("List-Unsubscribe: <https://x.test>\r\n{post}Subject:"));
    let outside = Outside::new(Checks::default(), None, false).with(zone(&key));
    let late = report(&late, &outside, journey()).await;
    assert!(matches!(late.one_click, Some(OneClick::Unsigned)), "{:?}", late.one_click);
}

fn lists() -> (Outside, Fake) {
    let settings = Checks {
        address_lists: ["good.list", "dead.list", "public.list"].map(str::to_owned).to_vec(),
        domain_lists: vec!["names.list".to_owned()],
        ..Checks::default()
    };
    let dns = Fake::new();
    for (name, code) in [
        ("2.0.0.127.good.list", "127.0.0.2"),
        ("2.0.0.127.public.list", "127.255.255.254"),
        ("test.names.list", "127.0.0.2"),
    ] {
        dns.add_address(name, code.parse().unwrap());
    }
    (Outside::new(settings, None, true), dns)
}

const LISTS: [&str; 2] = ["lists", "lists.unknown"];

#[tokio::test]
async fn lists_tell_of_addresses_and_domains() {
    let (outside, dns) = lists();
    dns.add_address("1.2.0.192.good.list", [127, 0, 0, 3].into());
    dns.add_txt("1.2.0.192.good.list", "See https://good.list/why");
    dns.add_address("partner.test.names.list", [127, 0, 0, 2].into());
    let outside = outside.with_resolver(Arc::new(dns));
    let bad = report(MAILING, &outside, journey()).await;
    let (numbers, rules) = told(&bad, &LISTS, "lists");
    assert_eq!(numbers, ["2", "2"], "{}", bad.text());
    assert_eq!(rules, ["listed", "listed", "list-unknown", "list-unknown"]);
    let text = bad.text();
    assert!(text.contains("192.0.2.1 is on good.list: See https://good.list/why"), "{text}");
    assert!(text.contains("partner.test is on names.list"), "{text}");
    assert!(text.contains("RCVD_LISTED") && text.contains("URIBL_LISTED"), "{text}");
    let asked: Vec<&str> = bad
        .verdicts
        .lists
        .as_ref()
        .unwrap()
        .last()
        .unwrap()
        .entries
        .iter()
        .map(|entry| entry.what.as_str())
        .collect();
    assert_eq!(asked, ["shop.test", "partner.test"], "registered domains, each once");
}

#[tokio::test]
async fn lists_are_asked_for_a_labels() {
    let (outside, dns) = lists();
    dns.add_address("xn--mnchen-3ya.test.names.list", [127, 0, 0, 2].into());
    dns.add_address("a.xn--55qx5d.xn--j6w193g.names.list", [127, 0, 0, 2].into());
    let outside = outside.with_resolver(Arc::new(dns));
    let message = MAILING
        .replace(
            "Subject",
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nSubject",
        )
        .replace("www.partner.test", "www.M\u{fc}nchen.test")
        .replace("192.0.2.77", "www.a.\u{516c}\u{53f8}.\u{9999}\u{6e2f}");
    let bad = report(&message, &outside, journey()).await;
    let text = bad.text();
    assert!(text.contains("xn--mnchen-3ya.test is on names.list"), "{text}");
    assert!(text.contains("a.xn--55qx5d.xn--j6w193g is on names.list"), "{text}");
    let domains = |names: &[&str]| names.iter().map(|name| askable(name)).collect::<Vec<_>>();
    let munich = Some("xn--mnchen-3ya.test".to_owned());
    assert_eq!(
        domains(&["a.m\u{fc}nchen.test", "A.XN--MNCHEN-3YA.test", "_a.shop.test", "[::1]", "x"]),
        [munich.clone(), munich, Some("shop.test".to_owned()), None, None]
    );
}

#[tokio::test]
async fn an_error_code_is_no_listing() {
    let (outside, dns) = lists();
    // A list that answers its own entries, and refuses one question later.
    dns.add_address("1.2.0.192.good.list", [127, 255, 255, 255].into());
    let outside = outside.with_resolver(Arc::new(dns));
    let unsure = report(MAILING, &outside, journey()).await;
    let (numbers, rules) = told(&unsure, &LISTS, "lists");
    assert_eq!(numbers, ["0", "3"], "{}", unsure.text());
    assert_eq!(rules, ["list-unknown"; 3]);
    // Without an address that will send, none is looked up.
    let here = Journey { client: Some([10, 0, 0, 1].into()), is_named: false, ..journey() };
    let found = report(MAILING, &outside, here).await.verdicts.lists.unwrap();
    assert!(found.iter().take(3).all(|list| list.entries.is_empty()));
}

#[tokio::test]
async fn a_filter_that_cannot_be_asked_is_told() {
    let settings = Checks {
        spamd: Some("/nowhere/spamd.sock".to_owned()),
        rspamd: Some("http://127.0.0.1:1".to_owned()),
        filter_size_max: 10,
        ..Checks::default()
    };
    let outside = Outside::new(settings, None, false);
    let found = report(MAILING, &outside, journey()).await;
    let (numbers, rules) = told(&found, &["spamd", "rspamd"], "filters");
    assert_eq!(numbers, ["?", "?"]);
    assert_eq!(rules, ["filter-unknown"; 2]);
    assert!(found.text().contains("spamd: not known, the message is over 10 octets"));
    let demand = Demand::parse_all("spamd>5").unwrap().remove(0);
    let why = "spamd is not known: the message is over 10 octets";
    assert_eq!(demand.failure(&found).as_deref(), Some(why));
}
