//! Rows are found by number and UID, and sums follow every edit.

use mailwright_words::Timestamp;

use super::*;

pub(crate) fn row(uid: u32, modseq: u64) -> Row {
    Row {
        uid,
        flags: Flags::default(),
        message: Id::from_i64(i64::from(uid)),
        modseq,
        size: 10,
        internal_date: Timestamp::new(0),
        save_date: Timestamp::new(0),
    }
}

pub(crate) fn mailbox(uids: impl IntoIterator<Item = u32>) -> Snapshot {
    let identity =
        Identity { mailbox: Id::from_i64(1), uidvalidity: 1, uidnext: 1, highest_modseq: 1 };
    let mut editor = Snapshot::new(identity, Vec::new(), Vec::new()).edit();
    uids.into_iter().for_each(|uid| editor.append(row(uid, 1)));
    editor.finish()
}

#[test]
fn rows_are_found_by_number_and_by_uid() {
    let snapshot = mailbox((1..=5000).map(|n| n * 2));
    assert_eq!(snapshot.len(), 5000);
    for seq in [1, 2, 1024, 1025, 4999, 5000] {
        let row = snapshot.row(seq).unwrap();
        assert_eq!(row.uid, seq * 2);
        assert_eq!(snapshot.find(row.uid), Some(row));
        assert_eq!(snapshot.rows_before(row.uid), seq - 1);
        assert_eq!(snapshot.rows_before(row.uid + 1), seq);
    }
    assert_eq!(snapshot.row(0), None);
    assert_eq!(snapshot.row(5001), None);
    assert_eq!(snapshot.find(3), None);
    assert_eq!(snapshot.rows_from(9999).map(|row| row.uid).collect::<Vec<_>>(), [10000]);
    assert_eq!(snapshot.identity().uidnext, 10001);
}

#[test]
fn a_uid_that_is_not_behind_all_others_is_left_out() {
    let mut editor = mailbox([5]).edit();
    editor.append(row(5, 2));
    editor.append(row(4, 2));
    assert_eq!(editor.finish().len(), 1);
}

#[test]
fn an_edit_copies_only_what_it_touches() {
    let old = mailbox(1..=5000);
    let mut editor = old.edit();
    let seen = FlagChange::Add(Flags::system(Flags::SEEN));
    let changed = editor.change_flags(&NumberSet::range(2000..=2001), seen, 9);
    assert_eq!(changed.to_string(), "2000:2001");
    let again = editor.change_flags(&NumberSet::range(2000..=2001), seen, 10);
    assert!(again.is_empty());
    let new = editor.finish();
    let shared = old.chunks().iter().zip(new.chunks()).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
    assert_eq!((shared, old.chunks().len()), (4, 5));
    assert_eq!(new.identity().highest_modseq, 9);
    assert_eq!((old.counts().unseen, new.counts().unseen), (5000, 4998));
}

#[test]
fn sums_follow_appends_flags_and_expunges() {
    let mut editor = mailbox(1..=3000).edit();
    let deleted = FlagChange::Set(Flags::system(Flags::DELETED | Flags::SEEN));
    editor.change_flags(&NumberSet::range(1..=1500), deleted, 2);
    let gone = editor.expunge(&NumberSet::range(1..=1024), 3);
    assert_eq!(gone.len(), 1024);
    let snapshot = editor.finish();
    assert_eq!(snapshot.counts(), Counts { unseen: 1500, deleted: 476, bytes: 19_760 });
    assert_eq!(snapshot.row(1).map(|row| row.uid), Some(1025));
    assert_eq!(snapshot.chunks().len(), 2);
}
