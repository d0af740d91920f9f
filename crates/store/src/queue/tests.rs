//! The queue over a real folder.

use std::time::Duration;

use mailwright_words::{Envelope, Recipient, ReversePath};

use super::*;
use crate::{
    Lane, Options, Owner, Store,
    spool::{Accepted, Content, Origin, Rows, Terms, insert},
};

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);
const LATER: Timestamp = Timestamp::new(1_795_500_937_042 + 600_000);

fn opened() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    store
        .write_blocking(Lane::Quick, |tx| {
            tx.execute(
                "INSERT INTO body (id, segment, offset, length, crc, refs)
                 VALUES (500, 1, 0, 100, 0, 100)",
                params! {},
            )?;
            Ok(())
        })
        .unwrap();
    (folder, store)
}

/// Spools one message for `count` recipients of `site`.
fn fill(store: &Store, site: &str, stream: &str, count: usize) -> Id {
    let recipients = (0..count)
        .map(|n| Recipient::new(format!("r{n}@{site}").parse().unwrap()))
        .collect::<Vec<_>>();
    let from = ReversePath::parse("ann@example.com").unwrap();
    let mut terms = Terms::new(NOW, NOW.plus(Duration::from_hours(24)));
    terms.stream = stream.to_owned();
    let accepted = Accepted {
        envelope: Envelope::new(from, recipients),
        classes: vec![Class::Relay { site: site.to_owned() }; count],
        head: Vec::new(),
        head_skip: 0,
        content: Content::Stored { body: BodyId::from_i64(500), length: 100 },
        origin: Origin::default(),
        terms,
    };
    let rows = Rows::new(store.ids(), &accepted).unwrap();
    let id = rows.id();
    store.write_blocking(Lane::Quick, move |tx| insert(tx, &rows)).unwrap();
    id
}

fn claimed(store: &Store, owner: Owner, site: &'static str, limit: usize) -> Vec<Claimed> {
    store.write_blocking(Lane::Quick, move |tx| claim(tx, owner, site, NOW, limit)).unwrap()
}

fn settled(store: &Store, owner: Owner, of: &Claimed, verdict: Verdict) -> bool {
    let settlement = Settlement {
        claimed: of.clone(),
        started: NOW,
        ended: NOW,
        host: None,
        reply: Some("451 4.0.0 Later".into()),
        transcript: None,
        transport: Some(Transport {
            asked: "dane".to_owned(),
            got: None,
            why: "one usable TLSA record".to_owned(),
        }),
        verdict,
    };
    store.write_blocking(Lane::Quick, move |tx| settle(tx, owner, &settlement, NOW)).unwrap()
}

#[test]
fn a_claim_shares_out_among_streams_and_is_exclusive() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "bulk", 100);
    fill(&store, "a.example", "", 2);
    let owner = store.owner();
    let got = claimed(&store, owner, "a.example", 10);
    assert_eq!(got.len(), 10);
    assert_eq!(got.iter().filter(|c| c.stream.is_empty()).count(), 2);
    let mut rest = claimed(&store, owner, "a.example", 1000);
    assert_eq!(rest.len(), 92);
    rest.extend(got);
    rest.sort_by_key(|c| c.id);
    rest.dedup_by_key(|c| c.id);
    assert_eq!(rest.len(), 102);
    let sites = store.read_blocking(|tx| due_sites(tx, LATER, None, 10)).unwrap();
    assert_eq!(sites, []);
}

