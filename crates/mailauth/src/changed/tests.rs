//! Messages that were signed, then changed as servers on the way change them.

use std::sync::Arc as Shared;

use mailwright_net::dns::Fake;
use mailwright_words::Timestamp;

use super::*;
use crate::sign::{Algorithm as Kind, Digester, Selected, Signer, SigningKey, record};
use crate::{Letter, Limits, Signed, Verifier, Word};

const MESSAGE: &str = "From: Ann <ann@far.example>\r\nTo: dan@home.example, eva@home.example\r\n\
    Subject: A walk on Sunday\r\nDate: Tue, 24 Nov 2026 06:15:00 +0000\r\n\
    Message-ID: <1@far.example>\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    Dear all,\r\n\r\nFrom here on it is  fine.\r\n.dot\r\nCome!\r\n";

fn signer(kind: Kind) -> Signer {
    let key = SigningKey::generate(kind).unwrap();
    let keys = vec![Selected { selector: "one".to_owned(), key }];
    Signer { domain: "far.example".to_owned(), keys }
}

fn signed(signer: &Signer, message: &str) -> String {
    let mut digester = Digester::default();
    digester.push(message.as_bytes());
    let at = Timestamp::new(1_795_500_900_000);
    let fields = digester.finish().unwrap().sign(signer, at, None).unwrap();
    format!("{}{message}", String::from_utf8(fields).unwrap())
}

async fn look(signer: &Signer, message: &str) -> Signed {
    let zone = Fake::new();
    let key = &signer.keys[0].key;
    let text = record(key.algorithm(), &key.public().unwrap());
    zone.add_txt("one._domainkey.far.example", &text);
    let verifier = Verifier::new(Shared::new(zone)).unwrap();
    let came = Timestamp::new(1_795_500_937_042);
    let letter =
        Letter { message: message.as_bytes(), client: None, came, host: "mx.home.example" };
    verifier.examine(letter, &Limits::default()).await.dkim.remove(0)
}

fn words(change: &HeaderChange) -> Vec<String> {
    match change {
        HeaderChange::Changed(all) => {
            let mut all: Vec<String> =
                all.iter().map(|one| format!("{} {}", one.name, one.what)).collect();
            all.sort();
            all
        }
        other => vec![format!("{other:?}")],
    }
}

#[tokio::test]
async fn a_changed_field_is_named() {
    for kind in [Kind::Rsa, Kind::Ed25519] {
        let signer = signer(kind);
        let sound = signed(&signer, MESSAGE);
        let found = look(&signer, &sound).await;
        assert_eq!((found.dkim.word, found.change), (Word::Pass, None));
        for (what, with, expected) in [
            ("Subject: A", "Subject: [list] A", "Subject got \"[list]\" put in front of it"),
            ("Subject: A walk", "Subject: A [list] walk", "Subject got \"[list]\" put into it"),
            ("on Sunday", "on Sunday (was: x)", "Subject got \"(was: x)\" put behind it"),
            ("Subject: A", "Cc: eve@x.example\r\nSubject: A", "Cc was added"),
            ("+0000", "GMT", "Date was written anew"),
            ("Ann <", "\"Ann\" <", "From was written anew"),
            (", eva@home.example", ",eva@home.example", "To was written anew"),
            ("Content-Transfer-Encoding: 8bit\r\n", "", "Content-Transfer-Encoding was taken out"),
            ("MIME-Version: 1.0\r\n", "", "MIME-Version was taken out"),
            (
                "From: Ann <ann@far.example>\r\n",
                "From: Ann via List <list@x.example>\r\nX-Original-From: Ann <ann@far.example>\r\n",
                "From was \"Ann <ann@far.example>\", as X-Original-From says",
            ),
            ("charset=utf-8", "charset=\"utf-8\"", "Content-Type was written anew"),
        ] {
            let changed = sound.replacen(what, with, 1);
            assert_ne!(changed, sound, "{what}");
            let found = look(&signer, &changed).await;
            assert_eq!(found.dkim.word, Word::Fail, "{what}");
            let change = found.change.unwrap();
            assert_eq!(change.body, BodyChange::Kept, "{what}");
            let told = words(&change.header);
            assert!(told.len() == 1 && told[0].starts_with(expected), "{kind:?} {with}: {told:?}");
        }
    }
}

