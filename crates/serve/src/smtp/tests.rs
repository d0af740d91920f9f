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
    intake: Intake,
    conversation: Conversation,
    /// Whether the connection was closed.
    closed: bool,
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
    let of = (directory, intake.clone());
    let door = Door::new(("test", &listener), Arc::new(config), of, clock, false).unwrap();
    let peer: SocketAddr = "192.0.2.1:4000".parse().unwrap();
    let conversation = Conversation::new(Arc::new(door), peer, false);
    World { _folder: folder, store, intake, conversation, closed: false }
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
                Step::StartTls => {}
                Step::Close => {
                    self.closed = true;
                    break;
                }
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

impl World {
    /// Has the inbox `default` go by these faults.
    async fn faults(&self, faults: &str) {
        let settings = format!("{{\"faults\": [{faults}]}}");
        let settings = mailwright_config::InboxSettings::read(&settings).unwrap();
        let clock = System::new();
        let inbox = self.conversation.door.directory.inbox("default", clock.now()).await.unwrap();
        self.intake.set_inbox_settings(inbox, settings).await.unwrap();
    }

    fn count(&self) -> i64 {
        let sql = "SELECT count(*) FROM capture";
        self.store.read_blocking(|tx| tx.query_one(sql, &[], |row| row.get(0))).unwrap()
    }
}

/// What a client is told to each of these lines under a fault, up to where it is cut off, and how
/// many messages were kept.
async fn under(fault: &str, lines: &[&str]) -> (Vec<String>, bool, i64) {
    let mut session = session(Role::Sandbox).await;
    session.faults(fault).await;
    let mut told = session.says("EHLO c.example").await;
    told.dedup();
    for line in lines {
        if !session.closed {
            told.extend(session.says(line).await);
        }
    }
    (told, session.closed, session.count())
}

const WHOLE: [&str; 4] = [
    "MAIL FROM:<a@a.example> SIZE=900",
    "RCPT TO:<b@b.example>",
    "DATA",
    "Subject: x\r\n\r\nHello\r\n.",
];

#[tokio::test]
async fn a_fault_strikes_in_each_phase() {
    for (fault, told, closed, kept) in [
        (r#"{"at": "connect", "reply": "554 5.3.2 no"}"#, "554 503 503 503 503", false, 0),
        (r#"{"at": "connect", "drop": true}"#, "", true, 0),
        (r#"{"at": "ehlo", "reply": "421 bye"}"#, "220 421", true, 0),
        (r#"{"at": "mail", "reply": "451 4.3.0 no"}"#, "220 250 451 503 503", false, 0),
        (r#"{"at": "mail", "drop": true, "largerThan": 899}"#, "220 250", true, 0),
        (r#"{"at": "mail", "drop": true, "largerThan": 900}"#, "220 250 250 250 354 250", false, 1),
        (
            r#"{"at": "rcpt", "reply": "550 5.1.1 no", "recipient": "b@*"}"#,
            "220 250 250 550 554 500 500 500 500",
            false,
            0,
        ),
        (
            r#"{"at": "data", "reply": "451 4.3.0 no"}"#,
            "220 250 250 250 451 500 500 500 500",
            false,
            0,
        ),
        (r#"{"at": "body", "reply": "452 4.3.1 full"}"#, "220 250 250 250 354 452", false, 0),
        (r#"{"at": "body", "drop": true}"#, "220 250 250 250 354", true, 0),
        (
            r#"{"at": "body", "drop": true, "largerThan": 1000}"#,
            "220 250 250 250 354 250",
            false,
            1,
        ),
        (r#"{"at": "message", "reply": "451 4.3.0 no"}"#, "220 250 250 250 354 451", false, 0),
        (
            r#"{"at": "message", "reply": "451 4.3.0 no", "keep": true}"#,
            "220 250 250 250 354 451",
            false,
            1,
        ),
        (r#"{"at": "message", "drop": true}"#, "220 250 250 250 354", true, 0),
        (r#"{"at": "message", "drop": true, "keep": true}"#, "220 250 250 250 354", true, 1),
        (
            r#"{"at": "message", "reply": "250 2.6.0 fine", "largerThan": 5}"#,
            "220 250 250 250 354 250",
            false,
            1,
        ),
        (r#"{"at": "message", "delay": "5ms"}"#, "220 250 250 250 354 250", false, 1),
    ] {
        let (said, was_closed, was_kept) = under(fault, &WHOLE).await;
        let said = said.join(" ");
        assert!(said.starts_with(told), "{fault}: {said}");
        assert_eq!((was_closed, was_kept), (closed, kept), "{fault}: {said}");
    }
}

#[tokio::test]
async fn recipients_do_what_their_names_say() {
    let mut session = session(Role::Sandbox).await;
    session.says("EHLO c.example").await;
    session.says("MAIL FROM:<a@a.example>").await;
    assert_eq!(session.says("RCPT TO:<reject+552-5.2.2@b.example>").await, ["552"]);
    assert_eq!(session.says("RCPT TO:<defer+2x@b.example>").await, ["451"]);
    assert_eq!(session.says("RCPT TO:<defer+2x@b.example>").await, ["451"]);
    assert_eq!(session.says("RCPT TO:<defer+2x@b.example>").await, ["250"]);
    assert_eq!(session.says("RCPT TO:<bounce+550-5.1.1@b.example>").await, ["250"]);
}

#[tokio::test]
async fn a_login_meets_the_faults_of_its_inbox() {
    let mut session = session(Role::Sandbox).await;
    session.faults(r#"{"at": "auth", "reply": "454 4.7.0 later", "first": 1}"#).await;
    session.says("EHLO c.example").await;
    let login = "AUTH PLAIN AGRlZmF1bHQAeA==";
    assert_eq!(session.says(login).await, ["454"]);
    assert_eq!(session.says(login).await, ["235"]);
}

#[tokio::test]
async fn ordinary_mail_meets_no_fault() {
    for role in [Role::Mta, Role::Lmtp] {
        let mut session = session(role).await;
        for at in ["connect", "ehlo", "auth", "mail", "rcpt", "data", "body", "message"] {
            session.faults(&format!(r#"{{"at": "{at}", "drop": true}}"#)).await;
        }
        session.says(if role == Role::Lmtp { "LHLO c.example" } else { "EHLO c.example" }).await;
        let lines = ["MAIL FROM:<a@a.example>", "RCPT TO:<ann@here.example>", "DATA", WHOLE[3]];
        for line in lines {
            session.says(line).await;
        }
        assert!(!session.closed);
        let sql = "SELECT count(*) FROM message";
        let count: i64 =
            session.store.read_blocking(|tx| tx.query_one(sql, &[], |row| row.get(0))).unwrap();
        assert_eq!(count, 1);
    }
}
