//! Acceptance over a real store and directory.

use mailwright_config::{Config, OverQuota, Role};
use mailwright_directory::{AliasKind, Directory, DomainKind, Identity, NewPassword};
use mailwright_sasl::Secret;
use mailwright_store::directory::set_quota;
use mailwright_store::spool::Class;
use mailwright_store::{Lane, Options, Store, Tx};
use mailwright_words::trace::Protocol;
use mailwright_words::{
    Address, ByMode, DeliverBy, Domain, Envelope, Notify, Recipient, ReversePath, Timestamp,
};

use crate::{Client, Intake, Refusal, Settings, Taken, Target, Transaction};

mod release;

const NOW: Timestamp = Timestamp::new(1_800_000_000_000);
const SIZE_MAX: u64 = 5000;

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    intake: Intake,
    ann: Identity,
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    let mut config = Config::default();
    config.intake.backup_domains = vec!["backup.example".to_owned()];
    config.intake.free_space_min = 0;
    config.limits.header_size_max = 2000;
    let settings = mailwright_directory::Settings::of(&config);
    let directory = Directory::open(store.clone(), settings).await.unwrap();
    let here = Domain::parse("here.example").unwrap();
    directory.add_domain(&here, DomainKind::Local, NOW).await.unwrap();
    let password = NewPassword::Text(Secret::new("correct horse"));
    let ann = directory.add_account(&address("ann@here.example"), password, NOW).await.unwrap();
    for (name, kind, targets) in [
        ("team", AliasKind::Alias, &["ann@here.example", "eve@elsewhere.example"][..]),
        ("me", AliasKind::Alias, &["ann@here.example"]),
        ("loop", AliasKind::Alias, &["pool@here.example"]),
        ("pool", AliasKind::Alias, &["loop@here.example"]),
        ("list", AliasKind::List, &["ann@here.example", "eve@elsewhere.example"]),
        ("away", AliasKind::Forward, &["eve@elsewhere.example"]),
        ("deep0", AliasKind::Alias, &["deep1@here.example"]),
    ] {
        let targets: Vec<_> = targets.iter().map(|target| address(target)).collect();
        let name = address(&format!("{name}@here.example"));
        directory.add_alias(&name, kind, &targets, NOW).await.unwrap();
    }
    for depth in 1..12 {
        let name = address(&format!("deep{depth}@here.example"));
        let next = [address(&format!("deep{}@here.example", depth + 1))];
        directory.add_alias(&name, AliasKind::Alias, &next, NOW).await.unwrap();
    }
    let ann = Identity {
        principal: ann.principal,
        tenant: 1,
        name: "ann@here.example".to_owned(),
        is_inbox: false,
    };
    let settings = Settings::of(&config).unwrap();
    let intake = Intake::new(store.clone(), directory, settings);
    World { _folder: folder, store, intake, ann }
}

fn client(role: Role, identity: Option<&Identity>) -> Client {
    Client {
        listener: "test".to_owned(),
        role,
        peer: Some("192.0.2.1:4000".parse().unwrap()),
        hello: "client.example".to_owned(),
        protocol: Protocol::Esmtp,
        tls: None,
        identity: identity.cloned(),
        is_trusted: false,
        size_max: SIZE_MAX,
        recipients_max: 10,
        marks: Vec::new(),
        session: Box::default(),
    }
}

impl World {
    async fn rcpt(&self, client: &Client, to: &str) -> Result<Target, Refusal> {
        let recipient = Recipient::new(address(to));
        self.intake.recipient(client, recipient, Taken::default(), NOW).await
    }

    async fn transaction(&self, client: Client, to: &[&str]) -> Transaction {
        let mut targets = Vec::new();
        for to in to {
            targets.push(self.rcpt(&client, to).await.unwrap());
        }
        let from = ReversePath::Sender(address("ann@here.example"));
        Transaction::new(client, Envelope::new(from, Vec::new()), targets)
    }

    async fn accept(&self, of: Transaction, message: &[u8]) -> Result<(), Refusal> {
        let mut incoming = self.intake.begin(&of.client, NOW).unwrap();
        for piece in message.chunks(7) {
            incoming.push(piece).await;
        }
        self.intake.accept(incoming, of, NOW).await.map(|_durable| ())
    }

    fn texts(&self, sql: &'static str) -> Vec<String> {
        self.store.read_blocking(|tx| tx.query(sql, &[], |row| row.get(0))).unwrap()
    }

