//! The client of IMAP under any server.

use mailwright_imap::client::{Command, Event, Limits, Session};
use mailwright_view::NumberSet;

use super::choice;

const LIMITS: Limits = Limits { response: 300, message: 500, responses: 50 };

/// What was told, and why it ended.
type Played = (Vec<String>, Option<String>);

fn play(input: &[u8], size: usize) -> Played {
    let mut session = Session::new(LIMITS);
    let mut told = Vec::new();
    let plain = Command::Authenticate { mechanism: "PLAIN", initial: Some(b"\0a\0b".to_vec()) };
    let uids = NumberSet::range(1..=9);
    // What a client says without waiting: an answer to any of it may come.
    for command in [&plain, &Command::Describe { first: 1, last: 9 }, &Command::Messages(&uids)] {
        assert!(session.say(command).is_ok(), "nothing in it ends a line");
    }
    let mut said = session.output().len();
    for piece in input.chunks(size.max(1)) {
        session.feed(piece);
        loop {
            match session.event() {
                Ok(Some(Event::Challenge(challenge))) => {
                    told.push(format!("challenge {challenge:?}"));
                    session.respond(None);
                }
                Ok(Some(event)) => told.push(format!("{event:?}")),
                Ok(None) => break,
                Err(fault) => return (told, Some(fault.to_string())),
            }
            said += session.output().len();
            assert!(said <= 4096 + input.len() * 4, "a server makes us talk without end");
        }
        let most = LIMITS.response + 500 + piece.len() + 2;
        assert!(session.held() <= most, "{} octets are held", session.held());
    }
    (told, None)
}

/// Whatever a server says is read the same however it is cut, and little of it is held.
pub(super) fn client(input: &[u8]) {
    let (choice, input) = choice(input);
    let whole = play(input, 1);
    let other = play(input, choice + 1);
    assert_eq!(other, whole, "by {}", choice + 1);
}