#[test]
fn a_server_called_local_shares_nothing_with_the_mailboxes() {
    let (_folder, store) = opened();
    fill(&store, "local", "", 1);
    let from = ReversePath::parse("ann@example.com").unwrap();
    let to = Recipient::new("bob@example.com".parse().unwrap());
    let accepted = Accepted {
        envelope: Envelope::new(from, vec![to]),
        classes: vec![Class::Local { principal: Id::from_i64(7), folder: None }],
        head: Vec::new(),
        head_skip: 0,
        content: Content::Stored { body: BodyId::from_i64(500), length: 100 },
        origin: Origin::default(),
        terms: Terms::new(NOW, NOW.plus(Duration::from_hours(24))),
    };
    let rows = Rows::new(store.ids(), &accepted).unwrap();
    store.write_blocking(Lane::Quick, move |tx| insert(tx, &rows)).unwrap();
    let owner = store.owner();
    let mailboxes = claimed(&store, owner, Class::LOCAL, 10);
    assert_eq!(
        mailboxes.iter().map(|c| c.address.as_str()).collect::<Vec<_>>(),
        ["bob@example.com"]
    );
    assert_eq!(claimed(&store, owner, "local", 10).len(), 1);
    assert!(mailwright_words::Domain::parse(Class::LOCAL).is_err());
}

#[test]
fn a_claim_settled_by_a_stranger_changes_nothing() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "", 1);
    let owner = store.owner();
    let got = claimed(&store, owner, "a.example", 10).remove(0);
    let stranger = Owner { node: owner.node, epoch: owner.epoch + 1 };
    for verdict in [
        Verdict::Delivered,
        Verdict::Failed,
        Verdict::Held,
        Verdict::Deferred(LATER),
        Verdict::Expanded(Vec::new()),
    ] {
        assert!(!settled(&store, stranger, &got, verdict));
    }
    let freed = store.write_blocking(Lane::Quick, move |tx| release_foreign(tx, stranger)).unwrap();
    assert_eq!(freed, 1);
    assert!(!settled(&store, owner, &got, Verdict::Delivered));
    assert_eq!(claimed(&store, stranger, "a.example", 10).len(), 1);
    assert!(settled(&store, stranger, &got, Verdict::Delivered));
}

#[test]
fn a_fault_of_ours_counts_for_nothing_and_lets_nothing_expire() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "", 1);
    let owner = store.owner();
    let one = claimed(&store, owner, "a.example", 1).remove(0);
    let due = Timestamp::new(one.expires.ms() + 1000);
    assert!(settled(&store, owner, &one, Verdict::Postponed(due)));
    let swept = store.read_blocking(move |tx| sweep(tx, None, due, NOW)).unwrap();
    assert!(swept.expired.is_empty());
    let again = store
        .write_blocking(Lane::Quick, move |tx| claim(tx, owner, "a.example", due, 1))
        .unwrap()
        .remove(0);
    assert_eq!(again.attempts, 0);
    assert!(again.expires > due);
}

#[test]
fn claims_of_every_other_owner_are_freed_at_the_start() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "", 3);
    let owner = store.owner();
    let renamed = Owner { node: owner.node + 1, epoch: owner.epoch };
    assert_eq!(claimed(&store, renamed, "a.example", 2).len(), 2);
    assert_eq!(claimed(&store, owner, "a.example", 2).len(), 1);
    let freed = store.write_blocking(Lane::Quick, move |tx| release_foreign(tx, owner)).unwrap();
    assert_eq!(freed, 2);
    assert_eq!(store.read_blocking(|tx| owned(tx, owner, 10)).unwrap().len(), 1);
    assert_eq!(claimed(&store, owner, "a.example", 10).len(), 2);
}