    fn head(&self) -> String {
        let heads: Vec<Vec<u8>> = self
            .store
            .read_blocking(|tx| tx.query("SELECT head FROM spool", &[], |row| row.get(0)))
            .unwrap();
        String::from_utf8(heads.concat()).unwrap()
    }
}

#[tokio::test]
async fn recipients_are_taken_by_role() {
    let world = world().await;
    let stranger = client(Role::Mta, None);
    let user = client(Role::Msa, Some(&world.ann));
    let lmtp = client(Role::Lmtp, None);
    for (client, to, expected) in [
        (&stranger, "ANN@here.example", Ok(1)),
        (&stranger, "ann+x@here.example", Ok(1)),
        (&stranger, "team@here.example", Ok(2)),
        (&stranger, "nobody@here.example", Err((550, "5.1.1"))),
        (&stranger, "loop@here.example", Err((550, "5.1.1"))),
        (&stranger, "deep0@here.example", Err((451, "4.3.5"))),
        (&stranger, "eve@elsewhere.example", Err((550, "5.7.1"))),
        (&stranger, "eve%elsewhere.example@relay.example", Err((550, "5.7.1"))),
        (&stranger, "any@backup.example", Ok(1)),
        (&user, "eve@elsewhere.example", Ok(1)),
        (&user, "nobody@here.example", Err((550, "5.1.1"))),
        (&lmtp, "me@here.example", Ok(1)),
        (&lmtp, "team@here.example", Err((550, "5.1.2"))),
        (&lmtp, "list@here.example", Err((550, "5.1.2"))),
        (&lmtp, "eve@elsewhere.example", Err((550, "5.1.2"))),
    ] {
        let found = world.rcpt(client, to).await.map(|target| target.direct.len());
        let found = found.map_err(|refusal| refusal.status());
        let expected = expected.map_err(|(code, status)| (code, status.parse().unwrap()));
        assert_eq!(found, expected, "{to} at {:?}", client.role);
    }
    let full = Taken { recipients: 10, ..Taken::default() };
    let over = world.intake.recipient(&stranger, Recipient::new(address("a@b.c")), full, NOW);
    assert!(matches!(over.await, Err(Refusal::Recipients { limit: 10 })));
    assert!(!world.intake.postmaster(&stranger, Taken::default(), NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_priority_is_given_as_far_as_the_client_may() {
    let world = world().await;
    let user = || client(Role::Msa, Some(&world.ann));
    let stranger = || client(Role::Mta, None);
    let trusted = || Client { is_trusted: true, ..stranger() };
    let (plain, urgent, low) = ("A: b\r\n", "MT-Priority: 7\r\n", "MT-Priority: -3\r\n");
    // Elsewhere, so that it waits in the queue; a backup domain's mail anybody may send.
    let (out, back) = ("eve@elsewhere.example", "any@backup.example");
    for (client, to, asked, header, expected) in [
        (user(), out, Some(5), plain, "5 5"),
        (user(), out, Some(5), urgent, "5 5"),
        (user(), out, None, urgent, "7 7"),
        (user(), out, None, plain, "0 none"),
        (trusted(), back, Some(5), plain, "5 5"),
        (stranger(), back, Some(5), plain, "0 0"),
        (stranger(), back, Some(-9), plain, "-9 -9"),
        (stranger(), back, None, urgent, "0 0"),
        (stranger(), back, None, low, "-3 -3"),
    ] {
        let role = client.role;
        let mut of = world.transaction(client, &[to]).await;
        of.envelope.priority = asked;
        world.accept(of, format!("{header}\r\nhi\r\n").as_bytes()).await.unwrap();
        let row = "SELECT spool.priority || ' ' || recipient.priority || ' ' || head FROM spool
                   JOIN recipient ON spool = spool.id ORDER BY spool.id DESC LIMIT 1";
        let text = world.texts(row).concat();
        let mut words = text.splitn(3, ' ');
        let (spool, recipient, head) =
            (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        assert_eq!(spool, recipient);
        let clause = head.split_once("PRIORITY ").map(|(_, rest)| rest.split(';').next().unwrap());
        let told = format!("{spool} {}", clause.unwrap_or("none"));
        assert_eq!(told, expected, "{asked:?} {header} {role:?}");
        assert!(!head.contains("MT-Priority"), "an MSA's is in the envelope by now: {head}");
    }
    assert_eq!(world.intake.priority(&user(), 9), 9);
    assert_eq!(world.intake.priority(&stranger(), 9), 0);
}

#[tokio::test]
async fn bulk_mail_is_a_stream_and_lists_are_never_urgent() {
    let world = world().await;
    let row = "SELECT stream || ' ' || priority FROM spool ORDER BY id DESC LIMIT 1";
    let user = client(Role::Msa, Some(&world.ann));
    let of = world.transaction(user.clone(), &["eve@elsewhere.example"]).await;
    world.accept(of, b"Precedence: bulk\r\n\r\nhi\r\n").await.unwrap();
    assert_eq!(world.texts(row), ["bulk 0"]);
    for (to, expected) in [("list@here.example", " 0"), ("away@here.example", " 5")] {
        let mut of = world.transaction(user.clone(), &[to]).await;
        of.envelope.priority = Some(5);
        world.accept(of, b"A: b\r\n\r\nhi\r\n").await.unwrap();
        assert_eq!(world.texts(row), [expected], "{to}");
    }
}

/// Each field is read once, not once for each recipient, which would take a minute here.
#[tokio::test]
async fn many_recipients_and_many_traces_are_compared_fast() {
    let world = world().await;
    let stranger = Client { recipients_max: 2000, ..client(Role::Mta, None) };
    let target = world.rcpt(&stranger, "any@backup.example").await.unwrap();
    let targets = (0..2000).map(|number| {
        let mut target = target.clone();
        target.recipient.address = address(&format!("r{number}@backup.example"));
        target
    });
    let mut targets: Vec<Target> = targets.collect();
    let fields = (0..2000).map(|n| format!("Delivered-To: r{n}@x.example\r\n"));
    let fields = fields.collect::<Vec<_>>().concat();
    let header = format!("{fields}Delivered-To: R7@backup.example\r\n\r\n");
    #[expect(clippy::disallowed_methods, reason = "what is measured is this machine's work")]
    let begun = std::time::Instant::now();
    let block = mailwright_words::HeaderBlock::new(header.as_bytes());
    let looped = crate::accept::take_looped(&block, &mut targets).unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!((looped.len(), targets.len()), (1, 1999));
    assert_eq!(looped[0].recipient.address.to_string(), "r7@backup.example");
}

#[tokio::test]
async fn what_the_recipients_lead_to_is_bounded_all_together() {
    let world = world().await;
    let mut config = Config::default();
    config.intake.free_space_min = 0;
    config.limits.expansion_sum_max = 3;
    world.intake.reload(Settings::of(&config).unwrap());
    let stranger = client(Role::Mta, None);
    let mut taken = Taken::default();
    for (to, expected) in [("team", Ok(2)), ("list", Err("452 4.5.3")), ("me", Ok(1))] {
        let recipient = Recipient::new(address(&format!("{to}@here.example")));
        let found = world.intake.recipient(&stranger, recipient, taken, NOW).await;
        match (found, expected) {
            (Ok(target), Ok(ends)) => {
                assert_eq!(target.ends(), ends, "{to}");
                taken.add(&target);
            }
            (Err(refusal), Err(code)) => {
                assert!(refusal.reply().to_string().starts_with(code), "{to}: {refusal}");
            }
            (found, _) => panic!("{to}: {found:?}"),
        }
    }
    // One alone goes, however many it leads to: that is bounded by itself.
    config.limits.expansion_sum_max = 1;
    world.intake.reload(Settings::of(&config).unwrap());
    assert_eq!(world.rcpt(&stranger, "team@here.example").await.unwrap().ends(), 2);
}

/// What waits to be written must not be the last to hold the store: its end would be waited for
/// by the thread that writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_waits_holds_no_store() {
    let World { _folder, store, intake, ann: _ } = world().await;
    let (begun, begins) = std::sync::mpsc::channel();
    let (go, stop) = std::sync::mpsc::channel::<()>();
    let stop = std::sync::Mutex::new(stop);
    let blocking = store.clone();
    let blocked = tokio::spawn(async move {
        let wait = move |_: &mut Tx<'_>| {
            begun.send(()).unwrap();
            Ok(stop.lock().unwrap().recv().is_ok())
        };
        blocking.write(Lane::Quick, wait).await
    });
    begins.recv().unwrap();
    for role in [Role::Lmtp, Role::Mta] {
        let client = client(role, None);
        let recipient = Recipient::new(address("ann@here.example"));
        let target = intake.recipient(&client, recipient, Taken::default(), NOW).await.unwrap();
        let from = ReversePath::Sender(address("ann@here.example"));
        let envelope = Envelope::new(from, Vec::new());
        let of = Transaction::new(client, envelope, vec![target]);
        let mut incoming = intake.begin(&of.client, NOW).unwrap();
        incoming.push(b"Subject: a\r\n\r\nhi\r\n").await;
        // It waits for the writer, and its client goes away.
        let late = std::time::Duration::from_millis(100);
        if role == Role::Lmtp {
            let delivery = intake.deliver(incoming, of, NOW);
            assert!(tokio::time::timeout(late, delivery).await.is_err());
        } else {
            let acceptance = intake.accept(incoming, of, NOW);
            assert!(tokio::time::timeout(late, acceptance).await.is_err());
        }
    }
    blocked.abort();
    assert!(blocked.await.unwrap_err().is_cancelled());
    drop(intake);
    let (closed, closes) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(store);
        closed.send(()).unwrap();
    });
    // Were a job to hold the store, this clone would not be its last, and gone at once.
    assert!(closes.recv_timeout(std::time::Duration::from_millis(200)).is_err());
    go.send(()).unwrap();
    closes.recv().unwrap();
}

