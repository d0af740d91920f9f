//! What holds for any input: no panic, answers that do not depend on how the input is cut, and
//! nothing removed but by `QUIT`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

use std::sync::Arc;

use mailwright_pop3::{Command, Event, Outgoing, Peer, Question, Session, Settings, Step};
use mailwright_testkit::maildrop::Maildrop;
use proptest::prelude::*;

fn session(trusted: bool) -> Session {
    let mut settings = Settings::new("mx.mailwright.example");
    settings.tls = true;
    settings.auth = vec!["PLAIN".to_owned(), "LOGIN".to_owned()];
    Session::new(Arc::new(settings), Peer { trusted, tls: false })
}

/// What a session came to.
#[derive(Debug, Default, PartialEq)]
struct Played {
    said: Vec<u8>,
    removed: Option<Vec<u32>>,
    /// Questions of leaving.
    left: usize,
    closed: bool,
}

fn run(session: &mut Session, maildrop: &mut Maildrop, played: &mut Played) {
    while let Some(step) = session.next() {
        assert!(!played.closed, "nothing follows Close");
        match step {
            Step::Write(octets) => played.said.extend(octets),
            Step::Ask(question) => {
                played.left += usize::from(matches!(question, Question::Leave(_)));
                session.answer(maildrop.answer(question));
            }
            Step::StartTls => {}
            Step::Close => played.closed = true,
        }
    }
}

fn play(trusted: bool, more: usize, pieces: &[&[u8]]) -> Played {
    let (mut session, mut maildrop) = (session(trusted), Maildrop::new(more));
    let mut played = Played::default();
    run(&mut session, &mut maildrop, &mut played);
    for piece in pieces {
        session.feed(piece);
        run(&mut session, &mut maildrop, &mut played);
    }
    played.removed = maildrop.removed.map(|uids| uids.iter().collect());
    played
}

const LOGIN: &str = "USER ann\r\nPASS secret\r\n";

const LINES: &[&str] = &[
    LOGIN,
    "USER ann\r\n",
    "PASS secret\r\n",
    "USER busy\r\nPASS secret\r\n",
    "AUTH PLAIN\r\n",
    "AUTH LOGIN AAAA\r\n",
    "*\r\n",
    "AGFubgBzZWNyZXQ=\r\n",
    "CAPA\r\n",
    "STAT\r\n",
    "LIST\r\n",
    "LIST 2\r\n",
    "UIDL\r\n",
    "RETR 1\r\n",
    "RETR 3\r\n",
    "TOP 2 1\r\n",
    "DELE 1\r\n",
    "DELE 2\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "LANG\r\n",
    "UTF8\r\n",
    "STLS\r\n",
    "QUIT\r\n",
];

fn input() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        12 => proptest::sample::select(LINES).prop_map(|line| line.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => "[A-Za-z]{0,6} [ -~]{0,30}\r\n".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(line, 0..24).prop_map(|lines| lines.concat())
}

/// What a client makes of a reply of several lines: the stored lines, however they ended.
fn received(wire: &[u8]) -> Vec<u8> {
    let text = wire.strip_suffix(b".\r\n").unwrap();
    let mut stored = Vec::new();
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        stored.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    stored
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn answers_do_not_depend_on_how_the_input_is_cut(
        input in input(), size in 1..50_usize, trusted: bool, logged_in: bool,
    ) {
        let begin = if logged_in { LOGIN.as_bytes() } else { b"" };
        let input = [begin, &input].concat();
        let pieces: Vec<&[u8]> = input.chunks(size).collect();
        let octets: Vec<&[u8]> = input.chunks(1).collect();
        let cut = play(trusted, 0, &pieces);
        prop_assert_eq!(&cut, &play(trusted, 0, &octets));
        prop_assert!(cut.left <= 1);
        prop_assert_eq!(cut.removed.is_some(), cut.left == 1);
    }

    #[test]
    fn a_connection_that_breaks_anywhere_removes_nothing(
        input in input(), at: prop::sample::Index,
    ) {
        let input: Vec<u8> = [LOGIN.as_bytes(), &input].concat();
        let end = at.index(input.len());
        let (mut session, mut maildrop) = (session(true), Maildrop::new(0));
        let mut played = Played::default();
        for piece in input[..end].chunks(7) {
            session.feed(piece);
            run(&mut session, &mut maildrop, &mut played);
        }
        let left = played.left;
        session.event(Event::Eof);
        run(&mut session, &mut maildrop, &mut played);
        prop_assert_eq!(played.left, left);
        prop_assert!(played.closed);
    }

    #[test]
    fn a_message_arrives_with_its_lines_whatever_its_bytes(
        stored in proptest::collection::vec(
            prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..60),
        size in 1..20_usize,
    ) {
        let (mut outgoing, mut wire) = (Outgoing::whole(), Vec::new());
        stored.chunks(size).for_each(|piece| outgoing.push(piece, &mut wire));
        outgoing.finish(&mut wire);
        // A client that takes LF alone for an end of a line finds the end nowhere else.
        let lines: Vec<&[u8]> = wire.split(|octet| *octet == b'\n').collect();
        let ends = lines.iter().filter(|line| **line == b"." || **line == b".\r").count();
        prop_assert_eq!(ends, 1);
        let mut want = Vec::new();
        for octet in &stored {
            if *octet == b'\n' && want.last() != Some(&b'\r') {
                want.push(b'\r');
            }
            want.push(*octet);
        }
        if !want.is_empty() && !want.ends_with(b"\n") {
            want.extend_from_slice(if want.ends_with(b"\r") { b"\n" } else { b"\r\n" });
        }
        prop_assert_eq!(received(&wire), want);
    }

    #[test]
    fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..60)) {
        drop(Command::parse(&line));
    }
}

#[test]
fn a_long_list_is_told_in_pieces_of_bounded_size() {
    let (mut session, mut maildrop) = (session(true), Maildrop::new(10_000));
    session.feed(format!("{LOGIN}DELE 5\r\nLIST\r\nUIDL\r\nNOOP\r\n").as_bytes());
    let mut said = Vec::new();
    while let Some(step) = session.next() {
        match step {
            Step::Write(octets) => {
                assert!(octets.len() < 64 << 10, "{}", octets.len());
                said.extend(octets);
            }
            Step::Ask(question) => session.answer(maildrop.answer(question)),
            other => panic!("{other:?}"),
        }
    }
    let said = String::from_utf8(said).unwrap();
    let sizes = said.lines().filter(|line| line.ends_with(" 5")).count();
    assert_eq!(sizes, 10_000 - 1, "each small message but the one that is marked");
    assert_eq!(said.lines().filter(|line| *line == ".").count(), 2);
    assert_eq!(said.lines().last(), Some("+OK Nothing done"));
}
