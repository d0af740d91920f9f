//! Plays `tests/transcripts/pop3/*.pop3` against the pure session, with the input cut anywhere.
//!
//! `UPDATE=1` rewrites the `S:` lines to what the session says, for review in the diff.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mailwright_pop3::{Peer, Session, Settings, Step};
use mailwright_testkit::transcript::{Folder, Pop3};

#[test]
fn every_transcript_plays_however_its_input_is_cut() {
    let folder = Folder::of("pop3");
    assert!(folder.names().len() > 40, "the transcripts are where they are looked for");
    let wrong = folder.play_all::<Pop3>(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names of what a session announces when all of it is switched on.
fn announced(secure: bool) -> BTreeSet<String> {
    let mut settings = Settings::new("mx.mailwright.example");
    settings.tls = true;
    settings.auth = vec!["PLAIN".to_owned()];
    settings.login_delay = Duration::from_secs(1);
    let mut session = Session::new(Arc::new(settings), Peer { trusted: false, tls: secure });
    session.feed(b"CAPA\r\n");
    let mut said = Vec::new();
    while let Some(step) = session.next() {
        match step {
            Step::Write(octets) => said.extend(octets),
            other => panic!("nobody asked for {other:?}"),
        }
    }
    let said = String::from_utf8(said).unwrap();
    let lines = said.lines().skip(2).take_while(|line| *line != ".");
    lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// The transcripts that use each capability and misuse it.
const PROOF: [(&str, &str); 13] = [
    ("TOP", "top"),
    ("UIDL", "uidl"),
    ("PIPELINING", "pipelining"),
    ("RESP-CODES", "resp_codes"),
    ("AUTH-RESP-CODE", "auth_resp_code"),
    ("USER", "user_pass"),
    ("SASL", "auth"),
    ("STLS", "stls"),
    ("LOGIN-DELAY", "expire"),
    ("EXPIRE", "expire"),
    ("UTF8", "utf8"),
    ("LANG", "lang"),
    ("IMPLEMENTATION", "expire"),
];

#[test]
fn every_capability_has_a_transcript_that_uses_it_and_one_that_misuses_it() {
    let names = Folder::of("pop3").names();
    let mut capabilities = announced(false);
    assert!(!capabilities.contains("USER") && !capabilities.contains("SASL"), "{capabilities:?}");
    assert!(capabilities.contains("STLS") && !announced(true).contains("STLS"));
    capabilities.extend(announced(true));
    let known: BTreeSet<String> =
        PROOF.iter().map(|(capability, _)| (*capability).into()).collect();
    assert_eq!(capabilities, known);
    for (_, proof) in PROOF {
        let used = names.iter().any(|name| name.starts_with(proof) && !name.contains("invalid"));
        let misused = format!("{proof}_invalid.pop3");
        assert!(used && names.contains(&misused), "{misused} or its like is missing");
    }
}

#[test]
fn every_transcript_says_why_and_from_where() {
    assert_eq!(Folder::of("pop3").unexplained(), Vec::<String>::new());
}