#[tokio::test]
async fn senders_are_taken_by_role() {
    let world = world().await;
    let msa = client(Role::Msa, None);
    let user = client(Role::Msa, Some(&world.ann));
    let trusted = Client { is_trusted: true, ..msa.clone() };
    let mta = client(Role::Mta, None);
    for (client, from, size, expected) in [
        (&msa, "ann@here.example", None, Some(530)),
        (&user, "ann@here.example", None, None),
        (&user, "Me@here.example", None, None),
        (&user, "", None, None),
        (&user, "eve@elsewhere.example", None, Some(550)),
        (&user, "ann@here.example", Some(SIZE_MAX + 1), Some(552)),
        (&trusted, "eve@elsewhere.example", None, None),
        (&mta, "ann@here.example", None, None),
    ] {
        let path = ReversePath::parse(from).unwrap();
        let found = world.intake.sender(client, &path, size, NOW).await;
        assert_eq!(found.err().map(|refusal| refusal.status().0), expected, "{from}");
    }
}

/// Who has a copy.
const COPIES: &str = "SELECT name FROM message JOIN principal ON principal.id = account";

#[tokio::test]
async fn a_copy_comes_with_the_commit_unless_the_sender_has_to_be_told() {
    let world = world().await;
    let stranger = client(Role::Mta, None);
    let of = world.transaction(stranger.clone(), &["ann@here.example"]).await;
    world.accept(of, b"A: b\r\n\r\n").await.unwrap();
    assert_eq!(world.texts(COPIES), ["ann@here.example"]);
    assert!(world.texts("SELECT sender FROM spool").is_empty());
    assert_eq!(world.texts("SELECT CAST(refs AS TEXT) FROM body"), ["1"]);
    let told = "SELECT kind || ' ' || address FROM event";
    assert_eq!(world.texts(told), ["delivered ann@here.example"]);
    let mut of = world.transaction(stranger.clone(), &["ann@here.example"]).await;
    of.targets[0].direct[0].0.notify.success = true;
    world.accept(of, b"A: b\r\n\r\n").await.unwrap();
    assert_eq!(world.texts(COPIES).len(), 1);
    let queued = "SELECT class || ' ' || address FROM recipient";
    assert_eq!(world.texts(queued), ["local ann@here.example"]);
}

