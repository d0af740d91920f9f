//! SMTP and LMTP over a real store and directory.

use std::{net::SocketAddr, sync::Arc};

use mailwright_config::{Config, Listener, Role};
use mailwright_directory::{Directory, DomainKind, NewPassword};
use mailwright_intake::{Intake, Settings};
use mailwright_net::{Clock, Conversation as _, Step, System};
use mailwright_sasl::Secret;
use mailwright_store::{Options, Store};
use mailwright_words::{Address, Domain};

use super::{Conversation, Door};

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    conversation: Conversation,
}

/// A session with a server that knows ann.
async fn session(role: Role) -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let store = Store::open(Options::new(folder.path()), clock.now()).unwrap();
    let mut config = Config::default();
    config.intake.free_space_min = 0;
    let settings = mailwright_directory::Settings::of(&config);
    let directory = Directory::open(store.clone(), settings).await.unwrap();
    let here = Domain::parse("here.example").unwrap();
    directory.add_domain(&here, DomainKind::Local, clock.now()).await.unwrap();
    let ann = Address::parse("ann@here.example").unwrap();
    let password = NewPassword::Text(Secret::new("correct horse"));
    directory.add_account(&ann, password, clock.now()).await.unwrap();
    let intake = Intake::new(store.clone(), directory.clone(), Settings::of(&config).unwrap());
    let listener = Listener::new(role, Vec::new());
    let of = (directory, intake);
    let door = Door::new(("test", &listener), Arc::new(config), of, clock, false).unwrap();
    let peer: SocketAddr = "192.0.2.1:4000".parse().unwrap();
    let conversation = Conversation::new(Arc::new(door), peer, false);
    World { _folder: folder, store, conversation }
}

impl World {
    /// Sends a line; gives the codes that the server answers with.
    async fn says(&mut self, line: &str) -> Vec<String> {
        self.conversation.feed(format!("{line}\r\n").as_bytes());
        let mut said = Vec::new();
        while let Some(step) = self.conversation.next() {
            match step {
                Step::Write(bytes) => said.extend(bytes),
                Step::Ask(question) => self.conversation.answer(question).await,
                Step::StartTls | Step::Close => {}
            }
        }
        let said = String::from_utf8(said).unwrap();
        said.lines().map(|line| line.chars().take(3).collect()).collect()
    }
}

#[tokio::test]
async fn a_recipient_that_is_there_already_adds_nothing() {
    let mut session = session(Role::Mta).await;
    session.says("EHLO client.example").await;
    assert_eq!(session.says("MAIL FROM:<bob@far.example>").await, ["250"]);
    for _ in 0..5 {
        assert_eq!(session.says("RCPT TO:<ann@here.example>").await, ["250"]);
    }
    assert_eq!(session.says("DATA").await, ["354"]);
    assert_eq!(session.says("Subject: x\r\n\r\nHello\r\n.").await, ["250"]);
    let sql = "SELECT CAST(head AS TEXT) FROM message";
    let heads: Vec<String> =
        session.store.read_blocking(|tx| tx.query(sql, &[], |row| row.get(0))).unwrap();
    // Only the recipient of one is named there.
    assert!(heads.concat().contains("for <ann@here.example>"), "{heads:?}");
    assert_eq!(heads.len(), 1);
}

#[tokio::test]
async fn lmtp_answers_for_a_recipient_as_often_as_it_was_named() {
    let mut session = session(Role::Lmtp).await;
    session.says("LHLO client.example").await;
    assert_eq!(session.says("MAIL FROM:<bob@far.example>").await, ["250"]);
    for _ in 0..2 {
        assert_eq!(session.says("RCPT TO:<ann@here.example>").await, ["250"]);
    }
    assert_eq!(session.says("DATA").await, ["354"]);
    assert_eq!(session.says("Subject: x\r\n\r\nHello\r\n.").await, ["250", "250"]);
}
