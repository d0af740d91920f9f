//! A client reads what servers say, and holds no more than it may.

use mailwright_view::NumberSet;

use super::*;

fn session() -> Session {
    Session::new(Limits { response: 400, message: 1000, responses: 20 })
}

/// What comes of `text` in pieces of `size`, as text.
fn told(session: &mut Session, text: &[u8], size: usize) -> Result<Vec<String>, Fault> {
    let mut told = Vec::new();
    for piece in text.chunks(size) {
        session.feed(piece);
        while let Some(event) = session.event()? {
            told.push(format!("{event:?}"));
        }
        assert!(session.held() <= 1400 + size);
    }
    Ok(told)
}

fn greeted() -> Session {
    let mut session = session();
    told(&mut session, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN auth=X] hi\r\n", 100).unwrap();
    session
}

fn said(session: &mut Session, command: &Command<'_>) -> String {
    session.say(command).unwrap();
    String::from_utf8(session.output()).unwrap()
}

#[test]
fn what_a_server_tells_is_read_wherever_it_is_cut() {
    let text = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n\
        * NAMESPACE ((\"INBOX.\" \".\")) ((\"user.\" \".\")) NIL\r\n\
        * LIST (\\HasNoChildren \\Sent) \"/\" \"Sent \\\"it\\\"\"\r\n\
        * LIST (\\Noselect) NIL {5}\r\na]\"(b\r\n\
        * LIST () \".\" Entw&APw-rfe (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n\
        * STATUS {3}\r\na b (UIDNEXT 7 MESSAGES 12)\r\n\
        * FLAGS (\\Seen)\r\n* 12 EXISTS\r\n* 0 RECENT\r\n\
        * OK [UIDVALIDITY 99] valid\r\n* OK [PERMANENTFLAGS (\\*)] some\r\n\
        * 3 FETCH (X (1 (\"(\" NIL)) UID 7 FLAGS (\\Seen $a] [b) RFC822.SIZE 4 \
          INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[HEADER.FIELDS (A)]<0> {2}\r\n)(\
          BODY[] {4}\r\n)\r\n  MODSEQ (5))\r\n\
        * 4 FETCH (BODY[] NIL UID 8)\r\n* 2 EXPUNGE\r\na1 OK [X (y)] done\r\na2 NO no way\r\n";
    let mut whole = session();
    whole.say(&Command::Messages(&NumberSet::range(1..=9))).unwrap();
    whole.say(&Command::Capability).unwrap();
    let want = told(&mut whole, text, text.len()).unwrap();
    assert_eq!(want.len(), 13, "{want:#?}");
    for (place, part) in [
        (1, "Namespace([73, 78, 66, 79, 88, 46], Some('.'))"),
        (2, "attributes: [\"\\\\HasNoChildren\", \"\\\\Sent\"], separator: Some('/')"),
        (3, "separator: None, name: [97, 93, 34, 40, 98]"),
        (5, "messages: 12"),
        (7, "UidValidity(99)"),
        (8, "flags: Some([\"\\\\Seen\", \"$a]\", \"[b\"])"),
        (8, "content: Some(Octets([41, 13, 10, 32]))"),
        (8, "internal_date: Some(Timestamp(837596665000))"),
        (9, "content: Some(Nil)"),
        (10, "Expunged(2)"),
        (11, "Done { tag: 1, outcome: Ok }"),
        (12, "Refused(\"no way\")"),
    ] {
        assert!(want[place].contains(part), "{part} in {}", want[place]);
    }
    assert!(whole.can("sasl-ir") && !whole.can("IDLE"));
    for size in 1..80 {
        let mut session = session();
        session.say(&Command::Messages(&NumberSet::range(1..=9))).unwrap();
        session.say(&Command::Capability).unwrap();
        assert_eq!(told(&mut session, text, size).unwrap(), want, "{size}");
    }
}

#[test]
fn commands_are_written_as_the_standard_has_them() {
    let mut session = greeted();
    let uids: NumberSet = [1, 2, 3, 7].into_iter().collect();
    for (command, line) in [
        (Command::Capability, "a1 CAPABILITY"),
        (Command::Login { name: "ann", password: "a\"\\b" }, "a2 LOGIN \"ann\" \"a\\\"\\\\b\""),
        (
            Command::List { pattern: b"*", special_use: true },
            "a3 LIST \"\" \"*\" RETURN (SPECIAL-USE)",
        ),
        (Command::Status(b"Entw&APw-rfe"), "a4 STATUS \"Entw&APw-rfe\" (MESSAGES)"),
        (Command::Examine(b"a b"), "a5 EXAMINE \"a b\""),
        (
            Command::Describe { first: 1, last: 500 },
            "a6 FETCH 1:500 (UID FLAGS INTERNALDATE RFC822.SIZE)",
        ),
        (Command::Messages(&uids), "a7 UID FETCH 1:3,7 (UID BODY.PEEK[])"),
        (Command::Logout, "a8 LOGOUT"),
    ] {
        assert_eq!(said(&mut session, &command), format!("{line}\r\n"));
    }
    let evil = Command::Examine(b"a\r\na9 DELETE x");
    assert_eq!(session.say(&evil), Err(Unspeakable));
    assert!(session.output().is_empty());
    assert!(
        !format!("{:?}", Command::Login { name: "ann", password: "secret" }).contains("secret")
    );
}

#[test]
fn a_login_goes_with_its_command_or_waits_to_be_asked_for() {
    let plain = Command::Authenticate { mechanism: "PLAIN", initial: Some(b"\0a\0b".to_vec()) };
    let mut session = greeted();
    assert_eq!(session.mechanisms().collect::<Vec<_>>(), ["PLAIN", "X"]);
    assert_eq!(said(&mut session, &plain), "a1 AUTHENTICATE PLAIN\r\n");
    assert!(told(&mut session, b"+ \r\n", 9).unwrap().is_empty());
    assert_eq!(session.output(), b"AGEAYg==\r\n");
    let more = told(&mut session, b"+ aGk=\r\n", 9).unwrap();
    assert_eq!(more, ["Challenge([104, 105])"]);
    session.respond(Some(b""));
    session.respond(None);
    assert_eq!(session.output(), b"\r\n*\r\n");
    told(&mut session, b"a1 OK [CAPABILITY SASL-IR] in\r\n", 99).unwrap();
    assert_eq!(said(&mut session, &plain), "a2 AUTHENTICATE PLAIN AGEAYg==\r\n");
}

#[test]
fn a_server_makes_us_hold_no_more_than_the_limits() {
    let flood = |text: &str| {
        let mut session = greeted();
        session.say(&Command::Messages(&NumberSet::range(1..=9))).unwrap();
        told(&mut session, text.as_bytes(), 64).unwrap_err()
    };
    for (text, what) in [
        ("x".repeat(401), "a response"),
        (format!("* {}\r\n", "x".repeat(400)), "a response"),
        ("* 1 FETCH (BODY[] {1001}\r\n".to_owned(), "a literal"),
        (format!("* 1 FETCH (BODY[] {{600}}\r\n{} X {{600}}\r\n", "x".repeat(600)), "a literal"),
        ("* 1 EXISTS\r\n".repeat(21), "responses"),
    ] {
        assert_eq!(flood(&text), Fault::TooMuch(what));
    }
    let mut session = greeted();
    let early = told(&mut session, b"* 1 FETCH (BODY[] {500}\r\n", 64);
    assert_eq!(early, Err(Fault::TooMuch("a literal")), "nobody asked for a message");
    let nested = format!("* 1 FETCH (X {}", "(".repeat(40));
    assert!(matches!(flood(&format!("{nested}\r\n")), Fault::Syntax(_)));
}

#[test]
fn what_makes_no_sense_ends_the_session() {
    for text in [
        "nonsense\r\n",
        "a7 OK done\r\n",
        "+ more\r\n",
        "* 1 FETCH (UID)\r\n",
        "* 1 FETCH (UID 0)\r\n",
        "* 1 FETCH UID 1\r\n",
        "* 1 FETCH (FLAGS (\\Seen\r\n",
        "* LIST x\r\n",
        "* 99999999999 EXISTS\r\n",
        "* BYE over\r\n",
        "a1 BYE\r\n",
    ] {
        let mut session = greeted();
        session.say(&Command::Capability).unwrap();
        assert!(told(&mut session, text.as_bytes(), 7).is_err(), "{text}");
    }
    let mut session = session();
    assert_eq!(told(&mut session, b"* BYE busy\r\n", 7), Err(Fault::Bye("busy".to_owned())));
    let mut session = greeted();
    session.say(&Command::Logout).unwrap();
    let end = told(&mut session, b"* BYE see you\r\na1 OK done\r\n", 7).unwrap();
    assert_eq!(end, ["Done { tag: 1, outcome: Ok }"]);
}

#[test]
fn nothing_said_before_a_handshake_counts_after_it() {
    let mut session = greeted();
    session.say(&Command::StartTls).unwrap();
    told(&mut session, b"a1 OK begin\r\n", 99).unwrap();
    assert_eq!(session.tls(), Ok(()));
    assert_eq!(session.capabilities(), None);
    let mut session = greeted();
    session.say(&Command::StartTls).unwrap();
    session.feed(b"a1 OK begin\r\n* CAPABILITY IMAP4rev1 X\r\n");
    assert!(session.event().unwrap().is_some());
    assert_eq!(session.tls(), Err(Fault::Injected));
}

#[test]
fn names_are_read_leniently() {
    for (wire, name) in [
        (&b"Entw&APw-rfe"[..], "Entw\u{fc}rfe"),
        (b"R&D", "R&D"),
        (b"v1&AC4-2", "v1.2"),
        ("\u{fc}".as_bytes(), "\u{fc}"),
        (b"\xff", "\u{fffd}"),
    ] {
        assert_eq!(read_name(wire), name);
    }
}