#[test]
fn due_destinations_are_found_page_by_page_and_by_name() {
    let (_folder, store) = opened();
    for site in ["a.example", "b.example", "c.example"] {
        fill(&store, site, "", 1);
    }
    store
        .read_blocking(|tx| {
            let first = due_sites(tx, NOW, None, 2)?;
            let last = first.last().map(|site| (site.next_due, site.name.clone()));
            let rest = due_sites(tx, NOW, last.as_ref(), 2)?;
            let names = |sites: &[Site]| sites.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&first), ["a.example", "b.example"]);
            assert_eq!(names(&rest), ["c.example"]);
            assert!(due_site(tx, "b.example", NOW)?.is_some());
            assert!(due_site(tx, "d.example", NOW)?.is_none());
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_last_recipient_lets_the_message_and_its_body_go() {
    let (_folder, store) = opened();
    let spool = fill(&store, "a.example", "", 2);
    let owner = store.owner();
    let got = claimed(&store, owner, "a.example", 10);
    assert!(settled(&store, owner, &got[0], Verdict::Deferred(LATER)));
    assert!(settled(&store, owner, &got[1], Verdict::Relayed));
    let next = store.read_blocking(|tx| next_due(tx, NOW)).unwrap();
    assert_eq!(next, Some(LATER));
    let again = store
        .write_blocking(Lane::Quick, move |tx| claim(tx, owner, "a.example", LATER, 9))
        .unwrap()
        .remove(0);
    assert_eq!(again.attempts, 1);
    let child = Child {
        id: Id::from_i64(77),
        address: "bob@b.example".into(),
        class: Class::Relay { site: "b.example".into() },
    };
    assert!(settled(&store, owner, &again, Verdict::Expanded(vec![child])));
    assert!(store.read_blocking(move |tx| message(tx, spool)).unwrap().is_some());
    let child = claimed(&store, owner, "b.example", 10).remove(0);
    assert!(settled(&store, owner, &child, Verdict::Failed));
    store
        .read_blocking(move |tx| {
            assert!(message(tx, spool)?.is_none());
            let refs: i64 = tx.query_one("SELECT refs FROM body", params! {}, |row| row.get(0))?;
            assert_eq!(refs, 99);
            let kinds: Vec<_> =
                crate::event::of_message(tx, spool, 9)?.into_iter().map(|e| e.kind).collect();
            assert_eq!(kinds, ["deferred", "relayed", "expanded", "failed"]);
            assert_eq!(attempts(tx, again.id, 9)?.len(), 2);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_blocked_destination_keeps_its_mail_back_until_it_wakes() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "", 1);
    let dead = Block { site: "a.example".into(), until: LATER, failures: 3, reply: None };
    store.write_blocking(Lane::Quick, move |tx| block(tx, &dead, NOW)).unwrap();
    fill(&store, "a.example", "", 1);
    assert_eq!(store.read_blocking(|tx| due_sites(tx, NOW, None, 10)).unwrap(), []);
    let sites = store.read_blocking(|tx| due_sites(tx, LATER, None, 10)).unwrap();
    let sites: Vec<_> = sites.into_iter().map(|site| (site.name, site.failures)).collect();
    assert_eq!(sites, [("a.example".to_owned(), 3)]);
    store.write_blocking(Lane::Quick, |tx| unblock(tx, "a.example", NOW)).unwrap();
    assert_eq!(store.read_blocking(|tx| due_sites(tx, NOW, None, 10)).unwrap().len(), 1);
}

#[test]
fn the_failures_of_a_destination_without_mail_are_forgotten_in_the_end() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "", 1);
    let dead = Block { site: "a.example".into(), until: NOW, failures: 3, reply: None };
    store.write_blocking(Lane::Quick, move |tx| block(tx, &dead, NOW)).unwrap();
    let owner = store.owner();
    let one = claimed(&store, owner, "a.example", 9).remove(0);
    assert!(settled(&store, owner, &one, Verdict::Relayed));
    let forget = |before| store.write_blocking(Lane::Bulk, move |tx| forget_idle(tx, before));
    assert_eq!(forget(NOW).unwrap(), 0);
    assert_eq!(forget(LATER).unwrap(), 1);
}

