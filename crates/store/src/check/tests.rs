//! Each flaw is made by hand, found, and mended where that can be done.

use std::{fs, path::Path, time::Duration};

use mailwright_view::NumberSet;
use mailwright_words::Id;

use super::*;
use crate::{
    Options, Tx,
    directory::{NewPrincipal, PrincipalKind, add_principal},
    mailbox::{Append, Expunged, Origin, create_folders, expunge, list},
};

const NOW: Timestamp = Timestamp::new(1_800_000_000_000);
const ANN: Id = Id::from_i64(10);

fn id(n: i64) -> Id {
    Id::from_i64(n)
}

async fn message(store: &Store, bytes: &[u8]) -> Append {
    let mut writer = store.body(NOW);
    writer.push(bytes).await.unwrap();
    let body = writer.finish().await.unwrap();
    Append { body, system: 1, keywords: Vec::new(), internal_date: NOW, rendered: None }
}

async fn filled(path: &Path) -> Store {
    let store = Store::open(Options::new(path), NOW).unwrap();
    let add = |tx: &mut Tx<'_>| {
        let (name, kind) = ("ann@example.com".to_owned(), PrincipalKind::Person);
        add_principal(tx, &NewPrincipal { id: ANN, kind, name, quota_bytes: None }, NOW)?;
        create_folders(tx, ANN, &[11, 12, 13, 14, 15, 16].map(id), NOW)
    };
    store.write(Lane::Quick, add).await.unwrap();
    for text in ["Subject: one\r\n\r\n1", "Subject: two\r\n\r\n2"] {
        let one = message(&store, text.as_bytes()).await;
        store.append_messages(id(11), vec![one], NOW).await.unwrap();
    }
    store
}

async fn flaws(store: &Store, mend: bool) -> Vec<(Flaw, bool)> {
    let report = store.check(NOW, mend).await.unwrap();
    report.findings.iter().map(|finding| (finding.flaw, finding.mended)).collect()
}

async fn spoil(store: &Store, sql: &'static str) {
    store.write(Lane::Quick, move |tx| tx.execute(sql, &[])).await.unwrap();
}

#[tokio::test]
async fn a_sound_store_has_no_findings_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let report = store.check(NOW, false).await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.bodies, report.messages, report.folders), (2, 2, 6));
    assert_eq!(report.unrendered, 2);
    let report = store.check(NOW, true).await.unwrap();
    assert_eq!((report.rendered, report.unrendered, report.unmended), (2, 0, 0));
}

#[tokio::test]
async fn what_can_be_counted_anew_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    for (sql, flaw) in [
        ("UPDATE mailbox SET total = 7 WHERE id = 11", Flaw::Counters),
        ("UPDATE mailbox SET unseen = 1 WHERE id = 12", Flaw::Counters),
        ("UPDATE mailbox SET uidnext = 1 WHERE id = 11", Flaw::Counters),
        ("UPDATE principal SET used_bytes = 1", Flaw::Account),
        ("UPDATE body SET refs = 5", Flaw::Uses),
        ("UPDATE body SET refs = 0, dead_since = 1", Flaw::Uses),
        ("UPDATE body SET dead_since = 1", Flaw::Uses),
    ] {
        spoil(&store, sql).await;
        let found = flaws(&store, false).await;
        assert!(!found.is_empty() && found.iter().all(|one| *one == (flaw, false)), "{sql}");
        let mended = flaws(&store, true).await;
        assert!(mended.iter().all(|one| *one == (flaw, true)), "{sql}");
        assert_eq!(flaws(&store, false).await, [], "{sql}");
    }
}

#[tokio::test]
async fn a_message_in_no_folder_goes_as_expunged_ones_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    spoil(&store, "DELETE FROM mailbox_msg WHERE uid = 1").await;
    let found = flaws(&store, true).await;
    let mended = [(Flaw::Unfiled, true), (Flaw::Counters, true), (Flaw::Account, true)];
    assert_eq!(found, mended);
    assert_eq!(flaws(&store, false).await, []);
    store.sweep_mailboxes(NOW, Duration::ZERO).await.unwrap();
    let report = store.check(NOW, false).await.unwrap();
    assert_eq!((report.findings.len(), report.messages), (0, 1));
}

#[tokio::test]
async fn lost_bytes_and_wrong_sizes_are_told_and_stay_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    spoil(&store, "UPDATE message SET size = 3 WHERE id = (SELECT min(id) FROM message)").await;
    // The message's size and its folder's row differ, and both are told.
    assert_eq!(flaws(&store, true).await, [(Flaw::Size, false), (Flaw::Size, false)]);
    spoil(&store, "UPDATE message SET size = length(head) + 17").await;
    assert_eq!(flaws(&store, false).await, []);
    spoil(&store, "DELETE FROM body WHERE id = (SELECT max(id) FROM body)").await;
    assert_eq!(flaws(&store, true).await, [(Flaw::Bodiless, false)]);
    let segments = folder.path().join("bodies/segments");
    let segment = fs::read_dir(segments).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[34] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let found = flaws(&store, false).await;
    assert!(found.contains(&(Flaw::Damaged, false)), "{found:?}");
    // Set aside, it is still told.
    assert!(flaws(&store, true).await.contains(&(Flaw::Damaged, false)));
    assert!(flaws(&store, true).await.contains(&(Flaw::Damaged, false)));
}

#[tokio::test]
async fn an_import_puts_a_message_into_a_folder_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let bring = async |mailbox, origin, expunged| {
        let one = message(&store, b"Subject: three\r\n\r\n3").await;
        let known = (Origin::new(origin), expunged);
        store.import_message(id(mailbox), one, known, NOW).await.unwrap()
    };
    let (stays, back) = (Expunged::StaysAway, Expunged::ComesBack);
    let mut uids = Vec::new();
    for (mailbox, origin) in [(11, 5), (11, 5), (11, 6), (12, 5), (12, 5)] {
        uids.push(bring(mailbox, origin, stays).await);
    }
    assert_eq!(uids, [Some(3), None, Some(4), Some(1), None]);
    assert_eq!(store.read_blocking(|tx| list(tx, ANN, None, None, 10)).unwrap().len(), 5);
    assert_eq!(flaws(&store, false).await, []);
    // What somebody has thrown away stays away, also when its content is gone for good.
    let all = NumberSet::range(1..=u32::MAX);
    let expunged = move |tx: &mut Tx<'_>| expunge(tx, id(12), (&all, false), 10, NOW);
    store.write(Lane::Quick, expunged).await.unwrap();
    assert_eq!(bring(12, 5, stays).await, None);
    store.sweep_mailboxes(NOW, Duration::ZERO).await.unwrap();
    assert_eq!(bring(12, 5, stays).await, None);
    assert_eq!(bring(12, 5, back).await, Some(2));
    assert_eq!(bring(12, 5, back).await, None);
    assert_eq!(bring(11, 6, back).await, None, "it is still there");
    assert_eq!(flaws(&store, false).await, []);
}

#[test]
fn many_of_a_kind_do_not_hide_the_others() {
    let mut report = Report::default();
    for flaw in [Flaw::Uses, Flaw::Counters] {
        for number in 0..TOLD_MAX + 5 {
            report.add(flaw, number.to_string(), false);
        }
    }
    let told = |flaw| report.findings.iter().filter(|one| one.flaw == flaw).count();
    assert_eq!((told(Flaw::Uses), told(Flaw::Counters)), (TOLD_MAX, TOLD_MAX));
    assert_eq!((report.left_out, report.unmended), (10, 410));
}
