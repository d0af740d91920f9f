//! Plays `tests/transcripts/smtp/*.smtp` against the pure session, with the input cut anywhere.
//!
//! `UPDATE=1` rewrites the `S:` lines to what the session says, for review in the diff.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mailwright_smtp::server::{
    Answer, FutureRelease, Peer, Question, Role, Session, Settings, Step,
};
use mailwright_testkit::transcript::play::{Cut, play, rewrite};
use mailwright_testkit::transcript::{Act, Smtp, Transcript};
use mailwright_words::{Domain, Reply, Timestamp};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/transcripts/smtp");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 20, "the transcripts are where they are looked for");
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
            let said = rewrite::<Smtp>(&text).unwrap();
            if said != text {
                fs::write(&file, said).unwrap();
            }
        }
        let text = fs::read_to_string(&file).unwrap();
        let transcript = Transcript::parse(&text).unwrap();
        let cuts = [Cut::Whole, Cut::Octets].into_iter().chain((0..20).map(Cut::Seed));
        for cut in cuts {
            if let Err(mismatch) = play::<Smtp>(&transcript, cut) {
                wrong.push(format!("{} {cut:?} {mismatch}", name(&file)));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a session announces when all of it is switched on.
fn announced(role: Role) -> BTreeSet<String> {
    let mut settings = Settings::new(role, Domain::parse("mx.mailwright.example").unwrap());
    settings.tls = true;
    settings.auth = vec!["PLAIN".to_owned()];
    settings.binary_mime = true;
    settings.deliver_by = Some(Duration::from_mins(1));
    settings.future_release = Some(FutureRelease {
        longest: Duration::from_hours(1),
        latest: Timestamp::new(1_800_000_000_000),
    });
    let address: SocketAddr = "127.0.0.1:49152".parse().unwrap();
    let mut session = Session::new(Arc::new(settings), Peer { address, trusted: true, tls: false });
    let mut said = Vec::new();
    let mut fed = false;
    loop {
        match session.next() {
            Some(Step::Write(octets)) => said.extend(octets),
            Some(Step::Ask(question)) => {
                let code = if question == Question::Connect { 220 } else { 250 };
                session.answer(Answer::Reply(Reply::new(code, None, "ok")));
            }
            Some(Step::StartTls | Step::Close) => panic!("nobody asked for it"),
            None if fed => break,
            None => {
                fed = true;
                let verb = if role == Role::Lmtp { "LHLO" } else { "EHLO" };
                session.feed(format!("{verb} client.example\r\n").as_bytes());
            }
        }
    }
    let said = String::from_utf8(said).unwrap();
    let keyword = |line: &str| Some(line.get(4..)?.split(' ').next()?.to_owned());
    said.lines().skip(2).filter_map(keyword).collect()
}

#[test]
fn every_keyword_announced_has_a_transcript_that_uses_it_and_one_that_misuses_it() {
    let names: BTreeSet<String> = files().iter().map(|file| name(file)).collect();
    let mut keywords = announced(Role::Mta);
    keywords.extend(announced(Role::Lmtp));
    assert!(keywords.contains("SMTPUTF8") && keywords.contains("LIMITS"), "{keywords:?}");
    for keyword in keywords {
        for kind in ["", "_invalid"] {
            let wanted = format!("keyword_{}{kind}.smtp", keyword.to_lowercase());
            assert!(names.contains(&wanted), "{wanted} is missing");
        }
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
