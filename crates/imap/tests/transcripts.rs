//! Plays `tests/transcripts/imap/*.imap` against the pure session, with the input cut anywhere.
//!
//! `UPDATE=1` rewrites the `S:` lines to what the session says, for review in the diff.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailwright_imap::{Peer, Session, Settings, Step};
use mailwright_testkit::account::{Account, Guest};
use mailwright_testkit::transcript::play::{Cut, play, rewrite};
use mailwright_testkit::transcript::{Act, Imap, Transcript};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/transcripts/imap");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 100, "the transcripts are where they are looked for");
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
            let said = rewrite::<Imap>(&text).unwrap();
            if said != text {
                fs::write(&file, said).unwrap();
            }
        }
        let text = fs::read_to_string(&file).unwrap();
        let transcript = Transcript::parse(&text).unwrap();
        let cuts = [Cut::Whole, Cut::Octets].into_iter().chain((0..5).map(Cut::Seed));
        for cut in cuts {
            if let Err(mismatch) = play::<Imap>(&transcript, cut) {
                wrong.push(format!("{} {cut:?} {mismatch}", name(&file)));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a session offers when all of it is switched on, before and after login.
fn offered(trusted: bool) -> BTreeSet<String> {
    let mut settings = Settings::new("mx.mailwright.example");
    settings.tls = true;
    settings.auth = vec!["SCRAM-SHA-256-PLUS".into(), "PLAIN".into()];
    let mut session = Session::new(Arc::new(settings), Peer { trusted, tls: false });
    let (mut account, mut guest) = (Account::new(), Guest::new());
    let mut run = |session: &mut Session| {
        while let Some(step) = session.next() {
            if let Step::Ask(question) = step {
                session.answer(guest.answer(question, &mut account));
            }
        }
    };
    run(&mut session);
    let mut text = session.capabilities();
    session.feed(b"a LOGIN ann@mailwright.example secret\r\n");
    run(&mut session);
    text.push(' ');
    text.push_str(&session.capabilities());
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn every_capability_has_a_transcript_that_uses_it_and_one_that_misuses_it() {
    let names: BTreeSet<String> = files().iter().map(|file| name(file)).collect();
    let mut capabilities = offered(true);
    capabilities.extend(offered(false));
    assert!(capabilities.contains("QRESYNC") && capabilities.contains("LOGINDISABLED"));
    for capability in capabilities {
        let word = match capability.as_str() {
            "LITERAL-" => "literal_minus".to_owned(),
            "LITERAL+" => "literal_plus".to_owned(),
            other if other.starts_with("AUTH=") => "auth".to_owned(),
            other if other.starts_with("APPENDLIMIT=") => "appendlimit".to_owned(),
            other => other.to_lowercase().replace(['=', '-'], "_"),
        };
        for kind in ["", "_invalid"] {
            let wanted = format!("capability_{word}{kind}.imap");
            assert!(names.contains(&wanted), "{wanted} is missing");
        }
    }
}

#[test]
fn every_transcript_says_why_and_from_where() {
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# "), "{}", name(&file));
        assert!(text.contains("\n# Source: RFC "), "{}", name(&file));
        let transcript = Transcript::parse(&text).unwrap();
        let expects = |act: &Act| matches!(act, Act::Line(_) | Act::Code(_) | Act::Like(_));
        assert!(transcript.entries.iter().any(|entry| expects(&entry.act)), "{}", name(&file));
    }
}
