//! Signed messages as they are, and each change of one; chains of seals.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailwright_net::dns::{Fake, Later, Srv};

use super::*;
use crate::sign::{Algorithm, Digester, Selected, Signer, SigningKey, canonical_field, record};
use crate::{BodyHashes, results};

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);

/// The message of RFC 8463, appendix A.3.
const VECTOR: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n\
    \x20d=football.example.com; i=@football.example.com;\r\n\
    \x20q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n\
    \x20subject : date : message-id : from : subject : date;\r\n\
    \x20bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n\
    \x20b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n\
    \x20Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n\
    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n\
    \x20d=football.example.com; i=@football.example.com;\r\n\
    \x20q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n\
    \x20date : message-id : from : subject : date;\r\n\
    \x20bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n\
    \x20b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n\
    \x20DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n\
    \x20dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n\
    From: Joe SixPack <joe@football.example.com>\r\n\
    To: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
    \r\n\
    Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

const PLAIN: &str = "From: Ann <ann@a.example>\r\nTo: bob@b.example\r\nSubject: One\r\n\
    Date: Tue, 24 Nov 2026 06:15:37 +0000\r\nMessage-ID: <1@a.example>\r\n\r\nHello.\r\n";

async fn verify(message: &str, dns: Fake, trusted: &[&str]) -> Verdicts {
    verify_with(message, Shared::new(dns), trusted).await
}

async fn verify_with(message: &str, dns: Shared<dyn Resolver>, trusted: &[&str]) -> Verdicts {
    verify_from(&ReversePath::Null, message, dns, trusted).await
}

async fn verify_from(
    mail_from: &ReversePath,
    message: &str,
    dns: Shared<dyn Resolver>,
    trusted: &[&str],
) -> Verdicts {
    let block = HeaderBlock::new(message.as_bytes());
    let mut hashes = BodyHashes::of(&block);
    hashes.push(&message.as_bytes()[block.body_offset()..]);
    let body = hashes.finish();
    let facts = Facts {
        ip: [192, 0, 2, 1].into(),
        helo: "client.example",
        mail_from,
        block,
        body: &body,
        host: "mx.home.example",
        now: NOW,
    };
    let limits = Limits {
        trusted_sealers: trusted.iter().map(|one| (*one).to_owned()).collect(),
        ..Limits::default()
    };
    Verifier::new(dns).unwrap().verify(facts, &limits).await
}

/// A domain with a key, and its record.
fn signer(domain: &str, algorithm: Algorithm) -> (Signer, String) {
    let key = SigningKey::generate(algorithm).unwrap();
    let text = record(algorithm, &key.public().unwrap());
    let keys = vec![Selected { selector: "s1".to_owned(), key }];
    (Signer { domain: domain.to_owned(), keys }, text)
}

fn digest(message: &str) -> crate::sign::Digest {
    let mut digester = Digester::default();
    digester.push(message.as_bytes());
    digester.finish().unwrap()
}

fn signed(signer: &Signer, message: &str) -> String {
    let expires = Some(Duration::from_secs(1_000_000_000));
    let fields = digest(message).sign(signer, NOW, expires).unwrap();
    format!("{}{message}", String::from_utf8(fields).unwrap())
}

#[tokio::test]
async fn the_vectors_of_rfc_8463_pass() {
    let dns = || {
        let dns = Fake::new();
        let name = |selector: &str| format!("{selector}._domainkey.football.example.com");
        let ed25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let rsa = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3\
                   idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+y\
                   z1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
        dns.add_txt(&name("brisbane"), ed25519);
        dns.add_txt(&name("test"), rsa);
        dns.add_txt("_dmarc.example.com", "v=DMARC1; p=reject; adkim=r");
        dns
    };
    let verdicts = verify(VECTOR, dns(), &[]).await;
    let found: Vec<_> =
        verdicts.dkim.iter().map(|one| (one.selector.as_str(), one.word, &*one.reason)).collect();
    assert_eq!(found, [("brisbane", Word::Pass, ""), ("test", Word::Pass, "")]);
    assert_eq!(verdicts.dmarc.unwrap().aligned(), Some("dkim"));
    let changed = verify(&VECTOR.replace("hungry", "angry"), dns(), &[]).await;
    assert!(changed.dkim.iter().all(|one| one.word == Word::Fail), "{changed:?}");
    assert_eq!(changed.dmarc.unwrap().word, Word::Fail);
}