#[tokio::test]
async fn several_changes_of_a_list_are_told_together() {
    let signer = signer(Kind::Rsa);
    let changed = signed(&signer, MESSAGE)
        .replacen("Subject: A", "Subject: [walks] A", 1)
        .replacen("From: Ann <ann@far.example>", "From: Ann via walks <walks@list.example>", 1)
        .replacen("To: dan", "Reply-To: Ann <ann@far.example>\r\nTo: dan", 1);
    let footer = format!("{changed}_______\r\nwalks mailing list\r\n");
    let change = look(&signer, &footer).await.change.unwrap();
    let told = words(&change.header);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("From was rewritten; it was \"Ann <ann@far.example>\""));
    assert!(told[1].starts_with("Reply-To was added"));
    assert!(told[2].starts_with("Subject got \"[walks]\""));
    let text = "_______ walks mailing list".to_owned();
    assert_eq!(change.body, BodyChange::Added { lines: (6, 7), of: 7, text });
}

#[tokio::test]
async fn what_cannot_be_known_is_said_so() {
    let signer = signer(Kind::Rsa);
    let sound = signed(&signer, MESSAGE);
    let change = look(&signer, &sound.replacen("A walk", "No walk", 1)).await.change.unwrap();
    let HeaderChange::Unknown { there, missing } = change.header else { panic!("{change:?}") };
    assert!(there.contains(&"Subject".to_owned()) && missing.contains(&"Cc".to_owned()));
    let gone = sound.replacen("To: dan@home.example, eva@home.example\r\n", "", 1);
    let change = look(&signer, &gone).await.change.unwrap();
    let HeaderChange::Unknown { missing, .. } = change.header else { panic!("{change:?}") };
    assert!(missing.contains(&"To".to_owned()), "{missing:?}");
    let change = look(&signer, &sound.replacen("Come!", "Stay!", 1)).await.change.unwrap();
    assert_eq!(change, Change { body: BodyChange::Unknown, header: HeaderChange::Kept });
    let other = self::signer(Kind::Rsa);
    let change = look(&other, &sound).await.change.unwrap();
    assert_eq!(change, Change { body: BodyChange::Kept, header: HeaderChange::OtherKey });
}

#[tokio::test]
async fn a_changed_body_is_told_apart() {
    let signer = signer(Kind::Rsa);
    let sound = signed(&signer, MESSAGE);
    let added = |lines, of, text: &str| BodyChange::Added { lines, of, text: text.to_owned() };
    let rewritten = |what, has_more| BodyChange::Rewritten { what, has_more };
    for (what, with, expected) in [
        ("Come!\r\n", "Come!\r\n-- \r\nfoot\r\n", added((6, 7), 7, "-- foot")),
        ("Dear all", "CAUTION: external\r\n\r\nDear all", added((1, 2), 7, "CAUTION: external")),
        (".dot\r\n", "noise\r\n.dot\r\n", added((4, 4), 6, "noise")),
        (
            "\r\nFrom here",
            "\r\n>From here",
            rewritten("got \">\" before lines that begin with \"From \"", false),
        ),
        (
            "\r\n.dot\r\n",
            "\r\n..dot\r\n",
            rewritten("got a second dot at the start of lines", false),
        ),
    ] {
        let changed = sound.replacen(what, with, 1);
        assert_ne!(changed, sound, "{what}");
        let change = look(&signer, &changed).await.change.unwrap();
        assert_eq!(change, Change { body: expected, header: HeaderChange::Kept }, "{what}");
    }
    // Encoded on the way, and given a footer after that.
    let (head, body) = sound.split_once("\r\n\r\n").unwrap();
    let head = head.replacen("8bit", "quoted-printable", 1);
    let encoded = format!("{head}\r\n\r\n{}", body.replace("fine", "=66ine"));
    let change = look(&signer, &encoded).await.change.unwrap();
    assert_eq!(change.body, rewritten("was encoded for the way", false));
    assert!(words(&change.header)[0].starts_with("Content-Transfer-Encoding was 8bit"));
}

