//! The limits over a real store.

use std::time::Duration;

use mailwright_config::Config;
use mailwright_directory::{Directory, DomainKind, NewPassword};
use mailwright_sasl::Secret;
use mailwright_store::{Options, Store};
use mailwright_words::Recipient;

use super::*;
use crate::{Incoming, Settings, Target};

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    directory: Directory,
    intake: Intake,
    ann: Client,
    stranger: Client,
}

fn path(text: &str) -> ReversePath {
    ReversePath::parse(text).unwrap()
}

fn minutes(count: u64) -> Timestamp {
    NOW.plus(Duration::from_mins(count))
}

async fn world(set: impl Fn(&mut Config)) -> World {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let mut config = Config::default();
    config.intake.free_space_min = 0;
    set(&mut config);
    let settings = mailwright_directory::Settings::of(&config);
    let directory = Directory::open(store.clone(), settings).await.unwrap();
    let here = Domain::parse("here.example").unwrap();
    directory.add_domain(&here, DomainKind::Local, NOW).await.unwrap();
    let password = NewPassword::Text(Secret::new("correct horse"));
    let address = Address::parse("ann@here.example").unwrap();
    let account = directory.add_account(&address, password, NOW).await.unwrap();
    let name = "ann@here.example".to_owned();
    let identity = Identity { principal: account.principal, tenant: 1, name, is_inbox: false };
    let stranger = Client {
        role: Role::Mta,
        peer: Some("203.0.113.7:25".parse().unwrap()),
        is_trusted: false,
        size_max: 1000,
        recipients_max: 100,
        ..notifier(&here)
    };
    let ann = Client { role: Role::Msa, identity: Some(identity), ..stranger.clone() };
    let intake = Intake::new(store.clone(), directory.clone(), Settings::of(&config).unwrap());
    World { _folder: folder, store, directory, intake, ann, stranger }
}

impl World {
    async fn mail(&self, client: &Client, from: &str, now: Timestamp) -> Option<u16> {
        let judged = self.intake.check_sender_rate(client, &path(from), now).await;
        judged.err().map(|refusal| refusal.status().0)
    }

    async fn rcpt(&self, from: &str, is_trusted: bool, now: Timestamp) -> Option<u16> {
        let client = (&self.stranger, is_trusted);
        let of = (&path(from), "ann@here.example", 0);
        let judged = self.intake.check_recipient_rate(client, of, now).await;
        judged.err().map(|refusal| refusal.status().0)
    }

    /// Ann writes to `count` strangers.
    async fn send(&self, count: usize) -> Result<(), Refusal> {
        let (incoming, transaction) = self.open(count).await?;
        self.intake.accept(incoming, transaction, NOW).await.map(|_| ())
    }

    /// A message of Ann to `count` strangers, before its end.
    async fn open(&self, count: usize) -> Result<(Incoming, Transaction), Refusal> {
        let from = path("ann@here.example");
        self.intake.check_sender_rate(&self.ann, &from, NOW).await?;
        let mut targets: Vec<Target> = Vec::new();
        for n in 0..count {
            let to = format!("r{n}@far.example");
            let of = (&from, to.as_str(), n);
            self.intake.check_recipient_rate((&self.ann, false), of, NOW).await?;
            let recipient = Recipient::new(Address::parse(&to).unwrap());
            let taken = Taken { recipients: n, ..Taken::default() };
            targets.push(self.intake.recipient(&self.ann, recipient, taken, NOW).await?);
        }
        let mut incoming = self.intake.begin(&self.ann, NOW).unwrap();
        incoming.push(b"Subject: x\r\n\r\nx\r\n").await;
        let envelope = Envelope::new(from, Vec::new());
        Ok((incoming, Transaction::new(self.ann.clone(), envelope, targets)))
    }

    fn count(&self, sql: &str) -> i64 {
        self.store.read_blocking(|tx| tx.query_one(sql, &[], |row| row.get(0))).unwrap()
    }
}

#[tokio::test]
async fn strangers_have_rates_by_address_network_and_sender() {
    let world = world(|config| {
        config.door.address_per_hour = 3;
        config.door.network_per_hour = 4;
        config.door.sender_per_hour = 2;
    })
    .await;
    let neighbour =
        Client { peer: Some("203.0.113.8:25".parse().unwrap()), ..world.stranger.clone() };
    let far = Client { peer: Some("198.51.100.1:25".parse().unwrap()), ..world.stranger.clone() };
    for (client, from, wanted) in [
        (&world.stranger, "a@x.example", None),
        (&world.stranger, "a@x.example", None),
        (&far, "A@x.example", Some(450)),
        (&world.stranger, "b@x.example", None),
        (&world.stranger, "c@x.example", Some(450)),
        (&neighbour, "d@x.example", None),
        (&neighbour, "e@x.example", Some(450)),
        (&far, "f@x.example", None),
        (&world.ann, "a@x.example", None),
    ] {
        assert_eq!(world.mail(client, from, NOW).await, wanted, "{from}");
    }
    assert_eq!(world.mail(&world.stranger, "c@x.example", minutes(60)).await, None);
}

