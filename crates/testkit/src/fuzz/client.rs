//! The client's session under any host.

use std::time::Duration;

use mailwright_smtp::client::{Event, Session, Settings, Step, Transaction, Verdict};
use mailwright_smtp::reply::Bounds;
use mailwright_words::{Address, Envelope, Recipient, ReversePath};

use super::choice;

const BODY: &[u8] = b"Subject: hello\r\n\r\n.hidden\r\n";
const RECIPIENTS: [&str; 3] = ["ann@far.example", "bob@far.example", "eve@far.example"];
/// Octets that a session may say for all that it is told here.
const SAID_MAX: usize = 16 * 1024;

/// What came of a transaction, and how much was said.
#[derive(Default)]
struct Course {
    begun: bool,
    verdicts: Option<Vec<Verdict>>,
    said: usize,
    over: bool,
}

fn transaction() -> Option<Transaction> {
    let recipients: Option<Vec<Recipient>> =
        RECIPIENTS.iter().map(|to| Some(Recipient::new(Address::parse(to).ok()?))).collect();
    let from = ReversePath::parse("me@home.example").ok()?;
    let bytes = u64::try_from(BODY.len()).ok()?;
    Some(Transaction { envelope: Envelope::new(from, recipients?), bytes, by: None })
}

impl Course {
    /// Does what the session wants, until it waits for its host.
    fn run(&mut self, session: &mut Session) {
        while let Some(step) = session.next() {
            match step {
                Step::Write(octets) => self.said += octets.len(),
                Step::Ready | Step::TlsRefused(_) | Step::Authenticated(_) => self.choose(session),
                Step::AuthRefused(_)
                | Step::XclientRefused(_)
                | Step::Challenge(_)
                | Step::Rehearsed(_) => session.quit(),
                Step::StartTls => session.tls(),
                Step::Body => {
                    let mut out = Vec::new();
                    session.body(BODY, &mut out);
                    session.body_end(&mut out);
                    self.said += out.len();
                }
                Step::Done(verdicts) => {
                    assert_eq!(verdicts.len(), RECIPIENTS.len(), "one verdict a recipient");
                    assert!(self.verdicts.is_none(), "one end a transaction");
                    self.verdicts = Some(verdicts);
                }
                Step::Failed(_) | Step::Close => self.over = true,
            }
            assert!(self.said <= SAID_MAX, "a host makes us talk without end");
        }
    }

    fn choose(&mut self, session: &mut Session) {
        match transaction() {
            Some(transaction) if !self.begun => {
                self.begun = true;
                if session.begin(transaction).is_err() {
                    self.begun = false;
                    session.quit();
                }
            }
            _ => session.quit(),
        }
    }
}

/// Whatever a host says: what was begun has one verdict a recipient, and what is said is bounded.
pub(super) fn client(input: &[u8]) {
    let (choice, input) = choice(input);
    let settings = Settings {
        hostname: "mx.home.example".to_owned(),
        lmtp: choice % 2 == 1,
        command_timeout: Duration::from_mins(5),
        final_timeout: Duration::from_mins(10),
        bounds: Bounds::default(),
    };
    let mut session = Session::new(settings);
    let mut course = Course::default();
    course.run(&mut session);
    for piece in input.chunks(choice / 2 + 1) {
        session.feed(piece);
        course.run(&mut session);
    }
    session.event(Event::Eof);
    course.run(&mut session);
    assert_eq!(course.begun, course.verdicts.is_some(), "a transaction ends with its connection");
    assert!(course.over, "a session ends with its connection");
    assert!(session.conversation().len() <= 64 << 10, "what is kept of it is bounded");
}
