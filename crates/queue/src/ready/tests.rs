//! Proofs of fairness in virtual time.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

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

const START: Timestamp = Timestamp::new(1_800_000_000_000);

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
    ready.push(&Site::alone("a"), 0, (0..10).map(|n| claimed(n, 1, "a")).collect());
    ready.push(&Site::alone("a"), 0, vec![claimed(100, 2, "a")]);
    let order: Vec<i64> =
        std::iter::from_fn(|| ready.take(START)).map(|batch| batch.spool.get()).collect();
    assert_eq!(order, [1, 2, 1, 1, 1]);
}

#[test]
fn a_dead_destination_gives_back_what_waited_and_is_probed_by_one() {
    let mut ready = Ready::new(Limits { batch: 1, ..limits() });
    ready.push(&Site::alone("a"), 0, (0..10).map(|n| claimed(n, 1, "a")).collect());
    let batches: Vec<Batch> = std::iter::from_fn(|| ready.take(START)).collect();
    assert_eq!((batches.len(), ready.running()), (5, 5));
    assert!(ready.done(&batches[0], Contact::Failed).is_none());
    assert!(ready.done(&batches[1], Contact::Failed).is_none());
    let (failures, back) = ready.done(&batches[2], Contact::Failed).unwrap();
    assert_eq!((failures, back.len(), ready.held()), (3, 5, 2));
    ready.done(&batches[3], Contact::None);
    ready.done(&batches[4], Contact::None);
    ready.push(&Site::alone("a"), failures, (20..30).map(|n| claimed(n, 1, "a")).collect());
    assert!(ready.take(START).is_some());
    assert!(ready.take(START).is_none());
}

#[test]
fn single_messages_make_a_destination_dead_too() {
    let mut ready = Ready::new(limits());
    let mut fail = |n| {
        ready.push(&Site::alone("a"), 0, vec![claimed(n, n, "a")]);
        let batch = ready.take(START).unwrap();
        ready.done(&batch, Contact::Failed).map(|(failures, _)| failures)
    };
    assert_eq!([1, 2, 3].map(&mut fail), [None, None, Some(3)]);
    assert_eq!(ready.failures("a"), 0);
}

#[test]
fn memory_is_bounded_and_never_filled_by_few() {
    let mut ready = Ready::new(limits());
    for site in 0..1000 {
        let name = format!("s{site}");
        let wants = ready.wants(&name, START);
        ready.push(
            &Site::alone(&name),
            0,
            (0..10_000).take(wants).map(|n| claimed(n, 1, &name)).collect(),
        );
        assert!(ready.held() <= 20_000);
    }
    assert!(ready.held() > 17_400);
    assert_eq!(ready.wants("s0", START), 0);
}

/// A destination of the simulation: how long it takes a batch, and how many at once.
struct Sink {
    site: &'static str,
    takes_ms: u64,
    connections: u32,
}

/// Runs a job of so many recipients at each sink beside single messages to `healthy`, one every
/// 20 ms, and answers with the median delay in milliseconds of those that came while the job's own
/// recipients at `healthy` were not done.
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
    let mut done_there = 0;
    for now in 0..60_000 {
        let is_under_load = job == 0 || done_there < job;
        if now % 20 == 0 && is_under_load {
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
            if batch.site == "healthy" && batch.spool.get() == 1 {
                done_there += batch.recipients.len();
            }
            if let Some(at) = born.remove(&batch.spool.get()) {
                delays.push(now - at);
            }
        }
        for (place, sink) in sinks.iter().enumerate() {
            let wants = ready.wants(sink.site, START);
            let mut got = Vec::new();
            if sink.site == "healthy" {
                while let Some((spool, _)) = small.pop_front() {
                    got.push(claimed(spool, spool, sink.site));
                }
            }
            let from_job = left[place].min(wants);
            left[place] -= from_job;
            got.extend((0..from_job).map(|n| claimed(i64::try_from(n).unwrap(), 1, sink.site)));
            ready.push(&Site::alone(sink.site), 0, got);
        }
        while let Some(batch) = ready.take(START) {
            let place = sinks.iter().position(|sink| sink.site == batch.site).unwrap();
            let full = open[place] >= sinks[place].connections;
            let takes = if full { 1 } else { sinks[place].takes_ms };
            open[place] += 1;
            running.push(Reverse((now + takes, batches.len())));
            batches.push((batch, if full { Contact::Failed } else { Contact::Made }));
        }
    }
    delays.sort_unstable();
    assert!(delays.len() > 200, "{} arrived", delays.len());
    assert_eq!(done_there, job, "the job arrives");
    delays[delays.len() / 2]
}

#[test]
fn a_large_job_and_sick_destinations_do_not_slow_a_healthy_one() {
    let (idle, busy) = (median(0), median(100_000));
    assert!(busy <= 2 * idle, "{busy} ms under load, {idle} ms idle");
}

