//! Proofs of fairness in virtual time.

use std::{cmp::Reverse, collections::BinaryHeap};

use mailwright_store::spool::Class;
use mailwright_words::{Notify, Timestamp};

use super::*;

fn claimed(id: i64, spool: i64, site: &str) -> Claimed {
    Claimed {
        id: Id::from_i64(id),
        spool: Id::from_i64(spool),
        tenant: 1,
        stream: String::new(),
        priority: 0,
        address: format!("r{id}@{site}"),
        original: String::new(),
        orcpt: None,
        notify: Notify::DEFAULT,
        class: Class::Relay { site: site.to_owned() },
        destination: site.to_owned(),
        confined: false,
        attempts: 0,
        expires: Timestamp::new(i64::MAX),
    }
}

fn limits() -> Limits {
    Limits {
        recipients: 20_000,
        attempts: 500,
        window_first: 5,
        window_max: 20,
        local: 8,
        dead_after: 3,
        batch: 50,
    }
}

#[test]
fn messages_of_one_stream_take_turns() {
    let mut ready = Ready::new(Limits { batch: 1, ..limits() });
    ready.push("a", 0, (0..10).map(|n| claimed(n, 1, "a")).collect());
    ready.push("a", 0, vec![claimed(100, 2, "a")]);
    let order: Vec<i64> =
        std::iter::from_fn(|| ready.take()).map(|batch| batch.spool.get()).collect();
    assert_eq!(order, [1, 2, 1, 1, 1]);
}

#[test]
fn a_dead_destination_gives_back_what_waited_and_is_probed_by_one() {
    let mut ready = Ready::new(Limits { batch: 1, ..limits() });
    ready.push("a", 0, (0..10).map(|n| claimed(n, 1, "a")).collect());
    let batches: Vec<Batch> = std::iter::from_fn(|| ready.take()).collect();
    assert_eq!((batches.len(), ready.running()), (5, 5));
    assert!(ready.done(&batches[0], Contact::Failed).is_none());
    assert!(ready.done(&batches[1], Contact::Failed).is_none());
    let (failures, back) = ready.done(&batches[2], Contact::Failed).unwrap();
    assert_eq!((failures, back.len(), ready.held()), (3, 5, 2));
    ready.done(&batches[3], Contact::None);
    ready.done(&batches[4], Contact::None);
    ready.push("a", failures, (20..30).map(|n| claimed(n, 1, "a")).collect());
    assert!(ready.take().is_some());
    assert!(ready.take().is_none());
}

#[test]
fn memory_is_bounded_and_never_filled_by_few() {
    let mut ready = Ready::new(limits());
    for site in 0..1000 {
        let name = format!("s{site}");
        let wants = ready.wants(&name);
        ready.push(&name, 0, (0..10_000).take(wants).map(|n| claimed(n, 1, &name)).collect());
        assert!(ready.held() <= 20_000);
    }
    assert!(ready.held() > 19_900);
    assert_eq!(ready.wants("s0"), 0);
}

/// A destination of the simulation: how long it takes a batch, and how many at once.
struct Sink {
    site: &'static str,
    takes_ms: u64,
    connections: u32,
}

/// Runs a job of 100,000 recipients beside single messages to `healthy`, one every 100 ms, and
/// answers with their median delay in milliseconds.
fn median(job: usize) -> u64 {
    let sinks = [
        Sink { site: "five", takes_ms: 200, connections: 5 },
        Sink { site: "stalled", takes_ms: 300_000, connections: 1000 },
        Sink { site: "healthy", takes_ms: 50, connections: 1000 },
    ];
    let mut ready = Ready::new(limits());
    let mut left: Vec<usize> = vec![job; sinks.len()];
    let mut serial = 0;
    let mut small: VecDeque<(i64, u64)> = VecDeque::new();
    let mut born = HashMap::new();
    let mut delays = Vec::new();
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut batches: Vec<(Batch, Contact)> = Vec::new();
    let mut open = [0_u32; 3];
    for now in 0..60_000 {
        if now % 100 == 0 {
            serial += 1;
            small.push_back((serial + 1_000_000, now));
            born.insert(serial + 1_000_000, now);
        }
        while running.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Reverse((_, place)) = running.pop().unwrap();
            let (batch, contact) = batches[place].clone();
            let sink = sinks.iter().position(|sink| sink.site == batch.site).unwrap();
            open[sink] -= 1;
            if let Some((_, back)) = ready.done(&batch, contact) {
                left[sink] += back.len();
            }
            if let Some(at) = born.remove(&batch.spool.get()) {
                delays.push(now - at);
            }
        }
        for (place, sink) in sinks.iter().enumerate() {
            let wants = ready.wants(sink.site);
            let mut got = Vec::new();
            if sink.site == "healthy" {
                while let Some((spool, _)) = small.pop_front() {
                    got.push(claimed(spool, spool, sink.site));
                }
            }
            let from_job = left[place].min(wants);
            left[place] -= from_job;
            got.extend((0..from_job).map(|n| claimed(i64::try_from(n).unwrap(), 1, sink.site)));
            ready.push(sink.site, 0, got);
        }
        while let Some(batch) = ready.take() {
            let place = sinks.iter().position(|sink| sink.site == batch.site).unwrap();
            let full = open[place] >= sinks[place].connections;
            let takes = if full { 1 } else { sinks[place].takes_ms };
            open[place] += 1;
            running.push(Reverse((now + takes, batches.len())));
            batches.push((batch, if full { Contact::Failed } else { Contact::Made }));
        }
    }
    delays.sort_unstable();
    assert!(delays.len() > 500, "{} arrived", delays.len());
    delays[delays.len() / 2]
}

#[test]
fn a_large_job_and_sick_destinations_do_not_slow_a_healthy_one() {
    let (idle, busy) = (median(0), median(100_000));
    assert!(busy <= 2 * idle, "{busy} ms under load, {idle} ms idle");
}
