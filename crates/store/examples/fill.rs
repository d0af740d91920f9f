//! Fills a spool through the store, for measurements of the queue.
//!
//! `cargo run --release -p mailwright-store --example fill -- FOLDER [RECIPIENTS]` makes messages
//! of ten recipients at a thousand sites; half of them are due at once, the others in an hour.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program: it has no clock to be given and ends at the first error"
)]

use std::time::{Duration, Instant};

use mailwright_store::{
    Options, Store,
    spool::{Accepted, Class, Content, Origin, Terms, commit},
};
use mailwright_words::{Address, Envelope, Recipient, ReversePath, Timestamp};

/// Recipients of a message.
const EACH: usize = 10;
/// Destinations.
const SITES: usize = 1000;
/// Messages on their way at once.
const WRITERS: usize = 64;

fn now() -> Timestamp {
    let age = std::time::UNIX_EPOCH.elapsed().expect("the clock is past 1970");
    Timestamp::new(i64::try_from(age.as_millis()).expect("the clock is sane"))
}

async fn message(store: &Store, number: usize) -> Accepted {
    let mut body = store.body(now());
    body.push(b"Subject: one of many\r\n\r\nHello.\r\n").await.expect("the disk takes it");
    let site = |place: usize| format!("s{}.example", (number * EACH + place) % SITES);
    let address = |text: &str| Address::parse(text).expect("an address");
    let to = |place| Recipient::new(address(&format!("r{number}@{}", site(place))));
    let from = ReversePath::Sender(address("src@client.example"));
    let mut envelope = Envelope::new(from, (0..EACH).map(to).collect());
    if number % 2 == 1 {
        envelope.hold_until = Some(now().plus(Duration::from_hours(1)));
    }
    Accepted {
        envelope,
        classes: (0..EACH).map(|place| Class::Relay { site: site(place) }).collect(),
        head: b"Received: from client.example\r\n".to_vec(),
        head_skip: 0,
        content: Content::New(body.finish().await.expect("the disk takes it")),
        origin: Origin { listener: "fill".to_owned(), ..Origin::default() },
        terms: Terms::new(now(), now().plus(Duration::from_hours(120))),
    }
}

async fn writer(store: Store, first: usize, messages: usize) {
    for number in (first..messages).step_by(WRITERS) {
        let durable = commit(&store, message(&store, number).await).await.expect("durable");
        assert!(durable.id().get() > 0, "an id");
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("usage: fill FOLDER [RECIPIENTS]");
    let recipients: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let store = Store::open(Options::new(folder), now()).expect("a folder");
    let start = Instant::now();
    let tasks: Vec<_> = (0..WRITERS)
        .map(|first| tokio::spawn(writer(store.clone(), first, recipients / EACH)))
        .collect();
    for task in tasks {
        task.await.expect("a writer ends well");
    }
    println!("{recipients} recipients in {:.1} s", start.elapsed().as_secs_f64());
}