#[tokio::test]
async fn copies_in_a_signature_tell_what_was() {
    // The copies are looked at even where the signature cannot be made to fit.
    let form =
        "DKIM-Signature: v=1; z=Subject:A=20walk=20on=20Sunday|\r\n To:dan@home.example; b=\r\n";
    let text = format!("{form}Subject: Another\r\nTo:  dan@home.example\r\n\r\n");
    let form = Form::new(text.as_bytes());
    let copies = copies(&form, 0);
    assert_eq!(copies[0], ("subject".to_owned(), b"A walk on Sunday".to_vec()));
    let covered = ["Subject".to_owned(), "To".to_owned()];
    let signed =
        header::Signed { form: &form, covered: &covered, copies, own: 0, is_relaxed: true };
    let found = header::find(&signed, &Lock::Digest([0; 32]));
    let what = "was \"A walk on Sunday\" when it was signed".to_owned();
    let change = FieldChange { name: "Subject".to_owned(), what };
    assert_eq!(found, HeaderChange::Copied(vec![change]));
}

#[test]
fn what_the_relaxed_form_would_have_lived_through_is_told() {
    use aws_lc_rs::digest::{SHA256, digest};
    let own = "DKIM-Signature: c=simple; b=\r\n";
    let covered = ["Subject".to_owned(), "Message-ID".to_owned()];
    let hash =
        |fields: &str| digest(&SHA256, format!("{fields}DKIM-Signature: c=simple; b=").as_bytes());
    for (signed_as, now) in [
        ("Subject: A walk\r\nMessage-ID: <1@a>\r\n", "Subject:  A walk\r\nMessage-ID: <1@a>\r\n"),
        ("Subject: A walk\r\nMessage-Id: <1@a>\r\n", "Subject: A walk\r\nMessage-ID: <1@a>\r\n"),
        (
            "Subject: A\r\n walk\r\nMessage-ID: <1@a>\r\n",
            "Subject: A walk\r\nMessage-ID: <1@a>\r\n",
        ),
    ] {
        let text = format!("{own}{now}\r\n");
        let form = Form::new(text.as_bytes());
        let signed = header::Signed {
            form: &form,
            covered: &covered,
            copies: Vec::new(),
            own: 0,
            is_relaxed: false,
        };
        let lock = Lock::Digest(hash(signed_as).as_ref().try_into().unwrap());
        let told = words(&header::find(&signed, &lock));
        assert!(told.len() == 1 && told[0].contains("c=relaxed"), "{now}: {told:?}");
    }
}

#[test]
fn a_hostile_message_is_worked_on_for_a_bounded_time() {
    let covered: Vec<String> = (0..2000).map(|n| format!("X-{}", n % 40)).collect();
    let fields: Vec<String> =
        (0..200).map(|n| format!("X-{}: a b c, d e f=g; h\r\n", n % 40)).collect();
    let fields = fields.concat();
    let text = format!("DKIM-Signature: b=\r\n{fields}\r\n");
    let form = Form::new(text.as_bytes());
    let signed = header::Signed {
        form: &form,
        covered: &covered,
        copies: Vec::new(),
        own: 0,
        is_relaxed: false,
    };
    let found = header::find(&signed, &Lock::Digest([0; 32]));
    assert!(matches!(found, HeaderChange::Unknown { .. }));
    let body = "a\r\n".repeat(200_000);
    let message = format!("From: a\r\n\r\n{body}");
    assert_eq!(body::find(message.as_bytes(), true, &[0; 32]), BodyChange::Unknown);
}