#[tokio::test]
async fn whom_the_commit_cannot_deliver_to_is_queued() {
    let world = world().await;
    let of = world.transaction(client(Role::Mta, None), &["ann@here.example"]).await;
    let full = "UPDATE principal SET quota_bytes = 1";
    world.store.write(Lane::Quick, move |tx| tx.execute(full, &[])).await.unwrap();
    world.accept(of, b"A: b\r\n\r\n").await.unwrap();
    assert!(world.texts(COPIES).is_empty());
    let queued = "SELECT class || ' ' || address FROM recipient";
    assert_eq!(world.texts(queued), ["local ann@here.example"]);
    assert_eq!(world.texts("SELECT CAST(refs AS TEXT) FROM body"), ["1"]);
}

#[tokio::test]
async fn a_submission_is_completed_and_its_rows_have_their_class() {
    let world = world().await;
    let user = client(Role::Msa, Some(&world.ann));
    let of = world.transaction(user, &["team@here.example", "me@here.example"]).await;
    assert!(matches!(of.targets[0].direct[1].1, Class::Relay { .. }));
    let message = b"Subject: a\r\nBcc: x@y.example\r\n\r\nhello\r\n";
    world.accept(of, message).await.unwrap();
    let rows = "SELECT class || ' ' || address || ' ' || orcpt FROM recipient ORDER BY 1";
    assert_eq!(world.texts(rows), ["relay eve@elsewhere.example rfc822;team@here.example"]);
    // Whom both addresses lead to has one copy already.
    assert_eq!(world.texts(COPIES), ["ann@here.example"]);
    assert_eq!(world.texts("SELECT CAST(refs AS TEXT) FROM body"), ["2"]);
    let head = world.head();
    assert!(head.starts_with("Received: from client.example ([192.0.2.1])\r\n"), "{head}");
    assert!(head.contains(" with ESMTPA id "), "{head}");
    assert!(head.contains("\r\nDate: ") && head.contains("\r\nMessage-ID: <"), "{head}");
    assert!(head.ends_with("\r\nSubject: a\r\n\r\n") && !head.contains("Bcc"), "{head}");
}

