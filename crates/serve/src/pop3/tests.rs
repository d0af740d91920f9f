//! POP3 over a real store and directory.

use std::{net::SocketAddr, sync::Arc};

use mailwright_config::{Config, Listener, Role};
use mailwright_directory::{Directory, DomainKind, NewPassword};
use mailwright_net::{Clock, Conversation as _, Event, Step, System};
use mailwright_sasl::Secret;
use mailwright_store::{Lane, Options, Store, mailbox};
use mailwright_words::{Address, Domain, Id};

use super::{Conversation, Door};
use crate::Shared;

const ANN: &str = "ann@here.example";

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    clock: Arc<dyn Clock>,
    ann: Id,
    door: Arc<Door>,
}

async fn world(change: impl FnOnce(&mut Config)) -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let store = Store::open(Options::new(folder.path()), clock.now()).unwrap();
    let mut config = Config::default();
    change(&mut config);
    let settings = mailwright_directory::Settings::of(&config);
    let directory = Directory::open(store.clone(), settings).await.unwrap();
    let here = Domain::parse("here.example").unwrap();
    directory.add_domain(&here, DomainKind::Local, clock.now()).await.unwrap();
    let password = NewPassword::Text(Secret::new("correct horse"));
    let address = Address::parse(ANN).unwrap();
    let ann = directory.add_account(&address, password, clock.now()).await.unwrap().principal;
    let listener = Listener::new(Role::Pop3, Vec::new());
    let door = Door::new(
        ("pop3", &listener),
        Arc::new(config),
        (directory, store.clone()),
        (Arc::clone(&clock), Shared::default()),
        true,
    );
    World { _folder: folder, store, clock, ann, door: Arc::new(door) }
}

impl World {
    /// Puts a message into the inbox, or into another folder.
    async fn deliver(&self, octets: &[u8], folder: Option<&str>) -> Id {
        let now = self.clock.now();
        let mut writer = self.store.body(now);
        writer.push(octets).await.unwrap();
        let body = writer.finish().await.unwrap();
        let (id, account) = (self.store.ids().next(now), self.ann);
        let message = mailbox::NewMessage {
            id,
            account,
            folder: folder.map(str::to_owned),
            body: body.id(),
            head: b"Return-Path: <>\r\n".to_vec(),
            head_skip: 0,
            size: u64::try_from(octets.len()).unwrap() + 17,
            headers: Vec::new(),
            received: now,
            origin: None,
            flags: 0,
            extract: None,
        };
        let write =
            move |tx: &mut mailwright_store::Tx<'_>| mailbox::deliver(tx, &message, now).map(drop);
        self.store.write_body(body, write).await.unwrap();
        id
    }

    fn client(&self) -> Client {
        let peer: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        Client { conversation: Conversation::new(Arc::clone(&self.door), peer, false) }
    }

    async fn logged_in(&self) -> Client {
        let mut client = self.client();
        let said = client.says("USER ann@here.example\r\nPASS correct horse\r\n").await;
        assert_eq!(said.matches("+OK").count(), 3, "{said}");
        client
    }

    async fn count(&self) -> usize {
        let ann = self.ann;
        self.store.read(move |tx| mailbox::maildrop(tx, ann)).await.unwrap().messages.len()
    }
}

struct Client {
    conversation: Conversation,
}

