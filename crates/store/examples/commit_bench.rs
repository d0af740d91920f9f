//! Measures how many messages a second the spool makes durable.
//!
//! `cargo run --release -p mailwright-store --example commit_bench -- FOLDER [SECONDS]` prints a
//! line for each size and number of writers. The folder should lie on the disk that is meant.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measuring program: it has no clock to be given and ends at the first error"
)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mailwright_store::{
    Options, Store,
    spool::{Accepted, Class, Content, Origin, Terms, commit},
};
use mailwright_words::{Address, Envelope, Recipient, ReversePath, Timestamp};

fn now() -> Timestamp {
    let age = std::time::UNIX_EPOCH.elapsed().expect("the clock is past 1970");
    Timestamp::new(i64::try_from(age.as_millis()).expect("the clock is sane"))
}

async fn message(store: &Store, bytes: &[u8]) -> Accepted {
    let mut body = store.body(now());
    for piece in bytes.chunks(65_536) {
        body.push(piece).await.expect("the disk takes it");
    }
    let to = Address::parse("ann@remote.example").expect("an address");
    let from = Address::parse("bob@client.example").expect("an address");
    Accepted {
        envelope: Envelope::new(ReversePath::Sender(from), vec![Recipient::new(to)]),
        classes: vec![Class::Relay { site: "remote.example".to_owned() }],
        head: vec![b'r'; 200],
        head_skip: 0,
        content: Content::New(body.finish().await.expect("the disk takes it")),
        origin: Origin { listener: "mta".to_owned(), ..Origin::default() },
        terms: Terms::new(now(), now().plus(Duration::from_hours(120))),
    }
}

async fn writer(store: Store, bytes: Arc<Vec<u8>>, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        let durable = commit(&store, message(&store, &bytes).await).await.expect("durable");
        assert!(durable.id().get() > 0, "an id");
        times.push(start.elapsed());
    }
    times
}

/// Processor time this process has used.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.split_whitespace().skip(13).take(2).filter_map(|f| f.parse().ok()).collect();
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}

async fn round(folder: &Path, bytes: usize, writers: usize, seconds: u64) {
    let folder = folder.join(format!("bench-{bytes}-{writers}"));
    let store = Store::open(Options::new(&folder), now()).expect("a folder");
    // No file system should be able to make the bytes smaller.
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    let body = Arc::new((0..bytes).map(|_| random()).collect::<Vec<_>>());
    let stop = Arc::new(AtomicBool::new(false));
    let (start, before) = (Instant::now(), cpu());
    let tasks: Vec<_> = (0..writers)
        .map(|_| tokio::spawn(writer(store.clone(), Arc::clone(&body), Arc::clone(&stop))))
        .collect();
    tokio::time::timeout(Duration::from_secs(seconds), std::future::pending::<()>())
        .await
        .expect_err("the time passes");
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("a writer ends well"));
    }
    let took = start.elapsed();
    times.sort();
    let count = times.len();
    println!(
        "{bytes:>9} octets {writers:>4} writers {:>8.0}/s  \
         cpu {:>6.1} us  p50 {:>8.2?}  p99 {:>8.2?}",
        count as f64 / took.as_secs_f64(),
        cpu().saturating_sub(before).as_secs_f64() * 1e6 / count as f64,
        times.get(count / 2).copied().unwrap_or_default(),
        times.get(count * 99 / 100).copied().unwrap_or_default(),
    );
    drop(store);
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("usage: commit_bench FOLDER [SECONDS]");
    let seconds = arguments.next().and_then(|s| s.parse().ok()).unwrap_or(3);
    for (bytes, writers) in [
        (4096, 1),
        (4096, 16),
        (4096, 64),
        (4096, 256),
        (65_536, 1),
        (65_536, 64),
        (10 << 20, 1),
        (10 << 20, 8),
    ] {
        round(Path::new(&folder), bytes, writers, seconds).await;
    }
}
