//! The answers of a session do not depend on how its input is cut.
//!
//! The first octet chooses the role and the size of the pieces.
#![no_main]

use std::net::SocketAddr;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mailwright_smtp::server::{Peer, Role, Session, Settings, Step};
use mailwright_testkit::policy::Policy;
use mailwright_words::Domain;

type Played = (Vec<u8>, Vec<Vec<u8>>, usize);

fn run(session: &mut Session, policy: &mut Policy, said: &mut Vec<u8>) {
    while let Some(step) = session.next() {
        match step {
            Step::Write(octets) => said.extend(octets),
            Step::Ask(question) => {
                let answer = policy.answer(question, session);
                session.answer(answer);
            }
            Step::StartTls | Step::Close => {}
        }
    }
}

fn play(role: Role, input: &[u8], size: usize) -> Played {
    let hostname = Domain::parse("mx.mailwright.example").expect("this is a domain");
    let mut settings = Settings::new(role, hostname);
    settings.auth = vec!["PLAIN".to_owned(), "LOGIN".to_owned()];
    settings.tls = true;
    settings.binary_mime = true;
    settings.message_size_max = 300;
    settings.message_line_max = 100;
    let address: SocketAddr = "127.0.0.1:49152".parse().expect("this is an address");
    let peer = Peer { address, trusted: true, tls: false };
    let mut session = Session::new(Arc::new(settings), peer);
    let mut policy = Policy::new(role, address.ip());
    let mut said = Vec::new();
    run(&mut session, &mut policy, &mut said);
    for piece in input.chunks(size) {
        session.feed(piece);
        run(&mut session, &mut policy, &mut said);
    }
    (said, policy.spool, policy.abandoned)
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else { return };
    let role = match choice % 3 {
        0 => Role::Mta,
        1 => Role::Msa,
        _ => Role::Lmtp,
    };
    let whole = play(role, input, input.len().max(1));
    assert_eq!(play(role, input, 1), whole);
    assert_eq!(play(role, input, usize::from(choice / 3) + 1), whole);
});
