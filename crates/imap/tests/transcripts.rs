//! Plays `tests/transcripts/imap/*.imap` against the pure session, with the input cut anywhere.
//!
//! `UPDATE=1` rewrites the `S:` lines to what the session says, for review in the diff.

use std::collections::BTreeSet;
use std::sync::Arc;

use mailwright_imap::{Peer, Session, Settings, Step};
use mailwright_testkit::account::{Account, Guest};
use mailwright_testkit::transcript::{Folder, Imap};

#[test]
fn every_transcript_plays_however_its_input_is_cut() {
    let folder = Folder::of("imap");
    assert!(folder.names().len() > 100, "the transcripts are where they are looked for");
    let wrong = folder.play_all::<Imap>(20);
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
    let names = Folder::of("imap").names();
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
    assert_eq!(Folder::of("imap").unexplained(), Vec::<String>::new());
}