impl Client {
    /// Sends `text`; gives what the server says to it.
    async fn says(&mut self, text: &str) -> String {
        self.conversation.feed(text.as_bytes());
        let mut said = Vec::new();
        while let Some(step) = self.conversation.next() {
            match step {
                Step::Write(bytes) => said.extend(bytes),
                Step::Ask(question) => self.conversation.answer(question).await,
                Step::StartTls | Step::Close => {}
            }
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

#[tokio::test]
async fn messages_are_read_and_removed_at_the_end() {
    let world = world(|_| {}).await;
    world.deliver(b"Subject: one\r\n\r\n.dot\r\n", None).await;
    world.deliver(b"Subject: two\n\nbare", None).await;
    let large = format!("Subject: large\r\n\r\n{}", "0123456789\r\n".repeat(100_000));
    world.deliver(large.as_bytes(), None).await;
    let mut client = world.logged_in().await;
    let said = client.says("RETR 1\r\nRETR 2\r\nSTAT\r\n").await;
    assert_eq!(
        said,
        "+OK 39 octets\r\nReturn-Path: <>\r\nSubject: one\r\n\r\n..dot\r\n.\r\n\
         +OK 35 octets\r\nReturn-Path: <>\r\nSubject: two\r\n\r\nbare\r\n.\r\n\
         +OK 3 1200109\r\n"
    );
    let said = client.says("RETR 3\r\n").await;
    assert!(said.ends_with(&format!("{large}.\r\n")), "{}", said.len());
    assert!(client.says("TOP 3 2\r\n").await.ends_with("0123456789\r\n0123456789\r\n.\r\n"));
    client.says("DELE 1\r\nDELE 3\r\n").await;
    assert_eq!(world.count().await, 3);
    assert_eq!(client.says("QUIT\r\n").await, "+OK Bye\r\n");
    assert_eq!(world.count().await, 1);
    let said = world.logged_in().await.says("UIDL\r\n").await;
    assert!(said.contains("\r\n1 ") && said.contains("00000002\r\n"), "{said}");
}

#[tokio::test]
async fn a_session_that_ends_without_quit_removes_nothing() {
    let world = world(|_| {}).await;
    world.deliver(b"Subject: one\r\n\r\n", None).await;
    let mut client = world.logged_in().await;
    client.says("DELE 1\r\n").await;
    client.conversation.event(Event::Eof);
    client.says("").await;
    drop(client);
    assert_eq!(world.count().await, 1);
}

#[tokio::test]
async fn a_second_session_is_refused_or_shares_the_inbox() {
    let alone = world(|_| {}).await;
    let mut first = alone.logged_in().await;
    let mut second = alone.client();
    let login = "USER ann@here.example\r\nPASS correct horse\r\n";
    assert!(second.says(login).await.contains("-ERR [IN-USE]"));
    first.says("QUIT\r\n").await;
    assert!(second.says(login).await.ends_with("0 messages, 0 octets\r\n"), "free at once");

    let shared = world(|config| config.mailboxes.pop3_sessions_per_account_max = 2).await;
    shared.deliver(b"Subject: one\r\n\r\n", None).await;
    shared.deliver(b"Subject: two\r\n\r\n", None).await;
    let (mut first, mut second) = (shared.logged_in().await, shared.logged_in().await);
    assert_eq!(first.says("DELE 1\r\nQUIT\r\n").await.matches("+OK").count(), 2);
    let said = second.says("RETR 1\r\nRETR 2\r\nSTAT\r\nDELE 1\r\nQUIT\r\n").await;
    // What another session deleted keeps its number, and can be read for a while.
    assert_eq!(said.matches("+OK 33 octets\r\n").count(), 2, "{said}");
    assert!(said.ends_with("+OK 2 66\r\n+OK Marked as deleted\r\n+OK Bye\r\n"), "{said}");
    assert_eq!(shared.count().await, 1);
}

#[tokio::test]
async fn many_messages_are_read_in_order_and_out_of_it() {
    let world = world(|config| config.mailboxes.pop3_read_ahead = 2000).await;
    for number in 1..=100 {
        world.deliver(format!("Subject: {number}\r\n\r\n").as_bytes(), None).await;
    }
    let mut client = world.logged_in().await;
    for number in (1..=100).chain([3, 99, 98, 50, 51, 52, 53, 60]) {
        let said = client.says(&format!("RETR {number}\r\n")).await;
        assert!(said.contains(&format!("\r\nSubject: {number}\r\n")), "{number}: {said}");
    }
}

#[tokio::test]
async fn removal_keeps_copies_in_other_folders_and_the_counters_right() {
    let world = world(|_| {}).await;
    let (one, _) = (
        world.deliver(b"Subject: one\r\n\r\n", None).await,
        world.deliver(b"Subject: other\r\n\r\n", Some("Archive")).await,
    );
    let ann = world.ann;
    let copy = move |tx: &mut mailwright_store::Tx<'_>| {
        let archive = mailbox::folder(tx, ann, "Archive")?.unwrap();
        tx.execute(
            "INSERT INTO mailbox_msg (mailbox, uid, message, flags, modseq, size, internal_date,
                 save_date) VALUES (:archive, 9, :one, 0, 9, 33, 0, 0)",
            mailwright_store::params! { archive: archive.id, one },
        )
    };
    world.store.write(Lane::Quick, copy).await.unwrap();
    let mut client = world.logged_in().await;
    client.says("DELE 1\r\nQUIT\r\n").await;
    let check = move |tx: &mut mailwright_store::Tx<'_>| {
        Ok((mailbox::folder(tx, ann, "INBOX")?.unwrap(), mailbox::copy(tx, one)?))
    };
    let (inbox, copy) = world.store.read(check).await.unwrap();
    assert!(copy.is_some(), "the message is in Archive still");
    assert_eq!((inbox.total, inbox.unseen, inbox.bytes), (0, 0, 0));
}

#[tokio::test]
async fn wrong_passwords_are_told_apart_from_our_faults_and_end_the_session() {
    let world = world(|config| config.auth.plaintext_from.clear()).await;
    let mut client = world.client();
    let said = client.says("CAPA\r\nUSER ann@here.example\r\nPASS correct horse\r\n").await;
    assert!(said.contains("STLS") && !said.contains("SASL") && !said.contains("[AUTH]"), "{said}");
    client.conversation.session = mailwright_pop3::Session::new(
        world.door.settings(),
        mailwright_pop3::Peer { trusted: true, tls: true },
    );
    let said = client.says("CAPA\r\n").await;
    assert!(said.contains("SASL SCRAM-SHA-256") && said.contains("\r\nUSER\r\n"), "{said}");
    let said = client.says("USER ann@here.example\r\nPASS wrong\r\n").await;
    assert!(said.contains("-ERR [AUTH]"), "{said}");
}
