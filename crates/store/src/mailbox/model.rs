//! Random changes of two mailboxes: the views are the rows, and the sums are a recount.

use mailwright_view::{NumberSet, Snapshot};
use proptest::prelude::*;

use super::*;
use crate::{
    Lane, Options, Store,
    body::BodyId,
    directory::{NewPrincipal, PrincipalKind, add_principal},
    mailbox::folder::rename,
};

const NOW: Timestamp = Timestamp::new(1_795_500_937_042);
const ANN: Id = Id::from_i64(10);
const BOXES: [i64; 2] = [11, 12];

#[derive(Debug, Clone)]
enum Step {
    Deliver(usize, u64),
    Flags(usize, (u32, u32), How, u8, Vec<usize>, Option<u64>),
    Expunge(usize, (u32, u32), bool),
    Transfer(usize, usize, (u32, u32), bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let range = (1_u32..30, 0_u32..12).prop_map(|(low, more)| (low, low + more));
    let how = prop_oneof![Just(How::Set), Just(How::Add), Just(How::Remove)];
    let words = prop::collection::vec(0_usize..4, 0..3);
    let since = prop::option::weighted(0.3, 1_u64..60);
    let step = prop_oneof![
        3 => (0_usize..2, 1_u64..500).prop_map(|(to, size)| Step::Deliver(to, size)),
        3 => (0_usize..2, range.clone(), how, 0_u8..32, words, since)
            .prop_map(|(of, uids, how, system, words, since)| {
                Step::Flags(of, uids, how, system, words, since)
            }),
        1 => (0_usize..2, range.clone(), any::<bool>())
            .prop_map(|(of, uids, only)| Step::Expunge(of, uids, only)),
        1 => (0_usize..2, 0_usize..2, range, any::<bool>())
            .prop_map(|(from, to, uids, moves)| Step::Transfer(from, to, uids, moves)),
    ];
    prop::collection::vec(step, 1..40)
}

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Options::new(folder.path()), NOW).unwrap();
    store
        .write_blocking(Lane::Quick, |tx| {
            let (name, kind) = ("ann@example.com".to_owned(), PrincipalKind::Person);
            add_principal(tx, &NewPrincipal { id: ANN, kind, name, quota_bytes: None }, NOW)?;
            create_folders(tx, ANN, &[11, 12, 13, 14, 15, 16].map(Id::from_i64), NOW)?;
            tx.execute(
                "INSERT INTO body (id, segment, offset, length, crc, refs)
                 VALUES (500, 1, 0, 100, 0, 1)",
                params! {},
            )
        })
        .unwrap();
    (folder, store)
}

fn set((low, high): (u32, u32)) -> NumberSet {
    NumberSet::range(low..=high)
}

fn play(tx: &mut Tx<'_>, step: &Step, number: i64) -> Result<(), StoreError> {
    match step {
        Step::Deliver(to, size) => {
            let new = NewMessage {
                id: Id::from_i64(1000 + number),
                account: ANN,
                folder: Some(["INBOX", "Sent"][*to].to_owned()),
                body: BodyId::from_i64(500),
                head: Vec::new(),
                head_skip: 0,
                size: *size,
                headers: Vec::new(),
                received: NOW,
                origin: None,
                flags: 0,
                extract: None,
            };
            deliver(tx, &new, NOW).map(drop)
        }
        Step::Flags(of, uids, how, system, words, since) => {
            let names = ["$Junk", "work", "WORK", "later"];
            let keywords = words.iter().map(|word| names[*word].into()).collect();
            let change = Change { how: *how, system: *system, keywords };
            change_flags(tx, Id::from_i64(BOXES[*of]), &set(*uids), &change, *since).map(drop)
        }
        Step::Expunge(of, uids, only) => {
            expunge(tx, Id::from_i64(BOXES[*of]), (&set(*uids), *only), 1000, NOW).map(drop)
        }
        Step::Transfer(from, to, uids, moves) => {
            let how = if *moves { Transfer::Move } else { Transfer::Copy };
            let (from, to) = (Id::from_i64(BOXES[*from]), Id::from_i64(BOXES[*to]));
            transfer(tx, (from, &set(*uids)), to, how, NOW).map(drop)
        }
    }
}

fn same(shared: &Snapshot, fresh: &Snapshot) {
    assert!(shared.rows().eq(fresh.rows()), "{shared:?}\n{fresh:?}");
    assert_eq!(shared.identity(), fresh.identity());
    assert_eq!(shared.counts(), fresh.counts());
    assert_eq!(shared.keywords(), fresh.keywords());
}