#[tokio::test]
async fn a_list_goes_on_under_a_reverse_path_of_ours() {
    let world = world().await;
    let stranger = client(Role::Mta, None);
    let of = world.transaction(stranger, &["ann@here.example", "list@here.example"]).await;
    world.accept(of, b"A: b\r\n\r\n").await.unwrap();
    assert_eq!(world.texts("SELECT sender FROM spool ORDER BY id"), ["<postmaster@here.example>"]);
    assert_eq!(world.texts(COPIES), ["ann@here.example"]);
    let bodies = "SELECT CAST(count(DISTINCT body) AS TEXT) FROM spool";
    assert_eq!(world.texts(bodies), ["1"]);
    assert_eq!(world.texts("SELECT CAST(refs AS TEXT) FROM body"), ["2"]);
}

#[tokio::test]
async fn whoever_several_recipients_lead_to_has_one_message() {
    let world = world().await;
    let user = client(Role::Msa, Some(&world.ann));
    let to = [
        "list@here.example",
        "list@here.example",
        "LIST@here.example",
        "away@here.example",
        "away@here.example",
        "team@here.example",
        "eve@elsewhere.example",
    ];
    let of = world.transaction(user, &to).await;
    world.accept(of, b"A: b\r\n\r\n").await.unwrap();
    let rows = "SELECT sender || ' ' || address FROM spool JOIN recipient ON spool = spool.id
                ORDER BY spool.id, address";
    assert_eq!(
        world.texts(rows),
        [
            "<ann@here.example> eve@elsewhere.example",
            "<postmaster@here.example> ann@here.example",
            "<postmaster@here.example> eve@elsewhere.example",
            "<ann@here.example> eve@elsewhere.example",
        ]
    );
    assert_eq!(world.texts(COPIES), ["ann@here.example"]);
}

#[tokio::test]
async fn a_message_over_a_limit_leaves_nothing() {
    let world = world().await;
    let long = format!("A: {}\r\n\r\n", "x".repeat(3000));
    let large = format!("A: b\r\n\r\n{}", "x".repeat(6000));
    let hops = "Received: a\r\n".repeat(51);
    for (message, code) in [
        (long.as_str(), "552 5.3.4"),
        (&large, "552 5.3.4"),
        (&hops, "554 5.4.6"),
        ("Delivered-To: Ann@here.example\r\n\r\n", "554 5.4.6"),
    ] {
        let of = world.transaction(client(Role::Mta, None), &["ann@here.example"]).await;
        let refusal = world.accept(of, message.as_bytes()).await.unwrap_err();
        assert!(refusal.reply().to_string().starts_with(code), "{refusal}");
    }
    assert!(world.texts("SELECT sender FROM spool").is_empty());
    assert!(world.texts("SELECT CAST(id AS TEXT) FROM body").is_empty());
}

