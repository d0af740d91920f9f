//! Measures the index and what reads it, over a mailbox of many messages.
//!
//! `cargo run --release -p mailwright-store --example search_bench -- [messages]`

#![expect(clippy::disallowed_methods, reason = "a benchmark measures its own time")]

use std::time::{Duration, Instant};

use mailwright_imap::{Algorithm, Criterion, Key, Program, SortKey};
use mailwright_mime::{Digest, Signature};
use mailwright_search::{Condition, Content, Conversations, Facts, Order};
use mailwright_store::{
    Lane, Options, Store,
    directory::{NewPrincipal, PrincipalKind, add_principal},
    index::{Indexed, Indexer, Step},
    mailbox::{Append, create_folders},
};
use mailwright_view::{Row, Snapshot};
use mailwright_words::{Id, Timestamp};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);
const ACCOUNT: Id = Id::from_i64(10);
const MAILBOX: Id = Id::from_i64(11);
const AT_ONCE: usize = 256;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let count = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(50_000);
    let folder = tempfile::tempdir()?;
    let store = Store::open(Options::new(folder.path()), NOW)?;
    let account = store.write(Lane::Quick, |tx| {
        let (name, kind) = ("ann@example.com".to_owned(), PrincipalKind::Person);
        add_principal(tx, &NewPrincipal { id: ACCOUNT, kind, name, quota_bytes: None }, NOW)?;
        create_folders(tx, ACCOUNT, &[11, 12, 13, 14, 15, 16].map(Id::from_i64), NOW)
    });
    account.await?;
    let bytes = fill(&store, count).await?;
    let indexing = Instant::now();
    let mut indexer = Indexer::new(store.clone());
    while indexer.step(Duration::ZERO)? == Step::Done {}
    let took = indexing.elapsed();
    let size = |name: &str| std::fs::metadata(folder.path().join(name)).map_or(0, |m| m.len());
    told(&format!(
        "{count} messages of {} octets; indexed in {:.1} us each; index.db {} MiB with its log",
        bytes / count,
        took.as_secs_f64() * 1e6 / f64::from(u32::try_from(count)?),
        (size("index.db") + size("index.db-wal")) >> 20
    ));
    let snapshot = store.view(MAILBOX).await?.latest().ok_or("no mailbox")?;
    measure(&store, &snapshot);
    Ok(())
}

fn told(line: &str) {
    use std::io::Write;
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::abort();
    }
}

