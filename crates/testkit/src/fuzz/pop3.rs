//! The session of POP3 under any input.

use std::sync::Arc;

use mailwright_pop3::{Peer, Session, Settings, Step};

use super::choice;
use crate::maildrop::Maildrop;

/// What was said, the messages removed, and whether the session ended.
type Played = (Vec<u8>, Option<Vec<u32>>, bool);

fn run(session: &mut Session, maildrop: &mut Maildrop, said: &mut Vec<u8>, closed: &mut bool) {
    while let Some(step) = session.next() {
        assert!(!*closed, "nothing follows Close");
        match step {
            Step::Write(octets) => said.extend(octets),
            Step::Ask(question) => session.answer(maildrop.answer(question)),
            Step::StartTls => {}
            Step::Close => *closed = true,
        }
    }
}

fn play(input: &[u8], size: usize) -> Played {
    let mut settings = Settings::new("mx.mailwright.example");
    settings.auth = vec!["PLAIN".to_owned(), "LOGIN".to_owned()];
    settings.tls = true;
    let peer = Peer { trusted: true, tls: false };
    let mut session = Session::new(Arc::new(settings), peer);
    let mut maildrop = Maildrop::new(2);
    let (mut said, mut closed) = (Vec::new(), false);
    run(&mut session, &mut maildrop, &mut said, &mut closed);
    for piece in input.chunks(size.max(1)) {
        session.feed(piece);
        run(&mut session, &mut maildrop, &mut said, &mut closed);
    }
    (said, maildrop.removed.map(|uids| uids.iter().collect()), closed)
}

/// The answers of a session do not depend on how its input is cut.
///
/// The first octet chooses whether the client is logged in, and the size of the pieces.
pub(super) fn session(input: &[u8]) {
    let (choice, input) = choice(input);
    let login: &[u8] = if choice.is_multiple_of(2) { b"USER ann\r\nPASS secret\r\n" } else { b"" };
    let input = [login, input].concat();
    let whole = play(&input, input.len());
    assert_eq!(play(&input, 1), whole, "octet by octet");
    assert_eq!(play(&input, choice / 2 + 1), whole, "by {}", choice / 2 + 1);
}