#[tokio::test]
async fn lmtp_delivers_at_once_with_an_answer_for_each() {
    let world = world().await;
    let to = ["ann@here.example", "me@here.example", "ann+x@here.example"];
    let of = world.transaction(client(Role::Lmtp, None), &to).await;
    let mut incoming = world.intake.begin(&of.client, NOW).unwrap();
    incoming.push(b"Subject: a\r\nDelivered-To: me@here.example\r\n\r\nhi\r\n").await;
    let (_durable, answers) = world.intake.deliver(incoming, of, NOW).await.unwrap();
    let codes: Vec<_> =
        answers.iter().map(|a| a.as_ref().map_or_else(|r| r.status().0, |()| 250)).collect();
    assert_eq!(codes, [250, 554, 250]);
    let heads: Vec<Vec<u8>> = world
        .store
        .read_blocking(|tx| tx.query("SELECT head FROM message", &[], |row| row.get(0)))
        .unwrap();
    assert_eq!(heads.len(), 1, "a message is in a folder once");
    let head = String::from_utf8(heads.concat()).unwrap();
    let start = "Return-Path: <ann@here.example>\r\nDelivered-To: ann@here.example\r\nReceived: ";
    assert!(head.starts_with(start), "{head}");
    assert!(world.texts("SELECT sender FROM spool").is_empty());
}

#[tokio::test]
async fn lmtp_delivers_to_nobody_behind_an_alias_that_is_to_be_sent_to_again() {
    let world = world().await;
    let directory = &world.intake.0.directory;
    let password = NewPassword::Text(Secret::new("correct horse"));
    let full = directory.add_account(&address("bob@here.example"), password, NOW).await.unwrap();
    let both = [address("ann@here.example"), address("bob@here.example")];
    let alias = address("both@here.example");
    directory.add_alias(&alias, AliasKind::Alias, &both, NOW).await.unwrap();
    let owner = full.principal;
    world.store.write(Lane::Quick, move |tx| set_quota(tx, owner, Some(1))).await.unwrap();
    for (over_quota, to, code, copies) in [
        (OverQuota::Temporary, &["both@here.example"][..], "452 4.2.2", 0),
        (OverQuota::Temporary, &["both@here.example", "me@here.example"], "452 4.2.2", 1),
        (OverQuota::Permanent, &["both@here.example"], "552 5.2.2", 2),
    ] {
        let mut config = Config::default();
        config.intake.over_quota = over_quota;
        config.intake.free_space_min = 0;
        world.intake.reload(Settings::of(&config).unwrap());
        let of = world.transaction(client(Role::Lmtp, None), to).await;
        let mut incoming = world.intake.begin(&of.client, NOW).unwrap();
        incoming.push(b"Subject: a\r\n\r\nhi\r\n").await;
        let (_durable, answers) = world.intake.deliver(incoming, of, NOW).await.unwrap();
        let reply = answers[0].as_ref().unwrap_err().reply().to_string();
        assert!(reply.starts_with(code), "{reply}");
        assert!(answers[1..].iter().all(Result::is_ok));
        assert_eq!(world.texts(COPIES), vec!["ann@here.example"; copies]);
    }
}

/// A message of `from` to `to`, of which everything is told.
async fn told(world: &World, from: &str, to: &[&str]) {
    let client = client(Role::Mta, None);
    let notify = Notify { success: true, ..Notify::DEFAULT };
    let mut targets = Vec::new();
    for to in to {
        let recipient = Recipient { notify, ..Recipient::new(address(to)) };
        targets
            .push(world.intake.recipient(&client, recipient, Taken::default(), NOW).await.unwrap());
    }
    let mut envelope = Envelope::new(ReversePath::parse(from).unwrap(), Vec::new());
    envelope.envid = Some("E1".to_owned());
    let of = Transaction::new(client, envelope, targets);
    let message = b"Subject: s\r\nDelivered-To: me@here.example\r\n\r\nsecret text\r\n";
    world.accept(of, message).await.unwrap();
}