/// What is done to a message that was right, what it is worth then, and why.
type Mutation = (&'static str, &'static str, Word, &'static str);

const FIELD: &str = "a signed field was changed, or the key is another one";
const BODY: &str = "the body was changed";
const NO_KEY: &str = "its key does not exist";

/// Text that is replaced once, and what takes its place.
const MUTATIONS: [Mutation; 18] = [
    ("Hello.", "Hallo.", Word::Fail, BODY),
    ("Hello.\r\n", "Hello.\r\nMore.\r\n", Word::Fail, BODY),
    ("Subject: One", "Subject: Two", Word::Fail, FIELD),
    ("Subject: One", "Subject: One\r\nSubject: Two", Word::Fail, FIELD),
    ("From: Ann", "From: Eve <eve@a.example>\r\nFrom: Ann", Word::Fail, FIELD),
    ("To: bob@b.example\r\n", "", Word::Fail, FIELD),
    ("To: bob@b.example", "To: bob@b.example\r\nCc: eve@c.example", Word::Fail, FIELD),
    ("t=1795500937", "t=1795500938", Word::Fail, FIELD),
    ("d=a.example", "d=other.example", Word::PermError, NO_KEY),
    ("s=s1", "s=s2", Word::PermError, NO_KEY),
    ("v=1;", "v=1; i=ann@b.example;", Word::Fail, "its i= is not of its d="),
    ("x=2795500937", "x=1795500938", Word::Fail, "the signature has expired"),
    ("v=1;", "v=1; l=3;", Word::Neutral, "it covers only a part of the body"),
    ("a=rsa-sha256", "a=rsa-sha1", Word::Policy, "SHA-1 is not accepted"),
    ("a=rsa-sha256", "a=ed25519-sha256", Word::PermError, "its key is of another kind"),
    ("h=From:From:", "h=", Word::PermError, "it does not sign From"),
    ("v=1;", "v=2;", Word::PermError, "unsupported version in dkim signature"),
    ("a=rsa-sha256", "a=rsa-sha3", Word::PermError, "unsupported algorithm in dkim signature"),
];

#[tokio::test]
async fn each_change_of_a_signed_message_is_seen_for_what_it_is() {
    let (signer, key) = signer("a.example", Algorithm::Rsa);
    let message = signed(&signer, PLAIN);
    let world = || {
        let dns = Fake::new();
        dns.add_txt("s1._domainkey.a.example", &key);
        dns
    };
    let whole = verify(&message, world(), &[]).await;
    assert_eq!((whole.dkim.len(), whole.dkim[0].word), (1, Word::Pass), "{whole:?}");
    for (from, to, word, reason) in MUTATIONS {
        assert!(message.contains(from), "{from}");
        let verdicts = verify(&message.replacen(from, to, 1), world(), &[]).await;
        let found: Vec<_> = verdicts.dkim.iter().map(|one| (one.word, &*one.reason)).collect();
        assert_eq!(found, [(word, reason)], "{from:?} -> {to:?}");
    }
}

#[tokio::test]
async fn keys_that_are_not_what_they_should_be_are_told_apart() {
    let message = signed(&signer("a.example", Algorithm::Ed25519).0, PLAIN);
    let rsa = SigningKey::generate(Algorithm::Rsa).unwrap().public().unwrap();
    let other = SigningKey::generate(Algorithm::Ed25519).unwrap().public().unwrap();
    for (key, word, reason) in [
        (Some("v=DKIM1; k=ed25519; p=".to_owned()), Word::PermError, "its key was revoked"),
        (Some("v=DKIM1; k=ed25519; p=!".to_owned()), Word::PermError, "its key is malformed"),
        (Some(record(Algorithm::Rsa, &rsa)), Word::PermError, "its key is of another kind"),
        (Some(record(Algorithm::Ed25519, &other)), Word::Fail, FIELD),
        (None, Word::TempError, "its key: server failure"),
    ] {
        let dns = Fake::new();
        let name = "s1._domainkey.a.example";
        match &key {
            Some(text) => dns.add_txt(name, text),
            None => dns.set_broken(name, true),
        }
        let verdicts = verify(&message, dns, &[]).await;
        let found: Vec<_> = verdicts.dkim.iter().map(|one| (one.word, &*one.reason)).collect();
        assert_eq!(found, [(word, reason)], "{key:?}");
    }
}

/// A message that went through three servers, each of which sealed it, and the DNS it needs.
fn chain(dns: &Fake) -> String {
    let mut message = PLAIN.to_owned();
    for (number, host) in ["one.example", "two.example", "three.example"].into_iter().enumerate() {
        let (signer, key) = signer(host, Algorithm::Rsa);
        dns.add_txt(&format!("s1._domainkey.{host}"), &key);
        let arc = if number == 0 { "none" } else { "pass" };
        message = format!(
            "Authentication-Results: mx.{host}; dmarc=pass header.from=a.example;\r\n\
             \tarc={arc}\r\n{message}"
        );
        let seal = digest(&message).seal(&signer, &format!("mx.{host}"), NOW).unwrap().unwrap();
        message = format!("{}{message}", String::from_utf8(seal).unwrap());
    }
    message
}

#[tokio::test]
async fn a_chain_that_we_seal_is_right_and_counts_if_its_sealers_are_trusted() {
    for (trusted, vouched) in [
        (&["one.example", "two.example", "three.example"][..], true),
        (&["three.example"], true),
        (&["one.example", "two.example"], false),
        (&[], false),
    ] {
        let dns = Fake::new();
        let message = chain(&dns);
        let arc = verify(&message, dns, trusted).await.arc;
        assert_eq!((arc.word, &*arc.reason, arc.vouched), (Word::Pass, "", vouched), "{message}");
        assert_eq!(arc.sealers, ["one.example", "two.example", "three.example"]);
    }
}

#[tokio::test]
async fn a_chain_that_was_touched_is_wrong() {
    for (from, to) in [
        ("Hello.", "Hallo."),
        ("Subject: One", "Subject: Two"),
        ("i=1; mx.one.example; dmarc=pass", "i=1; mx.one.example; dmarc=none"),
        ("ARC-Seal: i=3;", "ARC-Seal: i=4;"),
        ("cv=pass;", "cv=none;"),
        ("ARC-Message-Signature: i=2;", "X-Other: i=2;"),
    ] {
        let dns = Fake::new();
        let message = chain(&dns);
        assert!(message.contains(from), "{from}\n{message}");
        let arc = verify(&message.replacen(from, to, 1), dns, &["three.example"]).await.arc;
        assert_eq!((arc.word, arc.vouched), (Word::Fail, false), "{from}: {arc:?}");
        assert!(!arc.reason.is_empty(), "{from}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_author_that_cannot_be_looked_up_hides_none_that_fails() {
    let dns = Fake::new();
    dns.add_txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    dns.set_broken("_dmarc.late.example", true);
    let message = "From: a@late.example, b@bank.example\r\n\r\n";
    let verdicts = verify(message, dns, &[]).await;
    let field = results::field("mx.home.example", &verdicts);
    let dmarc = verdicts.dmarc.unwrap();
    assert_eq!((dmarc.word, dmarc.domain.as_str()), (Word::Fail, "bank.example"));
    assert!(field.contains("dmarc=fail") && field.contains("header.from=bank.example"), "{field}");
}

/// A field that signs each of `names` once, as many do; it begins as `start` says.
fn signs((signer, names): (&Signer, &str), start: &str, message: &str) -> String {
    let whole = signed(signer, message);
    let hash = whole.split("bh=").nth(1).unwrap().split(';').next().unwrap();
    let block = HeaderBlock::new(message.as_bytes());
    let mut covered = Vec::new();
    for name in names.split(':') {
        let last = block.fields().filter(|field| field.name.eq_ignore_ascii_case(name)).last();
        if let Some(field) = last {
            canonical_field(&message.as_bytes()[field.range], &mut covered);
        }
    }
    let field = format!(
        "{start}; a=rsa-sha256; c=relaxed/relaxed; d={}; s=s1;\r\n\th={names}; bh={hash};\r\n\tb=",
        signer.domain
    );
    sealed(signer, &field, covered)
}

fn sealed(signer: &Signer, field: &str, mut covered: Vec<u8>) -> String {
    canonical_field(field.as_bytes(), &mut covered);
    covered.truncate(covered.len() - 2);
    format!("{field}{}\r\n", STANDARD.encode(signer.keys[0].key.sign(&covered).unwrap()))
}

const ONCE: &str = "from:to:subject:date:message-id";

#[tokio::test]
async fn a_field_beside_one_that_is_signed_is_not_vouched_for() {
    let (signer, key) = signer("a.example", Algorithm::Rsa);
    let field = signs((&signer, ONCE), "DKIM-Signature: v=1", PLAIN);
    let many: Vec<String> = (0..300).map(|number| format!("x{number}")).collect();
    let many =
        signs((&signer, &format!("{ONCE}:{}", many.join(":"))), "DKIM-Signature: v=1", PLAIN);
    let beside = |name: &str| format!("there is one more {name} than it signs");
    for (message, word, reason) in [
        (format!("{field}{PLAIN}"), Word::Pass, String::new()),
        (format!("X-Spam: no\r\n{field}{PLAIN}"), Word::Pass, String::new()),
        (format!("From: Eve <ceo@a.example>\r\n{field}{PLAIN}"), Word::Policy, beside("From")),
        (format!("from : Eve <ceo@a.example>\r\n{field}{PLAIN}"), Word::Policy, beside("From")),
        (format!("Subject: Pay\r\n{field}{PLAIN}"), Word::Policy, beside("Subject")),
        (format!("{many}{PLAIN}"), Word::PermError, "it signs more than 256 fields".to_owned()),
    ] {
        let dns = Fake::new();
        dns.add_txt("s1._domainkey.a.example", &key);
        dns.add_txt("_dmarc.a.example", "v=DMARC1; p=reject");
        let verdicts = verify(&message, dns, &[]).await;
        let found: Vec<_> = verdicts.dkim.iter().map(|one| (one.word, &*one.reason)).collect();
        assert_eq!(found, [(word, &*reason)], "{message}");
        let passed = verdicts.dmarc.unwrap().word == Word::Pass;
        assert_eq!(passed, word == Word::Pass, "{message}");
    }
}

#[tokio::test]
async fn a_sealer_vouches_only_for_the_author_that_it_saw_and_signed() {
    let saw = "dmarc=pass header.from=a.example";
    for (saw, names, start, word, vouched) in [
        (saw, ONCE, "", Word::Pass, true),
        ("dmarc=pass", ONCE, "", Word::Pass, true),
        ("dmarc=pass header.from=eve.example", ONCE, "", Word::Pass, false),
        (saw, "to:subject:date", "", Word::Pass, false),
        (saw, ONCE, "From: Eve <ceo@a.example>\r\n", Word::Pass, false),
        (saw, ONCE, "Subject: Pay\r\n", Word::Pass, false),
    ] {
        let (signer, key) = signer("one.example", Algorithm::Rsa);
        let results = format!("ARC-Authentication-Results: i=1; mx.one.example; {saw}\r\n");
        let signature = signs((&signer, names), "ARC-Message-Signature: i=1", PLAIN);
        let mut covered = Vec::new();
        canonical_field(results.as_bytes(), &mut covered);
        canonical_field(signature.as_bytes(), &mut covered);
        let seal = "ARC-Seal: i=1; a=rsa-sha256; t=1; cv=none; d=one.example; s=s1; b=";
        let seal = sealed(&signer, seal, covered);
        let dns = Fake::new();
        dns.add_txt("s1._domainkey.one.example", &key);
        let message = format!("{start}{seal}{signature}{results}{PLAIN}");
        let arc = verify(&message, dns, &["one.example"]).await.arc;
        assert_eq!((arc.word, arc.vouched), (word, vouched), "{arc:?}\n{message}");
    }
}

/// Counts texts that are asked for; of names of addresses it never says anything, and neither of
/// texts at `slow.example`.
#[derive(Debug, Default)]
struct Counted(Fake, AtomicUsize);

impl Resolver for Counted {
    fn mx<'a>(&'a self, domain: &'a str) -> Later<'a, Vec<(u16, String)>> {
        self.0.mx(domain)
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Later<'a, Vec<IpAddr>> {
        self.0.addresses(host)
    }

    fn txt<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Vec<u8>>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        if name == "slow.example" { Box::pin(std::future::pending()) } else { self.0.txt(name) }
    }

    fn ptr(&self, _address: IpAddr) -> Later<'_, Vec<String>> {
        Box::pin(std::future::pending())
    }

    fn srv<'a>(&'a self, name: &'a str) -> Later<'a, Vec<Srv>> {
        self.0.srv(name)
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_names_take_long_is_judged_without_them() {
    for text in ["v=spf1 ptr -all", "v=spf1 exists:%{p}.a.example -all exp=slow.example"] {
        let dns = Counted::default();
        dns.0.add_txt("bank.example", text);
        dns.0.add_txt("_dmarc.bank.example", "v=DMARC1; p=reject");
        let from = ReversePath::parse("ceo@bank.example").unwrap();
        let message = "From: ceo@bank.example\r\n\r\n";
        let verdicts = verify_from(&from, message, Shared::new(dns), &[]).await;
        let sender = verdicts.mail_from.unwrap();
        assert_eq!((sender.word, sender.explanation), (Word::Fail, None), "{text}");
        assert_eq!(verdicts.dmarc.unwrap().word, Word::Fail, "{text}");
        assert_eq!(verdicts.iprev.word, Word::TempError);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_cannot_have_any_number_of_names_looked_up() {
    let field = |number| {
        format!(
            "ARC-Message-Signature: i=1; a=rsa-sha256; d=d{number}.example; s=s; h=from; bh=YQ==; \
             b=YQ==\r\nDKIM-Signature: v=1; a=rsa-sha256; d=k{number}.example; s=s; h=from; \
             bh=YQ==; b=YQ==\r\n"
        )
    };
    let fields: Vec<String> = (0..500).map(field).collect();
    let message = format!("{}{PLAIN}", fields.concat());
    let dns = Shared::new(Counted::default());
    let verdicts = verify_with(&message, Shared::<Counted>::clone(&dns), &[]).await;
    assert_eq!(verdicts.arc.word, Word::Fail);
    let asked = dns.1.load(Ordering::Relaxed);
    assert!(asked < 30, "{asked} names were asked for");
}

#[tokio::test]
async fn a_header_that_hides_its_author_is_an_error_and_no_pass() {
    let many = "ceo@bank.example, a@1.example, b@2.example, c@3.example, d@4.example";
    for (from, word, domain) in [
        (many, Word::PermError, ""),
        ("ceo@bank.example\n", Word::PermError, ""),
        ("Ann", Word::PermError, ""),
        ("<>", Word::PermError, ""),
        ("ceo@bank.example\u{200d}x\u{fffd}", Word::PermError, ""),
        ("a@1.example, ceo@bank.example", Word::Fail, "bank.example"),
        ("x@1.example, \"y\" <ceo@bank.example>", Word::Fail, "bank.example"),
        ("friends: ceo@bank.example;", Word::Fail, "bank.example"),
        ("a <@1.example:ceo@bank.example>", Word::Fail, "bank.example"),
        ("ceo@bank.example (x@1.example)", Word::Fail, "bank.example"),
        ("(x@1.example) ceo@bank.example", Word::Fail, "bank.example"),
        ("ceo@Bank.Example.", Word::Fail, "bank.example"),
        ("<ceo@bank.example", Word::Fail, "bank.example"),
        ("x@1.example, ceo@(c)bank.example", Word::Fail, "bank.example"),
        ("ceo@(c)bank.example", Word::Fail, "bank.example"),
        ("ceo @ bank.example", Word::Fail, "bank.example"),
        ("\"x@1.example\" ceo@bank.example", Word::Fail, "bank.example"),
        ("x@1.example\r\nFrom: ceo@bank.example", Word::Fail, "bank.example"),
        ("x@1.example\r\nFROM : ceo@bank.example", Word::Fail, "bank.example"),
    ] {
        let dns = Fake::new();
        dns.add_txt("_dmarc.bank.example", "v=DMARC1; p=reject");
        let message = format!("To: b@b.example\r\nFrom: {from}\r\nSubject: x\r\n\r\nHello.\r\n");
        let dmarc = verify(&message, dns, &[]).await.dmarc.unwrap();
        assert_eq!((dmarc.word, dmarc.domain.as_str()), (word, domain), "{from:?}: {dmarc:?}");
    }
}

#[tokio::test]
async fn the_name_of_a_client_counts_in_any_form() {
    let dns = Fake::new();
    dns.add_txt("mail.bank.example", "v=spf1 ip4:192.0.2.1 -all");
    dns.add_txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    let message = "From: ceo@bank.example\r\n\r\n";
    let block = HeaderBlock::new(message.as_bytes());
    let body = BodyHashes::of(&block).finish();
    let facts = Facts {
        ip: [192, 0, 2, 1].into(),
        helo: "Mail.BANK.example.",
        mail_from: &ReversePath::Null,
        block,
        body: &body,
        host: "mx.home.example",
        now: NOW,
    };
    let verifier = Verifier::new(Shared::new(dns)).unwrap();
    let verdicts = verifier.verify(facts, &Limits::default()).await;
    assert_eq!(verdicts.helo.word, Word::Pass);
    assert_eq!(verdicts.dmarc.unwrap().aligned(), Some("spf"));
}
