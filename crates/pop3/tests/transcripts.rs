//! Plays `tests/transcripts/pop3/*.pop3` against the pure session, with the input cut anywhere.
//!
//! `UPDATE=1` rewrites the `S:` lines to what the session says, for review in the diff.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mailwright_pop3::{Peer, Session, Settings, Step};
use mailwright_testkit::transcript::play::{Cut, play, rewrite};
use mailwright_testkit::transcript::{Act, Pop3, Transcript};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/transcripts/pop3");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 40, "the transcripts are where they are looked for");
    files
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_transcript_plays_however_its_input_is_cut() {
    #[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the program")]
    let update = std::env::var("UPDATE").is_ok();
    let mut wrong = Vec::new();
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        if update {
            let said = rewrite::<Pop3>(&text).unwrap();
            if said != text {
                fs::write(&file, said).unwrap();
            }
        }
        let text = fs::read_to_string(&file).unwrap();
        let transcript = Transcript::parse(&text).unwrap();
        let cuts = [Cut::Whole, Cut::Octets].into_iter().chain((0..20).map(Cut::Seed));
        for cut in cuts {
            if let Err(mismatch) = play::<Pop3>(&transcript, cut) {
                wrong.push(format!("{} {cut:?} {mismatch}", name(&file)));
                break;
            }
        }
    }
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
    let names: BTreeSet<String> = files().iter().map(|file| name(file)).collect();
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
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# "), "{}", name(&file));
        assert!(text.contains("\n# Source: "), "{}", name(&file));
        let transcript = Transcript::parse(&text).unwrap();
        let expects = |act: &Act| matches!(act, Act::Line(_) | Act::Code(_) | Act::Like(_));
        assert!(transcript.entries.iter().any(|entry| expects(&entry.act)), "{}", name(&file));
    }
}