#[tokio::test]
async fn a_forward_finds_back_to_its_sender_and_is_stored_with_its_message() {
    let world = world().await;
    told(&world, "bob@far.example", &["ann@here.example", "away@here.example"]).await;
    let senders = world.texts("SELECT sender FROM spool ORDER BY id");
    assert_eq!((senders.len(), senders[0].as_str()), (2, "<bob@far.example>"));
    let path = senders[1].trim_matches(['<', '>']);
    assert!(path.starts_with("SRS0=") && path.ends_with("=far.example=bob@here.example"));
    assert_eq!(world.texts("SELECT CAST(refs AS TEXT) FROM body"), ["2"]);
    let head = world.head();
    assert!(head.contains("Delivered-To: away@here.example\r\nReceived: "), "{head}");
    // What the sender asked for goes along, and a report of the other server finds back.
    let rows = "SELECT envid || ' ' || orcpt || ' ' || notify FROM spool
                JOIN recipient ON spool = spool.id WHERE sender LIKE '%SRS%'";
    assert_eq!(world.texts(rows), ["E1 rfc822;away@here.example 14"]);
    let back = world.rcpt(&client(Role::Mta, None), path).await.unwrap();
    assert_eq!(back.direct[0].0.address, address("bob@far.example"));
    // A sender of ours needs no disguise.
    told(&world, "ann@here.example", &["away@here.example"]).await;
    let last = "SELECT sender FROM spool ORDER BY id DESC LIMIT 1";
    assert_eq!(world.texts(last), ["<ann@here.example>"]);
}

#[tokio::test]
async fn success_of_several_is_told_once_and_a_loop_is_told_apart() {
    let world = world().await;
    let to = ["team@here.example", "list@here.example", "me@here.example"];
    told(&world, "bob@far.example", &to).await;
    let rows = "SELECT sender || ' ' || address || ' ' || notify || ' ' || ifnull(orcpt, '-')
                FROM spool JOIN recipient ON spool = spool.id ORDER BY spool.id, address";
    assert_eq!(
        world.texts(rows),
        [
            "<bob@far.example> eve@elsewhere.example 12 rfc822;team@here.example",
            "<postmaster@here.example> ann@here.example 12 -",
            "<postmaster@here.example> eve@elsewhere.example 12 -",
            "<> bob@far.example 1 -",
        ]
    );
    let report = "SELECT CAST(head AS TEXT) FROM spool WHERE sender = '<>'";
    let report = world.texts(report).concat();
    for line in [
        "Original-Envelope-Id: E1",
        "Final-Recipient: rfc822;team@here.example\r\nAction: expanded\r\nStatus: 2.0.0",
        "Final-Recipient: rfc822;list@here.example\r\nAction: delivered",
        "Final-Recipient: rfc822;me@here.example\r\nAction: failed\r\nStatus: 5.4.6",
        "Subject: s\r\n",
    ] {
        assert!(report.contains(line), "{line} in {report}");
    }
    assert!(!report.contains("secret text"));
    // The whole report is its head: nothing of the body it shares follows.
    let rest = "SELECT CAST(size - length(head) AS TEXT) FROM spool WHERE sender = '<>'";
    assert_eq!(world.texts(rest), ["0"]);
}

#[tokio::test]
async fn the_received_field_names_the_message_as_the_client_was_told() {
    let world = world().await;
    let user = client(Role::Msa, Some(&world.ann));
    let of = world.transaction(user, &["eve@elsewhere.example"]).await;
    let mut incoming = world.intake.begin(&of.client, NOW).unwrap();
    incoming.push(format!("A: b\r\n\r\n{}\r\n", "x".repeat(999)).as_bytes()).await;
    let id = world.intake.accept(incoming, of, NOW).await.unwrap().id();
    assert!(world.head().contains(&format!(" id {id}")), "{}", world.head());
    // Such a line has room in no `DATA`.
    assert_eq!(world.texts("SELECT body_type FROM spool"), ["binarymime"]);
}

#[tokio::test]
async fn what_is_held_ages_from_its_release_and_what_has_a_time_is_not_tried_longer() {
    let world = world().await;
    for (hold, by, expires) in [
        (None, None, 5 * 24),
        (Some(10), None, 5 * 24 + 10),
        (Some(10), Some((20, ByMode::Return)), 20),
        (None, Some((2, ByMode::Notify)), 5 * 24),
    ] {
        let hours = |hours| NOW.plus(std::time::Duration::from_hours(hours));
        let user = client(Role::Msa, Some(&world.ann));
        let mut of = world.transaction(user, &["eve@elsewhere.example"]).await;
        of.envelope.hold_until = hold.map(hours);
        of.envelope.deliver_by =
            by.map(|(at, mode)| DeliverBy { at: hours(at), mode, trace: false });
        world.accept(of, b"A: b\r\n\r\n").await.unwrap();
        let row =
            "SELECT ((due - arrived) / 3600000) || ' ' || ((spool.expires - arrived) / 3600000)
                   FROM spool JOIN recipient ON spool = spool.id ORDER BY spool.id DESC LIMIT 1";
        assert_eq!(world.texts(row), [format!("{} {expires}", hold.unwrap_or(0))]);
    }
}