#[tokio::test]
async fn who_writes_for_the_first_time_comes_again() {
    let world = world(|config| config.door.greylist = true).await;
    let from = "bob@x.example";
    assert_eq!(world.rcpt(from, true, NOW).await, None, "a list vouches for it");
    for (minute, wanted) in [(0, Some(450)), (4, Some(450)), (5, None), (6, None)] {
        assert_eq!(world.rcpt(from, false, minutes(minute)).await, wanted, "{minute}");
    }
    assert_eq!(world.rcpt("eve@x.example", false, minutes(6)).await, Some(450));
    let month = minutes(30 * 24 * 60);
    assert_eq!(world.intake.sweep_guard(month).await.unwrap(), 1, "eve did not come again");
    assert_eq!(world.rcpt(from, false, month).await, None, "known for a while");
    let (from, to) = (path(from), "ann@here.example");
    let judged = world.intake.check_recipient_rate((&world.ann, false), (&from, to, 0), NOW).await;
    assert!(judged.is_ok(), "our own users never wait");
}

#[tokio::test]
async fn a_full_greylist_lets_in() {
    let world = world(|config| {
        config.door.greylist = true;
        config.door.greylist_max = 1;
    })
    .await;
    assert_eq!(world.rcpt("a@x.example", false, NOW).await, Some(450));
    assert_eq!(world.rcpt("b@x.example", false, NOW).await, None);
}

#[tokio::test]
async fn an_account_past_its_limit_is_stopped_held_and_told_of() {
    let world = world(|config| {
        config.submission.recipients_per_hour = 5;
        config.submission.messages_per_day = 4;
    })
    .await;
    for count in [2, 2, 1] {
        world.send(count).await.unwrap();
    }
    let refusal = world.send(1).await.unwrap_err();
    assert_eq!(
        refusal.reply().to_string(),
        "450 4.7.1 ann@here.example may not send more than 5 recipients an hour"
    );
    assert!(world.send(1).await.is_err());
    assert_eq!(world.count("SELECT count(*) FROM recipient WHERE state = 'held'"), 5);
    assert_eq!(world.count("SELECT count(*) FROM mailbox_msg"), 1, "the postmaster is told once");
    let told = world.directory.audits(Some("over_limit".to_owned()), 10).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].who.as_str(), told[0].detail.as_str()),
        ("ann@here.example", "past 5 recipients an hour; 5 recipients in the queue were held")
    );
}

#[tokio::test]
async fn messages_of_a_day_are_counted_also_over_a_restart() {
    let world = world(|config| config.submission.messages_per_day = 2).await;
    world.send(1).await.unwrap();
    world.send(1).await.unwrap();
    let fresh = Intake::new(
        world.store.clone(),
        world.directory.clone(),
        (*world.intake.0.settings.now()).clone(),
    );
    let from = path("ann@here.example");
    assert!(fresh.check_sender_rate(&world.ann, &from, NOW).await.is_err());
    assert!(fresh.check_sender_rate(&world.ann, &from, minutes(22 * 60)).await.is_err());
    assert!(fresh.check_sender_rate(&world.ann, &from, minutes(25 * 60)).await.is_ok());
}

#[tokio::test]
async fn many_messages_at_once_pass_no_limit() {
    let world = world(|config| config.submission.recipients_per_hour = 5).await;
    let mut opened = Vec::new();
    for _ in 0..4 {
        opened.push(world.open(2).await.unwrap());
    }
    let mut taken = Vec::new();
    for (incoming, transaction) in opened {
        taken.push(world.intake.accept(incoming, transaction, NOW).await.is_ok());
    }
    assert_eq!(taken, [true, true, false, false]);
    assert_eq!(world.count("SELECT sum(recipients) FROM sent"), 4);
    world.intake.uncount_sent(&world.ann, 2, NOW).await;
    assert_eq!(world.count("SELECT sum(recipients) FROM sent"), 2);
    assert_eq!(world.count("SELECT sum(messages) FROM sent"), 1);
    world.send(2).await.unwrap();
}
