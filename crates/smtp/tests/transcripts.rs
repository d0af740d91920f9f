//! Plays `tests/transcripts/smtp/*.smtp` against the pure session, with the input cut anywhere.
//!
//! `UPDATE=1` rewrites the `S:` lines to what the session says, for review in the diff.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mailwright_smtp::server::{
    Answer, FutureRelease, Peer, Question, Role, Session, Settings, Step,
};
use mailwright_testkit::transcript::{Folder, Smtp};
use mailwright_words::{Domain, Reply, Timestamp};

#[test]
fn every_transcript_plays_however_its_input_is_cut() {
    let folder = Folder::of("smtp");
    assert!(folder.names().len() > 20, "the transcripts are where they are looked for");
    let wrong = folder.play_all::<Smtp>(20);
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
    let names = Folder::of("smtp").names();
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
    assert_eq!(Folder::of("smtp").unexplained(), Vec::<String>::new());
}