async fn fill(store: &Store, count: usize) -> Result<usize, Failure> {
    let mut tasks = tokio::task::JoinSet::new();
    let mut bytes = 0;
    for n in 0..count {
        if tasks.len() >= AT_ONCE
            && let Some(done) = tasks.join_next().await
        {
            done??;
        }
        let message = message(n);
        bytes += message.len();
        let store = store.clone();
        tasks.spawn(async move {
            let mut body = store.body(NOW);
            body.push(&message).await?;
            let append = Append {
                body: body.finish().await?,
                system: 0,
                keywords: Vec::new(),
                internal_date: NOW,
                rendered: Some(mailwright_mime::render(&message)),
            };
            store.append_messages(MAILBOX, vec![append], NOW).await?;
            Ok::<(), Failure>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(bytes)
}

/// Numbers that look random and are the same in each run.
fn noise(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap_or(0)
}

/// A word of a vocabulary in which some are much more frequent than others.
fn word(state: &mut u64) -> String {
    let rank = noise(state) % (1 + noise(state) % 8000);
    let mut own = u64::try_from(rank).unwrap_or(0).wrapping_mul(0x9E37_79B9).wrapping_add(7);
    let syllables = ["ta", "ren", "mo", "vis", "el", "ka", "pro", "in", "dus", "ho", "be", "lis"];
    let piece = |own: &mut u64| syllables.get(noise(own) % syllables.len()).copied().unwrap_or("");
    (0..=rank % 3).map(|_| piece(&mut own)).collect()
}

fn message(n: usize) -> Vec<u8> {
    let mut state = u64::try_from(n).unwrap_or(0).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let text = |count: usize, state: &mut u64| {
        let words: Vec<String> = (0..count).map(|_| word(state)).collect();
        words.join(" ")
    };
    let parent = n - noise(&mut state) % (n % 7 + 1);
    let mut message = format!(
        "Received: from a{n}.example by mx.example with ESMTPS id {n}; \
         Wed, 25 Nov 2026 01:00:00 +0000\r\n\
         Date: {} Nov 2026 {:02}:{:02}:00 +0000\r\nFrom: {} <user{}@example.com>\r\n\
         To: Ann <ann@example.com>\r\nSubject: {}{}\r\nMessage-ID: <{n}.{}@example.com>\r\n\
         References: <{parent}.{}@example.com>\r\nMIME-Version: 1.0\r\n\r\n",
        1 + n % 28,
        n / 60 % 24,
        n % 60,
        text(2, &mut state),
        n % 97,
        if n == parent { "" } else { "Re: " },
        text(4, &mut state),
        n * 7919,
        parent * 7919,
    );
    for line in 0..60 {
        if n % 5000 == 77 && line == 30 {
            message.push_str("a needlexyz in it ");
        }
        message.push_str(&text(10, &mut state));
        message.push_str("\r\n");
    }
    message.into_bytes()
}

fn measure(store: &Store, snapshot: &Snapshot) {
    let header = |name: &str, text: &str| Key::Header { name: name.into(), text: text.into() };
    for (name, key) in [
        ("SUBJECT prota", header("Subject", "prota")),
        ("TEXT needlexyz", Key::Text("needlexyz".into())),
        ("TEXT eedlexy", Key::Text("eedlexy".into())),
        ("BODY nosuchwordq", Key::Body("nosuchwordq".into())),
        ("HEADER Message-ID", header("Message-ID", "<4711.")),
        ("BODY provis", Key::Body("provis".into())),
    ] {
        let condition = Condition::new(&Program { keys: vec![key] }, snapshot, NOW);
        best(name, || search(store, snapshot, &condition));
    }
    for by in [Criterion::Date, Criterion::Subject, Criterion::From] {
        let keys = [SortKey { reverse: true, by }];
        best(&format!("SORT by {by:?}"), || {
            let mut order = Order::new(&keys);
            each(store, snapshot, Indexed::Digest, |row, bytes| {
                order.add(row, Digest::from_bytes(bytes).as_ref());
            });
            (order.finish().len(), 0)
        });
    }
    for algorithm in [Algorithm::References, Algorithm::OrderedSubject] {
        best(&format!("THREAD by {algorithm:?}"), || {
            let mut all = Conversations::default();
            each(store, snapshot, Indexed::Digest, |row, bytes| {
                all.add(row, Digest::from_bytes(bytes).as_ref());
            });
            (all.finish(algorithm).iter().filter(|node| node.depth == 0).count(), 0)
        });
    }
}

fn best(name: &str, mut work: impl FnMut() -> (usize, usize)) {
    let mut times = Vec::new();
    let mut result = (0, 0);
    for _ in 0..5 {
        let start = Instant::now();
        result = work();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let first = times.first().copied().unwrap_or(0.0);
    times.sort_by(f64::total_cmp);
    let median = times.get(2).copied().unwrap_or(0.0);
    let (found, decoded) = result;
    told(&format!(
        "{name}: first {first:.1} ms, median {median:.1} ms; {found} found, {decoded} decoded"
    ));
}

fn each(store: &Store, snapshot: &Snapshot, what: Indexed, mut each: impl FnMut(&Row, &[u8])) {
    let rows: Vec<&Row> = {
        let mut rows: Vec<&Row> = snapshot.rows().collect();
        rows.sort_by_key(|row| row.message);
        rows
    };
    let messages: Vec<Id> = rows.iter().map(|row| row.message).collect();
    let mut seen = |place: usize, bytes: &[u8]| {
        if let Some(row) = rows.get(place) {
            each(row, bytes);
        }
        true
    };
    if let Err(error) = store.indexed(ACCOUNT, &messages, what, &mut seen) {
        told(&format!("error: {error}"));
    }
}

fn search(store: &Store, snapshot: &Snapshot, condition: &Condition) -> (usize, usize) {
    let (mut found, mut open) = (0, Vec::new());
    let what = if condition.needs().digest { Indexed::Digest } else { Indexed::Signature };
    each(store, snapshot, what, |row, bytes| {
        let facts = match what {
            Indexed::Digest => Facts { digest: Digest::from_bytes(bytes), ..Facts::of_row(row) },
            Indexed::Signature => {
                Facts { signature: Signature::from_bytes(bytes), ..Facts::of_row(row) }
            }
            Indexed::Brief => Facts::of_row(row),
        };
        match condition.holds(&facts) {
            Some(true) => found += 1,
            Some(false) => {}
            None => open.push(*row),
        }
    });
    for row in &open {
        let Ok(Some(content)) = store.content(row.message) else { continue };
        let Ok(bytes) = content.whole() else { continue };
        let content = Content::new(&bytes);
        let facts = Facts { content: Some(&content), ..Facts::of_row(row) };
        found += usize::from(condition.holds(&facts) == Some(true));
    }
    (found, open.len())
}
