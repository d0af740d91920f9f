//! What holds for any input: no panic, bounded memory, and answers that do not depend on how
//! the input is cut.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

use std::net::SocketAddr;
use std::sync::Arc;

use mailwright_smtp::command::Command;
use mailwright_smtp::server::{BareNewlines, Peer, Question, Role, Session, Settings, Step};
use mailwright_testkit::policy::Policy;
use mailwright_words::Domain;
use proptest::prelude::*;

fn session(role: Role, bare: BareNewlines) -> (Session, Policy) {
    let mut settings = Settings::new(role, Domain::parse("mx.mailwright.example").unwrap());
    settings.auth = vec!["PLAIN".to_owned(), "LOGIN".to_owned()];
    settings.tls = true;
    settings.binary_mime = true;
    settings.message_size_max = 300;
    settings.message_line_max = 100;
    settings.bare_newlines = bare;
    let address: SocketAddr = "127.0.0.1:49152".parse().unwrap();
    let peer = Peer { address, trusted: true, tls: false };
    (Session::new(Arc::new(settings), peer), Policy::new(role, address.ip()))
}

/// What is said, the messages taken, and how many transactions were given up.
type Played = (Vec<u8>, Vec<Vec<u8>>, usize);

fn run(session: &mut Session, policy: &mut Policy, said: &mut Vec<u8>, closed: &mut bool) {
    while let Some(step) = session.next() {
        assert!(!*closed, "nothing follows Close");
        match step {
            Step::Write(octets) => said.extend(octets),
            Step::Ask(question) => {
                if let Question::Chunk(octets) = &question {
                    assert!(!octets.is_empty() && octets.len() <= 64 << 10);
                }
                let answer = policy.answer(question, session);
                session.answer(answer);
            }
            Step::StartTls => {}
            Step::Close => *closed = true,
        }
    }
}

fn play(role: Role, bare: BareNewlines, pieces: &[&[u8]]) -> Played {
    let (mut session, mut policy) = session(role, bare);
    let (mut said, mut closed) = (Vec::new(), false);
    run(&mut session, &mut policy, &mut said, &mut closed);
    for piece in pieces {
        session.feed(piece);
        run(&mut session, &mut policy, &mut said, &mut closed);
    }
    (said, policy.spool, policy.abandoned)
}

const FROM: &str = "MAIL FROM:<bob@client.example>\r\n";
const TO: &str = "RCPT TO:<ann@mailwright.example>\r\n";
const TO_FULL: &str = "RCPT TO:<full@mailwright.example>\r\n";

const LINES: &[&str] = &[
    "EHLO client.example\r\n",
    "LHLO client.example\r\n",
    FROM,
    "MAIL FROM:<spam@client.example> BODY=BINARYMIME\r\n",
    TO,
    TO_FULL,
    "RCPT TO:<nobody@mailwright.example>\r\n",
    "DATA\r\n",
    "a line\r\n",
    "..\r\n",
    ".\r\n",
    "\r\n",
    "BDAT 5\r\n",
    "BDAT 5 LAST\r\n",
    "BDAT 0 LAST\r\n",
    "hello",
    "RSET\r\n",
    "AUTH PLAIN\r\n",
    "AUTH LOGIN AAAA\r\n",
    "*\r\n",
    "AGFubgBzZWNyZXQ=\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "STARTTLS\r\n",
    "MAIL FROM:<nospace@x.example>\r\n",
];

/// A regular expression of `MAIL` and `RCPT` commands with up to three parameters.
const PARAMETERS: &str = concat!(
    "(MAIL FROM|RCPT TO):<[ -~\u{80}-\u{ff}]{0,40}>",
    "( (SIZE|BY|HOLDUNTIL|HOLDFOR|ORCPT|ENVID|NOTIFY|AUTH)=[ -~\u{80}-\u{ff}]{0,30}){0,3}",
);

/// Lines and octets that reach every state, in an order that makes sense or none.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        8 => prop::sample::select(LINES).prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::sample::select(vec!["\r", "\n", "\n.\r\n", "\r\n.\n", "\0", "."])
            .prop_map(|octets| octets.as_bytes().to_vec()),
        1 => (1..700_usize).prop_map(|length| vec![b'x'; length]),
    ];
    let opening = prop_oneof![
        Just(String::new()),
        Just(["EHLO client.example\r\n", FROM, TO].concat()),
        Just(["EHLO client.example\r\n", FROM, TO, "DATA\r\n"].concat()),
        Just(["LHLO client.example\r\n", FROM, TO, TO_FULL, "DATA\r\n"].concat()),
    ];
    (opening, prop::collection::vec(line, 0..40))
        .prop_map(|(opening, lines)| [opening.into_bytes(), lines.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_cut_of_the_input_does_not_change_the_answers(
        input in input(),
        sizes in prop::collection::vec(1..50_usize, 1..10),
        role in prop::sample::select(vec![Role::Mta, Role::Msa, Role::Lmtp]),
        bare in prop::sample::select(vec![BareNewlines::Refuse, BareNewlines::Normalise]),
    ) {
        let whole = play(role, bare, &[&input]);
        let octets: Vec<&[u8]> = input.chunks(1).collect();
        prop_assert_eq!(&play(role, bare, &octets), &whole);
        let mut pieces = Vec::new();
        let mut rest = input.as_slice();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(&play(role, bare, &pieces), &whole);
    }

    #[test]
    fn what_is_said_is_lines_of_replies(input in input()) {
        let (said, _, _) = play(Role::Mta, BareNewlines::Refuse, &[&input]);
        for line in said.split_inclusive(|&octet| octet == b'\n') {
            prop_assert!(line.ends_with(b"\r\n") && line.len() <= 512);
            prop_assert!(line[..3].iter().all(u8::is_ascii_digit), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn no_line_panics_the_parser(line in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(Command::parse(&line));
    }

    #[test]
    fn no_parameter_panics_the_parser(text in PARAMETERS) {
        drop(Command::parse(text.as_bytes()));
    }
}

#[test]
fn memory_stays_bounded_whatever_comes() {
    let (mut session, mut policy) = session(Role::Mta, BareNewlines::Refuse);
    let (mut said, mut closed) = (Vec::new(), false);
    let piece = vec![b'x'; 64 << 10];
    for _ in 0..200 {
        session.feed(&piece);
        run(&mut session, &mut policy, &mut said, &mut closed);
        let held = format!("{session:?}").len();
        assert!(held < 200_000, "a line without an end is dropped as it comes: {held}");
    }
}