#[test]
fn operators_hold_release_retry_and_delete() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "", 2);
    let owner = store.owner();
    store
        .write_blocking(Lane::Quick, move |tx| {
            let entries = list(tx, None, 10)?;
            assert_eq!(list(tx, Some(entries[0].id), 10)?.len(), 1);
            hold(tx, entries[0].id, NOW)?;
            let both = [entries[1].id, entries[0].id];
            assert_eq!(held(tx, &both)?, [entries[0].id]);
            assert_eq!(claim(tx, owner, "a.example", NOW, 10)?.len(), 1);
            assert!(matches!(delete(tx, entries[1].id, NOW), Err(StoreError::Exists(_))));
            unhold(tx, entries[0].id, NOW)?;
            assert_eq!(due_sites(tx, NOW, None, 10)?.len(), 1);
            retry(tx, entries[0].id, NOW)?;
            delete(tx, entries[0].id, NOW)?;
            assert!(entry(tx, entries[0].id)?.is_none());
            assert!(matches!(hold(tx, entries[0].id, NOW), Err(StoreError::Missing(_))));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_sweep_finds_what_expired_and_what_is_late_once() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "", 2);
    let day = NOW.plus(Duration::from_hours(24));
    store
        .write_blocking(Lane::Quick, move |tx| {
            let found = sweep(tx, None, LATER, NOW)?;
            assert_eq!((found.expired.len(), found.late.len(), found.next), (0, 2, None));
            assert!(mark_told(tx, found.late[0].id, Told::Late)?);
            assert!(!mark_told(tx, found.late[0].id, Told::Late)?);
            assert_eq!(sweep(tx, None, LATER, NOW)?.late.len(), 1);
            assert_eq!(sweep(tx, None, day, NOW)?.expired.len(), 2);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_sweep_finds_those_whose_time_for_delivery_is_over_once() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "", 2);
    store
        .write_blocking(Lane::Quick, move |tx| {
            tx.execute("UPDATE spool SET deliver_by = :at", params! { at: LATER })?;
            tx.execute("UPDATE recipient SET delay_told = :due", params! { due: BY_TIME_DUE })?;
            assert!(sweep(tx, None, NOW, NOW)?.by_time.is_empty());
            let found = sweep(tx, None, LATER, NOW)?;
            assert_eq!((found.expired.len(), found.late.len(), found.by_time.len()), (0, 0, 2));
            let one = found.by_time[0].id;
            assert!(mark_told(tx, one, Told::ByTime)?);
            assert!(!mark_told(tx, one, Told::ByTime)?);
            let found = sweep(tx, None, LATER, NOW)?;
            assert_eq!((found.late.len(), found.by_time.len()), (1, 1));
            assert!(mark_told(tx, one, Told::Late)?);
            assert_eq!(sweep(tx, None, LATER, NOW)?.late.len(), 0);
            Ok(())
        })
        .unwrap();
}

#[test]
fn urgent_recipients_are_claimed_first_in_any_stream() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "bulk", 40);
    fill(&store, "a.example", "codes", 8);
    let owner = store.owner();
    store
        .write_blocking(Lane::Quick, move |tx| {
            let some = "UPDATE recipient SET priority = 1
                WHERE stream = 'codes' OR id IN (SELECT id FROM recipient LIMIT 4)";
            tx.execute(some, params! {})?;
            let first = claim(tx, owner, "a.example", NOW, 8)?;
            assert_eq!(first.len(), 8);
            assert!(first.iter().filter(|one| one.priority > 0).count() >= 6);
            assert!(first.iter().any(|one| one.priority == 0));
            Ok(())
        })
        .unwrap();
}

#[test]
fn whoever_an_operator_asks_for_is_claimed_before_all_others() {
    let (_folder, store) = opened();
    fill(&store, "a.example", "", 5);
    let owner = store.owner();
    store
        .write_blocking(Lane::Quick, move |tx| {
            let all = list(tx, None, 9)?;
            // All of the others are urgent, and would go first.
            let urgent = "UPDATE recipient SET priority = 1 WHERE id <> :id";
            tx.execute(urgent, params! { id: all[3].id })?;
            let until = NOW.plus(Duration::from_hours(1));
            let site = "a.example".to_owned();
            block(tx, &Block { site, until, failures: 9, reply: None }, NOW)?;
            assert_eq!(due_sites(tx, NOW, None, 9)?, []);
            retry(tx, all[3].id, NOW)?;
            let due = due_site(tx, "a.example", NOW)?.unwrap();
            assert!(due.is_asked && due.failures == 9, "{due:?}");
            let claimed = claim(tx, owner, "a.example", NOW, 1)?;
            assert_eq!(claimed.iter().map(|one| one.id).collect::<Vec<_>>(), [all[3].id]);
            // Asked for once; the next probe is one as well.
            assert!(!due_site(tx, "a.example", NOW)?.unwrap().is_asked);
            assert_eq!(claim(tx, owner, "a.example", NOW, 1)?.len(), 1);
            Ok(())
        })
        .unwrap();
}