#[tokio::test]
async fn a_full_mailbox_answers_as_configured() {
    let world = world().await;
    let owner = world.ann.principal;
    world.store.write(Lane::Quick, move |tx| set_quota(tx, owner, Some(1000))).await.unwrap();
    let stranger = client(Role::Mta, None);
    let ask = |size| {
        let recipient = Recipient::new(address("ann@here.example"));
        let taken = Taken { size, ..Taken::default() };
        world.intake.recipient(&stranger, recipient, taken, NOW)
    };
    assert!(ask(Some(900)).await.is_ok());
    let refusal = ask(Some(1001)).await.unwrap_err().reply().to_string();
    assert!(refusal.starts_with("452 4.2.2"), "{refusal}");
    let mut config = Config::default();
    config.intake.over_quota = OverQuota::Permanent;
    world.intake.reload(Settings::of(&config).unwrap());
    let refusal = ask(Some(1001)).await.unwrap_err().reply().to_string();
    assert!(refusal.starts_with("552 5.2.2"), "{refusal}");
}

#[tokio::test]
async fn bounces_and_complaints_come_back_into_the_inbox() {
    let world = world().await;
    let caught = client(Role::Sandbox, None);
    let to = ["bounce+550-5.1.1@x.example", "complaint@x.example", "ann@x.example"];
    let of = world.transaction(caught.clone(), &to).await;
    world.accept(of, b"Subject: hello\r\n\r\nx\r\n").await.unwrap();
    // The message itself is in the inbox; what is left are the reports, confined to it.
    let left = "SELECT sender || ' ' || spool.confined || ' ' || class FROM spool
         JOIN recipient ON recipient.spool = spool.id ORDER BY spool.id";
    assert_eq!(world.texts(left), ["<> 1 capture", "<> 1 capture"]);
    let head = world.head();
    for part in [
        "Status: 5.1.1\r\n",
        "Final-Recipient: rfc822;bounce+550-5.1.1@x.example\r\n",
        "Feedback-Type: abuse\r\n",
        "Original-Rcpt-To: <complaint@x.example>\r\n",
        "Subject: hello\r\n",
    ] {
        assert!(head.contains(part), "{part} {head}");
    }
    assert!(!head.contains("ann@x.example"), "{head}");
}

#[tokio::test]
async fn no_name_does_anything_to_ordinary_mail() {
    let world = world().await;
    let user = client(Role::Msa, Some(&world.ann));
    let to = ["bounce+550-5.1.1@x.example", "complaint@x.example", "defer+3x@x.example"];
    let of = world.transaction(user, &to).await;
    world.accept(of, b"Subject: hello\r\n\r\nx\r\n").await.unwrap();
    assert_eq!(
        world.texts("SELECT sender || ' ' || confined FROM spool"),
        ["<ann@here.example> 0"]
    );
}

#[tokio::test]
async fn an_inbox_takes_no_more_than_it_has_room_for() {
    let world = world().await;
    let caught = client(Role::Sandbox, None);
    let before = world.rcpt(&caught, "any@x.example").await.unwrap();
    let Class::Capture { inbox } = before.direct[0].1 else { panic!("{before:?}") };
    let settings = mailwright_config::InboxSettings { octets_max: Some(30), ..Default::default() };
    world.intake.set_inbox_settings(inbox, settings).await.unwrap();
    let of = world.transaction(caught.clone(), &["any@x.example"]).await;
    let refusal = world.accept(of.clone(), &[b"A: b\r\n\r\n", &[b'x'; 30][..]].concat()).await;
    assert_eq!(refusal.unwrap_err().status().0, 552);
    world.accept(of, &[b"A: b\r\n\r\n", &[b'x'; 20][..]].concat()).await.unwrap();
    let refusal = world.rcpt(&caught, "other@x.example").await.map(|_| ());
    assert!(refusal.is_ok(), "four octets are left");
    let taken = Taken { size: Some(5), ..Taken::default() };
    let recipient = Recipient::new(address("other@x.example"));
    let refusal = world.intake.recipient(&caught, recipient, taken, NOW).await.unwrap_err();
    assert_eq!(refusal.reply().to_string().get(..9), Some("552 5.2.2"));
}
