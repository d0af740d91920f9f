//! Signatures, checked by a slow and simple reader of their own.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use mailwright_words::HeaderBlock;

use super::*;

const BETWEEN: &str = "a field starts and ends between letters";

const MESSAGE: &str = "Received: by mx.home.example\r\nFrom: Ann <ann@home.example>\r\n\
    To: dan@far.example,\r\n eva@far.example\r\nSubject:  Two   blanks \r\n\
    List-Unsubscribe: <https://home.example/u>\r\n\
    List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nHello. \r\n\r\n\r\n";

fn signer() -> Signer {
    let keys = Algorithm::ALL.map(|algorithm| Selected {
        selector: format!("{algorithm}-1"),
        key: SigningKey::generate(algorithm).unwrap(),
    });
    Signer { domain: "home.example".to_owned(), keys: keys.into() }
}

fn signed(signer: &Signer, message: &str, expires: Option<Duration>) -> String {
    let mut digester = Digester::default();
    digester.push(message.as_bytes());
    let at = Timestamp::new(1_795_500_937_042);
    let fields = digester.finish().unwrap().sign(signer, at, expires).unwrap();
    format!("{}{message}", String::from_utf8(fields).unwrap())
}

fn tag(field: &str, name: &str) -> String {
    let value = field.split(';').find_map(|tag| {
        let (key, value) = tag.split_once('=')?;
        (key.trim() == name).then_some(value)
    });
    value.unwrap().split_ascii_whitespace().collect()
}

/// Which of the signatures of a message hold.
fn holds(message: &str, signer: &Signer) -> Vec<bool> {
    let block = HeaderBlock::new(message.as_bytes());
    let fields: Vec<&str> =
        block.fields().map(|field| message.get(field.range).expect(BETWEEN)).collect();
    let body = message.get(block.body_offset()..).expect(BETWEEN);
    let relaxed = |text: &str| text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let canonical = |field: &str| {
        let (name, value) = field.split_once(':').unwrap();
        format!("{}:{}", name.trim_end().to_lowercase(), relaxed(value))
    };
    let lines: Vec<String> = body.split("\r\n").map(|line| line.trim_end().to_owned()).collect();
    let text = lines.join("\r\n");
    let text = match text.trim_end_matches("\r\n") {
        "" => String::new(),
        text => format!("{text}\r\n"),
    };
    let mut verdicts = Vec::new();
    for field in fields.iter().filter(|field| field.starts_with("DKIM-Signature:")) {
        let mut left = fields.clone();
        let mut form = String::new();
        for name in tag(field, "h").split(':') {
            let named =
                |one: &&str| one.split_once(':').unwrap().0.trim_end().eq_ignore_ascii_case(name);
            if let Some(place) = left.iter().rposition(named) {
                form.push_str(&canonical(left.remove(place)));
                form.push_str("\r\n");
            }
        }
        let at = field.rfind("\tb=").unwrap() + 3;
        form.push_str(&canonical(field.get(..at).expect(BETWEEN)));
        let signature = STANDARD.decode(tag(field, "b")).unwrap();
        let key = signer.keys.iter().find(|key| key.selector == tag(field, "s")).unwrap();
        let public = key.key.public().unwrap();
        let right = match key.key.algorithm() {
            Algorithm::Rsa => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public)
                .verify(form.as_bytes(), &signature),
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &public)
                .verify(digest(&SHA256, form.as_bytes()).as_ref(), &signature),
        };
        let hash = STANDARD.encode(digest(&SHA256, text.as_bytes()));
        verdicts.push(right.is_ok() && hash == tag(field, "bh"));
    }
    verdicts
}

#[test]
fn a_message_is_signed_by_each_key_and_nothing_of_it_may_change() {
    let signer = signer();
    let whole = signed(&signer, MESSAGE, None);
    assert_eq!(holds(&whole, &signer), [true, true], "{whole}");
    assert!(whole.starts_with("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;"), "{whole}");
    assert!(whole.contains("a=ed25519-sha256") && whole.contains("t=1795500937;"), "{whole}");
    assert!(whole.lines().all(|line| line.len() <= 78), "{whole}");
    for (old, new) in [
        ("Hello.", "Hallo."),
        ("Two   blanks", "Two blank s"),
        ("From: Ann", "From: Bob"),
        ("\r\n\r\nHello", "\r\nSubject: another\r\n\r\nHello"),
        ("\r\n\r\nHello", "\r\nCc: another@far.example\r\n\r\nHello"),
        ("=One-Click", "=Two"),
        ("t=1795500937", "t=1795500938"),
        ("d=home.example", "d=far.example"),
    ] {
        let changed = whole.replace(old, new);
        assert_ne!(changed, whole, "{old}");
        assert_eq!(holds(&changed, &signer), [false, false], "{old} -> {new}");
    }
    // What relays do to a message does it no harm.
    for (old, new) in [
        ("Two   blanks \r\n", "Two blanks\r\n"),
        ("Hello. \r\n\r\n\r\n", "Hello.\r\n"),
        ("Received: by", "Received: by another\r\nReceived: by"),
        ("example,\r\n eva", "example, eva"),
    ] {
        let changed = whole.replace(old, new);
        assert_ne!(changed, whole, "{old}");
        assert_eq!(holds(&changed, &signer), [true, true], "{old} -> {new}");
    }
}

#[test]
fn odd_messages_are_signed_as_they_are() {
    let signer = signer();
    for message in [
        "From: a@home.example\r\n\r\n",
        "From: a@home.example\r\n",
        "From: a@home.example\r\n\r\n\r\n\r\n \r\n",
        "FROM : a@home.example\r\nSubject:\r\nsubject: \r\n\tfolded\r\n \t \r\n\r\nno end",
        "From: \u{fc}@home.example\r\nTo: a@a,\r\n b@b\r\n\r\n\u{fc}\u{e9}\r\n",
    ] {
        let whole = signed(&signer, message, None);
        assert_eq!(holds(&whole, &signer), [true, true], "{whole:?}");
    }
    let long = format!("From: a@home.example\r\n{}\r\nx\r\n", "References: <a@b>\r\n".repeat(300));
    let whole = signed(&signer, &long, None);
    assert_eq!(holds(&whole, &signer), [true, true]);
    assert!(whole.lines().all(|line| line.len() <= 80), "{whole}");
}

#[test]
fn a_signature_may_end() {
    let whole = signed(&signer(), MESSAGE, Some(Duration::from_hours(24)));
    assert!(whole.contains("t=1795500937; x=1795587337;"), "{whole}");
}

/// Source: RFC 8463 appendix A.
#[test]
fn the_example_of_the_rfc_has_our_hash_and_our_public_key() {
    let mut body = BodyHasher::default();
    body.push(b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n");
    assert_eq!(STANDARD.encode(body.finish()), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    let seed = STANDARD.decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    // A PKCS#8 of version 1, as other programs write it.
    let der = [&b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..], &seed];
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.concat())
    );
    let key = SigningKey::from_pem(&pem).unwrap();
    assert_eq!(key.algorithm(), Algorithm::Ed25519);
    let text = record(Algorithm::Ed25519, &key.public().unwrap());
    assert_eq!(text, "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
}