/// What the rows say against the sums that are kept, and the view.
fn check(tx: &mut Tx<'_>, shared: &Snapshot) -> Result<(), StoreError> {
    let mailbox = shared.identity().mailbox;
    let (fresh, _) = load::load(tx, mailbox)?.unwrap();
    same(shared, &fresh);
    let kept: (u32, u32, u32, u64) = tx.query_one(
        "SELECT total, unseen, deleted, bytes FROM mailbox WHERE id = :mailbox",
        params! { mailbox },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let counts = fresh.counts();
    assert_eq!(kept, (fresh.len(), counts.unseen, counts.deleted, counts.bytes));
    Ok(())
}

/// What went and what changed since an earlier moment can be told from the rows of now.
fn check_changes(tx: &mut Tx<'_>, old: &Snapshot, new: &Snapshot) -> Result<(), StoreError> {
    let since = old.identity().highest_modseq;
    let gone = vanished(tx, new.identity().mailbox, since)?.unwrap();
    for row in old.rows() {
        match new.find(row.uid) {
            None => assert!(gone.contains(row.uid), "{} vanished", row.uid),
            Some(now) if now.flags != row.flags => assert!(now.modseq > since),
            Some(now) => assert!(now.modseq >= row.modseq),
        }
    }
    assert!(gone.iter().all(|uid| new.find(uid).is_none()));
    assert!(new.rows().all(|row| old.find(row.uid).is_some() || row.modseq > since));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn views_and_sums_follow_the_rows(steps in steps(), late in 0_usize..40) {
        let (_folder, store) = open();
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let mut views = Vec::new();
        let mut earlier: Vec<Snapshot> = Vec::new();
        for (number, step) in (0_i64..).zip(&steps) {
            if usize::try_from(number).unwrap() == late.min(steps.len() - 1) {
                for mailbox in BOXES {
                    let view = runtime.block_on(store.view(Id::from_i64(mailbox))).unwrap();
                    views.push(view);
                }
                earlier = views.iter_mut().filter_map(View::latest).collect();
            }
            let step = step.clone();
            store.write_blocking(Lane::Quick, move |tx| play(tx, &step, number)).unwrap();
        }
        for (view, old) in views.iter_mut().zip(&earlier) {
            let new = view.latest().unwrap();
            store.read_blocking(|tx| check(tx, &new)).unwrap();
            store.read_blocking(|tx| check_changes(tx, old, &new)).unwrap();
        }
        let (used, held): (u64, u64) = store.read_blocking(|tx| {
            tx.query_one(
                "SELECT (SELECT used_bytes FROM principal WHERE id = 10),
                     (SELECT ifnull(sum(size), 0) FROM mailbox_msg)",
                params! {},
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        }).unwrap();
        prop_assert_eq!(used, held);
    }
}

#[test]
fn an_error_publishes_nothing() {
    let (_folder, store) = open();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let mut view = runtime.block_on(store.view(Id::from_i64(11))).unwrap();
    let failed = store.write_blocking(Lane::Quick, |tx| {
        play(tx, &Step::Deliver(0, 5), 1)?;
        Err::<(), _>(StoreError::Missing("it"))
    });
    assert!(failed.is_err());
    assert!(view.latest().unwrap().is_empty());
    let half = store.write_blocking(Lane::Quick, |tx| {
        let part = tx.nested(|tx| {
            play(tx, &Step::Deliver(0, 5), 2)?;
            Err::<(), _>(StoreError::Missing("it"))
        })?;
        assert!(part.is_err());
        play(tx, &Step::Deliver(0, 7), 3)
    });
    assert!(half.is_ok());
    assert_eq!(view.latest().unwrap().counts().bytes, 7);
}

#[test]
fn folders_are_made_renamed_and_deleted_as_the_standard_says() {
    let (_folder, store) = open();
    let ids = mailwright_words::IdSource::new(0);
    let limits = Limits { folders_max: 12, name_max: 30 };
    store
        .write_blocking(Lane::Quick, move |tx| {
            let of = (&ids, limits);
            let made = create(tx, (ANN, "a/b/c"), None, of, NOW)?;
            assert_eq!(find(tx, ANN, "a/b/c")?, Some(made));
            assert!(find(tx, ANN, "a")?.is_some());
            assert!(matches!(create(tx, (ANN, "a"), None, of, NOW), Err(StoreError::Exists(_))));
            let deleted = delete_folder(tx, ANN, "a/b");
            assert!(matches!(deleted, Err(StoreError::HasChildren)));
            assert!(matches!(delete_folder(tx, ANN, "INBOX"), Err(StoreError::Cannot(_))));
            let below = rename(tx, (ANN, "a", "a/x"), of, NOW);
            assert!(matches!(below, Err(StoreError::Cannot(_))));
            rename(tx, (ANN, "a", "\u{fc}/z"), of, NOW)?;
            assert_eq!(find(tx, ANN, "\u{fc}/z/b/c")?, Some(made));
            let old = fill(tx, ANN, "\u{fc}/z/b/c")?.unwrap();
            delete_folder(tx, ANN, "\u{fc}/z/b/c")?;
            create(tx, (ANN, "\u{fc}/z/b/c"), None, of, NOW)?;
            let new = fill(tx, ANN, "\u{fc}/z/b/c")?.unwrap();
            assert!(new.uidvalidity > old.uidvalidity && new.mailbox != old.mailbox);
            Ok(())
        })
        .unwrap();
}

#[test]
fn inbox_stays_and_names_are_subscribed_to_without_a_folder() {
    let (_folder, store) = open();
    let ids = mailwright_words::IdSource::new(0);
    let limits = Limits { folders_max: 7, name_max: 30 };
    store
        .write_blocking(Lane::Quick, move |tx| {
            let of = (&ids, limits);
            play(tx, &Step::Deliver(0, 9), 1)?;
            let moving = rename(tx, (ANN, "INBOX", "old"), of, NOW)?.unwrap();
            let (from, all) = (moving.source, set((1, 9)));
            transfer(tx, (from, &all), moving.target, Transfer::Move, NOW)?;
            assert_eq!(fill(tx, ANN, "old")?.unwrap().total, 1);
            assert_eq!(fill(tx, ANN, "INBOX")?.unwrap().total, 0);
            subscribe(tx, (ANN, "nowhere"), true, limits)?;
            let names = named(tx, ANN)?;
            let nowhere = names.iter().find(|named| named.name == "nowhere").unwrap();
            assert!(nowhere.subscribed && nowhere.mailbox.is_none());
            assert!(names.iter().any(|named| named.name == "old" && !named.subscribed));
            assert!(matches!(create(tx, (ANN, "1/2/3"), None, of, NOW), Err(StoreError::Limit(_))));
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_is_expunged_goes_for_good_after_its_grace() {
    let (_folder, store) = open();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let hour = std::time::Duration::from_hours(1);
    store
        .write_blocking(Lane::Quick, |tx| {
            play(tx, &Step::Deliver(0, 9), 1)?;
            play(tx, &Step::Transfer(0, 1, (1, 1), false), 2)?;
            play(tx, &Step::Expunge(0, (1, 1), false), 3)?;
            play(tx, &Step::Deliver(0, 9), 4)?;
            play(tx, &Step::Expunge(0, (2, 2), false), 5)
        })
        .unwrap();
    let contents = |store: &Store| -> (i64, i64) {
        store
            .read_blocking(|tx| {
                let sql = "SELECT (SELECT count(*) FROM message), (SELECT refs FROM body)";
                tx.query_one(sql, params! {}, |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .unwrap()
    };
    runtime.block_on(store.sweep_mailboxes(NOW, hour)).unwrap();
    assert_eq!(contents(&store), (2, 3));
    runtime.block_on(store.sweep_mailboxes(NOW.plus(hour), hour)).unwrap();
    assert_eq!(contents(&store), (1, 2));
    store.write_blocking(Lane::Quick, |tx| delete_folder(tx, ANN, "Sent")).unwrap();
    runtime.block_on(store.sweep_mailboxes(NOW.plus(hour), hour)).unwrap();
    runtime.block_on(store.sweep_mailboxes(NOW.plus(hour * 2), hour)).unwrap();
    assert_eq!(contents(&store), (0, 1));
}

#[test]
fn keywords_past_the_last_bit_are_refused() {
    let (_folder, store) = open();
    store
        .write_blocking(Lane::Quick, |tx| {
            play(tx, &Step::Deliver(0, 9), 1)?;
            let add = |names: std::ops::Range<usize>| Change {
                how: How::Add,
                system: 0,
                keywords: names.map(|n| format!("k{n}").into()).collect(),
            };
            let (inbox, one) = (Id::from_i64(11), set((1, 1)));
            change_flags(tx, inbox, &one, &add(0..64), None)?;
            let more = change_flags(tx, inbox, &one, &add(64..65), None);
            assert!(matches!(more, Err(StoreError::Limit(_))));
            let listed = list(tx, ANN, None, None, 1)?;
            assert_eq!(listed[0].flags.len(), 64);
            let (snapshot, _) = load::load(tx, inbox)?.unwrap();
            assert!(snapshot.row(1).unwrap().flags.has_keyword(63));
            Ok(())
        })
        .unwrap();
}