#[test]
fn claims_walk_indexes_and_sort_nothing() {
    let (_folder, store) = opened();
    for sql in [
        "SELECT tenant, stream, due FROM recipient WHERE destination = 'a'
           AND (tenant, stream) > (1, '') AND state = 'queued' AND owner_node IS NULL
         ORDER BY tenant, stream, due LIMIT 1",
        "SELECT id FROM recipient WHERE destination = 'a' AND tenant = 1 AND stream = ''
           AND due <= 5 AND state = 'queued' AND owner_node IS NULL ORDER BY due DESC LIMIT 9",
        "SELECT id FROM recipient WHERE destination = 'a' AND priority > 0 AND due <= 5
           AND state = 'queued' AND owner_node IS NULL ORDER BY due LIMIT 9",
        "SELECT site, failures, next_due FROM destination WHERE next_due <= 5
           AND (next_due, site) > (3, 'a') ORDER BY next_due, site LIMIT 9",
        "SELECT id FROM recipient WHERE owner_node IS NOT NULL
           AND (owner_node <> 1 OR owner_epoch <> 5) LIMIT 9",
        "SELECT id FROM recipient WHERE owner_node = 1 AND owner_epoch = 5 LIMIT 9",
    ] {
        let plan: Vec<String> = store
            .read_blocking(|tx| {
                tx.query(&format!("EXPLAIN QUERY PLAN {sql}"), params! {}, |row| row.get(3))
            })
            .unwrap();
        let plan = plan.join("; ");
        assert!(plan.contains("USING") && plan.contains("INDEX"), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE") && !plan.starts_with("SCAN recipient"), "{plan}");
    }
}

#[test]
fn what_waits_is_counted_by_class_and_state() {
    let (_folder, store) = opened();
    let first = fill(&store, "a.example", "", 5);
    let owner = store.owner();
    let got = claimed(&store, owner, "a.example", 2);
    assert!(settled(&store, owner, &got[0], Verdict::Deferred(LATER)));
    let held = store.read_blocking(|tx| list(tx, None, 10)).unwrap()[4].id;
    store.write_blocking(Lane::Quick, move |tx| hold(tx, held, NOW)).unwrap();
    let told = store.read_blocking(|tx| gauges(tx, NOW)).unwrap();
    let told: Vec<(&str, &str, i64)> =
        told.iter().map(|g| (g.class.as_str(), g.state.as_str(), g.count)).collect();
    let relay = |state, count| ("relay", state, count);
    let wanted = [relay("active", 1), relay("due", 2), relay("held", 1), relay("queued", 1)];
    assert_eq!(told, wanted);
    let oldest = store.read_blocking(|tx| gauges(tx, NOW)).unwrap();
    assert!(oldest.iter().all(|gauge| gauge.oldest > first), "a recipient is made after it");
    assert_eq!(store.read_blocking(|tx| blocked(tx, NOW)).unwrap(), 0);
    let block_a = Block { site: "a.example".into(), until: LATER, failures: 3, reply: None };
    store.write_blocking(Lane::Quick, move |tx| block(tx, &block_a, NOW)).unwrap();
    assert_eq!(store.read_blocking(|tx| blocked(tx, NOW)).unwrap(), 1);
    assert_eq!(store.read_blocking(|tx| blocked(tx, LATER)).unwrap(), 0);
}
