//! The server's session under any input.

use std::net::SocketAddr;
use std::sync::Arc;

use mailwright_smtp::server::{Peer, Question, Role, Session, Settings, Step};
use mailwright_words::Domain;

use super::choice;
use crate::policy::Policy;

/// What was said, the messages taken, and how many transactions were given up.
type Played = (Vec<u8>, Vec<Vec<u8>>, usize);

fn run(session: &mut Session, policy: &mut Policy, said: &mut Vec<u8>) {
    while let Some(step) = session.next() {
        match step {
            Step::Write(octets) => said.extend(octets),
            Step::Ask(question) => {
                if let Question::Chunk(octets) = &question {
                    assert!(!octets.is_empty() && octets.len() <= 64 << 10);
                }
                let answer = policy.answer(question, session);
                session.answer(answer);
            }
            Step::StartTls | Step::Close => {}
        }
    }
}

fn play(role: Role, input: &[u8], size: usize) -> Option<Played> {
    let mut settings = Settings::new(role, Domain::parse("mx.mailwright.example").ok()?);
    settings.auth = vec!["PLAIN".to_owned(), "LOGIN".to_owned()];
    settings.tls = true;
    settings.binary_mime = true;
    settings.message_size_max = 300;
    settings.message_line_max = 100;
    let address = SocketAddr::from(([127, 0, 0, 1], 49_152));
    let peer = Peer { address, trusted: true, tls: false };
    let mut session = Session::new(Arc::new(settings), peer);
    let mut policy = Policy::new(role, address.ip());
    let mut said = Vec::new();
    run(&mut session, &mut policy, &mut said);
    for piece in input.chunks(size) {
        session.feed(piece);
        run(&mut session, &mut policy, &mut said);
    }
    Some((said, policy.spool, policy.abandoned))
}

/// The answers of a session do not depend on how its input is cut, and are lines.
pub(super) fn session(input: &[u8]) {
    let (choice, input) = choice(input);
    let role = match choice % 3 {
        0 => Role::Mta,
        1 => Role::Msa,
        _ => Role::Lmtp,
    };
    let whole = play(role, input, input.len().max(1));
    assert_eq!(play(role, input, 1), whole, "octet by octet");
    assert_eq!(play(role, input, choice / 3 + 1), whole, "by {}", choice / 3 + 1);
    let (said, spool, _) = whole.unwrap_or_default();
    let mut last = b' ';
    for &octet in &said {
        assert_eq!(last == b'\r', octet == b'\n', "only CRLF ends a line of ours");
        last = octet;
    }
    for message in &spool {
        assert!(message.len() <= 300, "a message is within its limit");
    }
}