#[test]
fn destinations_of_one_site_share_its_window_and_no_batch() {
    let mut ready = Ready::new(limits());
    let site = Site { connections_max: Some(3), ..Site::alone("mx.provider.example") };
    for domain in 0..1000 {
        let name = format!("d{domain}.example");
        ready.push(
            &site,
            0,
            vec![claimed(2 * domain, 1, &name), claimed(2 * domain + 1, 1, &name)],
        );
    }
    let batches: Vec<Batch> = std::iter::from_fn(|| ready.take(START)).collect();
    assert_eq!(batches.len(), 3);
    for batch in &batches {
        assert_eq!((batch.site.as_str(), batch.recipients.len()), ("mx.provider.example", 2));
        assert_eq!(batch.recipients[0].destination, batch.recipients[1].destination);
    }
    let (_, back) = (0..3).find_map(|_| ready.done(&batches[0], Contact::Failed)).unwrap();
    assert_eq!(back.len(), 2000 - 6);
}

#[test]
fn urgent_mail_of_any_stream_goes_first_and_leaves_a_quarter() {
    let mut ready = Ready::new(Limits { window_first: 100, window_max: 100, ..limits() });
    let of = |spool: i64, stream: &str, priority| Claimed {
        stream: stream.to_owned(),
        priority,
        ..claimed(spool, spool, "a")
    };
    let site = Site::alone("a");
    ready.push(&site, 0, (0..8).map(|n| of(n, "bulk", 0)).collect());
    ready.push(&site, 0, (100..108).map(|n| of(n, "codes", 5)).collect());
    ready.push(&site, 0, vec![of(200, "codes", 9), of(300, "other", 0), of(301, "other", -1)]);
    let order: Vec<i64> =
        std::iter::from_fn(|| ready.take(START)).map(|batch| batch.spool.get()).collect();
    assert_eq!(order[..8], [200, 100, 101, 0, 102, 103, 104, 300]);
    assert_eq!(order.len(), 19);
    assert!(order.iter().position(|n| *n == 301) > order.iter().position(|n| *n == 300));
}

#[test]
fn a_site_is_sent_to_at_its_pace() {
    let mut ready = Ready::new(Limits { batch: 1, ..limits() });
    let site = Site { messages_per_minute: Some(60), ..Site::alone("a") };
    ready.push(&site, 0, (0..10).map(|n| claimed(n, n, "a")).collect());
    let second = Duration::from_secs(1);
    let batch = ready.take(START).unwrap();
    assert!(ready.take(START).is_none());
    assert_eq!(ready.next_time(START), Some(START.plus(second)));
    assert!(ready.take(START.plus(second)).is_some());
    // What a reply asked for is slower, and lasts while nothing waits.
    let minutes = |minutes| START.plus(Duration::from_mins(minutes));
    ready.slow("a", minutes(90), START);
    ready.done(&batch, Contact::Made);
    assert_eq!(ready.wants("a", START), 0);
    assert!(ready.take(START.plus(second * 2)).is_none());
    assert!(ready.take(minutes(1)).is_none(), "one connection is open");
    ready.done(&batch, Contact::Made);
    let last = ready.take(minutes(2)).unwrap();
    assert_eq!(ready.give_back("a").len(), 7);
    ready.done(&last, Contact::Made);
    ready.push(&site, 0, (20..30).map(|n| claimed(n, n, "a")).collect());
    assert!(ready.take(minutes(2)).is_none());
    assert!(ready.take(minutes(3)).is_some());
    assert!(ready.take(minutes(89)).is_none(), "one is open");
    assert!(ready.take(minutes(90)).is_some());
}

#[test]
fn mailboxes_keep_their_places_while_other_servers_hold_all_of_theirs() {
    let mut ready = Ready::new(Limits { recipients: 800, attempts: 20, ..limits() });
    for site in 0..200 {
        let name = format!("s{site}");
        let wants = ready.wants(&name, START);
        let all = (0..i64::MAX).take(wants).map(|n| claimed(n, 1, &name)).collect();
        ready.push(&Site::alone(&name), 0, all);
    }
    while ready.take(START).is_some() {}
    assert_eq!((ready.wants("another", START), ready.running()), (0, 20));
    assert_eq!(ready.wants(Class::LOCAL, START), 100);
    let local = (0..100).map(|n| claimed(n, n, Class::LOCAL)).collect();
    ready.push(&Site::alone(Class::LOCAL), 0, local);
    assert!(ready.held() <= 800);
    let batches: Vec<Batch> = std::iter::from_fn(|| ready.take(START)).collect();
    assert_eq!(batches.len(), 8, "their own window");
    assert!(ready.done(&batches[0], Contact::Made).is_none());
    assert!(ready.take(START).is_some_and(|batch| batch.site == Class::LOCAL));
}
