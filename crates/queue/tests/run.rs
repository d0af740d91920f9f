//! The run loop with a real store and an invented delivery.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwright_config::{ReplyAction, ReplyRule};
use mailwright_net::clock::{Clock, System};
use mailwright_queue::{
    Attempted, Delivery, End, Outcome, Queue, Reactions, Settings, Site,
    ready::{Batch, Contact},
};
use mailwright_store::{
    Lane, Options, Store,
    queue::{self, Message},
    spool::{Accepted, Class, Content, Origin, Terms, commit},
};
use mailwright_words::{
    Address, ByMode, DeliverBy, Envelope, Notify, Recipient, Reply, ReversePath, Status,
};
use tokio::sync::watch;

/// Fails who is called `bad`, breaks for `odd`, never ends with `tarpit`, defers `slow`, takes
/// everybody else.
#[derive(Debug, Default, Clone)]
struct Invented {
    seen: Arc<Mutex<Vec<(String, String)>>>,
    /// What an attempt at `gated` waits for.
    gate: Arc<tokio::sync::Notify>,
}

impl Delivery for Invented {
    async fn attempt(&self, message: Arc<Message>, batch: Arc<Batch>) -> Attempted {
        let mut outcomes = Vec::new();
        for one in &batch.recipients {
            self.seen.lock().unwrap().push((message.sender.clone(), one.address.clone()));
            let (end, code) = match one.address.split('@').next().unwrap() {
                "bad" => (End::Failed, 550),
                "odd" => panic!("an error of ours"),
                "tarpit" => std::future::pending().await,
                "gated" => {
                    self.gate.notified().await;
                    (End::Delivered, 250)
                }
                "slow" => (End::Deferred, 450),
                "enough" => (End::Deferred, 421),
                _ => (End::Delivered, 250),
            };
            let status = Status::new(u8::try_from(code / 100).unwrap(), 1, 1);
            let reply = Some(Reply::new(code, Some(status), "So be it"));
            let host = (code == 421).then(|| "mx.provider.example".to_owned());
            outcomes.push(Outcome { end, reply, host, transcript: None, transport: None });
        }
        Attempted { contact: Contact::Made, outcomes }
    }

    async fn site(&self, destination: &str) -> Site {
        let shared = destination.ends_with(".provider.example");
        Site::alone(if shared { "mx.provider.example" } else { destination })
    }

    async fn classify(&self, sender: &Address) -> Option<(Address, Class)> {
        let class = Class::Relay { site: sender.domain().as_str().to_owned() };
        Some((sender.clone(), class))
    }
}

async fn spool(store: &Store, from: &str, to: &[&str]) {
    spool_by(store, from, to, (None, None)).await;
}

/// A message with a time for its delivery, in seconds from now, and one it is held until.
async fn spool_by(
    store: &Store,
    from: &str,
    to: &[&str],
    (by, hold): (Option<(ByMode, bool)>, Option<Duration>),
) {
    let now = System::new().now();
    let mut body = store.body(now);
    body.push(b"Subject: x\r\n\r\nHello\r\n").await.unwrap();
    let recipients = to
        .iter()
        .map(|to| Recipient { address: to.parse().unwrap(), notify: Notify::DEFAULT, orcpt: None })
        .collect();
    let classes = to.iter().map(|to| Class::Relay { site: to.split('@').nth(1).unwrap().into() });
    let mut envelope = Envelope::new(ReversePath::parse(from).unwrap(), recipients);
    envelope.hold_until = hold.map(|hold| now.plus(hold));
    envelope.deliver_by = by.map(|(mode, trace)| DeliverBy { at: now, mode, trace });
    let is_over = by.is_some_and(|(mode, _)| mode == ByMode::Return);
    let expires = if is_over { now } else { now.plus(Duration::from_hours(9)) };
    let accepted = Accepted {
        envelope,
        classes: classes.collect(),
        head: Vec::new(),
        head_skip: 0,
        content: Content::New(body.finish().await.unwrap()),
        origin: Origin::default(),
        terms: Terms::new(now, expires),
    };
    assert!(commit(store, accepted).await.unwrap().id().get() > 0);
}

