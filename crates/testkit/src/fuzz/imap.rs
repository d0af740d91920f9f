//! Commands and sessions of IMAP.

use std::sync::Arc;

use mailwright_imap::command::{Command, Kind, Nothing};
use mailwright_imap::{Peer, Session, Settings, Step};
use mailwright_view::Row;

use super::choice;
use crate::account::{Account, Guest};

/// Any octets are a command or malformed; what is told back of either stays on its line.
pub(super) fn command(input: &[u8]) {
    let settings = Settings::new("mx.mailwright.example");
    match Command::parse(input, &settings, &Nothing) {
        Ok(Command::Fetch(fetch)) => {
            for item in &fetch.items {
                assert!(!item.label.contains(['\r', '\n', '\0']), "{:?} ends a line", item.label);
                let section = item.label.contains('[');
                assert!(!section || matches!(item.kind, Kind::Content(_)), "{:?}", item.label);
            }
            assert!(fetch.items.len() <= settings.fetch_items_max);
        }
        Ok(_) => {}
        Err(malformed) => assert!(!malformed.to_string().contains(['\r', '\n'])),
    }
}

/// What was said, the rows of INBOX, and whether the session ended.
type Played = (Vec<u8>, Vec<Row>, bool);

/// One client of an account.
struct Stage {
    session: Session,
    account: Account,
    guest: Guest,
    said: Vec<u8>,
    closed: bool,
}

impl Stage {
    fn new() -> Self {
        let mut settings = Settings::new("mx.mailwright.example");
        settings.auth = vec!["PLAIN".to_owned(), "LOGIN".to_owned()];
        settings.tls = true;
        settings.append_size_max = 300;
        settings.literal_max = 100;
        settings.line_max = 200;
        settings.command_max = 400;
        let session = Session::new(Arc::new(settings), Peer { trusted: true, tls: false });
        let mut account = Account::new();
        for subject in ["one", "two", "three"] {
            let message = format!("Subject: {subject}\r\nFrom: a@b.example\r\n\r\nText\r\n");
            account.deliver("INBOX", message.into_bytes());
        }
        Self { session, account, guest: Guest::new(), said: Vec::new(), closed: false }
    }

    fn run(&mut self) {
        while let Some(step) = self.session.next() {
            assert!(!self.closed, "nothing follows Close");
            match step {
                Step::Write(octets) => self.said.extend(octets),
                Step::Ask(question) => {
                    let answer = self.guest.answer(question, &mut self.account);
                    self.session.answer(answer);
                }
                Step::StartTls => {}
                Step::Close => self.closed = true,
            }
        }
    }
}

fn play(input: &[u8], size: usize) -> Played {
    let mut stage = Stage::new();
    stage.run();
    for piece in input.chunks(size.max(1)) {
        stage.session.feed(piece);
        stage.run();
    }
    let rows = stage.account.snapshot("INBOX").map(|inbox| inbox.rows().copied().collect());
    (stage.said, rows.unwrap_or_default(), stage.closed)
}

/// The answers of a session do not depend on how its input is cut.
///
/// The first octet chooses how far the client is, and the size of the pieces.
pub(super) fn session(input: &[u8]) {
    let (choice, input) = choice(input);
    let before: &[u8] = match choice % 4 {
        0 => b"",
        1 => b"a LOGIN ann@mailwright.example secret\r\n",
        2 => b"a LOGIN ann@mailwright.example secret\r\nb SELECT INBOX\r\n",
        _ => b"a LOGIN ann@mailwright.example secret\r\nb ENABLE QRESYNC\r\nc SELECT INBOX\r\n",
    };
    let input = [before, input].concat();
    let whole = play(&input, input.len());
    assert_eq!(play(&input, 1), whole, "octet by octet");
    assert_eq!(play(&input, choice / 4 + 1), whole, "by {}", choice / 4 + 1);
}