async fn spool_as(store: &Store, from: &str, to: &[&str], how: (Vec<Class>, Duration)) {
    let now = System::new().now();
    let mut body = store.body(now);
    body.push(b"Subject: x\r\n\r\nHello\r\n").await.unwrap();
    let recipients = to
        .iter()
        .map(|to| Recipient { address: to.parse().unwrap(), notify: Notify::DEFAULT, orcpt: None })
        .collect();
    let accepted = Accepted {
        envelope: Envelope::new(ReversePath::parse(from).unwrap(), recipients),
        classes: how.0,
        head: Vec::new(),
        head_skip: 0,
        content: Content::New(body.finish().await.unwrap()),
        origin: Origin::default(),
        terms: Terms::new(now, now.plus(how.1)),
    };
    assert!(commit(store, accepted).await.unwrap().id().get() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_settled_reported_once_and_never_bounced_again() {
    let folder = tempfile::tempdir().unwrap();
    let clock = System::new();
    let store = Store::open(Options::new(folder.path()), clock.now()).unwrap();
    let invented = Invented::default();
    let settings = Settings::new("mx.example", &mailwright_config::Queue::default());
    let queue = Queue::new(store.clone(), Arc::new(System::new()), invented.clone(), settings);
    let (stop, stopped) = watch::channel(false);
    let runs = queue.clone();
    let task = tokio::spawn(async move { runs.run(stopped).await });
    // The report about `bad` goes to a sender called `bad`: it fails as well, and ends there.
    spool(&store, "bad@a.example", &["ann@b.example", "bad@b.example", "slow@c.example"]).await;
    spool(&store, "bob@a.example", &["odd@d.example"]).await;
    let clock: &dyn Clock = &clock;
    for _ in 0..500 {
        if invented.seen.lock().unwrap().len() >= 5 && states(&store).len() == 2 {
            break;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    stop.send(true).unwrap();
    task.await.unwrap();
    let mut seen = invented.seen.lock().unwrap().clone();
    seen.sort();
    assert_eq!(
        seen,
        [
            pair("<>", "bad@a.example"),
            pair("<bad@a.example>", "ann@b.example"),
            pair("<bad@a.example>", "bad@b.example"),
            pair("<bad@a.example>", "slow@c.example"),
            pair("<bob@a.example>", "odd@d.example"),
        ]
    );
    let mut states = states(&store);
    states.sort();
    assert_eq!(states, ["held odd@d.example 0 false", "queued slow@c.example 1 false"]);
}

/// Leaves a site alone for an hour after a 421.
fn suspending() -> Settings {
    let mut settings = Settings::new("mx.example", &mailwright_config::Queue::default());
    settings.reactions = Reactions::new(&[ReplyRule {
        pattern: "^421".to_owned(),
        action: ReplyAction::Suspend,
        time: Duration::from_hours(1),
    }]);
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_suspends_every_destination_of_its_site() {
    let folder = tempfile::tempdir().unwrap();
    let clock = System::new();
    let store = Store::open(Options::new(folder.path()), clock.now()).unwrap();
    let invented = Invented::default();
    let settings = suspending();
    let queue = Queue::new(store.clone(), Arc::new(System::new()), invented.clone(), settings);
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(async move { queue.run(stopped).await });
    let clock: &dyn Clock = &clock;
    spool(&store, "bob@a.example", &["enough@one.provider.example"]).await;
    let attempts = |store: &Store| states(store).iter().filter(|s| s.contains(" 1 ")).count();
    for _ in 0..500 {
        if attempts(&store) == 1 {
            break;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    spool(&store, "bob@a.example", &["ann@two.provider.example"]).await;
    spool(&store, "bob@a.example", &["ann@else.example"]).await;
    for _ in 0..500 {
        let now = clock.now();
        let due = store.read_blocking(|tx| queue::due_sites(tx, now, None, 10)).unwrap();
        if due.is_empty() && states(&store).len() == 2 {
            break;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    stop.send(true).unwrap();
    task.await.unwrap();
    let seen: Vec<String> =
        invented.seen.lock().unwrap().iter().map(|(_, to)| to.clone()).collect();
    assert_eq!(seen, ["enough@one.provider.example", "ann@else.example"]);
    let later = clock.now().plus(Duration::from_mins(59));
    let due = store.read_blocking(|tx| queue::due_sites(tx, later, None, 10)).unwrap();
    assert!(due.is_empty(), "{due:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_for_delivery_that_is_over_is_told_and_ends_what_is_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let clock = System::new();
    let store = Store::open(Options::new(folder.path()), clock.now()).unwrap();
    let invented = Invented::default();
    let hour = Some(Duration::from_hours(1));
    let (back, tell) = (Some((ByMode::Return, false)), Some((ByMode::Notify, true)));
    spool_by(&store, "r@a.example", &["ann@b.example"], (back, None)).await;
    spool_by(&store, "n@a.example", &["ann@c.example"], (tell, hour)).await;
    let settings = Settings::new("mx.example", &mailwright_config::Queue::default());
    let queue = Queue::new(store.clone(), Arc::new(System::new()), invented.clone(), settings);
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(async move { queue.run(stopped).await });
    let clock: &dyn Clock = &clock;
    let seen = |invented: &Invented| {
        let mut seen: Vec<String> =
            invented.seen.lock().unwrap().iter().map(|(_, to)| to.clone()).collect();
        seen.sort();
        seen
    };
    for _ in 0..500 {
        if seen(&invented).len() >= 2 && states(&store).len() == 1 {
            break;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    stop.send(true).unwrap();
    task.await.unwrap();
    // Nobody tried `b`; what is held is not tried either, but its sender was told.
    assert_eq!(seen(&invented), ["n@a.example", "r@a.example"]);
    assert_eq!(states(&store), ["queued ann@c.example 0 false"]);
}

/// Runs a queue until `is_done`, and answers with what was tried.
async fn run_until(
    store: &Store,
    attempts: usize,
    is_done: impl Fn(&[(String, String)]) -> bool,
) -> Vec<(String, String)> {
    let clock = System::new();
    let invented = Invented::default();
    let mut settings = Settings::new("mx.example", &mailwright_config::Queue::default());
    settings.limits.attempts = attempts;
    settings.shutdown = Duration::from_millis(50);
    settings.last_words = Duration::from_millis(50);
    let queue = Queue::new(store.clone(), Arc::new(System::new()), invented.clone(), settings);
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(async move { queue.run(stopped).await });
    let clock: &dyn Clock = &clock;
    for _ in 0..300 {
        if is_done(&invented.seen.lock().unwrap()) {
            break;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
    let mut seen = invented.seen.lock().unwrap().clone();
    seen.sort();
    seen
}

fn opened() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), System::new().now()).unwrap();
    (folder, store)
}

fn pair(a: &str, b: &str) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_get_their_mail_while_others_hold_every_place_and_a_stop_waits_for_nobody() {
    let (_folder, store) = opened();
    spool(&store, "bob@a.example", &["tarpit@b.example"]).await;
    let local = Class::Local { principal: mailwright_words::Id::from_i64(7), folder: None };
    let how = (vec![local], Duration::from_hours(1));
    spool_as(&store, "bob@a.example", &["ann@here.example"], how).await;
    let seen = run_until(&store, 1, |seen| seen.len() == 2).await;
    let sender = "<bob@a.example>";
    assert_eq!(seen, [pair(sender, "ann@here.example"), pair(sender, "tarpit@b.example")]);
    assert_eq!(states(&store), ["queued tarpit@b.example 0 true"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_together_is_reported_together_with_the_last_reply() {
    let (_folder, store) = opened();
    let to: Vec<String> = (0..150).map(|n| format!("r{n}@b.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let classes = vec![Class::Relay { site: "b.example".into() }; to.len()];
    spool_as(&store, "slow@a.example", &to, (classes, Duration::ZERO)).await;
    store
        .write(Lane::Quick, |tx| {
            tx.execute("UPDATE recipient SET last_reply = '451 4.7.1 greylisted'", &[])?;
            tx.execute("UPDATE destination SET blocked_until = 1e15, next_due = 1e15", &[])
        })
        .await
        .unwrap();
    let seen = run_until(&store, 10, |seen| !seen.is_empty()).await;
    assert_eq!(seen, [pair("<>", "slow@a.example")]);
    let report = store
        .read_blocking(|tx| tx.query_one("SELECT max(body) FROM spool", &[], |row| row.get(0)))
        .map(mailwright_store::body::BodyId::from_i64)
        .unwrap();
    let report = String::from_utf8(store.bodies().read(report).await.unwrap()).unwrap();
    assert_eq!(report.matches("Final-Recipient:").count(), 150);
    assert!(report.replace("\r\n ", " ").contains("451 4.7.1 greylisted"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_on_a_message_that_cannot_be_read_goes_all_the_same() {
    let (_folder, store) = opened();
    spool(&store, "bob@a.example", &["bad@b.example"]).await;
    store
        .write(Lane::Quick, |tx| tx.execute("UPDATE body SET quarantined = 1", &[]))
        .await
        .unwrap();
    let seen = run_until(&store, 10, |seen| seen.len() == 2).await;
    assert_eq!(seen, [pair("<>", "bob@a.example"), pair("<bob@a.example>", "bad@b.example")]);
}

/// Waits until `what` holds, for some seconds.
async fn until(what: impl Fn() -> bool) {
    let clock = System::new();
    for _ in 0..500 {
        if what() {
            return;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_held_while_it_waits_in_memory_is_not_tried() {
    let (_folder, store) = opened();
    let invented = Invented::default();
    let mut settings = Settings::new("mx.example", &mailwright_config::Queue::default());
    settings.limits.attempts = 1;
    let runs = Queue::new(store.clone(), Arc::new(System::new()), invented.clone(), settings);
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(async move { runs.run(stopped).await });
    let tried = || invented.seen.lock().unwrap().len();
    spool(&store, "bob@a.example", &["gated@b.example"]).await;
    until(|| tried() == 1).await;
    spool(&store, "bob@a.example", &["ann@c.example", "eve@c.example"]).await;
    let waits = "queued ann@c.example 0 true".to_owned();
    until(|| states(&store).contains(&waits)).await;
    assert!(states(&store).contains(&waits), "{:?}", states(&store));
    let now = System::new().now();
    let hold = move |tx: &mut mailwright_store::Tx<'_>| {
        let all = queue::list(tx, None, 100)?;
        let ann = all.iter().find(|entry| entry.recipient == "ann@c.example").unwrap();
        queue::hold(tx, ann.id, now)
    };
    store.write(Lane::Quick, hold).await.unwrap();
    invented.gate.notify_one();
    let held = ["held ann@c.example 0 false"];
    until(|| states(&store) == held).await;
    assert_eq!(states(&store), held);
    stop.send(true).unwrap();
    task.await.unwrap();
    let sender = "<bob@a.example>";
    let seen = invented.seen.lock().unwrap().clone();
    assert_eq!(seen, [pair(sender, "gated@b.example"), pair(sender, "eve@c.example")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_retried_goes_alone_to_a_site_that_is_left_alone() {
    let (_folder, store) = opened();
    let invented = Invented::default();
    let settings = suspending();
    let queue = Queue::new(store.clone(), Arc::new(System::new()), invented.clone(), settings);
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(async move { queue.run(stopped).await });
    spool(&store, "bob@a.example", &["enough@one.provider.example"]).await;
    until(|| states(&store).iter().any(|state| state.contains(" 1 "))).await;
    spool(&store, "bob@a.example", &["ann@two.provider.example", "eve@two.provider.example"]).await;
    let now = System::new().now();
    let due = || store.read_blocking(|tx| queue::due_sites(tx, now, None, 10)).unwrap();
    until(|| due().is_empty() && states(&store).len() == 3).await;
    let retry = move |tx: &mut mailwright_store::Tx<'_>| {
        let all = queue::list(tx, None, 100)?;
        let eve = all.iter().find(|entry| entry.recipient.starts_with("eve@")).unwrap();
        queue::retry(tx, eve.id, now)
    };
    store.write(Lane::Quick, retry).await.unwrap();
    store.spooled().notify_one();
    until(|| states(&store).len() == 2).await;
    stop.send(true).unwrap();
    task.await.unwrap();
    let seen: Vec<String> =
        invented.seen.lock().unwrap().iter().map(|(_, to)| to.clone()).collect();
    assert_eq!(seen, ["enough@one.provider.example", "eve@two.provider.example"]);
}

fn states(store: &Store) -> Vec<String> {
    let entries = store.read_blocking(|tx| queue::list(tx, None, 100)).unwrap();
    let line = |e: queue::Entry| {
        format!("{} {} {} {}", e.state.as_str(), e.recipient, e.attempts, e.is_active)
    };
    entries.into_iter().map(line).collect()
}
